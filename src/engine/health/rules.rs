//! The numbers and signals of a stage: what the configuration says, laid over the rules of `decide::judge`.

use crate::engine::request::{self, Health};
use crate::model::probe::{Rules, Stage};
use crate::probes::{BodyMatch, Method, Signal, StatusSet};

/// A probe of the request as the prober takes it.
pub(super) fn signal(probe: &request::Probe) -> Result<Signal, String> {
    let method = match probe.method.as_str() {
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Get,
    };
    Ok(Signal {
        name: probe.name.clone(),
        url: probe.url.clone(),
        method,
        headers: probe.headers.clone(),
        expect_status: probe
            .expect_status
            .join(",")
            .parse::<StatusSet>()
            .map_err(|error| error.to_string())?,
        expect_body: probe
            .expect_body
            .as_deref()
            .map(BodyMatch::parse)
            .transpose()?,
        gating: probe.gating,
    })
}

/// The configured numbers of a stage.
pub(super) fn lay_over(rules: &mut Rules, health: &Health) {
    rules.healthy_error_rate = health.healthy_error_rate;
    rules.unhealthy_error_rate = health.unhealthy_error_rate;
    rules.rate = if rules.stage == Stage::Bake {
        health.bake_rate
    } else {
        health.rate
    };
    rules.warm_up_s = if rules.stage == Stage::Detect {
        health.warm_up.as_secs()
    } else {
        0
    };
    rules.cap_s = match rules.stage {
        Stage::Baseline => health.baseline.as_secs(),
        Stage::Detect => health.cap.as_secs(),
        Stage::Bake => health.bake.as_secs(),
    };
}
