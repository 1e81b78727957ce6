//! Tokens and logins: what is sent to whom, and what never is.

use super::double::{Asked, Double, good, refusal, reply};
use super::{MANIFEST, image, manifest, nobody, registry, user};
use axum::response::Response;
use lastgood::model::secret::Secret;
use lastgood::targets::registry::{Credentials, Login, RegistryError};
use std::sync::{Arc, Mutex};

/// `me:hunter2`.
const BASIC: &str = "Basic bWU6aHVudGVyMg==";

fn app() -> Vec<u8> {
    manifest(MANIFEST, b"config", b"layer")
}

/// A token service that gives `t1`, `t2`, … to whoever it `lets_in`.
async fn tokens(lets_in: fn(&Asked) -> bool) -> Double {
    Double::start(move |asked, before| {
        Some(if lets_in(asked) {
            reply(
                200,
                &[],
                format!(r#"{{"token":"t{}","expires_in":60}}"#, before + 1),
            )
        } else {
            refusal(401, &[], "UNAUTHORIZED")
        })
    })
    .await
}

/// A registry that names `realm` and lets in whoever `is_good` accepts.
async fn guarded(realm: String, is_good: impl Fn(&str) -> bool + Send + Sync + 'static) -> Double {
    Double::start(move |asked, _| Some(guard(asked, &realm, &is_good))).await
}

fn guard(asked: &Asked, realm: &str, is_good: &dyn Fn(&str) -> bool) -> Response {
    match &asked.authorization {
        Some(authorization) if is_good(authorization) => good(MANIFEST, &app()),
        _ => {
            let challenge = format!(
                r#"Bearer realm="{realm}",service="the registry",scope="repository:evil:pull,push""#
            );
            refusal(401, &[("www-authenticate", &challenge)], "UNAUTHORIZED")
        }
    }
}

fn is_bearer(authorization: &str) -> bool {
    authorization.starts_with("Bearer t")
}

#[tokio::test]
async fn a_token_is_asked_for_once_and_for_pulling_only() {
    let service = tokens(|asked| asked.authorization.as_deref() == Some(BASIC)).await;
    let realm = format!("http://{}/token?own=1", service.host);
    let server = guarded(realm, is_bearer).await;
    let registry = registry(user(&server.host, "me", "hunter2"));
    let images: Vec<_> = (0..20)
        .map(|n| image(format!("{}/team/app:{n}", server.host)))
        .collect();
    let all = registry.all_present(&images).await;
    assert_eq!(all.len(), 20);
    for (asked, (image, present)) in images.iter().zip(all) {
        assert_eq!(*asked, image);
        assert_eq!(present.unwrap().digest, super::digest(&app()));
    }
    assert_eq!(
        service.lines(),
        ["GET /token?own=1&service=the+registry&scope=repository%3Ateam%2Fapp%3Apull"]
    );
    let sent = server.asked();
    let unseen = |asked: &Asked| asked.authorization.as_deref().is_none_or(is_bearer);
    assert!(
        sent.iter().all(unseen),
        "the password went to the registry: {sent:?}"
    );
    let other = image(format!("{}/team/other:1", server.host));
    registry.present(&other).await.unwrap();
    assert_eq!(
        service.lines().len(),
        2,
        "another repository, another token"
    );
}

#[tokio::test]
async fn without_a_login_the_token_is_anonymous() {
    let service = tokens(|asked| asked.authorization.is_none()).await;
    let server = guarded(format!("http://{}/token", service.host), is_bearer).await;
    let image = image(format!("{}/app:1", server.host));
    registry(nobody()).present(&image).await.unwrap();
    // A login for another registry stays where it is.
    let elsewhere = user("ghcr.io", "me", "hunter2");
    registry(elsewhere).present(&image).await.unwrap();
    assert!(
        service
            .asked()
            .iter()
            .all(|asked| asked.authorization.is_none())
    );
}

#[tokio::test]
async fn an_expired_token_is_renewed_once() {
    let service = tokens(|_| true).await;
    let current = Arc::new(Mutex::new("Bearer t1"));
    let accepted = Arc::clone(&current);
    let realm = format!("http://{}/token", service.host);
    let server = guarded(realm, move |sent| sent == *accepted.lock().unwrap()).await;
    let registry = registry(nobody());
    let image = image(format!("{}/app:1", server.host));
    registry.present(&image).await.unwrap();
    *current.lock().unwrap() = "Bearer t2";
    registry.present(&image).await.unwrap();
    assert_eq!(service.asked().len(), 2);
    *current.lock().unwrap() = "no token is good enough";
    let error = registry.present(&image).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unauthorized(_)), "{error}");
    assert_eq!(service.asked().len(), 3, "asked again without end");
}

#[tokio::test]
async fn a_rejected_login_is_told_without_it() {
    let service = Double::start(|asked, _| {
        let echo = asked.authorization.clone().unwrap_or_default();
        let body = format!(r#"{{"details":"no hunter2 {echo}"}}"#);
        Some(reply(401, &[], body))
    })
    .await;
    let server = guarded(format!("http://{}/token", service.host), is_bearer).await;
    let registry = registry(user(&server.host, "me", "hunter2"));
    let image = image(format!("{}/app:1", server.host));
    let error = registry.present(&image).await.unwrap_err();
    let text = format!("{error} {} {error:?} {registry:?}", error.next());
    let starts = format!(
        "user \"me\" was not let in by {} (401) for {image}: no ***",
        service.host
    );
    assert!(text.starts_with(&starts), "{text}");
    assert!(
        !text.contains("hunter2") && !text.contains("bWU6aHVudGVyMg"),
        "{text}"
    );
    let next = format!(
        "renew the login of user \"me\" for {} in registry-config",
        server.host
    );
    assert!(error.next().starts_with(&next), "{}", error.next());
}

#[tokio::test]
async fn a_token_that_the_registry_repeats_is_masked() {
    let service = tokens(|_| true).await;
    let realm = format!("http://{}/token", service.host);
    let server = Double::start(move |asked, _| {
        Some(match (&asked.authorization, asked.method.as_str()) {
            (None, _) => guard(asked, &realm, &|_| false),
            // The answer to a HEAD has no words.
            (Some(_), "HEAD") => reply(405, &[], ""),
            (Some(_), _) => refusal(403, &[], "not with t1"),
        })
    })
    .await;
    let image = image(format!("{}/app:1", server.host));
    let error = registry(nobody()).present(&image).await.unwrap_err();
    assert!(matches!(error, RegistryError::Forbidden(_)), "{error}");
    assert!(
        error.to_string().contains("(403): not with *** told so"),
        "{error}"
    );
}

#[tokio::test]
async fn basic_logins_and_ready_made_tokens() {
    let basic = |asked: &Asked, _| {
        Some(if asked.authorization.as_deref() == Some(BASIC) {
            good(MANIFEST, &app())
        } else {
            reply(401, &[("www-authenticate", r#"Basic realm="x""#)], "")
        })
    };
    let server = Double::start(basic).await;
    let app_1 = image(format!("{}/app:1", server.host));
    let known = registry(user(&server.host, "me", "hunter2"));
    known.present(&app_1).await.unwrap();
    known.present(&app_1).await.unwrap();
    assert_eq!(
        server.asked().len(),
        3,
        "the second time it is sent at once"
    );
    let error = registry(nobody()).present(&app_1).await.unwrap_err();
    let says = format!(
        "a request without a login was not let in by {} (401)",
        server.host
    );
    assert!(error.to_string().starts_with(&says), "{error}");
    assert!(
        error.next().starts_with("give a login for "),
        "{}",
        error.next()
    );

    let server = guarded("https://unused.invalid/".to_owned(), |sent| {
        sent == "Bearer made"
    })
    .await;
    let login = Login::Token(Secret::new("made"));
    let credentials = nobody().with(&server.host, login).unwrap();
    let app_1 = image(format!("{}/app:1", server.host));
    registry(credentials).present(&app_1).await.unwrap();
}

#[tokio::test]
async fn an_identity_token_is_traded_by_post() {
    let service = Double::start(|asked, _| {
        assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/token"));
        assert_eq!(
            asked.body,
            "service=the+registry&scope=repository%3Aapp%3Apull&client_id=lastgood&grant_type=refresh_token&refresh_token=id+tok"
        );
        Some(reply(200, &[], r#"{"access_token":"t9"}"#))
    })
    .await;
    let server = guarded(format!("http://{}/token", service.host), is_bearer).await;
    let text = format!(
        r#"{{"auths":{{"{}":{{"identitytoken":"id tok"}}}}}}"#,
        server.host
    );
    let credentials = Credentials::from_docker_config("registry-config", &text).unwrap();
    let image = image(format!("{}/app:1", server.host));
    registry(credentials).present(&image).await.unwrap();
    assert_eq!(service.asked().len(), 1);
}

#[tokio::test]
async fn a_token_service_without_tls_gets_nothing() {
    for realm in ["http://auth.example/token", "ftp://127.0.0.1/", "/token"] {
        let server = guarded(realm.to_owned(), is_bearer).await;
        let registry = registry(user(&server.host, "me", "hunter2"));
        let image = image(format!("{}/app:1", server.host));
        let error = registry.present(&image).await.unwrap_err();
        let says = format!("found token service {realm:?} named by {}", server.host);
        assert!(error.to_string().starts_with(&says), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn a_token_service_that_redirects_or_talks_nonsense_is_refused() {
    for (status, body, says) in [
        (302, "", "found status 302, expected"),
        (200, "<html>", "found an answer without a token"),
        (403, "", "may not pull"),
        (404, "", "found status 404"),
    ] {
        let other = tokens(|_| true).await;
        let to = format!("http://{}/", other.host);
        let service =
            Double::start(move |_, _| Some(reply(status, &[("location", &to)], body))).await;
        let server = guarded(format!("http://{}/token", service.host), is_bearer).await;
        let registry = registry(user(&server.host, "me", "hunter2"));
        let image = image(format!("{}/app:1", server.host));
        let error = registry.present(&image).await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
        assert_eq!(other.asked().len(), 0, "a login followed a redirect");
    }
}

#[tokio::test]
async fn a_login_that_only_another_program_knows_is_told() {
    let server = Double::start(|_, _| Some(reply(401, &[], ""))).await;
    let text = format!(r#"{{"credHelpers":{{"{}":"ecr-login"}}}}"#, server.host);
    let credentials = Credentials::from_docker_config("registry-config", &text).unwrap();
    let image = image(format!("{}/app:1", server.host));
    let error = registry(credentials).present(&image).await.unwrap_err();
    let says = "with registry-config: docker-credential-ecr-login, which it names, is not in this container";
    assert!(error.next().contains(says), "{}", error.next());
}
