//! The way from GitHub's API to a payload on disk: the token stays with the API, and `lastgood.json` is held to its word.

use crate::evil_zip::{End, Entry, zip};
use crate::fetch::{digest, fetched_from, limits};
use crate::loopback::{Loopback, Reply};
use async_trait::async_trait;
use lastgood::artifact::{FetchError, Fetched, Opened, Source, Wanted, open_file};
use lastgood::github::{self, Client, Download, GithubError};
use lastgood::model::outcome::Outcome;
use lastgood::model::payload::{Promise, Shape};
use lastgood::model::secret::Secret;
use lastgood::net::{self, Purpose};
use lastgood::tree;
use std::fs;
use std::path::Path;

struct FromGithub(Client);

#[async_trait]
impl Source for FromGithub {
    async fn open(&self) -> Result<Opened, FetchError> {
        match self.0.artifact_location(9).await {
            Ok(Download::SignedUrl(url)) => Ok(Opened::Url(url)),
            Ok(Download::Body(body)) => Ok(Opened::Body(body)),
            Err(GithubError::Gone { .. }) => Err(FetchError::Gone),
            Err(error) => Err(FetchError::Source(error.failure("could not ask"))),
        }
    }
}

#[tokio::test]
async fn the_token_stays_with_the_api() {
    let blob = zip(&[Entry::stored("a", b"1")], &End::default());
    let served = blob.clone();
    let storage = Loopback::start(move |asked, before| match before {
        0 => Reply::new(403, "Uri expired"),
        _ => Reply::blob(asked, &served),
    })
    .await;
    let place = format!("{}/x?sig=1", storage.url);
    let api =
        Loopback::start(move |_, _| Reply::new(302, "").with("location", place.clone())).await;
    let http = net::client(&net::Settings::default(), Purpose::Api).unwrap();
    let (token, repo) = (Secret::new("t0ken"), "o/r".parse().unwrap());
    let client = Client::new(
        http,
        &api.url,
        Some(&token),
        repo,
        github::Limits::default(),
    )
    .unwrap();
    let source = FromGithub(client);
    let into = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        name: "site",
        size_bytes: Some(blob.len() as u64),
        digest: Some(digest(&blob)),
    };
    fetched_from(&source, &wanted, into.path(), &limits())
        .await
        .unwrap();
    assert_eq!(
        (
            api.asked().len(),
            storage.asked().len(),
            source.0.requests()
        ),
        (2, 2, 2)
    );
    assert!(
        api.asked()
            .iter()
            .all(|asked| asked.count("authorization") == 1)
    );
    assert!(
        storage
            .asked()
            .iter()
            .all(|asked| asked.count("authorization") == 0)
    );
}

const SITE: [(&str, &str); 4] = [
    ("app.wasm", "\0asm"),
    ("site/index.html", "<p>"),
    ("site/a/b.css", "p{}"),
    ("other/index.html", "<b>"),
];

/// A zip of [`SITE`] with this manifest, opened.
async fn with_manifest(manifest: Option<&str>) -> (tempfile::TempDir, Result<Fetched, FetchError>) {
    let files = SITE
        .iter()
        .map(|(name, text)| Entry::deflated(name, text.as_bytes()));
    let manifest = manifest.map(|text| Entry::stored("lastgood.json", text.as_bytes()));
    let entries: Vec<_> = files.chain(manifest).collect();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.zip");
    fs::write(&file, zip(&entries, &End::default())).unwrap();
    let opened = open_file(&file, &dir.path().join("into"), &limits()).await;
    (dir, opened)
}

fn manifest(path: &str, shape: &str, size: usize, sha256: &str) -> String {
    format!(
        r#"{{"schema":1,"tool":"0.1.0","new":true,"slots":{{"app":{{"revision":"r1","payload":
        {{"path":"{path}","shape":"{shape}","size_bytes":{size},"sha256":"{sha256}"}}}}}}}}"#
    )
}

#[tokio::test]
async fn a_manifest_is_held_to_its_word() {
    let right = digest(b"\0asm").to_string();
    let (_dir, opened) = with_manifest(Some(&manifest("app.wasm", "file", 4, &right))).await;
    let opened = opened.unwrap();
    assert_eq!(opened.promised_by, Some(Promise::Manifest));
    assert_eq!(opened.manifest.as_ref().unwrap().slots.len(), 1);
    // The digest of a tree leaves the manifest out: it could not hold its own.
    let tree = opened.payload(".").unwrap();
    let same = tree::measure_release(&opened.dir, &["lastgood.json"]).unwrap();
    assert_eq!(
        (tree.digest, tree.size_bytes),
        (same.digest, same.size_bytes)
    );
    let all = tree.digest.to_string();
    let (_dir, opened) = with_manifest(Some(&manifest(".", "tree", 13, &all))).await;
    assert_eq!(opened.unwrap().payload(".").unwrap().digest, tree.digest);

    let zeros = "0".repeat(64);
    for (manifest, says) in [
        (
            manifest("app.wasm", "file", 4, &zeros),
            "digest of app.wasm: found",
        ),
        (
            manifest("app.wasm", "file", 5, &right),
            "found 4 bytes, expected 5 bytes (promised by lastgood.json)",
        ),
        (
            manifest("gone.wasm", "file", 4, &right),
            "names the payload gone.wasm, which is not",
        ),
        (
            manifest("site", "file", 4, &right),
            "names the payload site, which is not",
        ),
        (
            manifest("app.wasm", "tree", 4, &right),
            "names the payload app.wasm, which is not",
        ),
        (
            r#"{"schema":2,"slots":[]}"#.to_owned(),
            "schema 2, expected 1",
        ),
        (
            r#"{"schema":1,"tool":"x","slots":{"a":{"revision":7}}}"#.to_owned(),
            "at slots.a.revision",
        ),
        ("not JSON".to_owned(), "cannot be read"),
    ] {
        let (dir, opened) = with_manifest(Some(&manifest)).await;
        let failure = opened.unwrap_err().failure("site");
        assert!(
            failure.to_string().contains(says),
            "{failure}\nexpected: {says}"
        );
        assert_eq!(failure.kind, Outcome::ArtifactRefused);
        assert_eq!(fs::read_dir(dir.path().join("into")).unwrap().count(), 0);
    }
    let (_dir, opened) = with_manifest(None).await;
    assert_eq!(opened.unwrap().promised_by, None);
}

#[tokio::test]
async fn payloads_are_found_by_path_name_or_wildcard() {
    let (_dir, opened) = with_manifest(None).await;
    let opened = opened.unwrap();
    let check = |wanted: &str, path: &str, shape: Shape| {
        let found = opened.payload(wanted).unwrap();
        assert_eq!((found.path, found.shape), (opened.dir.join(path), shape));
        let again = tree::measure(&opened.dir.join(path)).unwrap();
        assert_eq!(
            (found.digest, found.size_bytes),
            (again.digest, again.size_bytes)
        );
    };
    check("app.wasm", "app.wasm", Shape::File);
    check("*.wasm", "app.wasm", Shape::File);
    check("b.css", "site/a/b.css", Shape::File);
    check("site/*.html", "site/index.html", Shape::File);
    check("site", "site", Shape::Tree);
    check("site/a/", "site/a", Shape::Tree);
    assert_eq!(opened.payload(".").unwrap().path, opened.dir);
    let several = opened.payload("*.html").unwrap_err().to_string();
    assert_eq!(
        several,
        "*.html matches other/index.html, site/index.html, expected one file"
    );
    let none = opened.payload("sit").unwrap_err().to_string();
    assert!(
        none.starts_with("it holds no sit; it holds app.wasm, other/index.html"),
        "{none}"
    );
}

#[tokio::test]
async fn directories_tars_and_files_are_opened_too() {
    let dir = tempfile::tempdir().unwrap();
    let site = dir.path().join("site");
    for (name, text) in SITE {
        let path = site.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let into = dir.path().join("into");
    let open = async |path: &Path| open_file(path, &into, &limits()).await.unwrap();
    let opened = open(&site).await;
    let whole = opened.payload(".").unwrap();
    assert_eq!(
        (opened.files.len(), opened.tree),
        (4, tree::measure(&site).unwrap().digest)
    );

    let mut tar = tar::Builder::new(Vec::new());
    tar.append_dir_all(".", &site).unwrap();
    let tar_path = dir.path().join("site.tar");
    fs::write(&tar_path, tar.into_inner().unwrap()).unwrap();
    let opened = open(&tar_path).await;
    assert_eq!(opened.payload(".").unwrap().digest, whole.digest);
    // Who names the archive means what is in it.
    assert_eq!(opened.payload("*.tar").unwrap().digest, whole.digest);

    let wasm = open(&site.join("app.wasm")).await;
    assert_eq!(wasm.payload("app.wasm").unwrap().digest, digest(b"\0asm"));
    assert_eq!(wasm.payload("*.wasm").unwrap().shape, Shape::File);

    // Opening the same again replaces it.
    fs::write(opened.dir.join("app.wasm"), "changed").unwrap();
    let again = open(&tar_path).await;
    assert_eq!(again.dir, opened.dir);
    assert_eq!(tree::measure(&again.dir).unwrap().digest, whole.digest);

    std::os::unix::fs::symlink("/etc/passwd", site.join("link")).unwrap();
    let error = open_file(&site, &into, &limits()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected files and directories only"),
        "{error}"
    );
}
