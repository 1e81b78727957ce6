//! Three operations as the engine would tell them: a bad deploy that was rolled back, a rollback that found nothing to go
//! back to, and one that did not help. Texts from outside are hostile where they can be.

use super::parts::{HOSTILE, digest, healthy, known_good, passed, passed_over, unhealthy};
use jiff::{SignedDuration, Timestamp};
use lastgood::model::candidate::Rejection;
use lastgood::model::event::{Began, Ended, Event, EventKind, JOURNAL_SCHEMA};
use lastgood::model::ids::RunId;
use lastgood::model::outcome::Outcome;
use lastgood::model::payload::Promise;
use lastgood::model::plan::{Change, Hazard, Plan};
use lastgood::model::probe::Stage;
use lastgood::model::state::{Held, Phase, Revision, Slot, State};
use lastgood::model::verdict::Verdict;
use lastgood::report::{LEFT_PROBES, LEFT_REPORT};

const BEGAN_AT: &str = "2026-11-20T14:02:00Z";
pub(super) const GOOD_SHA: &str = "a1b2c3d4e5f60718293a4b5c6d7e8f9001122334";
const BAD_SHA: &str = "b2c3d4e5f60718293a4b5c6d7e8f900112233445";

/// Events with times: each is told so many milliseconds after the one before.
pub(super) struct Tape {
    events: Vec<Event>,
    ms: u64,
}

impl Tape {
    pub(super) fn new(began: Began) -> Self {
        let mut tape = Self {
            events: Vec::new(),
            ms: 0,
        };
        tape.tell(0, EventKind::Began(Box::new(began)));
        tape
    }

    pub(super) fn tell(&mut self, after_ms: u64, kind: EventKind) {
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

    pub(super) fn watch(&mut self, stage: Stage, verdict: Verdict) {
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

    pub(super) fn end(mut self, ended: Ended) -> Vec<Event> {
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

pub(super) fn revision(name: &str) -> Revision {
    Revision(digest(name).to_string())
}

pub(super) fn state(name: &str) -> State {
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

pub(super) fn began(verb: &str) -> Began {
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

pub(super) fn ended(outcome: Outcome, message: &str, hints: &[&str]) -> Ended {
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

fn fetched() -> EventKind {
    EventKind::Fetched {
        name: "site".to_owned(),
        size_bytes: 13_000_000,
        digest: digest("artifact"),
        took_ms: 1240,
        promised_by: Some(Promise::Manifest),
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
