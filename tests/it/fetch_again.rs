//! Downloads that are cut, stalled or expired on the way: resumed when that is safe, begun again when it is not.

use crate::fetch::{fetched, fetched_as, large, limits, small};
use crate::loopback::{Asked, Fault, Reply};
use crate::zip_refusals::noise;
use lastgood::artifact::Wanted;
use lastgood::model::outcome::Outcome;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn after_a_cut_only_the_rest_is_fetched_from_a_fresh_place() {
    for fault in [Fault::Cut, Fault::Reset, Fault::Silence] {
        for etag in [None, Some("\"one\"")] {
            let blob = large();
            let served = blob.clone();
            let answer = move |asked: &Asked, before| {
                let reply = Reply::blob(asked, &served);
                let reply = match etag {
                    Some(etag) => reply.with("etag", etag),
                    None => reply,
                };
                // The first request, and the first of those that resume it.
                let tail = asked
                    .range()
                    .is_some_and(|(start, end)| end.is_some() && start > 0);
                match before {
                    0 | 2 if !tail => reply.fault(100_000, fault),
                    _ => reply,
                }
            };
            let ended = fetched(&blob, answer).await.good(&blob);
            let resumed: Vec<_> = ended
                .asked
                .iter()
                .filter(|asked| asked.range().is_some_and(|(_, end)| end.is_none()))
                .collect();
            assert!(!resumed.is_empty(), "{:?}", ended.ranges());
            assert!(resumed.iter().all(|asked| asked.header("if-range") == etag));
            let mut places: Vec<_> = ended
                .asked
                .iter()
                .map(|asked| asked.target.clone())
                .collect();
            places.dedup();
            assert_eq!(places.len(), ended.urls, "{places:?}");
            assert_eq!(ended.urls, 1 + resumed.len());
        }
    }
}

#[tokio::test]
async fn another_blob_is_never_appended() {
    type Odd = fn(Reply, &Asked, &[u8]) -> Reply;
    let odd: [Odd; 4] = [
        // It ignores the range.
        |_, _, blob| Reply::new(200, blob),
        // Another ETag.
        |reply, _, _| reply.with("etag", "\"two\""),
        // Another size.
        |_, asked, blob| Reply::blob(asked, &[blob, b"more"].concat()),
        // Another part.
        |_, _, blob| {
            Reply::new(206, &blob[..9]).with("content-range", format!("bytes 0-8/{}", blob.len()))
        },
    ];
    for odd in odd {
        let blob = large();
        let served = blob.clone();
        let cuts = AtomicUsize::new(0);
        let answer = move |asked: &Asked, _| match asked.range() {
            None if cuts.fetch_add(1, Ordering::SeqCst) == 0 => Reply::blob(asked, &served)
                .with("etag", "\"one\"")
                .fault(99_999, Fault::Cut),
            None => Reply::blob(asked, &served).with("etag", "\"one\""),
            Some((_, Some(_))) => Reply::blob(asked, &served),
            Some((_, None)) => odd(Reply::blob(asked, &served), asked, &served),
        };
        let ended = fetched(&blob, answer).await.good(&blob);
        let whole = ended
            .ranges()
            .iter()
            .filter(|range| range.is_none())
            .count();
        assert_eq!(whole, 2, "{:?}", ended.ranges());
    }
}

#[tokio::test]
async fn without_digest_and_etag_nothing_is_resumed() {
    let blob = noise();
    let served = blob.clone();
    let wanted = Wanted {
        name: "site",
        size_bytes: Some(1),
        digest: None,
    };
    let answer = move |asked: &Asked, before| match before {
        0 => Reply::blob(asked, &served).fault(1000, Fault::Cut),
        _ => Reply::blob(asked, &served),
    };
    let ended = fetched_as(&wanted, &limits(), answer).await.good(&blob);
    assert_eq!(ended.ranges(), [None, None]);
    assert_eq!(ended.result.unwrap().promised_by, None);
}

#[tokio::test]
async fn an_expired_url_is_asked_for_anew() {
    let blob = small();
    for status in [403, 404, 410, 500, 302] {
        let served = blob.clone();
        let answer = move |asked: &Asked, before| match before {
            0..3 => {
                Reply::new(status, "Uri expired").with("x-ms-error-code", "AuthenticationFailed")
            }
            _ => Reply::blob(asked, &served),
        };
        let ended = fetched(&blob, answer).await.good(&blob);
        assert_eq!(ended.urls, 4);
        let never = move |_: &Asked, _| {
            Reply::new(status, "x").with("x-ms-error-code", "AuthenticationFailed")
        };
        let says = format!("answered {status} ");
        let ended = fetched(&blob, never).await.bad(Outcome::Unreachable, &says);
        assert_eq!((ended.urls, ended.asked.len()), (5, 5));
    }
}
