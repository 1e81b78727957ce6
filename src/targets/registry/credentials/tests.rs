//! Docker's config.json as the tools write it, and what is refused without repeating it.

use super::*;
use base64::prelude::BASE64_STANDARD;

fn config(text: &str) -> Credentials {
    Credentials::from_docker_config("registry-config", text).unwrap()
}

#[track_caller]
fn check(credentials: &Credentials, image: &str, expected: Option<(&str, &str)>) {
    let image: Reference = image.parse().unwrap();
    let login = credentials.login(&image).map(|login| match login {
        Login::Password { user, secret } => (user.as_str(), secret.expose()),
        Login::Identity(secret) => ("(identity)", secret.expose()),
        Login::Token(secret) => ("(token)", secret.expose()),
    });
    assert_eq!(login, expected);
}

#[test]
fn each_image_has_the_login_of_its_registry_only() {
    let auth = |text: &str| BASE64_STANDARD.encode(text);
    let text = serde_json::json!({
        "auths": {
            "https://index.docker.io/v1/": { "auth": auth("me:hub:pw") },
            "GHCR.io": { "auth": auth("me:ghcr").trim_end_matches('=') },
            "ghcr.io/other/": { "username": "it", "password": "other" },
            "localhost:5000": { "auth": auth("a:b\0\0"), "email": "x@y" },
            "acr.example": { "auth": auth("00000000-0000-0000-0000-000000000000:"), "identitytoken": "idt" },
            "tok.example": { "registrytoken": "rt" },
            "empty.example": {},
        },
        "HttpHeaders": { "User-Agent": "x" },
    });
    let credentials = config(&text.to_string());
    check(&credentials, "nginx", Some(("me", "hub:pw")));
    check(&credentials, "index.docker.io/a/b", Some(("me", "hub:pw")));
    check(&credentials, "ghcr.io/mine/x", Some(("me", "ghcr")));
    check(&credentials, "ghcr.io/other/x/y", Some(("it", "other")));
    check(&credentials, "ghcr.io/others/x", Some(("me", "ghcr")));
    check(&credentials, "localhost:5000/x", Some(("a", "b")));
    check(&credentials, "localhost:5001/x", None);
    check(&credentials, "acr.example/x", Some(("(identity)", "idt")));
    check(&credentials, "tok.example/x", Some(("(token)", "rt")));
    check(&credentials, "empty.example/x", None);
    check(&credentials, "evil-ghcr.io/mine/x", None);
    check(&credentials, "ghcr.io.evil.example/mine/x", None);
    assert!(credentials.unusable().is_empty());
    let shown = format!("{credentials:?}");
    for secret in ["hub:pw", "\"ghcr\"", "idt", "\"rt\""] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn programs_of_another_machine_are_told() {
    let text = r#"{"auths": {"a.example": {}}, "credHelpers": {"b.example": "ecr-login"}, "credsStore": "desktop"}"#;
    let credentials = config(text);
    assert_eq!(
        credentials.unusable(),
        [
            "registry-config names docker-credential-ecr-login for b.example: that program is not in this container",
            "registry-config keeps its logins in docker-credential-desktop: that program is not in this container",
        ]
    );
    let program = |image: &str| {
        credentials
            .program(&image.parse().unwrap())
            .map(str::to_owned)
    };
    assert_eq!(program("a.example/x").as_deref(), Some("desktop"));
    assert_eq!(program("b.example/x").as_deref(), Some("ecr-login"));
    assert_eq!(
        Credentials::none("x").program(&"a/b".parse().unwrap()),
        None
    );
}

#[test]
fn what_cannot_be_read_is_refused_without_repeating_it() {
    #[track_caller]
    fn refused(text: &str, says: &str) {
        let error = Credentials::from_docker_config("registry-config", text).unwrap_err();
        let error = error.to_string();
        assert!(error.contains(says), "{error}");
        assert!(error.contains("in registry-config, expected"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    refused("hunter2", "no JSON at line 1 column 1");
    refused("", "no JSON at line 1 column 0");
    refused(r#""hunter2""#, "the whole that is no JSON object");
    refused(r#"{"auths": "hunter2"}"#, "auths that is no JSON object");
    refused(
        r#"{"auths": {"a.io": "hunter2"}}"#,
        r#"auths["a.io"] that is no JSON object"#,
    );
    refused(
        r#"{"auths": {"a.io": {"auth": "hunter2!"}}}"#,
        r#"auths["a.io"].auth that is not"#,
    );
    let no_colon = BASE64_STANDARD.encode("hunter2");
    refused(
        &format!(r#"{{"auths": {{"a.io": {{"auth": "{no_colon}"}}}}}}"#),
        "base64 of user:password",
    );
    refused(
        r#"{"auths": {"*.azurecr.io": {}}}"#,
        r#"registry "*.azurecr.io", expected a host"#.split(',').next().unwrap(),
    );
    refused(r#"{"auths": {"": {}}}"#, "correct the name of the registry");
    refused(
        r#"{"credHelpers": []}"#,
        "credHelpers that is no JSON object",
    );
}
