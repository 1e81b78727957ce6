//! One canister, or several side by side, as the network certifies them and as they say they stand. Nothing is changed or judged.

use super::call::CallError;
use super::certified::{self, Certified};
use super::refusal;
use super::settings::WhenStopped;
use super::site::Site;
use super::wire::{Activity, Status, number};
use crate::decide::canister::cycles::Account;
use crate::decide::canister::reject::{self, Step};
use crate::model::state::{Held, Phase, Revision};
use crate::targets::TargetError;
use futures_util::stream::{self, StreamExt as _};

/// Canisters that are looked at at once.
const PARALLEL: usize = 8;

/// One canister at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) certified: Certified,
    pub(super) told: Told,
}

/// What it says of itself, which is for its controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    Status(Box<Status>),
    /// We may not read it.
    Denied,
    /// It cannot pay for the answer: it is frozen. What the network said.
    Frozen(String),
    /// The answer is not one that this version reads.
    Unreadable(String),
}

impl Seen {
    /// What the slot holds. One whose status cannot be read counts as running; one that is stopping counts as stopped, so that
    /// it can be started or be given another module. `stopped_by_us`: an earlier run stopped it, and did not come to its end.
    pub(super) fn held(&self, when_stopped: WhenStopped, stopped_by_us: bool) -> Held {
        let is_ours = match when_stopped {
            WhenStopped::Start => true,
            WhenStopped::Leave => stopped_by_us,
        };
        let phase = match &self.told {
            Told::Status(status) if is_ours => match status.activity {
                Some(Activity::Running) | None => Phase::Running,
                Some(Activity::Stopping | Activity::Stopped) => Phase::Stopped,
            },
            // Whether it runs is not ours, or not known.
            Told::Status(_) | Told::Denied | Told::Frozen(_) | Told::Unreadable(_) => {
                Phase::Running
            }
        };
        Held {
            revision: self.revision(),
            phase,
        }
    }

    pub(super) fn revision(&self) -> Option<Revision> {
        let hash = self.certified.module_hash?;
        Some(Revision(hash.to_string()))
    }

    /// What is not known of it, in one clause.
    pub(super) fn note(&self) -> Option<String> {
        match &self.told {
            Told::Status(status) if status.activity.is_none() => {
                Some("it is in a state that this version does not know".to_owned())
            }
            Told::Status(_) => None,
            Told::Denied => Some(
                "whether it runs cannot be read: this identity is no controller of it".to_owned(),
            ),
            Told::Frozen(said) => Some(format!("it cannot pay for an answer: {said}")),
            Told::Unreadable(why) => Some(format!("its status cannot be read: {why}")),
        }
    }

    pub(super) fn status(&self) -> Option<&Status> {
        match &self.told {
            Told::Status(status) => Some(status),
            Told::Denied | Told::Frozen(_) | Told::Unreadable(_) => None,
        }
    }
}

/// Looks at one canister: the certified hash and the replicated status, side by side.
///
/// # Errors
/// `Refused` when the network has no such canister, or when its answer is not signed with the root key; `Unreachable`.
pub(super) async fn one(site: &Site<'_>) -> Result<Seen, TargetError> {
    let management = site.management();
    let (certified, status) =
        tokio::join!(certified::read(site.network, site.id), management.status());
    let certified = existing(site, certified)?;
    let told = match status {
        Ok(status) => Told::Status(Box::new(status)),
        Err(error) => without_status(site, error)?,
    };
    Ok(Seen { certified, told })
}

/// Looks at all of them, in their order.
///
/// # Errors
/// As [`one`], the first in their order.
pub(super) async fn all(sites: &[Site<'_>]) -> Result<Vec<Seen>, TargetError> {
    let mut looks = Vec::new();
    for site in sites {
        looks.push(one(site));
    }
    let seen: Vec<_> = stream::iter(looks).buffered(PARALLEL).collect().await;
    seen.into_iter().collect()
}

/// What is certified of a canister; that there is none is an error.
pub(super) async fn certified(site: &Site<'_>) -> Result<Certified, TargetError> {
    existing(site, certified::read(site.network, site.id).await)
}

fn existing(
    site: &Site<'_>,
    answer: Result<Option<Certified>, CallError>,
) -> Result<Certified, TargetError> {
    match answer {
        Ok(Some(certified)) => Ok(certified),
        Ok(None) => Err(no_such(site)),
        Err(error) if says_no_such(&error) => Err(no_such(site)),
        Err(error) => Err(refusal::unanswered(site, refusal::CERTIFIED, error)),
    }
}

/// A gateway that knows no subnet for an id turns the request away before any subnet could certify it.
fn says_no_such(error: &CallError) -> bool {
    match error {
        CallError::Rejected {
            certified: _,
            reject,
        } => reject::is_no_canister(reject.code.as_deref(), &reject.message),
        CallError::Unreachable(text) | CallError::Unreadable(text) => {
            let text = text.to_lowercase();
            [
                "canister_not_found",
                "canister not found",
                "does not belong to any subnet",
            ]
            .iter()
            .any(|words| text.contains(words))
        }
        CallError::Unknown { .. } | CallError::Untrusted(_) => false,
    }
}

fn no_such(site: &Site<'_>) -> TargetError {
    TargetError::Refused {
        what: format!(
            "{}: found no canister {} on the network {}, expected it there",
            site.slot, site.id, site.network.name
        ),
        allow: None,
        next: "check the canister's id (`id`, `ids`) and the setting `network`".to_owned(),
    }
}

/// What a status that was not answered says all the same: what is certified is known, and counts.
fn without_status(site: &Site<'_>, error: CallError) -> Result<Told, TargetError> {
    match &error {
        CallError::Rejected {
            certified: _,
            reject,
        } => {
            let code = reject.code.as_deref();
            if reject::is_status_denied(code, &reject.message) {
                return Ok(Told::Denied);
            }
            if reject::is_out_of_cycles(code, &reject.message) {
                return Ok(Told::Frozen(
                    refusal::explained(reject, Step::Status).meaning,
                ));
            }
            Err(refusal::unanswered(site, refusal::STATUS, error))
        }
        CallError::Unreadable(why) => Ok(Told::Unreadable(why.clone())),
        CallError::Unreachable(_) | CallError::Unknown { .. } | CallError::Untrusted(_) => {
            Err(refusal::unanswered(site, refusal::STATUS, error))
        }
    }
}

/// What a status says of cycles.
pub(super) fn account(status: &Status) -> Account {
    Account {
        balance: number(&status.cycles),
        reserved: status.reserved_cycles.as_ref().map_or(0, number),
        idle_per_day: number(&status.idle_cycles_burned_per_day),
        freezing_threshold_s: number(&status.settings.freezing_threshold),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::payload::Digest;
    use crate::targets::canister::call::Reject;
    use candid::Nat;
    use candid::{CandidType, Principal};

    fn seen(told: Told) -> Seen {
        let certified = Certified {
            module_hash: Some(Digest::from_bytes([7; 32])),
            time_ns: 1,
        };
        Seen { certified, told }
    }

    /// The answer of a network that is newer than this program: with fields and cases that are not known here.
    #[derive(CandidType)]
    struct Newer {
        status: State,
        memory_size: Nat,
        cycles: Nat,
        reserved_cycles: Nat,
        idle_cycles_burned_per_day: Nat,
        settings: NewerSettings,
        ready_for_migration: bool,
    }

    #[derive(CandidType)]
    struct NewerSettings {
        controllers: Vec<Principal>,
        freezing_threshold: Nat,
        status_visibility: State,
    }

    #[derive(CandidType, Clone, Copy)]
    #[expect(
        non_camel_case_types,
        reason = "the names of the cases are those of the wire"
    )]
    enum State {
        running,
        stopping,
        stopped,
        hibernating,
    }

    fn status(state: State) -> Told {
        let newer = Newer {
            status: state,
            memory_size: Nat::from(1_u8),
            cycles: Nat::from(500_u32),
            reserved_cycles: Nat::from(3_u8),
            idle_cycles_burned_per_day: Nat::from(10_u8),
            settings: NewerSettings {
                controllers: vec![Principal::anonymous()],
                freezing_threshold: Nat::from(86_400_u32),
                status_visibility: State::hibernating,
            },
            ready_for_migration: true,
        };
        let bytes = candid::encode_one(newer).unwrap();
        Told::Status(Box::new(candid::decode_one(&bytes).unwrap()))
    }

    #[test]
    fn a_status_of_a_newer_network_is_read() {
        let seen = seen(status(State::hibernating));
        let status = seen.status().unwrap();
        assert_eq!(status.activity, None);
        let account = account(status);
        assert_eq!((account.balance, account.freezing_limit()), (500, 7));
    }

    #[track_caller]
    fn check(told: Told, when_stopped: WhenStopped, expected: Phase) {
        let held = seen(told).held(when_stopped, false);
        assert_eq!(held.phase, expected);
        assert!(held.revision.is_some());
    }

    #[test]
    fn a_canister_that_does_not_run_can_be_started() {
        let start = WhenStopped::Start;
        check(status(State::running), start, Phase::Running);
        check(status(State::stopped), start, Phase::Stopped);
        check(status(State::stopping), start, Phase::Stopped);
        check(status(State::hibernating), start, Phase::Running);
        check(Told::Denied, start, Phase::Running);
        let leave = WhenStopped::Leave;
        check(status(State::stopped), leave, Phase::Running);
        // What we stopped is ours to start.
        let phase = |state| seen(status(state)).held(leave, true).phase;
        assert_eq!(phase(State::stopped), Phase::Stopped);
        assert_eq!(phase(State::stopping), Phase::Stopped);
        assert_eq!(phase(State::running), Phase::Running);
    }

    #[test]
    fn an_empty_canister_is_a_slot_all_the_same() {
        let mut empty = seen(status(State::running));
        empty.certified.module_hash = None;
        let held = empty.held(WhenStopped::Start, false);
        assert_eq!((held.revision, held.phase), (None, Phase::Running));
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert_eq!(seen(status(State::running)).note(), None);
        for told in [
            status(State::hibernating),
            Told::Denied,
            Told::Frozen("x".to_owned()),
            Told::Unreadable("x".to_owned()),
        ] {
            assert!(seen(told).note().is_some());
        }
    }

    #[test]
    fn a_gateway_that_knows_no_such_canister_is_understood() {
        let http = |text: &str| CallError::Unreachable(text.to_owned());
        assert!(says_no_such(&http("HTTP 400 error: canister_not_found")));
        assert!(!says_no_such(&http("HTTP 503 no healthy nodes")));
        assert!(says_no_such(&CallError::Rejected {
            certified: false,
            reject: Reject {
                code: Some("IC0301".to_owned()),
                class: 3,
                message: "Canister x not found".to_owned(),
            },
        }));
    }
}
