//! Three operations as the engine would tell them: a bad deploy that was rolled back, a rollback that found nothing to go
//! back to, and one that did not help. Texts from outside are hostile where they can be.

use jiff::{SignedDuration, Timestamp};
use lastgood::model::candidate::{Artifact, KnownGood, PassedOver, Rejection, Run, Via};
use lastgood::model::event::{Began, Ended, Event, EventKind, JOURNAL_SCHEMA};
use lastgood::model::ids::{CommitSha, RunId};
use lastgood::model::outcome::Outcome;
use lastgood::model::payload::{Digest, Promise};
use lastgood::model::plan::{Change, Hazard, Plan};
use lastgood::model::probe::Stage;
use lastgood::model::state::{Held, Phase, Revision, Slot, State};
use lastgood::model::verdict::{Call, Evidence, Severity, Verdict};
use lastgood::report::{LEFT_PROBES, LEFT_REPORT};

/// Text that would do harm in every medium if it were not neutralised.
pub(super) const HOSTILE: &str =
    "fix: | `x` <img src=x onerror=1> @octocat #1\n::error::owned\u{1b}[2J\u{202e}";

const BEGAN_AT: &str = "2026-11-20T14:02:00Z";
const GOOD_SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const BAD_SHA: &str = "b2c3d4e5f60718293a4b5c6d7e8f900112233445";

/// Events with times: each is told so many milliseconds after the one before.
struct Tape {
    events: Vec<Event>,
    ms: u64,
}

impl Tape {
    fn new(began: Began) -> Self {
        let mut tape = Self {
            events: Vec::new(),
            ms: 0,
        };
        tape.tell(0, EventKind::Began(Box::new(began)));
        tape
    }

    fn tell(&mut self, after_ms: u64, kind: EventKind) {
        self.ms += after_ms;
        let began_at: Timestamp = BEGAN_AT.parse().unwrap();
        self.events.push(Event {
            at: began_at + SignedDuration::from_millis(i64::try_from(self.ms).unwrap()),
            elapsed_ms: self.ms,
            kind,
        });
    }

    fn change(&mut self, from: &str, to: &str) {
        let slot = Slot("current".to_owned());
        let op = format!("op-{to}");
        let target = "web".to_owned();
        self.tell(
            120,
            EventKind::Planned {
                target: target.clone(),
                plan: Plan {
                    before: state(from),
                    changes: vec![install(from, to)],
                    hazards: Vec::new(),
                },
            },
        );
        self.tell(
            5,
            EventKind::Intent {
                op: op.clone(),
                target: target.clone(),
                change: install(from, to),
            },
        );
        self.tell(
            340,
            EventKind::Applied {
                op: op.clone(),
                target: target.clone(),
                slot: slot.clone(),
                took_ms: 335,
            },
        );
        self.tell(
            8,
            EventKind::Verified {
                op,
                target,
                slot,
                revision: revision(to),
            },
        );
    }

    fn watch(&mut self, stage: Stage, verdict: Verdict) {
        let (rate, cap_s) = match stage {
            Stage::Baseline => (10, 30),
            Stage::Detect => (10, 180),
            Stage::Bake => (2, 900),
        };
        self.tell(
            1,
            EventKind::Watching {
                stage,
                signals: vec!["health".to_owned(), "login".to_owned()],
                rate,
                cap_s,
            },
        );
        self.tell(verdict.at_s * 1000, EventKind::Judged { stage, verdict });
    }

    fn end(mut self, ended: Ended) -> Vec<Event> {
        let path = |name: &str| format!(".lastgood/20261120T140200Z-deploy-1a2b3c/{name}");
        self.tell(2, left(LEFT_PROBES, path("probes.jsonl")));
        self.tell(2, left(LEFT_REPORT, path("report.md")));
        let took_ms = self.ms;
        self.tell(0, EventKind::Ended(Box::new(Ended { took_ms, ..ended })));
        self.events
    }
}

fn left(what: &str, path: String) -> EventKind {
    EventKind::Left {
        what: what.to_owned(),
        path,
    }
}

fn digest(of: &str) -> Digest {
    let byte = of.bytes().fold(7_u8, u8::wrapping_add);
    Digest::from_bytes([byte; 32])
}

fn revision(name: &str) -> Revision {
    Revision(digest(name).to_string())
}

fn state(name: &str) -> State {
    let held = Held {
        revision: Some(revision(name)),
        phase: Phase::Running,
    };
    State::from_iter([(Slot("current".to_owned()), held)])
}

fn install(from: &str, to: &str) -> Change {
    Change::Install {
        slot: Slot("current".to_owned()),
        from: Some(revision(from)),
        to: revision(to),
    }
}

fn began(verb: &str) -> Began {
    Began {
        schema: JOURNAL_SCHEMA,
        tool: "lastgood 0.1.0".to_owned(),
        id: format!("20261120T140200Z-{verb}-1a2b3c"),
        verb: verb.to_owned(),
        environment: "production".to_owned(),
        repository: Some("octo/shop".to_owned()),
        run: Some(RunId(46)),
        attempt: Some(1),
        run_url: Some("https://github.com/octo/shop/actions/runs/46".to_owned()),
        commit: Some(BAD_SHA.to_owned()),
        actor: Some("release-bot".to_owned()),
        reason: None,
        dry_run: false,
    }
}

fn ended(outcome: Outcome, message: &str, hints: &[&str]) -> Ended {
    Ended {
        outcome,
        message: message.to_owned(),
        hints: hints.iter().map(|hint| (*hint).to_owned()).collect(),
        took_ms: 0,
        run: None,
        commit: None,
        digest: None,
        before: State::new(),
        after: State::new(),
        bad_run: None,
        bad_commit: None,
    }
}

fn passed(run: u64, minute: u8, why: Rejection) -> PassedOver {
    PassedOver {
        run: RunId(run),
        sha: CommitSha(format!("{run:07x}{}", "0".repeat(33))),
        started_at: Some(format!("2026-11-20T13:{minute:02}:00Z").parse().unwrap()),
        url: format!("https://github.com/octo/shop/actions/runs/{run}"),
        why,
    }
}

fn passed_over() -> Vec<PassedOver> {
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

fn known_good() -> KnownGood {
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
            sha: CommitSha(GOOD_SHA.to_owned()),
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

fn fetched() -> EventKind {
    EventKind::Fetched {
        name: "site".to_owned(),
        size_bytes: 13_000_000,
        digest: digest("artifact"),
        took_ms: 1240,
        promised_by: Promise::Manifest,
    }
}

fn evidence(signal: &str, probes: u64, failures: u64, llr_path: Vec<(u64, f64)>) -> Evidence {
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

fn healthy(seconds: u32) -> Verdict {
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

fn unhealthy() -> Verdict {
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

/// A deploy whose release was unhealthy; the last good one is back and well.
pub(super) fn rolled_back() -> Vec<Event> {
    let mut tape = Tape::new(began("deploy"));
    tape.tell(
        30,
        EventKind::Observed {
            target: "web".to_owned(),
            state: state("good"),
        },
    );
    tape.watch(Stage::Baseline, healthy(30));
    tape.change("good", "bad");
    tape.watch(Stage::Detect, unhealthy());
    tape.tell(
        3,
        EventKind::RollingBack {
            why: "health is unhealthy (critical): 80 of 80 probes failed".to_owned(),
        },
    );
    tape.tell(
        610,
        EventKind::Located {
            chosen: Some(Box::new(known_good())),
            passed_over: passed_over(),
            requests: 4,
        },
    );
    tape.tell(1240, fetched());
    tape.change("bad", "good");
    tape.watch(Stage::Detect, healthy(19));
    tape.end(Ended {
        run: Some(RunId(41)),
        commit: Some(GOOD_SHA.to_owned()),
        digest: Some(digest("artifact")),
        before: state("good"),
        after: state("good"),
        bad_run: Some(RunId(46)),
        bad_commit: Some(BAD_SHA.to_owned()),
        ..ended(
            Outcome::RolledBack,
            "run 46 was unhealthy; run 41 (a1b2c3d) is back in production and was judged healthy",
            &["fix the release forward: the compare page shows what changed"],
        )
    })
}

/// A rollback that a person asked for and that has nothing to go back to.
pub(super) fn no_known_good() -> Vec<Event> {
    let mut asked = began("rollback");
    asked.reason = Some(format!("checkout is broken {HOSTILE}"));
    asked.actor = Some("mona".to_owned());
    let mut tape = Tape::new(asked);
    let mut passed_over = passed_over();
    passed_over.push(passed(
        41,
        10,
        Rejection::MarkedBad {
            why: "rolled back yesterday".to_owned(),
        },
    ));
    for run in (1..=40).rev() {
        let why = Rejection::NotSuccessful {
            conclusion: "failure".to_owned(),
        };
        passed_over.push(passed(run, 1, why));
    }
    tape.tell(
        820,
        EventKind::Located {
            chosen: None,
            passed_over,
            requests: 7,
        },
    );
    tape.tell(
        1,
        EventKind::Warned {
            text: "the run list ended before a good run was found".to_owned(),
        },
    );
    tape.end(ended(
        Outcome::NoKnownGood,
        "46 runs of deploy.yml were looked at and none is a proven good release (40 not successful)",
        &["name a release yourself: lastgood rollback --artifact FILE"],
    ))
}

/// A rollback that was carried out and did not help; one slot's change failed on the way.
pub(super) fn still_unhealthy() -> Vec<Event> {
    let mut tape = Tape::new(began("rollback"));
    tape.tell(
        500,
        EventKind::Located {
            chosen: Some(Box::new(known_good())),
            passed_over: passed_over(),
            requests: 4,
        },
    );
    tape.tell(1240, fetched());
    tape.change("bad", "good");
    let worker = Change::Start {
        slot: Slot("worker".to_owned()),
        revision: revision("worker"),
    };
    tape.tell(
        2,
        EventKind::Planned {
            target: "jobs".to_owned(),
            plan: Plan {
                before: State::new(),
                changes: vec![worker.clone()],
                hazards: vec![Hazard {
                    slot: Slot("worker".to_owned()),
                    name: "migration".to_owned(),
                    what: "a database migration lies between the two commits".to_owned(),
                }],
            },
        },
    );
    tape.tell(
        2,
        EventKind::Intent {
            op: "op-worker".to_owned(),
            target: "jobs".to_owned(),
            change: worker,
        },
    );
    tape.tell(
        900,
        EventKind::ApplyFailed {
            op: "op-worker".to_owned(),
            target: "jobs".to_owned(),
            slot: Slot("worker".to_owned()),
            why: format!("exit status 3: {HOSTILE}"),
        },
    );
    tape.watch(Stage::Detect, unhealthy());
    tape.end(Ended {
        run: Some(RunId(41)),
        commit: Some(GOOD_SHA.to_owned()),
        before: state("bad"),
        after: state("good"),
        bad_commit: Some(BAD_SHA.to_owned()),
        ..ended(
            Outcome::StillUnhealthy,
            "run 41 (a1b2c3d) is back and the service is still failing 80 of 80 probes",
            &["escalate: the release is the one that was good, so look at data, configuration and dependencies"],
        )
    })
}
