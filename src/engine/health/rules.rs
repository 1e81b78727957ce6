//! The numbers and signals of a stage: what the configuration says, laid over the rules of `decide::judge`.

use crate::engine::request::{self, Health};
use crate::model::body::BodyMatch;
use crate::model::probe::{Question, Rules, Stage};
use crate::probes::{Method, Page, StatusSet};

/// The address of a probe as the prober takes it.
pub(super) fn page(page: &request::Page) -> Result<Page, String> {
    let method = match page.method.as_str() {
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        _ => Method::Get,
    };
    Ok(Page {
        url: page.url.clone(),
        method,
        headers: page.headers.clone(),
        expect_status: page
            .expect_status
            .join(",")
            .parse::<StatusSet>()
            .map_err(|error| error.to_string())?,
        expect_body: page
            .expect_body
            .as_deref()
            .map(BodyMatch::parse)
            .transpose()?,
    })
}

/// The query of a probe as a target takes it.
pub(super) fn question(query: &request::Query) -> Result<Question, String> {
    Ok(Question {
        method: query.method.clone(),
        arguments: query.arguments.clone(),
        expect: query.expect.as_deref().map(BodyMatch::parse).transpose()?,
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
