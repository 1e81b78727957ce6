//! The probes of an environment with their secrets: addresses, and queries of canisters.

use super::Scope;
use crate::cli::args::{Asked, ProbeArg};
use crate::config::check;
use crate::config::file;
use crate::engine::request::{Means, Page, Probe, Query};
use crate::model::outcome::Failure;
use crate::model::secret::Secret;
use crate::model::state::Slot;
use url::Url;

/// The typed ones, or those of the file; each has a name of its own.
pub(super) fn resolve(scope: &Scope<'_>, written: &file::Health) -> Result<Vec<Probe>, Failure> {
    let typed = &scope.parts.health.probe;
    let probes: Vec<Probe> = if typed.is_empty() {
        let written = written.probes.iter().flatten().enumerate();
        written
            .map(|(index, probe)| from_file(scope, index, probe))
            .collect::<Result<_, _>>()?
    } else {
        typed.iter().map(from_argument).collect()
    };
    for (index, probe) in probes.iter().enumerate() {
        let mut earlier = probes.iter().take(index);
        if earlier.any(|other| other.name == probe.name) {
            let expected = "a name of its own for each probe";
            if !typed.is_empty() {
                return Err(scope.wrong_option("probe", &probe.name, expected));
            }
            let path = ["health", "probes", &format!("[{index}]"), "name"];
            return Err(scope.wrong_text(&path, &probe.name, expected).into());
        }
    }
    Ok(probes)
}

/// `example.com/health` of an address.
fn default_name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    format!("{host}{}", url.path().trim_end_matches('/'))
}

fn any_good_status() -> Vec<String> {
    vec!["2xx".to_owned(), "3xx".to_owned()]
}

fn from_argument(typed: &ProbeArg) -> Probe {
    let (default, means) = match &typed.what {
        Asked::Url(url) => (
            default_name(url),
            Means::Http(Page {
                via: None,
                url: url.clone(),
                method: "GET".to_owned(),
                expect_status: any_good_status(),
                expect_body: None,
                headers: Vec::new(),
            }),
        ),
        Asked::Query {
            slot,
            method,
            arguments,
        } => (
            format!("{slot}.{method}"),
            Means::Query(Query {
                slot: Slot(slot.clone()),
                method: method.clone(),
                arguments: arguments.clone(),
                expect: None,
            }),
        ),
    };
    Probe {
        name: typed.name.clone().unwrap_or(default),
        gating: true,
        means,
    }
}

fn from_file(scope: &Scope<'_>, index: usize, probe: &file::Probe) -> Result<Probe, Failure> {
    let item = format!("[{index}]");
    let (default, means) = match (&probe.url, &probe.query) {
        (Some(url), None) => {
            let page = page(scope, &item, url, probe)?;
            (default_name(&page.url), Means::Http(page))
        }
        (None, Some(written)) => {
            let query = query(scope, &item, probe, written)?;
            (
                format!("{}.{}", query.slot, query.method),
                Means::Query(query),
            )
        }
        (Some(url), Some(_)) => {
            let path = ["health", "probes", &item, "url"];
            let expected = "either url or query, not both";
            return Err(scope.wrong_text(&path, url, expected).into());
        }
        (None, None) => {
            let path = ["health", "probes", &item];
            let expected = "url, the address that is asked, or query";
            return Err(scope.wrong(&path, "neither url nor query", expected).into());
        }
    };
    Ok(Probe {
        name: probe.name.clone().unwrap_or(default),
        gating: probe.gating.unwrap_or(true),
        means,
    })
}

fn page(
    scope: &Scope<'_>,
    item: &str,
    address: &str,
    probe: &file::Probe,
) -> Result<Page, Failure> {
    let wrong = |key: &str, found: &str, expected: &str| {
        scope.wrong_text(&["health", "probes", item, key], found, expected)
    };
    let url = check::http_url(address).map_err(|expected| wrong("url", address, expected))?;
    if let Some(via) = &probe.via {
        check::via(via).map_err(|expected| wrong("via", via, expected))?;
        if url.scheme() != "http" {
            // TLS would be for the forwarded address, and its certificate is for another name.
            return Err(wrong("url", address, check::VIA_URL).into());
        }
    }
    if let Some(text) = &probe.expect_body {
        check::body(text).map_err(|expected| wrong("expect-body", text, &expected))?;
    }
    if let (Some(text), Some(file::Method::Head)) = (&probe.expect_body, probe.method) {
        return Err(wrong(
            "expect-body",
            text,
            "nothing (the answer to HEAD has no body)",
        )
        .into());
    }
    Ok(Page {
        via: probe.via.clone(),
        url,
        method: match probe.method {
            Some(file::Method::Head) => "HEAD".to_owned(),
            Some(file::Method::Get) | None => "GET".to_owned(),
        },
        expect_status: match &probe.expect_status {
            Some(statuses) => statuses.0.clone(),
            None => any_good_status(),
        },
        expect_body: probe.expect_body.clone(),
        headers: probe
            .headers_from_env
            .iter()
            .flatten()
            .map(|(name, variable)| header(scope, item, name, variable))
            .collect::<Result<_, _>>()?,
    })
}

/// What a canister is asked; keys of an address are refused beside it.
fn query(
    scope: &Scope<'_>,
    item: &str,
    probe: &file::Probe,
    written: &file::Query,
) -> Result<Query, Failure> {
    let others = [
        ("via", probe.via.is_some()),
        ("method", probe.method.is_some()),
        ("expect-status", probe.expect_status.is_some()),
        ("expect-body", probe.expect_body.is_some()),
        ("headers-from-env", probe.headers_from_env.is_some()),
    ];
    if let Some((key, _)) = others.into_iter().find(|(_, is_written)| *is_written) {
        let expected = match key {
            "method" => "it inside of query, where it names the method of the canister",
            "expect-body" => "`expect` inside of query",
            _ => "no such key beside query: it belongs to url",
        };
        let path = ["health", "probes", item, key];
        return Err(scope.wrong(&path, key, expected).into());
    }
    let wrong = |key: &str, found: &str, expected: &str| {
        scope.wrong_text(&["health", "probes", item, "query", key], found, expected)
    };
    for (key, text) in [("slot", &written.slot), ("method", &written.method)] {
        check::name(text).map_err(|expected| wrong(key, text, expected))?;
    }
    let arguments = written.arguments.as_deref().unwrap_or("()");
    check::arguments(arguments).map_err(|expected| wrong("arguments", arguments, &expected))?;
    if let Some(text) = &written.expect {
        check::body(text).map_err(|expected| wrong("expect", text, &expected))?;
    }
    Ok(Query {
        slot: Slot(written.slot.clone()),
        method: written.method.clone(),
        arguments: arguments.to_owned(),
        expect: written.expect.clone(),
    })
}

/// The value of a header, from the variable that holds it. A refusal never shows it.
fn header(
    scope: &Scope<'_>,
    item: &str,
    name: &str,
    variable: &str,
) -> Result<(String, Secret), Failure> {
    let wrong = |found: &str, expected: &str| {
        scope.wrong(
            &["health", "probes", item, "headers-from-env", name],
            found,
            expected,
        )
    };
    if http::HeaderName::try_from(name).is_err() {
        let found = format!("header {name:?}");
        return Err(wrong(&found, "the name of a header, such as Authorization").into());
    }
    let value = scope.inputs.env.get(variable).ok_or_else(|| {
        let found = format!("the environment variable {variable}, which is not set");
        wrong(&found, "one that holds the header's value")
    })?;
    if http::HeaderValue::try_from(value).is_err() {
        let found = format!(
            "the environment variable {variable}, whose value has characters that no header may have"
        );
        return Err(wrong(&found, "one line of text").into());
    }
    Ok((name.to_owned(), Secret::new(value)))
}
