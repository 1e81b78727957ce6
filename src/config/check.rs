//! Checks of single values, shared by the config file and the arguments. Each refusal says what was expected.

use crate::model::ids::RepoName;
use url::Url;

/// What a probe or control address must be.
pub const HTTP_URL: &str = "an address such as https://example.com/health";

/// What a workflow must be.
pub const WORKFLOW: &str = "the file name of a workflow, such as deploy.yml";

/// An `http` or `https` address with a host and without a password: those are secrets, and never stand in a config.
pub fn http_url(text: &str) -> Result<Url, &'static str> {
    match Url::parse(text) {
        Ok(url) if url.password().is_some() || !url.username().is_empty() => {
            Err("an address without a user name or password (use headers-from-env)")
        }
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => Ok(url),
        Ok(_) | Err(_) => Err(HTTP_URL),
    }
}

/// What the address of a probe with `via` must be.
pub const VIA_URL: &str =
    "an http:// address: with via, the target's own connection is asked, and that is not TLS";

/// What `via` of a probe must be.
const VIA: &str = "KIND/NAME:PORT or NAMESPACE/KIND/NAME:PORT, such as deployment/web:8001";

/// `[NAMESPACE/]KIND/NAME:PORT`; the port is a number from 1 to 65535 or the name of one. Whether there is such a place, the
/// target says.
pub fn via(text: &str) -> Result<(), &'static str> {
    let (place, port) = text.rsplit_once(':').ok_or(VIA)?;
    let parts: Vec<&str> = place.split('/').collect();
    let is_part = |part: &&str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.'))
    };
    if !(2..=3).contains(&parts.len()) || !parts.iter().all(is_part) {
        return Err(VIA);
    }
    if is_port(port) {
        Ok(())
    } else {
        Err(
            "a port from 1 to 65535, or the name of one, after the last colon, such as deployment/web:8001",
        )
    }
}

/// A number, or a name as ports of a pod have them (RFC 6335, section 5.1).
fn is_port(text: &str) -> bool {
    let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if is_number {
        return text.parse::<u16>().is_ok_and(|port| 0 < port);
    }
    let is_word = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    is_word
        && (1..=15).contains(&text.len())
        && text.bytes().any(|b| b.is_ascii_lowercase())
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}

/// `deploy.yml` or `.github/workflows/deploy.yml`.
pub fn workflow(text: &str) -> Result<(), &'static str> {
    let name = text.strip_prefix(".github/workflows/").unwrap_or(text);
    let is_yaml = [".yml", ".yaml"]
        .iter()
        .any(|end| name.strip_suffix(end).is_some_and(|stem| !stem.is_empty()));
    if is_yaml && !name.contains('/') {
        Ok(())
    } else {
        Err(WORKFLOW)
    }
}

/// Events of which a stranger decides what runs.
pub fn event(text: &str) -> Result<(), &'static str> {
    let ok = !text.is_empty() && text.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    match ok && !text.starts_with("pull_request") {
        true => Ok(()),
        false if ok => Err("an event that a pull request cannot start, such as push"),
        false => Err("the name of an event, such as push"),
    }
}

/// `owner/name`.
pub fn repository(text: &str) -> Result<RepoName, &'static str> {
    text.parse().map_err(|_bad| "owner/name")
}

/// `name` or `name:slot` of a hazard.
pub fn hazard(text: &str) -> Result<(), &'static str> {
    let (name, slot) = text.split_once(':').unwrap_or((text, "any"));
    let is_name = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if is_name && !slot.is_empty() {
        Ok(())
    } else {
        Err("the name of a hazard, such as migration or migration:web")
    }
}

/// Longest text of arguments: a health check asks something small.
const ARGUMENTS_BYTES_MAX: usize = 64 * 1024;

/// Candid values in parentheses. Whether they fit the method, the target says.
pub fn arguments(text: &str) -> Result<(), String> {
    const EXPECTED: &str =
        "Candid values in parentheses, such as (record { limit = 10 : nat }), at most 64 KiB";
    if ARGUMENTS_BYTES_MAX < text.len() {
        return Err(EXPECTED.to_owned());
    }
    match candid_parser::parse_idl_args(text) {
        Ok(_values) => Ok(()),
        Err(error) => {
            let error = error.to_string();
            let line: String = error
                .lines()
                .next()
                .unwrap_or_default()
                .chars()
                .take(160)
                .collect();
            Err(format!("{EXPECTED} ({line})"))
        }
    }
}

/// The name of a slot or a method.
pub fn name(text: &str) -> Result<(), &'static str> {
    let ok = !text.trim().is_empty() && !text.chars().any(char::is_control);
    ok.then_some(()).ok_or("a name")
}

/// A text that is contained, or `/a valid regular expression/`.
pub fn body(text: &str) -> Result<(), String> {
    let inner = text
        .strip_prefix('/')
        .and_then(|rest| rest.strip_suffix('/'))
        .filter(|inner| !inner.is_empty());
    match inner {
        Some(expression) => regex_lite::Regex::new(expression)
            .map(|_regex| ())
            .map_err(|error| format!("a regular expression that can be read ({error})")),
        None if text.is_empty() => Err("a text that a good answer contains".to_owned()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_scheme_and_a_host_and_no_secret() {
        assert!(http_url("http://127.0.0.1:80/x").is_ok());
        for wrong in [
            "example.com",
            "ftp://example.com",
            "https://",
            "https://u:p@example.com",
            "file:///x",
        ] {
            assert!(http_url(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_workflow_is_a_yaml_file() {
        for good in ["deploy.yml", "deploy.yaml", ".github/workflows/deploy.yml"] {
            assert!(workflow(good).is_ok(), "{good}");
        }
        for wrong in ["", "deploy", ".yml", "a/deploy.yml", "Deploy site"] {
            assert!(workflow(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn events_of_pull_requests_are_refused() {
        assert!(event("workflow_dispatch").is_ok());
        for wrong in ["pull_request", "pull_request_target", "Push", ""] {
            assert!(event(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_a_text_or_an_expression() {
        assert!(body("ok").is_ok());
        assert!(body("/^ok$/").is_ok());
        assert!(body("/").is_ok());
        assert!(body("").is_err());
        assert!(body("/(/").is_err());
    }

    #[test]
    fn arguments_are_candid_values() {
        for good in [
            "()",
            "(1)",
            "(record { limit = 10 : nat }, \"a\")",
            "(opt null)",
        ] {
            assert_eq!(arguments(good), Ok(()), "{good}");
        }
        for wrong in ["", "1", "(", "(record { limit: 10 })", "({\"a\": 1})"] {
            let expected = arguments(wrong).unwrap_err();
            assert!(expected.starts_with("Candid values"), "{wrong}: {expected}");
        }
        assert!(arguments(&format!("(\"{}\")", "a".repeat(70_000))).is_err());
    }

    #[test]
    fn a_way_through_a_target_names_a_place_and_a_port() {
        for good in [
            "deployment/web:8001",
            "shop/deployment/web:8001",
            "service/web:http",
            "statefulset/db.main:65535",
        ] {
            assert_eq!(via(good), Ok(()), "{good}");
        }
        for wrong in [
            "",
            "web",
            "web:80",
            "deployment/web",
            "a/b/c/d:80",
            "deployment/:80",
        ] {
            assert!(via(wrong).is_err(), "{wrong}");
        }
        for port in [
            "",
            "0",
            "65536",
            "-http",
            "HTTP",
            "a--b",
            "a-very-long-port",
        ] {
            let expected = via(&format!("deployment/web:{port}")).unwrap_err();
            assert!(expected.starts_with("a port"), "{port}: {expected}");
        }
    }

    #[test]
    fn a_hazard_may_name_a_slot() {
        assert!(hazard("migration").is_ok());
        assert!(hazard("migration:web").is_ok());
        for wrong in ["", "Migration", "a b", "migration:"] {
            assert!(hazard(wrong).is_err(), "{wrong}");
        }
    }
}
