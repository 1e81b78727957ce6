//! What a verdict leads to: the operator's policy, within the rules of safety that no policy overrides.

use super::judge;
use crate::model::outcome::Outcome;
use crate::model::sighting::{Sighting, Symptom, worst_first};
use crate::model::verdict::{Call, Severity, Verdict};

/// What to do with an unhealthy release.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnUnhealthy {
    #[default]
    Rollback,
    /// Leave it in place and fail.
    Fail,
}

/// What to do when there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnInconclusive {
    #[default]
    Fail,
    Pass,
    Rollback,
}

/// What follows a verdict on a new release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// As good as asked for.
    Done,
    RollBack {
        why: String,
    },
    /// Leave everything as it is and end with this outcome.
    Stop {
        outcome: Outcome,
    },
}

/// Sightings that a reason names; the others are notes.
const TOLD_MAX: usize = 3;

/// The verdict on a release by its probes and by what was seen of it in `watched_s` seconds.
///
/// From [`Severity::Serious`] on a sighting makes it unhealthy, whatever the probes said: the pods of before may still answer
/// them. Lesser ones are noted. A service that was ill before the change stays that: nothing that is seen of it is put down
/// to the release. Without a verdict of probes and without anything serious it is healthy, unless nothing is available or
/// the rollout is not done: then nobody can say so. Nor can anybody, whatever the probes say, of what could not be watched to
/// the end, or of a release that runs in a part of the pods only.
pub fn with_sightings(verdict: Option<Verdict>, sightings: &[Sighting], watched_s: u64) -> Verdict {
    let mut sightings = sightings.to_vec();
    worst_first(&mut sightings);
    let worst = sightings
        .first()
        .map_or(Severity::None, |worst| worst.severity);
    let is_serious = Severity::Serious <= worst;
    let serious = sightings
        .iter()
        .filter(|one| Severity::Serious <= one.severity)
        .count();
    let mut combined = verdict.unwrap_or_else(|| unprobed(&sightings, watched_s));
    combined.severity = combined.severity.max(worst);
    let told = if is_serious && combined.call != Call::AlreadyUnhealthy {
        let told = serious.min(TOLD_MAX);
        let why = join(sightings.iter().take(told));
        combined.why = by_sightings(&combined, &why, serious - told);
        combined.at_s = combined.at_s.max(watched_s);
        combined.call = Call::Unhealthy;
        told
    } else {
        doubt(&mut combined, &sightings);
        0
    };
    let advice = sightings
        .iter()
        .take(told)
        .map(|one| format!("{}: {}", one.symptom, one.advice));
    let others = sightings
        .iter()
        .skip(told)
        .map(|one| format!("{one}; {}", one.advice));
    for note in advice.chain(others) {
        if !combined.notes.contains(&note) {
            combined.notes.push(note);
        }
    }
    combined
}

/// Takes back what was called healthy and was not seen whole. What the probes said stays, as a note.
fn doubt(verdict: &mut Verdict, sightings: &[Sighting]) {
    let is_partial =
        |one: &&Sighting| matches!(one.symptom, Symptom::Unseen | Symptom::NotReplaced);
    let partial: Vec<&Sighting> = sightings.iter().filter(is_partial).collect();
    if verdict.call != Call::Healthy || partial.is_empty() {
        return;
    }
    let told = partial.len().min(TOLD_MAX);
    let seen = join(partial.iter().copied().take(told));
    let why = by_sightings(verdict, &seen, partial.len() - told);
    let probed = std::mem::replace(&mut verdict.why, why);
    if !verdict.evidence.is_empty() {
        verdict.notes.push(format!("the probes: {probed}"));
    }
    verdict.call = Call::Inconclusive;
}

/// What can be said of a release that no probe has asked.
fn unprobed(sightings: &[Sighting], watched_s: u64) -> Verdict {
    // Told without being held against the release: one bad pod on a bad node.
    let is_open = |one: &&Sighting| {
        matches!(
            one.symptom,
            Symptom::NoneAvailable | Symptom::StuckRollout | Symptom::NoEndpoints
        )
    };
    let open = sightings.iter().find(is_open);
    let (call, why) = match (open, sightings.first()) {
        (Some(open), _) => (
            Call::Inconclusive,
            format!(
                "nothing is held against the release in {watched_s} s, and it is not up: {open}"
            ),
        ),
        (None, Some(worst)) => (
            Call::Healthy,
            format!("nothing serious was seen in {watched_s} s; to watch: {worst}"),
        ),
        (None, None) => (
            Call::Healthy,
            format!("nothing wrong was seen in {watched_s} s"),
        ),
    };
    Verdict {
        call,
        why,
        severity: Severity::None,
        at_s: watched_s,
        warm_up_s: 0,
        evidence: vec![],
        notes: vec![],
    }
}

/// The reason of a verdict that the sightings decide, and what the probes said beside it.
fn by_sightings(verdict: &Verdict, seen: &str, more: usize) -> String {
    let more = match more {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    if verdict.evidence.is_empty() {
        return format!("{seen}{more}");
    }
    match verdict.call {
        Call::Unhealthy => format!("{}; {seen}{more}", verdict.why),
        Call::Healthy | Call::AlreadyUnhealthy | Call::Inconclusive => format!(
            "{seen}{more}; the probes alone say {} ({})",
            verdict.call,
            judge::headline(verdict)
        ),
    }
}

fn join<'a>(sightings: impl Iterator<Item = &'a Sighting>) -> String {
    sightings
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

/// Decides what follows a verdict after a deploy.
///
/// Whatever the policy says: a service that was `already_unhealthy_before` is not rolled back (the old release was no better),
/// a deployment that was `already_rolled_back` automatically is not rolled back again, and neither is one of which
/// nothing could be measured, or only through a network in doubt.
pub fn after_deploy(
    verdict: &Verdict,
    on_unhealthy: OnUnhealthy,
    on_inconclusive: OnInconclusive,
    already_unhealthy_before: bool,
    already_rolled_back: bool,
) -> Next {
    let may_roll_back = !already_unhealthy_before && !already_rolled_back;
    let roll_back = || Next::RollBack {
        why: verdict.why.clone(),
    };
    match verdict.call {
        Call::Healthy => Next::Done,
        Call::AlreadyUnhealthy => Next::Stop {
            outcome: Outcome::Unhealthy,
        },
        Call::Unhealthy => match on_unhealthy {
            OnUnhealthy::Rollback if may_roll_back => roll_back(),
            OnUnhealthy::Rollback | OnUnhealthy::Fail => Next::Stop {
                outcome: Outcome::Unhealthy,
            },
        },
        Call::Inconclusive => match on_inconclusive {
            OnInconclusive::Pass => Next::Done,
            OnInconclusive::Rollback if may_roll_back && was_measured(verdict) => roll_back(),
            OnInconclusive::Rollback | OnInconclusive::Fail => Next::Stop {
                outcome: Outcome::Inconclusive,
            },
        },
    }
}

/// Decides what follows when a release could not be put in place whole: a restart that failed, a copy that broke off.
/// Nothing has to be measured to know that it is not well.
pub fn after_broken(
    why: &str,
    kind: Outcome,
    on_unhealthy: OnUnhealthy,
    already_unhealthy_before: bool,
    already_rolled_back: bool,
) -> Next {
    let may_roll_back = !already_unhealthy_before && !already_rolled_back;
    match on_unhealthy {
        OnUnhealthy::Rollback if may_roll_back => Next::RollBack {
            why: why.to_owned(),
        },
        // What is in place whole and does not come up is unhealthy; anything else is half done.
        OnUnhealthy::Rollback | OnUnhealthy::Fail => Next::Stop {
            outcome: if kind == Outcome::Unhealthy {
                Outcome::Unhealthy
            } else {
                Outcome::Incomplete
            },
        },
    }
}

/// How a rollback ended, by the verdict on the release that was put back. `good` is `Restored` for `rollback` and
/// `RolledBack` for `deploy` and `watch`. There is no second rollback: what is unwell now is not the release.
pub fn after_rollback(
    verdict: &Verdict,
    on_inconclusive: OnInconclusive,
    good: Outcome,
) -> Outcome {
    match verdict.call {
        Call::Healthy => good,
        Call::Unhealthy | Call::AlreadyUnhealthy => Outcome::StillUnhealthy,
        Call::Inconclusive => match on_inconclusive {
            OnInconclusive::Pass => good,
            OnInconclusive::Fail | OnInconclusive::Rollback => Outcome::Inconclusive,
        },
    }
}

/// Every gating signal gave at least one answer that counts, over a network that was not in doubt.
fn was_measured(verdict: &Verdict) -> bool {
    let mut gating = verdict.evidence.iter().filter(|evidence| evidence.gating);
    gating.clone().next().is_some()
        && gating.all(|evidence| 0 < evidence.probes)
        && !judge::is_network(verdict)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::judge::{Judge, rules};
    use crate::model::probe::Stage;

    fn verdict(call: Call, probes: u64, why: &str) -> Verdict {
        let rules = rules(Stage::Detect, vec!["web".to_owned()], vec![]);
        let mut verdict = Judge::new(rules).finish(true);
        verdict.call = call;
        verdict.why = why.to_owned();
        verdict.evidence[0].probes = probes;
        verdict
    }

    #[track_caller]
    fn check(
        verdict: &Verdict,
        policy: (OnUnhealthy, OnInconclusive),
        before: (bool, bool),
        expected: &Next,
    ) {
        let found = after_deploy(verdict, policy.0, policy.1, before.0, before.1);
        assert_eq!(&found, expected);
    }

    fn stop(outcome: Outcome) -> Next {
        Next::Stop { outcome }
    }

    fn roll_back() -> Next {
        Next::RollBack {
            why: "ill".to_owned(),
        }
    }

    #[test]
    fn the_default_policy() {
        let policy = (OnUnhealthy::default(), OnInconclusive::default());
        let fresh = (false, false);
        let of = |call| verdict(call, 100, "ill");
        check(&of(Call::Healthy), policy, fresh, &Next::Done);
        check(&of(Call::Unhealthy), policy, fresh, &roll_back());
        check(
            &of(Call::Inconclusive),
            policy,
            fresh,
            &stop(Outcome::Inconclusive),
        );
        check(
            &of(Call::AlreadyUnhealthy),
            policy,
            fresh,
            &stop(Outcome::Unhealthy),
        );
        check(
            &of(Call::Unhealthy),
            policy,
            (true, false),
            &stop(Outcome::Unhealthy),
        );
        check(
            &of(Call::Unhealthy),
            policy,
            (false, true),
            &stop(Outcome::Unhealthy),
        );
        check(&of(Call::Healthy), policy, (true, true), &Next::Done);
    }

    #[test]
    fn other_policies() {
        let ill = verdict(Call::Unhealthy, 100, "ill");
        let unknown = verdict(Call::Inconclusive, 100, "ill");
        let (rollback, fail) = (OnUnhealthy::Rollback, OnUnhealthy::Fail);
        check(
            &ill,
            (fail, OnInconclusive::Rollback),
            (false, false),
            &stop(Outcome::Unhealthy),
        );
        check(
            &unknown,
            (rollback, OnInconclusive::Pass),
            (false, false),
            &Next::Done,
        );
        check(
            &unknown,
            (rollback, OnInconclusive::Rollback),
            (false, false),
            &roll_back(),
        );
        for before in [(true, false), (false, true)] {
            check(
                &unknown,
                (rollback, OnInconclusive::Rollback),
                before,
                &stop(Outcome::Inconclusive),
            );
        }
    }

    #[test]
    fn nothing_measured_never_rolls_back() {
        let policy = (OnUnhealthy::Rollback, OnInconclusive::Rollback);
        let nothing = verdict(Call::Inconclusive, 0, "ill");
        let network = verdict(
            Call::Inconclusive,
            100,
            "the runner's own network is in doubt: x",
        );
        for unknown in [nothing, network] {
            check(
                &unknown,
                policy,
                (false, false),
                &stop(Outcome::Inconclusive),
            );
        }
    }

    #[test]
    fn a_rollback_that_does_not_help_escalates() {
        let after = |call, policy| after_rollback(&verdict(call, 9, ""), policy, Outcome::Restored);
        assert_eq!(
            after(Call::Healthy, OnInconclusive::Fail),
            Outcome::Restored
        );
        assert_eq!(
            after(Call::Unhealthy, OnInconclusive::Pass),
            Outcome::StillUnhealthy
        );
        assert_eq!(
            after(Call::Inconclusive, OnInconclusive::Pass),
            Outcome::Restored
        );
        assert_eq!(
            after(Call::Inconclusive, OnInconclusive::Rollback),
            Outcome::Inconclusive
        );
    }

    fn sighting(slot: &str, severity: Severity, symptom: Symptom, what: &str) -> Sighting {
        let slot = crate::model::state::Slot(slot.to_owned());
        Sighting::new(&slot, severity, symptom, what, "do this")
    }

    fn crash() -> Sighting {
        sighting(
            "deployment/web",
            Severity::Critical,
            Symptom::CrashLoop,
            "3 of 3 new pods crash (exit code 1)",
        )
    }

    fn lame() -> Sighting {
        sighting(
            "deployment/api",
            Severity::Monitor,
            Symptom::NodeIssue,
            "pod a is held up by its node (node n1 is not ready)",
        )
    }

    #[test]
    fn without_probes_the_sightings_decide() {
        let none = with_sightings(None, &[], 30);
        assert_eq!(
            (none.call, none.severity, none.at_s),
            (Call::Healthy, Severity::None, 30)
        );
        assert_eq!(none.why, "nothing wrong was seen in 30 s");

        let lesser = with_sightings(None, &[lame()], 30);
        assert_eq!(
            (lesser.call, lesser.severity),
            (Call::Healthy, Severity::Monitor)
        );
        assert_eq!(
            lesser.why,
            "nothing serious was seen in 30 s; to watch: deployment/api: pod a is held up by its node (node n1 is not ready)"
        );

        let ill = with_sightings(None, &[lame(), crash()], 30);
        assert_eq!(
            (ill.call, ill.severity),
            (Call::Unhealthy, Severity::Critical)
        );
        assert_eq!(
            ill.why,
            "deployment/web: 3 of 3 new pods crash (exit code 1)"
        );
        assert_eq!(
            ill.notes,
            [
                "crash loop: do this",
                "deployment/api: pod a is held up by its node (node n1 is not ready); do this"
            ]
        );
        assert_eq!(judge::headline(&ill), ill.why);
    }

    fn unseen(symptom: Symptom) -> Sighting {
        let what = "could not be watched: the token expired";
        sighting("deployment/api", Severity::Monitor, symptom, what)
    }

    #[test]
    fn nobody_calls_healthy_what_was_not_seen_whole() {
        let what = "deployment/api: could not be watched: the token expired";
        for symptom in [Symptom::Unseen, Symptom::NotReplaced] {
            let unprobed = with_sightings(None, &[lame(), unseen(symptom)], 30);
            assert_eq!(unprobed.call, Call::Inconclusive);
            assert_eq!(unprobed.why, what);
            for (call, expected) in [
                (Call::Healthy, Call::Inconclusive),
                (Call::Unhealthy, Call::Unhealthy),
                (Call::Inconclusive, Call::Inconclusive),
                (Call::AlreadyUnhealthy, Call::AlreadyUnhealthy),
            ] {
                let probes = verdict(call, 100, "web: so it is");
                let found = with_sightings(Some(probes), &[unseen(symptom)], 30);
                assert_eq!(found.call, expected, "{call}");
                assert_eq!(found.why.contains(what), call == Call::Healthy);
                let is_noted = found
                    .notes
                    .contains(&"the probes: web: so it is".to_owned());
                assert_eq!(is_noted, call == Call::Healthy);
            }
            // What was seen elsewhere is stronger.
            let ill = with_sightings(None, &[crash(), unseen(symptom)], 30);
            assert_eq!(ill.call, Call::Unhealthy);
        }
    }

    #[test]
    fn nobody_calls_healthy_what_is_not_up() {
        let open = sighting(
            "deployment/api",
            Severity::Monitor,
            Symptom::NoneAvailable,
            "0 of 1 wanted pods are available",
        );
        let found = with_sightings(None, &[lame(), open], 30);
        assert_eq!(found.call, Call::Inconclusive);
        // And nothing is rolled back for it, whatever the policy.
        let policy = (OnUnhealthy::Rollback, OnInconclusive::Rollback);
        check(&found, policy, (false, false), &stop(Outcome::Inconclusive));
    }

    #[test]
    fn a_serious_sighting_is_stronger_than_probes_that_pass() {
        let probes = verdict(Call::Healthy, 100, "web: 0 of 100 probes failed");
        let found = with_sightings(Some(probes), &[crash()], 30);
        assert_eq!(found.call, Call::Unhealthy);
        assert_eq!(
            found.why,
            "deployment/web: 3 of 3 new pods crash (exit code 1); the probes alone say healthy (web: 0 of 100 probes failed (0 %))"
        );
        assert_eq!(judge::headline(&found), found.why);

        let many = vec![crash(); 5];
        let why = with_sightings(None, &many, 1).why;
        assert_eq!(why.matches("deployment/web").count(), TOLD_MAX);
        assert!(why.ends_with("; and 2 more"));
    }

    #[test]
    fn lesser_sightings_leave_the_verdict_of_the_probes() {
        for call in [
            Call::Healthy,
            Call::Unhealthy,
            Call::Inconclusive,
            Call::AlreadyUnhealthy,
        ] {
            let probes = verdict(call, 100, "web: so it is");
            let found = with_sightings(Some(probes.clone()), &[lame()], 30);
            assert_eq!((found.call, &found.why), (call, &probes.why));
            assert_eq!(found.notes.len(), probes.notes.len() + 1);
            assert_eq!(with_sightings(Some(probes.clone()), &[], 30), probes);
        }
    }

    #[test]
    fn what_was_ill_before_is_not_put_down_to_the_release() {
        let before = verdict(Call::AlreadyUnhealthy, 100, "web: 90 of 100 probes failed");
        let found = with_sightings(Some(before), &[crash()], 30);
        assert_eq!(
            (found.call, found.severity),
            (Call::AlreadyUnhealthy, Severity::Critical)
        );
        assert_eq!(found.why, "web: 90 of 100 probes failed");

        let both = verdict(Call::Unhealthy, 100, "web: 90 of 100 probes failed");
        assert_eq!(
            with_sightings(Some(both), &[crash()], 30).why,
            "web: 90 of 100 probes failed; deployment/web: 3 of 3 new pods crash (exit code 1)"
        );
    }
}
