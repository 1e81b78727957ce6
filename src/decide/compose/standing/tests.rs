//! Tables and properties of what is seen in looks at containers.

use super::*;
use crate::decide::compose::{Errors, Happened, Health};
use proptest::prelude::*;

const RULES: Rules = Rules {
    starting_max: Duration::from_mins(1),
    errors_max: 10,
};

fn slot() -> Slot {
    Slot("web".to_owned())
}

fn runs(name: &str) -> Container {
    Container {
        id: format!("id-{name}"),
        name: name.to_owned(),
        state: State::Running,
        restarts: 0,
        exit_code: 0,
        oom_killed: false,
        error: String::new(),
        health: None,
        is_restarted: true,
        has_ports: false,
        has_served: false,
        health_within: Duration::ZERO,
        is_young: false,
        is_from_before: false,
        started_at: "t0".to_owned(),
        image: "web:1".to_owned(),
        image_id: "sha256:1111".to_owned(),
        is_wanted: Some(true),
    }
}

fn checked(status: HealthStatus) -> Container {
    let health = Health {
        status,
        failures: if status == HealthStatus::Unhealthy {
            3
        } else {
            0
        },
        output: "no answer".to_owned(),
    };
    Container {
        health: Some(health),
        ..runs("web-1")
    }
}

fn exited(code: i64) -> Container {
    Container {
        state: State::Exited,
        exit_code: code,
        is_restarted: false,
        ..runs("web-1")
    }
}

fn restarting(code: i64, restarts: u64) -> Container {
    Container {
        state: State::Restarting,
        exit_code: code,
        restarts,
        ..runs("web-1")
    }
}

fn look(containers: Vec<Container>) -> Look {
    Look {
        is_stability: true,
        containers,
        ..Look::default()
    }
}

fn ended(code: i64, by_hand: bool) -> Vec<Happened> {
    vec![Happened {
        container: "id-web-1".to_owned(),
        incident: Incident::Ended { code, by_hand },
    }]
}

/// Looks, two seconds apart.
fn watched(looks: Vec<Look>) -> Standing {
    let mut standing = Standing::new(&slot(), &Revision("sha256:aaaa".to_owned()), RULES);
    for (at, mut look) in (0_u64..).zip(looks) {
        look.at = look.at.max(Duration::from_secs(2 * at));
        standing.take(&look);
    }
    standing
}

/// The first sighting, as `severity symptom: text`; empty when there is none.
fn first(standing: &Standing) -> String {
    standing
        .sightings()
        .first()
        .map_or_else(String::new, |one| {
            format!("{:?} {:?}: {}", one.severity, one.symptom, one.what)
        })
}

#[track_caller]
fn check(looks: Vec<Look>, is_over: bool, expected: &str) {
    let standing = watched(looks);
    let found = first(&standing);
    assert!(
        if expected.is_empty() {
            found.is_empty()
        } else {
            found.starts_with(expected)
        },
        "found {found:?}, expected {expected:?}"
    );
    assert_eq!(standing.is_over(), is_over, "{found}");
}

/// The same containers, seen once and seen twice after a good look.
#[track_caller]
fn check_twice(container: &Container, once: &str, twice: &str, is_over: bool) {
    let good = look(vec![runs("web-1")]);
    let bad = look(vec![container.clone()]);
    let standing = watched(vec![good.clone(), bad.clone()]);
    assert!(
        first(&standing).starts_with(once) && once.is_empty() == first(&standing).is_empty(),
        "{}",
        first(&standing)
    );
    assert!(standing.is_in_doubt() || !once.is_empty());
    check(vec![good, bad.clone(), bad], is_over, twice);
}

#[test]
fn a_crash_that_is_started_again_is_critical_when_it_stays_down_or_happens_twice() {
    let crash = "Critical CrashLoop: container web-1 ends with exit code 3 and is started again";
    let good = || look(vec![runs("web-1")]);
    let once = vec![good(), look(vec![restarting(3, 1)])];
    let told = "Monitor RestartsGrow: container web-1 ended with exit code 3 once";
    check(once.clone(), false, told);
    assert!(watched(once.clone()).is_in_doubt());
    let down = once.iter().cloned().chain([look(vec![restarting(3, 1)])]);
    check(
        down.collect(),
        true,
        &format!("{crash} (1 restart since it is watched)"),
    );
    // Two looks within a moment are one.
    let mut soon = look(vec![restarting(3, 1)]);
    soon.at = Duration::from_millis(2500);
    let mut standing = watched(once);
    standing.take(&soon);
    assert!(!standing.is_over());
    // At the first look too, when it is not the first time.
    check(vec![look(vec![restarting(3, 7)])], true, crash);
    check(vec![look(vec![restarting(3, 1)])], false, told);
    // It runs again when it is looked at, and the engine told how it ended.
    let again = |restarts| {
        let mut again = look(vec![Container {
            restarts,
            ..runs("web-1")
        }]);
        again.happened = ended(3, false);
        again
    };
    let once = "Monitor RestartsGrow: container web-1 was started again once since it is watched (exit code 3)";
    check(vec![good(), again(1)], false, once);
    check(vec![good(), again(1), again(2)], true, crash);
    // The second time of a new container, of which the first one was before it was watched.
    let young = |mut look: Look| {
        look.containers[0].is_young = true;
        look
    };
    let looks = vec![young(again(1)), young(again(2))];
    check(looks, true, crash);
    check(vec![again(1), again(2)], false, once);
}

#[test]
fn what_was_down_before_the_deploy_is_told_and_no_more() {
    let before = |container: Container| Container {
        is_from_before: true,
        ..container
    };
    let created = Container {
        state: State::Created,
        ..runs("web-1")
    };
    for down in [
        exited(3),
        exited(143),
        created,
        Container {
            has_ports: true,
            ..exited(0)
        },
    ] {
        let old = look(vec![before(down.clone())]);
        check(vec![old.clone(), old.clone()], false, "Monitor ");
        // Somebody starts it, and it ends again.
        let again = Container {
            started_at: "t1".to_owned(),
            ..down.clone()
        };
        let new = look(vec![again]);
        let standing = watched(vec![old, new.clone(), new]);
        assert!(
            !first(&standing).starts_with("Monitor"),
            "{}",
            first(&standing)
        );
    }
    // Only the first look tells what was before.
    let late = look(vec![before(exited(3))]);
    check(
        vec![look(vec![runs("web-1")]), late.clone(), late],
        true,
        "Critical ContainerExited",
    );
}

#[test]
fn a_job_that_others_wait_for() {
    let awaited = |container: Container| Look {
        is_awaited: true,
        ..look(vec![container])
    };
    let done = Container {
        is_restarted: true,
        has_ports: true,
        has_served: true,
        ..exited(0)
    };
    check(vec![awaited(done.clone()), awaited(done)], false, "");
    check(
        vec![awaited(exited(1)), awaited(exited(1))],
        false,
        "Serious ContainerExited: container web-1 is a job that others wait for, and ended with exit code 1",
    );
    let old = Container {
        is_from_before: true,
        ..exited(1)
    };
    check(vec![awaited(old.clone()), awaited(old)], false, "Monitor");
    // What served was stopped.
    let served = Container {
        has_served: true,
        ..exited(0)
    };
    check_twice(&served, "", "Serious NotRunning", false);
}

#[test]
fn restarts_count_from_the_first_look_on() {
    let at = |restarts| {
        look(vec![Container {
            restarts,
            ..runs("web-1")
        }])
    };
    check(vec![at(7), at(7)], false, "");
    check(
        vec![at(7), at(8), at(8)],
        false,
        "Monitor RestartsGrow: container web-1 was started again once since it is watched",
    );
    check(
        vec![at(7), at(9)],
        true,
        "Critical CrashLoop: container web-1 ends and is started again (2 restarts",
    );
    // A start by hand counts anew.
    check(vec![at(7), at(0), at(1)], false, "Monitor RestartsGrow");
    // One that is new started from zero.
    let new = look(vec![Container {
        id: "other".to_owned(),
        restarts: 1,
        ..runs("web-1")
    }]);
    check(vec![at(0), new], false, "Monitor RestartsGrow");
    // The time in which they count is over.
    let late = Look {
        is_stability: false,
        ..at(8)
    };
    check(vec![at(7), late], false, "");
}

#[test]
fn a_worker_that_ends_well_now_and_then_is_no_crash() {
    let at = |restarts| {
        let mut look = look(vec![Container {
            restarts,
            ..runs("web-1")
        }]);
        look.happened = ended(0, false);
        look
    };
    check(
        vec![at(0), at(1), at(2)],
        false,
        "Monitor RestartsGrow: container web-1 was started again 2 times since it is watched (exit code 0)",
    );
    check(
        vec![at(0), at(1), at(2), at(3)],
        false,
        "Serious RestartsGrow",
    );
    check(
        vec![look(vec![runs("web-1")]), look(vec![restarting(0, 1)])],
        false,
        "Monitor RestartsGrow",
    );
}

#[test]
fn memory_explains_an_end() {
    let killed = Container {
        oom_killed: true,
        ..restarting(137, 1)
    };
    check(
        vec![look(vec![runs("web-1")]), look(vec![killed])],
        true,
        "Critical OutOfMemory: container web-1 was killed for lack of memory (exit code 137)",
    );
    let mut child = look(vec![runs("web-1")]);
    child.happened = vec![Happened {
        container: "id-web-1".to_owned(),
        incident: Incident::OutOfMemory,
    }];
    check(
        vec![look(vec![runs("web-1")]), child.clone()],
        false,
        "Serious OutOfMemory: container web-1 lacks memory",
    );
    child.containers = vec![Container {
        oom_killed: true,
        ..exited(137)
    }];
    check(
        vec![look(vec![runs("web-1")]), child],
        true,
        "Critical OutOfMemory",
    );
}

#[test]
fn an_end_that_nothing_follows_is_believed_when_it_is_seen_twice() {
    check_twice(
        &exited(3),
        "",
        "Critical ContainerExited: container web-1 ended with exit code 3 and is not started again",
        true,
    );
    for code in [130, 137, 143] {
        let what = format!(
            "Serious NotRunning: container web-1 does not run: it was stopped (exit code {code})"
        );
        check_twice(&exited(code), "", &what, false);
    }
    let paused = Container {
        state: State::Paused,
        ..runs("web-1")
    };
    check_twice(
        &paused,
        "",
        "Serious NotRunning: container web-1 is paused",
        false,
    );
    let created = Container {
        state: State::Created,
        ..runs("web-1")
    };
    check_twice(
        &created,
        "",
        "Serious NotRunning: container web-1 does not run: it was never started",
        false,
    );
    let refused = Container {
        error: "port is already allocated".to_owned(),
        ..created
    };
    check_twice(
        &refused,
        "",
        "Critical ConfigError: container web-1 could not be started: port is already allocated",
        true,
    );
    // Another replica still serves.
    let half = look(vec![exited(3), runs("web-2")]);
    check(
        vec![half.clone(), half],
        false,
        "Serious ContainerExited: 1 of 2 containers: web-1 ended",
    );
}

#[test]
fn a_job_that_has_done_its_work_is_well() {
    check(
        vec![look(vec![exited(0)]), look(vec![exited(0)])],
        false,
        "",
    );
    check(
        vec![
            look(vec![runs("web-1")]),
            look(vec![exited(0)]),
            look(vec![exited(0)]),
        ],
        false,
        "",
    );
    assert_eq!(
        watched(vec![look(vec![exited(0)])]).summary(),
        "it has done its work"
    );
    // What serves, what a policy would start again, and what somebody stopped.
    let stopped = "Serious NotRunning: container web-1 does not run: it was stopped (exit code 0)";
    check_twice(
        &Container {
            has_ports: true,
            ..exited(0)
        },
        "",
        stopped,
        false,
    );
    check_twice(
        &Container {
            is_restarted: true,
            ..exited(0)
        },
        "",
        stopped,
        false,
    );
    let mut by_hand = look(vec![exited(0)]);
    by_hand.happened = ended(0, true);
    check(
        vec![look(vec![runs("web-1")]), by_hand, look(vec![exited(0)])],
        false,
        stopped,
    );
    let mut failing = look(vec![exited(1)]);
    failing.happened = ended(1, true);
    check(
        vec![look(vec![runs("web-1")]), failing, look(vec![exited(1)])],
        false,
        "Serious NotRunning",
    );
}

#[test]
fn a_healthcheck_counts_when_its_own_retries_have_passed() {
    use HealthStatus::{Healthy, Starting, Unhealthy};
    check(vec![look(vec![checked(Healthy)]); 2], false, "");
    check(
        vec![look(vec![checked(Unhealthy)])],
        true,
        "Critical ProbeFails: container web-1 is unhealthy by its HEALTHCHECK (3 failures in a row): no answer",
    );
    // What the engine writes down when a container ends says nothing more.
    let over = Container {
        state: State::Exited,
        is_restarted: false,
        ..checked(Unhealthy)
    };
    check(vec![look(vec![over]); 2], false, "");
    let starting = |at| Look {
        at: Duration::from_secs(at),
        ..look(vec![checked(Starting)])
    };
    check(vec![starting(0), starting(59)], false, "");
    assert!(watched(vec![starting(0)]).is_in_doubt());
    let stuck = vec![starting(0), starting(59), starting(61)];
    check(
        stuck.clone(),
        false,
        "Serious StuckRollout: container web-1 has not become healthy: its HEALTHCHECK is starting since 61 s",
    );
    assert!(!watched(stuck).is_in_doubt());
    // A check that takes longer by its own settings.
    let slow = |at| {
        let mut look = starting(at);
        look.containers[0].health_within = Duration::from_secs(90);
        look
    };
    check(vec![slow(0), slow(89)], false, "");
    check(vec![slow(0), slow(90)], false, "Serious StuckRollout");
    // Another run has its own time.
    let again = Container {
        started_at: "t1".to_owned(),
        ..checked(Starting)
    };
    let again = Look {
        at: Duration::from_secs(61),
        ..look(vec![again])
    };
    check(vec![starting(0), again], false, "");
}

#[test]
fn another_image_is_somebody_elses_and_another_container_of_the_same_is_not() {
    let other = Container {
        id: "new".to_owned(),
        image: "web:2".to_owned(),
        image_id: "sha256:2222".to_owned(),
        is_wanted: Some(false),
        ..runs("web-1")
    };
    let drifted = "Serious DriftedBack: container web-1 runs web:2 (";
    check(
        vec![look(vec![runs("web-1")]), look(vec![other.clone()])],
        false,
        drifted,
    );
    check(vec![look(vec![other.clone()])], false, drifted);
    // It is not the release that crashes.
    let crashing = Container {
        state: State::Restarting,
        exit_code: 1,
        ..other
    };
    check(
        vec![look(vec![runs("web-1")]), look(vec![crashing])],
        false,
        drifted,
    );
    let same = Container {
        id: "new".to_owned(),
        ..runs("web-1")
    };
    check(vec![look(vec![runs("web-1")]), look(vec![same])], false, "");
    // The engine cannot tell: what ran at first is right.
    let untold = Container {
        is_wanted: None,
        ..runs("web-1")
    };
    check(vec![look(vec![untold.clone()]); 2], false, "");
    let other = Container {
        image_id: "sha256:3333".to_owned(),
        ..untold.clone()
    };
    check(
        vec![look(vec![untold]), look(vec![other])],
        false,
        "Serious DriftedBack: container web-1 runs web:1 (",
    );
}

#[test]
fn containers_that_are_gone_are_missed_on_two_looks() {
    let two = || look(vec![runs("web-1"), runs("web-2")]);
    let one = || look(vec![runs("web-1")]);
    let none = || look(Vec::new());
    check(vec![two(), one(), two()], false, "");
    check(
        vec![two(), one(), one()],
        false,
        "Monitor DriftedBack: 1 of 2 containers are left",
    );
    check(vec![one(), none()], false, "");
    check(
        vec![one(), none(), none()],
        false,
        "Serious DriftedBack: it has no container any more",
    );
    // It came back: told, and held against nobody.
    check(
        vec![one(), none(), none(), one()],
        false,
        "Monitor DriftedBack: passed: it has no container any more",
    );
    check(vec![one(), two()], false, "");
    check(vec![none(), none()], false, "");
}

#[test]
fn what_a_change_left_over_and_what_was_logged_is_told() {
    let left = Look {
        aside: vec!["web-1-lastgood-aside".to_owned()],
        ..look(vec![runs("web-1")])
    };
    check(vec![left.clone()], false, "");
    check(
        vec![left.clone(), left.clone()],
        false,
        "Monitor NotReplaced: container web-1-lastgood-aside is still set aside",
    );
    check(
        vec![left.clone(), left, look(vec![runs("web-1")])],
        false,
        "",
    );
    let errors = |lines| Look {
        errors: Some(Errors {
            lines,
            containers: 1,
            first: "Error: no".to_owned(),
        }),
        ..look(vec![runs("web-1")])
    };
    check(vec![errors(10)], false, "");
    check(
        vec![errors(11), errors(0)],
        false,
        "Serious ErrorsLogged: 11 error lines within 2 minutes in 1 container (at most 10), such as: Error: no",
    );
}

fn a_container() -> impl Strategy<Value = Container> {
    let states = prop::sample::select(vec![
        State::Created,
        State::Running,
        State::Paused,
        State::Restarting,
        State::Removing,
        State::Exited,
        State::Dead,
        State::Unknown,
    ]);
    let health = prop::option::of(prop::sample::select(vec![
        HealthStatus::Starting,
        HealthStatus::Healthy,
        HealthStatus::Unhealthy,
    ]));
    let code = prop::sample::select(vec![0_i64, 1, 3, 137, 143]);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    let image = prop::sample::select(vec![None, Some(true), Some(false)]);
    (0_u8..4, states, 0_u64..4, code, health, flags, image).prop_map(
        |(
            number,
            state,
            restarts,
            exit_code,
            health,
            (oom_killed, is_restarted, has_ports),
            is_wanted,
        )| Container {
            state,
            restarts,
            exit_code,
            oom_killed,
            is_restarted,
            has_ports,
            is_wanted,
            health: health.map(|status| Health {
                status,
                failures: 1,
                output: String::new(),
            }),
            ..runs(&format!("web-{number}"))
        },
    )
}

fn a_look() -> impl Strategy<Value = Look> {
    (prop::collection::vec(a_container(), 0..4), any::<bool>()).prop_map(
        |(mut containers, is_stability)| {
            containers.sort_by(|a, b| a.name.cmp(&b.name));
            containers.dedup_by(|a, b| a.name == b.name);
            Look {
                is_stability,
                ..look(containers)
            }
        },
    )
}

proptest! {
    #[test]
    fn the_order_in_which_containers_are_listed_says_nothing(looks in prop::collection::vec(a_look(), 1..8)) {
        let mut reversed = looks.clone();
        for look in &mut reversed {
            look.containers.reverse();
        }
        prop_assert_eq!(watched(looks).sightings(), watched(reversed).sightings());
    }

    #[test]
    fn what_happened_never_gets_better(looks in prop::collection::vec(a_look(), 1..8), more in a_look()) {
        let events = [Symptom::CrashLoop, Symptom::OutOfMemory, Symptom::RestartsGrow, Symptom::ErrorsLogged];
        let mut standing = watched(looks);
        let before = standing.sightings();
        standing.take(&more);
        let after = standing.sightings();
        for one in before.iter().filter(|one| events.contains(&one.symptom)) {
            let found = after.iter().find(|other| other.symptom == one.symptom).map(|other| other.severity);
            prop_assert!(Some(one.severity) <= found, "{one}: {found:?}");
        }
    }

    #[test]
    fn a_healthy_series_says_nothing(
        count in 1_u8..4,
        restarts in 0_u64..9,
        statuses in prop::collection::vec(prop::sample::select(vec![HealthStatus::Starting, HealthStatus::Healthy]), 1..8),
        others in any::<bool>(),
    ) {
        let looks = (0_u8..).zip(&statuses).map(|(at, status)| {
            let container = |number| Container {
                // Recreated in between, with the same image.
                id: if others && at == 1 { format!("other-{number}") } else { format!("id-{number}") },
                restarts: if others { 0 } else { restarts },
                health: Some(Health { status: *status, failures: 0, output: String::new() }),
                ..runs(&format!("web-{number}"))
            };
            look((0..count).map(container).collect())
        });
        prop_assert_eq!(watched(looks.collect()).sightings(), Vec::new());
    }

    #[test]
    fn a_worse_container_makes_nothing_milder(looks in prop::collection::vec(a_look(), 2..6)) {
        let worst = |standing: &Standing| standing.sightings().first().map(|one| one.severity);
        let mut worse = looks.clone();
        for look in &mut worse {
            look.containers.push(Container { exit_code: 1, ..restarting(1, 1) });
            look.containers.last_mut().unwrap().id = "worse".to_owned();
        }
        prop_assert!(worst(&watched(looks)) <= worst(&watched(worse)));
    }
}
