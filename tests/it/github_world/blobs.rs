//! Artifacts: the bytes behind signed URLs, in memory and in files, and the quick zips.

use super::{client, furnished, get, json_of, location};
use crate::github_schema;
use crate::world::digest::hex;
use crate::world::zip::{Kept, zip_kept};
use crate::world::{ArtifactSpec, Digest, Route, RunSpec};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

#[tokio::test]
async fn bytes_are_behind_a_signed_url_of_another_origin() {
    let world = furnished().await;
    let url = location(&world).await;
    assert!(
        url.starts_with(&world.blob_url()) && url.matches("sig=").count() == 1,
        "{url}"
    );
    assert_ne!(
        url,
        location(&world).await,
        "every URL has a signature of its own"
    );
    let whole = client().get(&url).send().await.unwrap();
    let etag = whole.headers()["etag"].clone();
    let bytes = whole.bytes().await.unwrap();
    let said = json_of(&world, "repos/octo/web/actions/artifacts").await;
    let digest = hex(&Sha256::digest(&bytes));
    assert_eq!(said["artifacts"][0]["digest"], format!("sha256:{digest}"));
    assert_eq!(said["artifacts"][0]["size_in_bytes"], bytes.len());

    let ranged = |range: &str| client().get(&url).header("range", range.to_owned());
    let part = ranged("bytes=2-")
        .header("if-range", etag)
        .send()
        .await
        .unwrap();
    assert_eq!(part.status(), 206);
    assert_eq!(
        part.headers()["content-range"],
        format!("bytes 2-{}/{}", bytes.len() - 1, bytes.len())
    );
    assert_eq!(part.bytes().await.unwrap(), bytes.slice(2..));
    assert_eq!(
        ranged("bytes=2-")
            .header("if-range", "\"old\"")
            .send()
            .await
            .unwrap()
            .status(),
        200
    );
    assert_eq!(
        ranged("bytes=-5").send().await.unwrap().status(),
        200,
        "the store knows no suffix ranges"
    );
    assert_eq!(ranged("bytes=999999-").send().await.unwrap().status(), 416);
    let head = client().head(&url).send().await.unwrap();
    assert_eq!(head.headers()["content-length"], bytes.len().to_string());

    world.pass(Duration::from_secs(61));
    let late = client().get(&url).send().await.unwrap();
    assert_eq!(late.status(), 403);
    assert!(late.text().await.unwrap().contains("Uri expired"));
    assert_eq!(
        client()
            .get(format!("{}/x?sig=forged", world.blob_url()))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    assert_eq!(world.count(Route::Zip), 2);
}

#[tokio::test]
async fn artifacts_expire_and_change() {
    let world = github_schema::world().await;
    let run = world.repo("octo/web").run(RunSpec::default());
    let artifact =
        run.add_artifact(ArtifactSpec::raw("app.wasm", &b"\0asm-old"[..]).digest(Digest::Null));
    let url = format!("repos/octo/web/actions/artifacts/{}", artifact.id());
    assert_eq!(json_of(&world, &url).await["digest"], Value::Null);
    artifact.replace(&b"\0asm-newer"[..]);
    assert_eq!(json_of(&world, &url).await["size_in_bytes"], 10);
    assert_eq!(
        client()
            .get(location(&world).await)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        "\0asm-newer"
    );
    artifact.expire();
    assert_eq!(json_of(&world, &url).await["expired"], true);
    assert_eq!(get(&world, &format!("{url}/zip")).await.status(), 410);
    run.delete();
    assert_eq!(get(&world, &url).await.status(), 404);
}

#[tokio::test]
async fn a_file_is_streamed_and_ranged() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("big.zip");
    let bytes: Vec<u8> = (0..1_000_000u32).flat_map(u32::to_le_bytes).collect();
    std::fs::write(&file, &bytes).unwrap();
    let world = github_schema::world().await;
    world
        .repo("octo/web")
        .run(RunSpec::default())
        .artifact(ArtifactSpec::zip_file("big", &file));
    let url = location(&world).await;
    assert_eq!(
        client()
            .get(&url)
            .send()
            .await
            .unwrap()
            .bytes()
            .await
            .unwrap(),
        bytes
    );
    let part = client()
        .get(&url)
        .header("range", "bytes=1000000-1000007")
        .send()
        .await
        .unwrap();
    assert_eq!(part.bytes().await.unwrap(), bytes[1_000_000..1_000_008]);
}

#[test]
fn quick_zips_have_the_form_of_uploaded_ones() {
    for kept in [Kept::Stored, Kept::Deflated] {
        let bytes = zip_kept(kept, &[("dir/", b""), ("dir/a.txt", b"hello hello hello")]);
        assert_eq!(&bytes[..4], b"PK\x03\x04");
        let file = bytes
            .windows(4)
            .enumerate()
            .filter(|(_, magic)| magic == b"PK\x03\x04")
            .nth(1)
            .unwrap()
            .0;
        assert_eq!(bytes[file + 6] & 8, 8, "{kept:?}: sizes follow the data");
        assert_eq!(
            bytes[file + 18..file + 26],
            [0; 8],
            "{kept:?}: the local header does not know the sizes"
        );
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
        let mut text = String::new();
        std::io::Read::read_to_string(&mut archive.by_name("dir/a.txt").unwrap(), &mut text)
            .unwrap();
        assert_eq!(text, "hello hello hello");
    }
}
