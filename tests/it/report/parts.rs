//! The pieces that the sample operations are made of: runs with reasons, evidence, verdicts.

use lastgood::model::candidate::{Artifact, KnownGood, PassedOver, Rejection, Run, Via};
use lastgood::model::ids::{CommitSha, RunId};
use lastgood::model::payload::Digest;
use lastgood::model::verdict::{Call, Evidence, Severity, Verdict};

/// Text that would do harm in every medium if it were not neutralised.
pub(super) const HOSTILE: &str =
    "fix: | `x` <img src=x onerror=1> @octocat #1\n::error::owned\u{1b}[2J\u{202e}";

pub(super) fn digest(of: &str) -> Digest {
    let byte = of.bytes().fold(7_u8, u8::wrapping_add);
    Digest::from_bytes([byte; 32])
}

pub(super) fn passed(run: u64, minute: u8, why: Rejection) -> PassedOver {
    PassedOver {
        run: RunId(run),
        sha: CommitSha(format!("{run:07x}{}", "0".repeat(33))),
        started_at: Some(format!("2026-11-20T13:{minute:02}:00Z").parse().unwrap()),
        url: format!("https://github.com/octo/shop/actions/runs/{run}"),
        why,
    }
}

pub(super) fn passed_over() -> Vec<PassedOver> {
    vec![
        passed(46, 58, Rejection::OwnRun),
        passed(
            45,
            50,
            Rejection::DeployJobNotSuccessful {
                job: "deploy".to_owned(),
                conclusion: "skipped".to_owned(),
            },
        ),
        passed(44, 40, Rejection::Fork),
        passed(
            43,
            30,
            Rejection::OtherBranch {
                found: HOSTILE.to_owned(),
            },
        ),
        passed(
            42,
            20,
            Rejection::ArtifactExpired {
                name: "site".to_owned(),
                at: Some("2026-11-19T00:00:00Z".parse().unwrap()),
            },
        ),
    ]
}

pub(super) fn known_good() -> KnownGood {
    KnownGood {
        run: Run {
            id: RunId(41),
            attempt: Some(2),
            number: 412,
            title: Some(HOSTILE.to_owned()),
            event: "push".to_owned(),
            status: Some("completed".to_owned()),
            conclusion: Some("success".to_owned()),
            branch: Some("main".to_owned()),
            sha: CommitSha(super::sample::GOOD_SHA.to_owned()),
            path: ".github/workflows/deploy.yml".to_owned(),
            started_at: Some("2026-11-20T13:10:00Z".parse().unwrap()),
            created_at: Some("2026-11-20T13:09:58Z".parse().unwrap()),
            repository_id: Some(1),
            head_repository_id: Some(1),
            url: "https://github.com/octo/shop/actions/runs/41".to_owned(),
        },
        artifact: Artifact {
            id: 9001,
            name: "site".to_owned(),
            size_bytes: 13_000_000,
            expired: false,
            created_at: Some("2026-11-20T13:12:00Z".parse().unwrap()),
            expires_at: Some("2027-02-18T13:12:00Z".parse().unwrap()),
            digest: Some(digest("artifact")),
        },
        via: Via::RunList,
        deploy_job: Some("deploy".to_owned()),
        warnings: vec!["the artifact is of attempt 1, the run has 2 attempts".to_owned()],
    }
}

pub(super) fn evidence(
    signal: &str,
    probes: u64,
    failures: u64,
    llr_path: Vec<(u64, f64)>,
) -> Evidence {
    let (_second, llr) = llr_path.last().copied().unwrap_or_default();
    Evidence {
        signal: signal.to_owned(),
        gating: signal == "health",
        probes,
        failures,
        errored_seconds: failures.div_ceil(10),
        counted_seconds: probes / 10,
        llr,
        llr_pass: -7.590_852_123_688_581,
        llr_fail: 4.604_670_060_946_409,
        test_stage: if 0 < failures { 2 } else { 1 },
        share_low: if 0 < failures { 0.91 } else { 0.0 },
        share_high: if 0 < failures { 1.0 } else { 0.032 },
        latency_ms_p50: 7.25,
        latency_ms_p99: 31.0,
        failure_kinds: if 0 < failures {
            vec![
                ("status 503".to_owned(), failures - 1),
                (format!("body is not {HOSTILE}"), 1),
            ]
        } else {
            Vec::new()
        },
        config_answers: 0,
        llr_path,
    }
}

pub(super) fn healthy(seconds: u32) -> Verdict {
    let path = (1..=seconds)
        .map(|n| (u64::from(n), -0.412_429_59 * f64::from(n)))
        .collect();
    Verdict {
        call: Call::Healthy,
        why: format!(
            "0 of {} probes failed; LLR -7.84 reached -7.59",
            seconds * 10
        ),
        severity: Severity::None,
        at_s: u64::from(seconds),
        warm_up_s: 0,
        evidence: vec![
            evidence("health", u64::from(seconds) * 10, 0, path),
            evidence("login", u64::from(seconds) * 10, 0, Vec::new()),
        ],
        notes: Vec::new(),
    }
}

pub(super) fn unhealthy() -> Verdict {
    let path = [1, 2, 3, 4, 8, 9, 10, 11]
        .into_iter()
        .zip([1.434, 2.869, 4.303, 5.737, 1.434, 2.869, 4.303, 5.737])
        .collect();
    Verdict {
        call: Call::Unhealthy,
        why: "80 of 80 probes of health failed; LLR 5.74 reached 4.60 twice".to_owned(),
        severity: Severity::Critical,
        at_s: 11,
        warm_up_s: 0,
        evidence: vec![evidence("health", 80, 80, path)],
        notes: vec!["login is observed only and failed too".to_owned()],
    }
}
