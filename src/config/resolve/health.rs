//! How it is judged whether the service is well: probes with their secrets, and numbers that can work at all.

use super::Scope;
use crate::cli::args::ProbeArg;
use crate::cli::usage::{self, Spelling};
use crate::config::check;
use crate::config::defaults;
use crate::config::file;
use crate::config::units::{Share, Time};
use crate::engine::request::{Health, Latency, Probe};
use crate::model::outcome::Failure;
use crate::model::secret::Secret;
use std::time::Duration;
use url::Url;

/// More than this makes each test too weak: the error bounds are shared among the gating signals.
const GATING_MAX: usize = 4;

/// Longer is not warming up but failing.
const WARM_UP_MAX: Duration = Duration::from_mins(10);

pub(super) fn resolve(scope: &Scope<'_>) -> Result<Health, Failure> {
    if !scope.needs.probes {
        return Ok(defaults::health());
    }
    let written = scope.written.and_then(|(_, env)| env.health.clone());
    let written = written.unwrap_or_default();
    let typed = &scope.parts.health;
    let default = defaults::health();
    let time = |typed: Option<Time>, written: Option<Time>, default| {
        typed.or(written).map_or(default, |time| time.0)
    };
    let health = Health {
        probes: probes(scope, &written)?,
        control_url: match (&typed.control_url, &written.control_url) {
            (Some(url), _) => Some(url.clone()),
            (None, Some(text)) => Some(check::http_url(text).map_err(|expected| {
                scope.wrong_text(&["health", "control-url"], text, expected)
            })?),
            (None, None) => None,
        },
        rate: scope.bounded(&["health", "rate"], written.rate, 1..=50, default.rate)?,
        healthy_error_rate: written
            .healthy_error_rate
            .map_or(default.healthy_error_rate, |share| share.0),
        unhealthy_error_rate: written
            .unhealthy_error_rate
            .map_or(default.unhealthy_error_rate, |share| share.0),
        warm_up: time(typed.warm_up, written.warm_up, default.warm_up),
        cap: time(typed.cap, written.cap, default.cap),
        bake: time(typed.bake, written.bake, default.bake),
        bake_rate: scope.bounded(
            &["health", "bake-rate"],
            written.bake_rate,
            1..=50,
            default.bake_rate,
        )?,
        baseline: time(None, written.baseline, default.baseline),
        latency: match written.latency {
            Some(file::Latency::Warn) => Latency::Warn,
            Some(file::Latency::Gate) => Latency::Gate,
            Some(file::Latency::Off) => Latency::Off,
            None => default.latency,
        },
    };
    let gating = health.probes.iter().filter(|probe| probe.gating).count();
    if scope.needs.verdict && gating == 0 {
        return Err(nothing_to_judge(scope, health.probes.len()));
    }
    match impossible(&health).first() {
        Some((key, found, expected)) => Err(scope.wrong(&["health", key], found, expected).into()),
        None => Ok(health),
    }
}

fn nothing_to_judge(scope: &Scope<'_>, probes: usize) -> Failure {
    let expected = "at least one probe that decides";
    match scope.written {
        Some(_) if probes > 0 => {
            let found = format!("{probes} probes, none of them gating");
            scope.wrong(&["health", "probes"], &found, expected).into()
        }
        Some(_) => scope
            .wrong(&["health", "probes"], "no probe", expected)
            .into(),
        None => usage::failure(
            format!(
                "no probe: there is no config file {}, and {} is not given, so nothing could be judged",
                defaults::CONFIG_FILE,
                scope.option("probe")
            ),
            match scope.inputs.spelling {
                Spelling::Flag => "name an address: --probe https://example.com/health",
                Spelling::Input => "name an address: `probe: https://example.com/health`",
            },
        ),
    }
}

/// What can never lead to a verdict: the key in `health`, what was found, and what would work.
pub fn impossible(health: &Health) -> Vec<(&'static str, String, String)> {
    let mut wrong = Vec::new();
    let gating = health.probes.iter().filter(|probe| probe.gating).count();
    if gating > GATING_MAX {
        let expected = format!("at most {GATING_MAX} (give the others gating: false)");
        wrong.push(("probes", format!("{gating} gating probes"), expected));
    }
    let percent = |share: f64| Share(share).to_string();
    if health.healthy_error_rate <= 0.0 {
        let expected = "more than 0% (no service never fails)".to_owned();
        wrong.push((
            "healthy-error-rate",
            percent(health.healthy_error_rate),
            expected,
        ));
    }
    if health.unhealthy_error_rate < 2.0 * health.healthy_error_rate {
        let expected = format!(
            "at least twice healthy-error-rate ({}): what lies closer cannot be told apart in time",
            percent(health.healthy_error_rate)
        );
        wrong.push((
            "unhealthy-error-rate",
            percent(health.unhealthy_error_rate),
            expected,
        ));
    }
    if health.unhealthy_error_rate >= 1.0 {
        let expected = "less than 100%".to_owned();
        wrong.push((
            "unhealthy-error-rate",
            percent(health.unhealthy_error_rate),
            expected,
        ));
    }
    let whole_seconds = [
        ("warm-up", health.warm_up),
        ("cap", health.cap),
        ("bake", health.bake),
        ("baseline", health.baseline),
    ];
    for (key, time) in whole_seconds {
        if time.subsec_nanos() != 0 {
            let expected = "whole seconds (each second is one vote)".to_owned();
            wrong.push((key, Time(time).to_string(), expected));
        }
    }
    if health.warm_up > WARM_UP_MAX {
        wrong.push((
            "warm-up",
            Time(health.warm_up).to_string(),
            format!("at most {}", Time(WARM_UP_MAX)),
        ));
    }
    if health.cap.is_zero() {
        wrong.push((
            "cap",
            "0s".to_owned(),
            "time to judge in, such as 180s".to_owned(),
        ));
    }
    wrong
}

fn probes(scope: &Scope<'_>, written: &file::Health) -> Result<Vec<Probe>, Failure> {
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
    Probe {
        via: None,
        name: typed
            .name
            .clone()
            .unwrap_or_else(|| default_name(&typed.url)),
        url: typed.url.clone(),
        method: "GET".to_owned(),
        expect_status: any_good_status(),
        expect_body: None,
        gating: true,
        headers: Vec::new(),
    }
}

fn from_file(scope: &Scope<'_>, index: usize, probe: &file::Probe) -> Result<Probe, Failure> {
    let item = format!("[{index}]");
    let wrong = |key: &str, found: &str, expected: &str| {
        scope.wrong_text(&["health", "probes", &item, key], found, expected)
    };
    let url = check::http_url(&probe.url).map_err(|expected| wrong("url", &probe.url, expected))?;
    if let Some(via) = &probe.via {
        check::via(via).map_err(|expected| wrong("via", via, expected))?;
        if url.scheme() != "http" {
            // TLS would be for the forwarded address, and its certificate is for another name.
            return Err(wrong("url", &probe.url, check::VIA_URL).into());
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
    Ok(Probe {
        via: probe.via.clone(),
        name: probe.name.clone().unwrap_or_else(|| default_name(&url)),
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
        gating: probe.gating.unwrap_or(true),
        headers: probe
            .headers_from_env
            .iter()
            .flatten()
            .map(|(name, variable)| header(scope, &item, name, variable))
            .collect::<Result<_, _>>()?,
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
