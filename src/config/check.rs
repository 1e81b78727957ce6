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
    fn a_hazard_may_name_a_slot() {
        assert!(hazard("migration").is_ok());
        assert!(hazard("migration:web").is_ok());
        for wrong in ["", "Migration", "a b", "migration:"] {
            assert!(hazard(wrong).is_err(), "{wrong}");
        }
    }
}
