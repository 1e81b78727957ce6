//! How it is judged whether the service is well: numbers that can work at all. The probes are `probes`'.

use super::Scope;
use crate::cli::usage::{self, Spelling};
use crate::config::check;
use crate::config::defaults;
use crate::config::file;
use crate::config::units::{Share, Time};
use crate::engine::request::{Health, Latency};
use crate::model::outcome::Failure;
use std::time::Duration;

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
        probes: super::probes::resolve(scope, &written)?,
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
