//! Why an engine did not get an image, in words with one next action. It says so in prose, in the stream or beside a status, and the
//! prose of moby, containerd and podman differs. Pure.

use crate::targets::TargetError;
use crate::targets::compose::engine::EngineError;
use crate::targets::registry::Reference;

/// What the engine's words mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The registry has no such image.
    Missing,
    /// The login is missing, wrong, or may not pull.
    Denied,
    /// Too many pulls.
    Limited,
    /// The disk of the engine's host is full.
    Full,
    /// It is for other machines.
    Platform,
    /// The engine does not trust the registry's certificate, or expected one.
    Untrusted,
    /// The engine does not reach the registry.
    Unreachable,
    Other,
}

/// Words by which each is known, in the order in which they are looked for. Docker Hub answers "denied" for what does not exist.
const WORDS: [(Trouble, &[&str]); 7] = [
    (
        Trouble::Platform,
        &["no matching manifest for", "no match for platform"],
    ),
    (
        Trouble::Full,
        &["no space left on device", "disk quota exceeded"],
    ),
    (
        Trouble::Limited,
        &["toomanyrequests", "too many requests", "rate limit"],
    ),
    (
        Trouble::Missing,
        &[
            "manifest unknown",
            "name unknown",
            "manifest_unknown",
            "name_unknown",
        ],
    ),
    (
        Trouble::Denied,
        &[
            "unauthorized",
            "denied",
            "no basic auth credentials",
            "authentication required",
            "authorization failed",
            "forbidden",
        ],
    ),
    (
        Trouble::Untrusted,
        &[
            "x509",
            "certificate",
            "server gave http response to https client",
        ],
    ),
    (
        Trouble::Unreachable,
        &[
            "connection refused",
            "no such host",
            "timeout",
            "timed out",
            "no route to host",
            "network is unreachable",
            "connection reset",
            "deadline exceeded",
            "eof",
            "server misbehaving",
            "bad gateway",
            "service unavailable",
            "temporary failure",
        ],
    ),
];

/// What the engine's message says.
pub(super) fn kind(message: &str) -> Trouble {
    let message = message.to_lowercase();
    let is_said =
        |(_, words): &&(Trouble, &[&str])| words.iter().any(|word| message.contains(word));
    WORDS
        .iter()
        .find(is_said)
        .map_or(Trouble::Other, |(trouble, _)| *trouble)
}

/// The one next action.
pub(super) fn next(trouble: Trouble, image: &Reference, logins: &str, has_login: bool) -> String {
    let registry = image.registry();
    match trouble {
        Trouble::Missing => "choose a release whose images are still there: --run-id; and have the registry keep what is deployed".to_owned(),
        Trouble::Denied if has_login => {
            format!("renew the login for {registry} in {logins}, or give it the right to pull")
        }
        Trouble::Denied => format!(
            "give a login for {registry} with {logins}: the text of a docker config.json; a `docker login` of another step is not seen"
        ),
        Trouble::Limited if has_login => format!("wait until {registry} lets this login pull again"),
        Trouble::Limited => format!("give a login for {registry} with {logins}"),
        Trouble::Full => "free space on the engine's host: `docker system df` shows what takes it".to_owned(),
        Trouble::Platform => "choose a release that was built for this machine: --run-id".to_owned(),
        Trouble::Untrusted => format!(
            "have the engine trust {registry}: its CA in /etc/docker/certs.d/{registry}/ca.crt on the engine's host, or `insecure-registries`"
        ),
        Trouble::Unreachable => format!("see on the engine's host whether {registry} answers, then run the same command again"),
        Trouble::Other => "run `docker pull` of that image on the engine's host, and mend what it says".to_owned(),
    }
}

/// The error of a pull that did not succeed. Nothing was touched.
pub(super) fn told(
    of: &str,
    image: &Reference,
    error: EngineError,
    logins: &str,
    has_login: bool,
) -> TargetError {
    let message = match error {
        EngineError::Status { status: _, message } => message,
        EngineError::Refused { .. }
        | EngineError::Unreached { .. }
        | EngineError::Broken { .. }
        | EngineError::TimedOut { .. }
        | EngineError::Unreadable { .. } => return error.reading(of),
    };
    let trouble = kind(&message);
    let next = next(trouble, image, logins, has_login);
    let what = format!("{of}: the engine could not pull {image}: {message}");
    match trouble {
        Trouble::Missing | Trouble::Platform => TargetError::BadRelease { what, next },
        Trouble::Denied
        | Trouble::Limited
        | Trouble::Full
        | Trouble::Untrusted
        | Trouble::Unreachable
        | Trouble::Other => TargetError::Refused {
            what,
            allow: None,
            next,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &str, expected: Trouble) {
        assert_eq!(kind(message), expected, "{message}");
    }

    #[test]
    fn the_words_of_engines() {
        // moby 20.10
        check(
            "manifest for 127.0.0.1:5000/a@sha256:aa not found: manifest unknown: manifest unknown",
            Trouble::Missing,
        );
        check(
            "Get \"http://127.0.0.1:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused",
            Trouble::Unreachable,
        );
        check(
            "Get \"https://nope.invalid/v2/\": dial tcp: lookup nope.invalid on 127.0.0.53:53: no such host",
            Trouble::Unreachable,
        );
        check(
            "pull access denied for shop/web, repository does not exist or may require 'docker login': denied: requested access to the resource is denied",
            Trouble::Denied,
        );
        check(
            "Get \"http://127.0.0.1:5000/v2/a/manifests/sha256:aa\": no basic auth credentials",
            Trouble::Denied,
        );
        check("unauthorized: authentication required", Trouble::Denied);
        check(
            "no matching manifest for linux/arm64/v8 in the manifest list entries",
            Trouble::Platform,
        );
        check(
            "failed to register layer: Error processing tar file(exit status 1): write /a: no space left on device",
            Trouble::Full,
        );
        check(
            "toomanyrequests: You have reached your pull rate limit. You may increase the limit by authenticating and upgrading",
            Trouble::Limited,
        );
        check(
            "Get \"https://10.0.0.1:5000/v2/\": http: server gave HTTP response to HTTPS client",
            Trouble::Untrusted,
        );
        check(
            "Get \"https://r.example/v2/\": x509: certificate signed by unknown authority",
            Trouble::Untrusted,
        );
        // containerd
        check(
            "failed to resolve reference \"ghcr.io/a/b@sha256:aa\": failed to authorize: failed to fetch anonymous token: 403 Forbidden",
            Trouble::Denied,
        );
        check(
            "no match for platform in manifest sha256:aa: not found",
            Trouble::Platform,
        );
        check("something else", Trouble::Other);
    }

    #[test]
    fn each_has_one_next_action() {
        let image: Reference = "ghcr.io/shop/web:1".parse().unwrap();
        let error = EngineError::Status {
            status: 500,
            message: "denied".to_owned(),
        };
        let told = told("web", &image, error, "the input registry-auth", false);
        match told {
            TargetError::Refused { what, next, .. } => {
                assert!(what.contains("could not pull ghcr.io/shop/web:1"), "{what}");
                assert!(
                    next.contains("a login for ghcr.io with the input registry-auth"),
                    "{next}"
                );
            }
            other => panic!("{other}"),
        }
        let next = next(Trouble::Denied, &image, "registry-auth-from", true);
        assert!(next.starts_with("renew"), "{next}");
    }
}
