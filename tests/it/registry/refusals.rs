//! What is done when a registry does not answer as it should.

use super::double::{Asked, Double, good, refusal, reply};
use super::{
    DOCKER_LIST, INDEX, MANIFEST, digest, image, index, limits, manifest, nobody, registry,
    registry_with, user,
};
use axum::response::Response;
use lastgood::targets::TargetError;
use lastgood::targets::registry::{Limits, RegistryError, Said};
use std::time::{Duration, Instant};

fn app() -> Vec<u8> {
    manifest(MANIFEST, b"config", b"layer")
}

/// Every request gets `answer`; the error says `says` after the host, advises `next`, and took `requests`.
async fn check(
    answer: impl Fn() -> Response + Send + Sync + 'static,
    requests: usize,
    says: &str,
    next: &str,
) -> RegistryError {
    let server = Double::start(move |_, _| Some(answer())).await;
    let image = image(format!("{}/team/app:1", server.host));
    let error = registry(nobody()).present(&image).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains(says), "{text}\nexpected: {says}");
    assert!(
        error.next().contains(next),
        "{}\nexpected: {next}",
        error.next()
    );
    assert_eq!(server.asked().len(), requests, "{text}");
    error
}

#[tokio::test]
async fn each_refusal_has_its_own_words_and_one_next_action() {
    check(
        || refusal(404, &[], "MANIFEST_UNKNOWN"),
        1,
        "/team/app:1 is not in its registry (404)",
        "check repository and tag",
    )
    .await;
    check(
        || refusal(403, &[], "DENIED"),
        1,
        "a request without a login may not pull",
        "with registry-config",
    )
    .await;
    check(
        || refusal(401, &[], "UNAUTHORIZED"),
        1,
        "was not let in by",
        "with registry-config",
    )
    .await;
    check(
        || refusal(500, &[], "UNKNOWN"),
        4,
        "answered 500 (4 tries)",
        "status page",
    )
    .await;
    check(
        || refusal(418, &[], "TEAPOT"),
        1,
        "found status 418, expected",
        "is a container registry",
    )
    .await;
    check(
        || refusal(429, &[], "TOOMANYREQUESTS"),
        1,
        "asks to slow down (429)",
        "with registry-config: limits are lower",
    )
    .await;
    check(
        || refusal(429, &[("retry-after", "3600")], ""),
        1,
        "(429) for 3600 s",
        "run again in 3600 s",
    )
    .await;
    check(
        || refusal(429, &[("retry-after", "0")], ""),
        4,
        "(429) for 0 s",
        "run again in 0 s",
    )
    .await;
    check(
        || reply(200, &[("content-type", "text/html")], "<html>"),
        2,
        r#"found "text/html" that is no manifest"#,
        "no proxy",
    )
    .await;
    check(
        || reply(200, &[], r#"{"schemaVersion":2,"mediaType":"x/y"}"#),
        2,
        r#"found media type "x/y""#,
        "no proxy",
    )
    .await;
    let redirect = || reply(307, &[("location", "/v2/team/app/manifests/1")], "");
    check(
        redirect,
        4,
        "a redirect from 127.0.0.1:",
        "name the image by its digest",
    )
    .await;
    check(|| reply(307, &[], ""), 1, "to nowhere", "by its digest").await;
}

#[tokio::test]
async fn a_deleted_digest_is_told_from_a_registry_that_is_away() {
    let server = Double::start(|_, _| Some(refusal(404, &[], "MANIFEST_UNKNOWN"))).await;
    let image = image(format!("{}/app@{}", server.host, digest(b"gone")));
    let registry = registry(nobody());
    let error = registry.present(&image).await.unwrap_err();
    assert_eq!(
        error,
        RegistryError::Missing {
            image: image.to_string(),
            said: Said::default()
        }
    );
    assert!(
        error.next().contains("does a cleanup policy"),
        "{}",
        error.next()
    );
    assert!(matches!(error.into(), TargetError::BadRelease { .. }));
    let host = server.host.clone();
    drop(server);
    // Nothing listens there any more: `Double` is gone with its listener once its task has ended.
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    assert_ne!(free.to_string(), host);
    let away = super::image(format!("{free}/app:1"));
    let error = registry.present(&away).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{free} could not be reached (4 tries): ")),
        "{error}"
    );
    assert!(matches!(error.into(), TargetError::Unreachable { .. }));
}

#[tokio::test]
async fn a_registry_that_stumbles_is_asked_again() {
    let server = Double::start(|_, before| {
        Some(match before {
            0 => refusal(503, &[], "UNAVAILABLE"),
            1 => refusal(429, &[("retry-after", "1")], "TOOMANYREQUESTS"),
            _ => good(MANIFEST, &app()),
        })
    })
    .await;
    let started = Instant::now();
    let image = image(format!("{}/app:1", server.host));
    let present = registry(nobody()).present(&image).await.unwrap();
    assert_eq!(present.digest, digest(&app()));
    assert!(
        Duration::from_secs(1) <= started.elapsed(),
        "Retry-After was not waited for"
    );
}

#[tokio::test]
async fn silence_is_bounded_for_each_request_and_for_all() {
    let server = Double::start(|_, _| None).await;
    let image_1 = image(format!("{}/app:1", server.host));
    let short = Limits {
        deadline: Duration::from_millis(50),
        ..limits()
    };
    let error = registry_with(nobody(), short)
        .present(&image_1)
        .await
        .unwrap_err();
    let says = format!(
        "found no answer of {}, expected one within 0.05 s (4 tries)",
        server.host
    );
    assert_eq!(error.to_string(), says);
    let total = Limits {
        total: Duration::from_millis(200),
        ..limits()
    };
    let images: Vec<_> = (0..20)
        .map(|n| image(format!("{}/app:{n}", server.host)))
        .collect();
    let started = Instant::now();
    for (_, result) in registry_with(nobody(), total).all_present(&images).await {
        let error = result.unwrap_err();
        assert!(matches!(error, RegistryError::TimedOut { .. }), "{error}");
    }
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "each image waited for itself"
    );
}

#[tokio::test]
async fn a_body_answers_where_a_head_does_not() {
    let bytes = app();
    let by_digest = |host: &str| image(format!("{host}/app@{}", digest(&app())));
    // 405, no digest, no media type, a digest that is none: the bytes are hashed.
    let heads: [fn() -> Response; 4] = [
        || reply(405, &[("allow", "GET")], ""),
        || reply(200, &[("content-type", MANIFEST)], ""),
        || reply(200, &[("docker-content-digest", "sha256:ab")], ""),
        || {
            reply(
                200,
                &[
                    ("content-type", MANIFEST),
                    ("docker-content-digest", "tarsum:x"),
                ],
                "",
            )
        },
    ];
    for head in heads {
        let server = Double::start(move |asked, _| {
            Some(match asked.method.as_str() {
                "HEAD" => head(),
                _ => reply(200, &[("content-type", MANIFEST)], app()),
            })
        })
        .await;
        let registry = registry(nobody());
        for image in [
            by_digest(&server.host),
            image(format!("{}/app:1", server.host)),
        ] {
            let present = registry.present(&image).await.unwrap();
            assert_eq!(
                (present.digest, present.media_type.as_str()),
                (digest(&bytes), MANIFEST)
            );
        }
        assert_eq!(server.asked().len(), 4);
    }
}

#[tokio::test]
async fn other_bytes_than_promised_are_refused() {
    let server = Double::start(|asked, _| {
        Some(match asked.method.as_str() {
            "HEAD" => reply(405, &[], ""),
            _ => reply(
                200,
                &[("content-type", MANIFEST)],
                manifest(MANIFEST, b"evil", b"evil"),
            ),
        })
    })
    .await;
    let image = image(format!("{}/app@{}", server.host, digest(&app())));
    let error = registry(nobody()).present(&image).await.unwrap_err();
    let evil = digest(&manifest(MANIFEST, b"evil", b"evil"));
    let says = format!(
        "found digest {evil}, expected {}, in the answer for {image}",
        digest(&app())
    );
    assert_eq!(error.to_string(), says);

    // The header of a HEAD says another digest than was asked for.
    let server = Double::start(|_, _| Some(good(MANIFEST, b"other"))).await;
    let image = super::image(format!("{}/app@{}", server.host, digest(&app())));
    let error = registry(nobody()).present(&image).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::WrongDigest { .. }),
        "{error}"
    );

    // The header of a GET does not fit its own bytes.
    let server = Double::start(|asked, _| {
        let wrong = digest(b"wrong").to_string();
        let headers = [
            ("content-type", MANIFEST),
            ("docker-content-digest", wrong.as_str()),
        ];
        Some(match asked.method.as_str() {
            "HEAD" => reply(405, &[], ""),
            _ => reply(200, &headers, app()),
        })
    })
    .await;
    let image = super::image(format!("{}/app:1", server.host));
    let error = registry(nobody()).present(&image).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::WrongDigest { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_huge_body_is_not_read_to_its_end() {
    let server = Double::start(|asked, _| {
        Some(match asked.method.as_str() {
            "HEAD" => reply(405, &[], ""),
            _ => reply(200, &[("content-type", INDEX)], vec![b' '; (4 << 20) + 1]),
        })
    })
    .await;
    let image = image(format!("{}/app:1", server.host));
    let error = registry(nobody()).present(&image).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("found an answer of more than 4194304 bytes"),
        "{error}"
    );
}

#[tokio::test]
async fn an_index_tells_its_platforms() {
    for media_type in [INDEX, DOCKER_LIST] {
        let arm = manifest(MANIFEST, b"arm", b"layer");
        let bytes = index(
            media_type,
            &[
                ("linux/amd64", &app()),
                ("linux/arm64/v8", &arm),
                ("unknown/unknown", b"sbom"),
            ],
        );
        let whole = digest(&bytes);
        let server = Double::start(move |_, _| Some(good(media_type, &bytes))).await;
        let app_1 = image(format!("{}/app:1", server.host));
        let registry = registry(nobody());
        let present = registry.present(&app_1).await.unwrap();
        assert_eq!(present.media_type, media_type);
        let platforms = [
            ("linux/amd64".to_owned(), digest(&app())),
            ("linux/arm64/v8".to_owned(), digest(&arm)),
        ];
        assert_eq!(present.platforms, platforms);
        assert!(present.holds(&whole) && present.holds(&digest(&arm)));
        assert!(!present.holds(&digest(b"sbom")));
        let by_tag = "HEAD /v2/app/manifests/1".to_owned();
        assert_eq!(
            server.lines(),
            [by_tag, format!("GET /v2/app/manifests/{whole}")]
        );
        // What runs may be recorded as the index or as the platform of the node.
        assert_eq!(registry.moved(&app_1, &whole).await, Ok(None));
        assert_eq!(registry.moved(&app_1, &digest(&arm)).await, Ok(None));
        assert_eq!(
            registry.moved(&app_1, &digest(b"old")).await,
            Ok(Some(whole))
        );
    }
}

#[tokio::test]
async fn manifests_come_from_the_registry_itself() {
    let other = Double::start(|_, _| Some(good(MANIFEST, &app()))).await;
    let to = format!("http://{}/elsewhere", other.host);
    let server = Double::start(move |asked, _| {
        Some(if asked.target.starts_with("/v2/near/") {
            reply(307, &[("location", "/v2/app/here")], "")
        } else if asked.target == "/v2/app/here" {
            good(MANIFEST, &app())
        } else if asked.authorization.is_none() {
            reply(401, &[("www-authenticate", "Basic")], "")
        } else {
            reply(307, &[("location", &to)], "")
        })
    })
    .await;
    let registry = registry(user(&server.host, "me", "hunter2"));
    registry
        .present(&image(format!("{}/near:1", server.host)))
        .await
        .unwrap();

    let error = registry
        .present(&image(format!("{}/app:1", server.host)))
        .await
        .unwrap_err();
    let says = format!(
        "found a redirect from {} to {}, expected",
        server.host, other.host
    );
    assert!(error.to_string().starts_with(&says), "{error}");
    assert_eq!(other.lines(), [""; 0], "a tag was believed of another host");

    // What its digest proves may come from anywhere, and is asked for without the login.
    let pinned = image(format!("{}/app@{}", server.host, digest(&app())));
    registry.present(&pinned).await.unwrap();
    let stranger = image(format!("{}/app@{}", server.host, digest(b"never pushed")));
    let error = registry.present(&stranger).await.unwrap_err();
    assert!(
        matches!(error, RegistryError::WrongDigest { .. }),
        "{error}"
    );
    let asked: Vec<Asked> = other.asked();
    assert_eq!(asked.len(), 2);
    assert!(
        asked
            .iter()
            .all(|asked| asked.method == "GET" && asked.authorization.is_none())
    );
}

#[tokio::test]
async fn each_distinct_image_is_asked_for_once() {
    let server = Double::start(|asked, _| {
        Some(if asked.target.contains("gone") {
            refusal(404, &[], "NAME_UNKNOWN")
        } else {
            good(MANIFEST, &app())
        })
    })
    .await;
    let pin = digest(&app());
    let host = &server.host;
    let images = [
        format!("{host}/app:1@{pin}"),
        format!("{host}/gone@{pin}"),
        format!("{host}/app@{pin}"),
        format!("{host}/app:2@{pin}"),
        format!("{host}/app:1"),
    ]
    .map(image);
    let all = registry(nobody()).all_present(&images).await;
    let (asked, found): (Vec<_>, Vec<_>) = all.into_iter().unzip();
    assert_eq!(asked, images);
    let there: Vec<bool> = found.iter().map(Result::is_ok).collect();
    assert_eq!(there, [true, false, true, true, true]);
    assert_eq!(server.asked().len(), 3);
}

#[tokio::test]
async fn an_image_without_a_tag_cannot_have_moved() {
    let server = Double::start(|_, _| Some(good(MANIFEST, &app()))).await;
    let pinned = image(format!("{}/app@{}", server.host, digest(&app())));
    let moved = registry(nobody()).moved(&pinned, &digest(b"old")).await;
    assert_eq!(moved, Ok(None));
    assert_eq!(server.asked().len(), 0);
}
