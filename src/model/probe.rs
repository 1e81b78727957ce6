//! Probes: one request each to the service, and the rules by which their log is judged.
//! A probe log (`probes.jsonl`) is a [`LogLine::Rules`] line followed by probes; the verdict is a pure function of it.
//! Also what a target is asked and what it answers ([`Question`], [`Ask`]), so that probing and targets need not know each
//! other.

use super::body::BodyMatch;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// What one probe found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "kebab-case")]
pub enum Class {
    Ok,
    /// The service is at fault: 5xx, deadline, reset, TLS, DNS, wrong status or body, a query that is rejected.
    Fail {
        why: String,
    },
    /// The probe itself is at fault: 401, 403, 404, 429, no such method. Never a reason to roll back.
    Config {
        why: String,
    },
}

/// What a target is asked on behalf of a probe.
#[derive(Debug, Clone)]
pub struct Question {
    pub method: String,
    /// Candid values in parentheses: `(record { limit = 10 : nat })`.
    pub arguments: String,
    /// What the reply must hold, printed as Candid text on one line. `None`: any reply is well.
    pub expect: Option<BodyMatch>,
}

/// What one asking came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Whether the other side answered at all, well or not: only then is there a latency.
    pub answered: bool,
    pub class: Class,
}

/// One asking under way. Dropping it ends it.
pub type Asking = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// A question that a target was found able to answer, to be asked again and again. It has no deadline of its own: that is the
/// prober's. Clones ask the same.
#[derive(Clone)]
pub struct Ask(Arc<dyn Fn() -> Asking + Send + Sync>);

impl Ask {
    pub fn new(ask: impl Fn() -> Asking + Send + Sync + 'static) -> Self {
        Self(Arc::new(ask))
    }

    /// Asks once.
    pub fn ask(&self) -> Asking {
        (self.0)()
    }
}

impl fmt::Debug for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ask")
    }
}

/// Which of a second's requests this one was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Aim {
    /// To the service.
    Service,
    /// To the control URL: it tells the runner's own network from the service.
    Control,
}

/// One probe, as it stands in the log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Probe {
    /// Name of the signal (`health.probes[].name`).
    pub signal: String,
    pub aim: Aim,
    /// When it was due, in milliseconds since the watch began (monotonic clock). Open loop: a slow answer never delays
    /// the next probe.
    pub due_ms: u64,
    /// From due to answer, in milliseconds; the deadline's length when there was none.
    pub latency_ms: f64,
    /// HTTP status, when there was an answer. A target that is asked gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    #[serde(flatten)]
    pub class: Class,
}

/// The phase of a watch that a set of rules is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Before the deploy: how healthy is the service now?
    Baseline,
    /// After a change: the two-stage errored-second test.
    Detect,
    /// After the verdict: CUSUM over a longer time at a lower rate.
    Bake,
}

/// One line of a probe log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum LogLine {
    /// Starts a stage: what follows until the next such line is judged by these rules.
    Rules(Rules),
    Probe(Probe),
    /// The stage was ended by something else than the verdict (a cancel): the second it happened in.
    Cut {
        due_ms: u64,
    },
}

/// Everything the verdict of one stage depends on besides the probes themselves.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rules {
    pub schema: u32,
    pub stage: Stage,
    /// Gating signals by name, at most 4: each is tested on its own at a quarter of the error bounds when there are
    /// several (Bonferroni).
    pub gating: Vec<String>,
    /// Signals that are reported and never decide.
    pub observing: Vec<String>,
    /// Probes per second and signal, 1 to 50.
    pub rate: u32,
    /// Failure probability of a healthy service (p0), such as 0.01.
    pub healthy_error_rate: f64,
    /// Failure probability that must be rolled back (p1), such as 0.05.
    pub unhealthy_error_rate: f64,
    /// Probability that a good release is suspected by a stage (a), 0.01: both stages together 1e-4.
    pub alpha: f64,
    /// Probability that a bad release passes a stage (b), 0.0005: both stages together 1e-3.
    pub beta: f64,
    /// Seconds between suspicion and confirmation, 3.
    pub gap_s: u64,
    /// Longest time of failures that is ignored until the first success, in seconds, 0 to 600. 0: none.
    pub warm_up_s: u64,
    /// Seconds after the warm-up at which an undecided detect stage is inconclusive; the length of a baseline or bake.
    pub cap_s: u64,
    /// CUSUM threshold of the bake, 8.5.
    pub cusum_h: f64,
    /// Fully failed seconds in episodes at least `flap_apart_s` good seconds apart: this many within `flap_window_s`
    /// is flapping. 0: off.
    pub flap_episodes: u32,
    pub flap_apart_s: u64,
    pub flap_window_s: u64,
    /// The latency test, when there is a baseline for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<LatencyRule>,
    /// Probe deadline in milliseconds.
    pub deadline_ms: u64,
    /// Whether there is a control URL.
    pub has_control: bool,
}

/// Sequential exceedance test of latency against a baseline of the same signal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LatencyRule {
    /// A probe is slow when it takes longer than this, in milliseconds.
    pub cut_ms: f64,
    /// Share of slow probes at 1.25 times the baseline's latency, at most.
    pub share_ok: f64,
    /// Share of slow probes at 2 times the baseline's latency, at least.
    pub share_slow: f64,
    /// Probes in the baseline. Below 300 the test can only warn.
    pub baseline_probes: u64,
    /// Whether slowness decides, or only warns.
    pub gating: bool,
}
