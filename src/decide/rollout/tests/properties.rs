//! What holds for every mix of pods: one more bad pod never makes it look better, and nothing is said of what is well.

use super::{Pod, Seen, container, crash, ill, pod, seen, waiting};
use crate::decide::rollout::diagnose;
use crate::model::sighting::{Sighting, Symptom, WHAT_CHARS_MAX};
use crate::model::state::Slot;
use crate::model::verdict::Severity;
use proptest::prelude::*;

const KINDS: usize = 9;

/// A new pod of every kind of trouble; 0 is well.
fn of_kind(kind: usize, name: &str) -> Pod {
    match kind {
        0 => pod(name),
        1 => crash(name),
        2 => waiting(name, "ImagePullBackOff", "Back-off pulling image"),
        3 => waiting(name, "CreateContainerConfigError", "no such key"),
        4 => ill(name, |one| {
            one.restarts = 3;
            one.terminated = Some((137, "OOMKilled".to_owned()));
        }),
        5 => {
            let mut pod = ill(name, |one| {
                (one.is_init, one.restarts) = (true, 2);
                one.terminated = Some((1, "Error".to_owned()));
            });
            pod.containers.push(container("app"));
            pod
        }
        6 => Pod {
            unschedulable: Some("no room".to_owned()),
            node: None,
            node_ready: None,
            containers: vec![],
            ..ill(name, |_| ())
        },
        7 => ill(name, |_| ()),
        _ => waiting(name, "ContainerCreating", ""),
    }
}

fn crowd(kinds: &[usize], flags: (bool, bool, bool), probes: u32) -> Seen {
    let pods = kinds
        .iter()
        .enumerate()
        .map(|(index, kind)| of_kind(*kind, &format!("web-{index}")))
        .collect();
    let mut seen = seen(pods);
    (seen.deadline_passed, seen.was_done, seen.controller_gave_up) = flags;
    seen.probe_failures = probes;
    seen
}

fn found(seen: &Seen) -> Vec<Sighting> {
    diagnose(&Slot("deployment/web".to_owned()), seen)
}

fn worst(seen: &Seen) -> Severity {
    found(seen)
        .first()
        .map_or(Severity::None, |one| one.severity)
}

proptest! {
    #[test]
    fn one_more_bad_pod_never_looks_better(
        kinds in prop::collection::vec(0..KINDS, 1..7),
        turned in (any::<prop::sample::Index>(), 1..KINDS),
        flags in any::<(bool, bool, bool)>(),
        probes in 0..30_u32,
    ) {
        let mut kinds = kinds;
        let index = turned.0.index(kinds.len());
        kinds[index] = 0;
        let mut more = kinds.clone();
        more[index] = turned.1;
        let (before, after) = (crowd(&kinds, flags, probes), crowd(&more, flags, probes));
        prop_assert!(worst(&before) <= worst(&after), "{:?} -> {:?}", found(&before), found(&after));
    }

    #[test]
    fn a_bad_node_only_excuses_the_only_bad_pod(
        kinds in prop::collection::vec(0..KINDS, 1..7),
        lame in any::<prop::sample::Index>(),
        kind in 1..KINDS,
        flags in any::<(bool, bool, bool)>(),
    ) {
        let index = lame.index(kinds.len());
        let mut kinds = kinds;
        kinds[index] = kind;
        let others_well = kinds.iter().enumerate().all(|(at, kind)| at == index || *kind == 0);
        let plain = crowd(&kinds, flags, 0);
        let mut seen = plain.clone();
        seen.pods[index].node_ready = Some(false);
        if others_well {
            prop_assert!(worst(&seen) <= Severity::Monitor, "{:?}", found(&seen));
            prop_assert!(found(&seen).iter().any(|one| one.symptom == Symptom::NodeIssue));
        } else {
            // A pod that is merely starting is no sighting, and its bad node is one.
            prop_assert_eq!(worst(&seen), worst(&plain).max(Severity::Monitor));
        }
    }

    #[test]
    fn nothing_is_said_of_a_healthy_workload(
        pods in 1..9_usize,
        flags in any::<(bool, bool, bool)>(),
    ) {
        prop_assert_eq!(found(&crowd(&vec![0; pods], flags, 0)), vec![]);
    }

    #[test]
    fn the_worst_comes_first_and_each_symptom_once(
        kinds in prop::collection::vec(0..KINDS, 1..7),
        flags in any::<(bool, bool, bool)>(),
        probes in 0..30_u32,
    ) {
        let all = found(&crowd(&kinds, flags, probes));
        for pair in all.windows(2) {
            prop_assert!(pair[1].severity <= pair[0].severity && pair[0].symptom != pair[1].symptom);
        }
        for one in &all {
            prop_assert!(one.what.chars().count() <= WHAT_CHARS_MAX && !one.advice.is_empty());
        }
        let reversed: Vec<usize> = kinds.iter().rev().copied().collect();
        let again = found(&crowd(&reversed, flags, probes));
        prop_assert_eq!(all.iter().map(|one| (one.severity, one.symptom)).collect::<Vec<_>>(),
            again.iter().map(|one| (one.severity, one.symptom)).collect::<Vec<_>>());
    }
}
