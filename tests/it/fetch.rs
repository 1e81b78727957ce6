//! `artifact::fetch` against storage that cuts, stalls, lies and expires: what is fetched is whole and right, or nothing
//! is left.

use crate::evil_zip::{End, Entry, zip};
use crate::loopback::{Asked, Loopback, Reply};
use crate::zip_refusals::noise;
use async_trait::async_trait;
use lastgood::artifact::{FetchError, Fetched, Limits, Opened, Source, Wanted, fetch};
use lastgood::model::outcome::Outcome;
use lastgood::model::payload::{Digest, Promise};
use lastgood::net::{self, Purpose};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Gives a new URL each time, as GitHub does.
pub(crate) struct Fresh {
    url: String,
    given: AtomicUsize,
}

impl Fresh {
    pub(crate) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            given: AtomicUsize::new(0),
        }
    }
}

#[async_trait]
impl Source for Fresh {
    async fn open(&self) -> Result<Opened, FetchError> {
        let number = self.given.fetch_add(1, Ordering::SeqCst);
        let url = format!("{}/blob?sig={number}", self.url);
        Ok(Opened::Url(url.parse().unwrap()))
    }
}

pub(crate) fn limits() -> Limits {
    Limits {
        stall: Duration::from_millis(500),
        backoff_unit: Duration::from_millis(1),
        ..Limits::default()
    }
}

pub(crate) fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

/// Small enough to be unpacked from memory.
pub(crate) fn small() -> Vec<u8> {
    let entries = [Entry::deflated("app/index.html", b"<h1>hello</h1>").with_descriptor()];
    zip(&entries, &End::default())
}

/// Large enough to be unpacked while it comes; mostly stored, as upload-artifact does with compression-level 0.
pub(crate) fn large() -> Vec<u8> {
    let stored = |name| Entry::stored(name, &noise()).with_descriptor();
    let text = b"some text that compresses ".repeat(10_000);
    let entries = [
        stored("a.bin"),
        Entry::deflated("docs/b.txt", &text).with_descriptor(),
        stored("c.bin"),
    ];
    zip(&entries, &End::default())
}

pub(crate) struct Ended {
    pub(crate) result: Result<Fetched, FetchError>,
    pub(crate) asked: Vec<Asked>,
    pub(crate) urls: usize,
    pub(crate) into: tempfile::TempDir,
}

impl Ended {
    /// What is visible, and what is hidden.
    fn left(&self) -> Vec<String> {
        let names = std::fs::read_dir(self.into.path()).unwrap();
        names
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    #[track_caller]
    pub(crate) fn good(self, blob: &[u8]) -> Self {
        let fetched = self.result.as_ref().unwrap();
        assert_eq!(fetched.blob.digest, digest(blob));
        assert_eq!(self.left(), [fetched.blob.digest.short()]);
        for file in &fetched.files {
            let content = std::fs::read(fetched.dir.join(&file.path)).unwrap();
            assert_eq!(
                (digest(&content), content.len() as u64),
                (file.sha256, file.size_bytes)
            );
        }
        self
    }

    #[track_caller]
    pub(crate) fn bad(self, kind: Outcome, says: &str) -> Self {
        assert_eq!(self.left(), [""; 0]);
        let Err(error) = self.result else {
            panic!("it was taken")
        };
        let failure = error.failure("site");
        let text = failure.to_string();
        assert!(text.starts_with("could not take artifact site: "), "{text}");
        assert!(text.contains(says), "{text}\nexpected: {says}");
        assert!(!text.contains("sig="), "{text}");
        assert_eq!((failure.kind, failure.hints.len()), (kind, 1), "{text}");
        let result = Err(FetchError::Gone);
        Self { result, ..self }
    }

    pub(crate) fn ranges(&self) -> Vec<Option<&str>> {
        self.asked
            .iter()
            .map(|asked| asked.header("range"))
            .collect()
    }
}

/// Fetches `blob`, whose digest is promised, from a server that answers with `answer`.
pub(crate) async fn fetched(
    blob: &[u8],
    answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
) -> Ended {
    fetched_with(blob, &limits(), answer).await
}

pub(crate) async fn fetched_with(
    blob: &[u8],
    limits: &Limits,
    answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
) -> Ended {
    let wanted = Wanted {
        name: "site",
        size_bytes: Some(blob.len() as u64),
        digest: Some(digest(blob)),
    };
    fetched_as(&wanted, limits, answer).await
}

pub(crate) async fn fetched_as(
    wanted: &Wanted<'_>,
    limits: &Limits,
    answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
) -> Ended {
    let server = Loopback::start(answer).await;
    let source = Fresh::new(&server.url);
    let into = tempfile::tempdir().unwrap();
    let result = fetched_from(&source, wanted, into.path(), limits).await;
    Ended {
        result,
        asked: server.asked(),
        urls: source.given.load(Ordering::SeqCst),
        into,
    }
}

pub(crate) async fn fetched_from(
    source: &dyn Source,
    wanted: &Wanted<'_>,
    into: &Path,
    limits: &Limits,
) -> Result<Fetched, FetchError> {
    let http = net::client(&net::Settings::default(), Purpose::Blob).unwrap();
    fetch(&http, source, wanted, into, limits, &|_, _| ()).await
}

#[tokio::test]
async fn a_small_zip_takes_one_request() {
    let blob = small();
    let served = blob.clone();
    let ended = fetched(&blob, move |asked, _| Reply::blob(asked, &served))
        .await
        .good(&blob);
    assert_eq!(ended.ranges(), [None]);
    let fetched = ended.result.as_ref().unwrap();
    assert_eq!(fetched.promised_by, Some(Promise::ArtifactDigest));
    assert_eq!(fetched.files.len(), 1);
}

#[tokio::test]
async fn a_large_zip_is_unpacked_while_it_comes() {
    let blob = large();
    let served = blob.clone();
    let ended = fetched(&blob, move |asked, _| Reply::blob(asked, &served))
        .await
        .good(&blob);
    assert_eq!(ended.ranges().len(), 2, "{:?}", ended.ranges());
    assert_eq!(ended.urls, 1);
    // Nothing tells the storage who we are.
    for asked in &ended.asked {
        for name in [
            "authorization",
            "x-github-api-version",
            "user-agent",
            "cookie",
        ] {
            assert_eq!(asked.count(name), 0, "{asked:?}");
        }
    }
}

#[tokio::test]
async fn many_files_take_a_third_request_for_the_directory() {
    let entries: Vec<_> = (0..3000)
        .map(|i| Entry::stored(&format!("dir{}/file{i}", i % 7), &[0x61; 200]))
        .collect();
    let blob = zip(&entries, &End::default());
    let served = blob.clone();
    let ended = fetched(&blob, move |asked, _| Reply::blob(asked, &served))
        .await
        .good(&blob);
    assert_eq!(ended.asked.len(), 3);
    assert_eq!(ended.result.as_ref().unwrap().files.len(), 3000);
}

#[tokio::test]
async fn a_file_that_is_no_zip_stays_a_file() {
    for blob in [
        b"\0asm\x01\0\0\0rest".to_vec(),
        noise(),
        b"x".to_vec(),
        Vec::new(),
    ] {
        let served = blob.clone();
        let answer = move |asked: &Asked, _| {
            Reply::blob(asked, &served).with("content-type", "application/zip")
        };
        let ended = fetched(&blob, answer).await.good(&blob);
        let fetched = ended.result.as_ref().unwrap();
        assert_eq!(fetched.files.first().unwrap().path, "site");
        assert_eq!(fetched.payload("site").unwrap().digest, digest(&blob));
    }
    let blob = small();
    let served = blob.clone();
    let answer = move |_: &Asked, _| {
        Reply::new(200, served.clone()).with("content-type", "application/java-archive")
    };
    let ended = fetched(&blob, answer).await.good(&blob);
    assert_eq!(ended.result.unwrap().files.first().unwrap().path, "site");
}

#[tokio::test]
async fn servers_that_give_no_parts_or_no_length_are_served_too() {
    let blob = large();
    let served = blob.clone();
    fetched(&blob, move |_, _| Reply::new(200, served.clone()))
        .await
        .good(&blob);
    let served = blob.clone();
    let closed = move |_: &Asked, _| Reply::new(200, served.clone()).without_length();
    fetched(&blob, closed).await.good(&blob);
    let served = blob.clone();
    let refuses = move |asked: &Asked, _| match asked.range() {
        Some(_) => Reply::new(416, ""),
        None => Reply::new(200, served.clone()),
    };
    fetched(&blob, refuses).await.good(&blob);
}

#[tokio::test]
async fn a_body_given_by_the_source_is_taken() {
    struct Given(Vec<u8>);

    #[async_trait]
    impl Source for Given {
        async fn open(&self) -> Result<Opened, FetchError> {
            Ok(Opened::Body(http::Response::new(self.0.clone()).into()))
        }
    }

    for blob in [small(), large()] {
        let into = tempfile::tempdir().unwrap();
        let wanted = Wanted {
            name: "site",
            size_bytes: None,
            digest: Some(digest(&blob)),
        };
        let source = Given(blob.clone());
        let fetched = fetched_from(&source, &wanted, into.path(), &limits())
            .await
            .unwrap();
        assert_eq!(fetched.blob.digest, digest(&blob));
    }
}
