//! Artifacts that are fetched whole and may not be taken, and fetches that are given up: nothing is left of either.

use crate::evil_zip::{End, Entry, zip};
use crate::fetch::{Fresh, digest, fetched, fetched_from, fetched_with, large, limits, small};
use crate::loopback::{Asked, Fault, Loopback, Reply};
use crate::zip_refusals::noise;
use async_trait::async_trait;
use lastgood::artifact::{FetchError, Limits, Opened, Source, Wanted, fetch};
use lastgood::model::outcome::{Failure, Outcome};
use lastgood::net::{self, Purpose};
use std::time::Duration;

#[tokio::test]
async fn what_is_not_what_was_promised_is_never_taken() {
    use Outcome::{ArtifactRefused, Unreachable};
    for blob in [small(), large(), noise()] {
        let mut other = blob.clone();
        let middle = other.len() / 2;
        other[middle] ^= 1;
        let served = other.clone();
        let ended = fetched(&blob, move |asked, _| Reply::blob(asked, &served)).await;
        let ended = ended.bad(ArtifactRefused, "digest of site: found sha256:");
        assert_eq!(
            ended.urls, 2,
            "the same wrong bytes twice are what lies there"
        );
        let served = [blob.as_slice(), b"x"].concat();
        let ended = fetched(&blob, move |asked, _| Reply::blob(asked, &served)).await;
        ended.bad(ArtifactRefused, "size of site: found ");
        let served = blob.clone();
        let cut = move |asked: &Asked, _| {
            let some = if asked.range().is_some() { 0 } else { 50 };
            Reply::blob(asked, &served).fault(some, Fault::Cut)
        };
        fetched(&blob, cut).await.bad(Unreachable, "(5 tries)");
    }
    let page = |_: &Asked, _| Reply::new(200, "<!DOCTYPE html>").without_length();
    fetched(&small(), page)
        .await
        .bad(Unreachable, "answered an HTML page");
}

#[tokio::test]
async fn a_promised_zip_that_breaks_a_rule_is_refused_at_once() {
    let evil = [
        Entry::stored("a.bin", &noise()),
        Entry::stored("b.bin", &noise()),
        Entry::deflated("c.txt", b"hello").both(|header| header.crc ^= 1),
    ];
    let late = zip(&evil, &End::default());
    let early = zip(
        &evil,
        &End {
            entries: Some(1),
            ..End::default()
        },
    );
    let climbs = zip(
        &[
            Entry::stored("../x", &noise()),
            Entry::stored("y", &noise()),
        ],
        &End::default(),
    );
    for (blob, says) in [
        (late, "refused: the content of \"c.txt\" has checksum"),
        (early, "refused: the central directory holds more"),
        (climbs, "refused: the name \"../x\" climbs out"),
    ] {
        let served = blob.clone();
        let ended = fetched(&blob, move |asked, _| Reply::blob(asked, &served)).await;
        let ended = ended.bad(Outcome::ArtifactRefused, says);
        assert_eq!(ended.urls, 1);
    }
}

#[tokio::test]
async fn limits_hold_for_what_is_declared_and_for_what_comes() {
    let blob = large();
    let little = Limits {
        blob_bytes_max: 400_000,
        ..limits()
    };
    let served = blob.clone();
    let declared = move |asked: &Asked, _| Reply::blob(asked, &served);
    let says = format!("it has {} bytes, the limit is 400000", blob.len());
    let ended = fetched_with(&blob, &little, declared).await;
    assert_eq!(ended.bad(Outcome::ArtifactRefused, &says).urls, 1);
    let served = blob.clone();
    let silent = move |_: &Asked, _| Reply::new(200, served.clone()).without_length();
    let ended = fetched_with(&blob, &little, silent).await;
    assert_eq!(
        ended
            .bad(Outcome::ArtifactRefused, "the limit is 400000")
            .urls,
        1
    );
}

#[tokio::test]
async fn the_source_has_the_last_word() {
    struct Says(fn() -> FetchError);

    #[async_trait]
    impl Source for Says {
        async fn open(&self) -> Result<Opened, FetchError> {
            Err(self.0())
        }
    }

    let into = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        name: "site",
        size_bytes: None,
        digest: None,
    };
    let gone = fetched_from(&Says(|| FetchError::Gone), &wanted, into.path(), &limits()).await;
    assert_eq!(gone.unwrap_err().failure("site").kind, Outcome::NoKnownGood);
    let told = || FetchError::Source(Failure::msg(Outcome::Error, "no token").hint("give one"));
    let told = fetched_from(&Says(told), &wanted, into.path(), &limits()).await;
    let failure = told.unwrap_err().failure("site");
    assert_eq!(
        (failure.to_string().as_str(), failure.hints.len()),
        ("no token", 1)
    );
}

#[tokio::test]
async fn giving_up_in_the_middle_leaves_nothing() {
    let blob = large();
    let served = blob.clone();
    let server = Loopback::start(move |asked, _| match asked.range() {
        Some(_) => Reply::blob(asked, &served),
        None => Reply::blob(asked, &served).fault(400_000, Fault::Silence),
    })
    .await;
    let into = tempfile::tempdir().unwrap();
    let wanted = Wanted {
        name: "site",
        size_bytes: None,
        digest: Some(digest(&blob)),
    };
    let (came, mut coming) = tokio::sync::mpsc::unbounded_channel();
    let http = net::client(&net::Settings::default(), Purpose::Blob).unwrap();
    let source = Fresh::new(&server.url);
    let patient = Limits::default();
    let progress = move |got, _| came.send(got).unwrap();
    let fetching = fetch(&http, &source, &wanted, into.path(), &patient, &progress);
    tokio::select! {
        _ = fetching => panic!("it cannot end"),
        () = async { while coming.recv().await.unwrap() < 400_000 {} } => (),
    }
    let empty = || std::fs::read_dir(into.path()).unwrap().count() == 0;
    // The thread that writes sees the end of its bytes and goes; its directory goes with it.
    for _ in 0..500 {
        if empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("something is left");
}
