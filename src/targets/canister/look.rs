//! One look at one canister, as far as `decide::canister::standing` judges it: certified hash and time, status, log. And the
//! looks from before a change, kept until the canister is watched. Nothing is changed here.

use super::call::CallError;
use super::certified;
use super::logs;
use super::observe::Told as Answered;
use super::site::Site;
use super::wire::{Activity, Status as Answer, number};
use crate::decide::canister::reject::is_out_of_cycles;
use crate::decide::canister::standing::{Baseline, Look, Module, Since, Status, Supply, Told};
use crate::model::secret::Secret;
use crate::model::state::{Phase, Revision, Slot};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::timeout;

/// A change is not held up for longer by the look before it.
const BASELINE_MAX: Duration = Duration::from_secs(15);

/// The reject class of what may go well when it is asked again (`SYS_TRANSIENT` of the interface specification).
const SYS_TRANSIENT: u8 = 2;

/// A look, and what of it could not be had although the rest was.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) look: Look,
    /// Why the log could not be read, in one clause.
    pub(super) no_log: Option<String>,
}

/// Looks once: one certified read, one replicated call and one query, side by side. The call is left out where the status is known
/// from [`just_now`].
///
/// # Errors
/// The network did not answer, or not in a way that can be trusted.
pub(super) async fn take(
    site: &Site<'_>,
    known_status: Option<Answer>,
    secrets: &[Secret],
) -> Result<Taken, CallError> {
    let management = site.management();
    let asking = async {
        match known_status {
            Some(answer) => Ok(answer),
            None => management.status().await,
        }
    };
    let (certified, status, lines) = tokio::join!(
        certified::read(site.network, site.id),
        asking,
        logs::read(site, secrets)
    );
    let (module, time_ns) = match certified? {
        Some(certified) => {
            let module = certified.module_hash.map_or(Module::Empty, |hash| {
                Module::Holds(Revision(hash.to_string()))
            });
            (module, certified.time_ns)
        }
        None => (Module::Gone, 0),
    };
    let status = match status {
        Ok(answer) => Told::Known(known(&answer)),
        Err(error) => told(error, secrets)?,
    };
    let (lines, no_log) = match lines {
        Ok(lines) => (Some(lines), None),
        Err(error) if logs::is_denied(&error) => {
            let why = "only controllers, and whom its log_visibility names, may read it";
            (None, Some(why.to_owned()))
        }
        Err(error) => (None, Some(logs::shown(&error.to_string(), secrets))),
    };
    let look = Look {
        time_ns,
        module,
        status,
        lines,
    };
    Ok(Taken { look, no_log })
}

/// The status of the compare of a moment ago, once.
pub(super) fn just_now(site: &Site<'_>) -> Option<Answer> {
    match site.network.compared.take(site.id)?.told {
        Answered::Status(answer) => Some(*answer),
        Answered::Denied | Answered::Frozen(_) | Answered::Unreadable(_) => None,
    }
}

/// What a status that was not answered says all the same.
fn told(error: CallError, secrets: &[Secret]) -> Result<Told, CallError> {
    match &error {
        // The call is paid for by the canister that it is about.
        CallError::Rejected { reject, .. }
            if is_out_of_cycles(reject.code.as_deref(), &reject.message) =>
        {
            Ok(Told::OutOfCycles)
        }
        // The subnet is busy: no answer, and the next look may have one.
        CallError::Rejected { reject, .. } if reject.class == SYS_TRANSIENT => Err(error),
        CallError::Rejected { .. } | CallError::Unreadable(_) => {
            Ok(Told::Unread(logs::shown(&error.to_string(), secrets)))
        }
        CallError::Unreachable(_) | CallError::Unknown { .. } | CallError::Untrusted(_) => {
            Err(error)
        }
    }
}

fn known(answer: &Answer) -> Status {
    let metrics = answer.memory_metrics.as_ref();
    Status {
        phase: answer.activity.map(|running| match running {
            Activity::Running => Phase::Running,
            Activity::Stopping => Phase::Moving,
            Activity::Stopped => Phase::Stopped,
        }),
        cycles: number(&answer.cycles),
        reserved_cycles: answer.reserved_cycles.as_ref().map_or(0, number),
        burn_per_day: number(&answer.idle_cycles_burned_per_day),
        freezing_threshold_s: number(&answer.settings.freezing_threshold),
        memory_bytes: number(&answer.memory_size),
        snapshots_bytes: metrics.map(|metrics| number(&metrics.snapshots_size)),
        wasm_bytes: metrics.map(|metrics| number(&metrics.wasm_memory_size)),
        wasm_bytes_max: answer.settings.wasm_memory_limit.as_ref().map(number),
    }
}

/// How a canister is right before its change, or right after it: traps of until then do not count, and an old debt is no fault
/// of the release. `None`: it could not be looked at; then the first look after the change is what is compared with.
pub(super) async fn baseline(
    site: &Site<'_>,
    known_status: Option<Answer>,
    secrets: &[Secret],
) -> Option<Baseline> {
    match timeout(BASELINE_MAX, take(site, known_status, secrets)).await {
        Ok(Ok(taken)) => Some(Baseline::of(&taken.look)),
        Ok(Err(error)) => {
            tracing::debug!(slot = %site.slot, %error, "no look to compare with");
            None
        }
        Err(_elapsed) => {
            tracing::debug!(slot = %site.slot, "no look to compare with in time");
            None
        }
    }
}

/// The looks from around the changes of this command.
#[derive(Debug, Default)]
pub(super) struct Baselines(Mutex<BTreeMap<Slot, Kept>>);

/// What is kept of one canister.
#[derive(Debug, Default)]
struct Kept {
    /// Before anything was changed.
    earlier: Option<Supply>,
    since: Option<Since>,
}

impl Baselines {
    fn with<T>(&self, slot: &Slot, act: impl FnOnce(&mut Kept) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        act(all.entry(slot.clone()).or_default())
    }

    /// Notes the cycles of some time before a change: with those of the baseline they say how fast they go.
    pub(super) fn earlier(&self, slot: &Slot, supply: Supply) {
        self.with(slot, |kept| kept.earlier = Some(supply));
    }

    /// Keeps how a canister was right before a change; that of an earlier change is forgotten. `None`: nothing is known of it.
    pub(super) fn keep(&self, slot: &Slot, baseline: Option<Baseline>) {
        self.with(slot, |kept| {
            kept.since = baseline.map(|baseline| Since {
                baseline,
                ended: None,
                earlier: kept.earlier,
                rejected: Vec::new(),
            });
        });
    }

    /// Keeps how it was when the change had ended, well or not: only what comes after it is held against what is in place.
    pub(super) fn ended(&self, slot: &Slot, ended: Option<Baseline>) {
        self.with(slot, |kept| {
            if let Some(since) = &mut kept.since {
                since.ended = ended;
            }
        });
    }

    /// Notes the message of an install that the network rejected: its trap is in the log, and is not held against what runs.
    pub(super) fn rejected(&self, slot: &Slot, message: &str, secrets: &[Secret]) {
        // A backtrace follows, which the log words in another way.
        let first = logs::shown(message.lines().next().unwrap_or_default(), secrets);
        self.with(slot, |kept| {
            if let Some(since) = &mut kept.since {
                since.rejected.push(first);
            }
        });
    }

    pub(super) fn of(&self, slot: &Slot) -> Option<Since> {
        self.with(slot, |kept| kept.since.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::canister::standing::Pace;
    use crate::targets::canister::call::Reject;
    use candid::Nat;

    fn rejected(code: &str) -> CallError {
        CallError::Rejected {
            certified: true,
            reject: Reject {
                code: Some(code.to_owned()),
                class: 5,
                message: "no".to_owned(),
            },
        }
    }

    #[test]
    fn what_a_missing_status_says() {
        assert_eq!(told(rejected("IC0207"), &[]).unwrap(), Told::OutOfCycles);
        let unread = Told::Unread("IC0542: no".to_owned());
        assert_eq!(told(rejected("IC0542"), &[]).unwrap(), unread);
        told(CallError::Unreachable("gone".to_owned()), &[]).unwrap_err();
        // The network's other words for it.
        for code in ["IC0532", "IC0530"] {
            assert_eq!(told(rejected(code), &[]).unwrap(), Told::OutOfCycles);
        }
    }

    #[test]
    fn a_busy_subnet_is_asked_again() {
        let busy = CallError::Rejected {
            certified: true,
            reject: Reject {
                code: Some("IC0201".to_owned()),
                class: 2,
                message: "busy".to_owned(),
            },
        };
        told(busy, &[]).unwrap_err();
    }

    #[test]
    fn a_number_without_end_is_a_large_one() {
        assert_eq!(number(&Nat::from(3_u8)), 3);
        let large = format!("1{}", "0".repeat(40));
        assert_eq!(number(&Nat::parse(large.as_bytes()).unwrap()), u128::MAX);
    }

    #[test]
    fn a_baseline_is_that_of_the_last_change() {
        let slot = Slot("api".to_owned());
        let baselines = Baselines::default();
        assert_eq!(baselines.of(&slot), None);
        let baseline = Baseline {
            time_ns: 1,
            module: Module::Empty,
            next_index: 0,
            newest_ns: 0,
            trapped: Pace::default(),
            status: None,
        };
        baselines.keep(&slot, Some(baseline.clone()));
        let message = "trapped: hunter2\nCanister Backtrace:\nx";
        baselines.rejected(&slot, message, &[Secret::new("hunter2")]);
        assert_eq!(baselines.of(&slot).unwrap().rejected, ["trapped: ***"]);
        baselines.keep(&slot, Some(baseline));
        assert!(baselines.of(&slot).unwrap().rejected.is_empty());
        baselines.keep(&slot, None);
        assert_eq!(baselines.of(&slot), None);
    }
}
