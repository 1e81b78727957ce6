//! What a verdict leads to: the operator's policy, within the rules of safety that no policy overrides.

use super::judge;
use crate::model::outcome::Outcome;
use crate::model::sighting::Sighting;
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

/// One verdict of the probes and of what the targets saw: a serious sighting makes it unhealthy.
pub fn with_sightings(verdict: Option<Verdict>, sightings: &[Sighting], watched_s: u64) -> Verdict {
    let worst = sightings
        .iter()
        .filter(|sighting| Severity::Serious <= sighting.severity)
        .max_by_key(|sighting| sighting.severity);
    let mut verdict = verdict.unwrap_or_else(|| Verdict {
        call: Call::Healthy,
        why: format!("nothing unwell was seen for {watched_s} s"),
        severity: Severity::None,
        at_s: watched_s,
        warm_up_s: 0,
        evidence: Vec::new(),
        notes: Vec::new(),
    });
    if let Some(worst) = worst {
        verdict.call = Call::Unhealthy;
        verdict.why = worst.to_string();
        verdict.severity = worst.severity;
    }
    verdict
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
}
