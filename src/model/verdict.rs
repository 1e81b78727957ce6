//! What was judged of a service, and the numbers it rests on.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The judgment of one stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    pub call: Call,
    /// One sentence with the deciding numbers.
    pub why: String,
    pub severity: Severity,
    /// Seconds from the start of the stage to the verdict, warm-up included.
    pub at_s: u64,
    pub warm_up_s: u64,
    pub evidence: Vec<Evidence>,
    /// What a person should know although it did not decide: a transient outage, slow answers, observed signals.
    pub notes: Vec<String>,
}

/// What a verdict says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    Healthy,
    Unhealthy,
    /// The baseline says the service was not well before anything was changed.
    AlreadyUnhealthy,
    Inconclusive,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::AlreadyUnhealthy => "already unhealthy",
            Self::Inconclusive => "inconclusive",
        })
    }
}

/// How bad it is, from the anytime-valid interval of the failure share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    None,
    /// Something failed; the interval's lower end is at most 10 %.
    Monitor,
    /// Lower end above 10 %, or latency at least doubled.
    Serious,
    /// Lower end above 50 %, or never one success.
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::None => "none",
            Self::Monitor => "monitor",
            Self::Serious => "serious",
            Self::Critical => "critical",
        })
    }
}

/// The numbers of one signal at the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    pub signal: String,
    pub gating: bool,
    /// Counted probes (n), without warm-up and configuration answers.
    pub probes: u64,
    /// Failed ones (k).
    pub failures: u64,
    pub errored_seconds: u64,
    pub counted_seconds: u64,
    /// Log-likelihood ratio at the verdict, and the bounds it was held against.
    pub llr: f64,
    pub llr_pass: f64,
    pub llr_fail: f64,
    /// 1 (detecting) or 2 (confirming).
    pub test_stage: u8,
    /// Anytime-valid 95 % interval of the failure share.
    pub share_low: f64,
    pub share_high: f64,
    pub latency_ms_p50: f64,
    pub latency_ms_p99: f64,
    /// The most frequent failure texts with their counts, at most 5.
    pub failure_kinds: Vec<(String, u64)>,
    /// Probes answered 401, 403, 404 or 429: the probe's own configuration.
    pub config_answers: u64,
    /// Log-likelihood ratio after each counted second, for the chart; thinned to at most 120 points.
    pub llr_path: Vec<(u64, f64)>,
}

/// Where a watch stands, for the live line.
#[derive(Debug, Clone, PartialEq)]
pub struct Standing {
    pub second: u64,
    pub warming_up: bool,
    pub probes: u64,
    pub failures: u64,
    /// Progress from 0 to 1 towards healthy, and towards unhealthy.
    pub towards_pass: f64,
    pub towards_fail: f64,
    pub suspected: bool,
}
