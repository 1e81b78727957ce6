//! What became of a change whose answer was lost. It is never sent again: the network is asked what it knows of the request, and
//! what it certifies of the canister, until it can no longer begin.

use super::call::{self, Fate, Reject, Submitted};
use super::certified::{self, Certified};
use super::site::Site;
use crate::model::payload::Digest;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a network that says nothing is asked: a request is forgotten five minutes after it was sent at the latest
/// (interface specification, `ingress_expiry`).
const SILENT_MAX: Duration = Duration::from_mins(6);

/// How long it may be under way: an install is run in slices, and other canisters' in between.
const UNDER_WAY_MAX: Duration = Duration::from_mins(12);

/// A node's clock is not that of the block that would have taken the request up.
const MARGIN_NS: u64 = 10_000_000_000;

const PAUSE: Duration = Duration::from_secs(1);

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Settled {
    Done,
    Rejected(Reject),
    /// It was never taken up, or came to nothing: what was there before is there, and the request has expired.
    NotDone,
    /// It holds a module that is neither the one before nor the one after: somebody else's.
    Other(Option<Digest>),
    /// It was taken up, and has not come to its end.
    UnderWay,
    /// The network said nothing that would tell. It was not heard to be under way, and can no longer begin.
    Unknown,
}

/// A change of the module: what was there, and what would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) before: Option<Digest>,
    pub(super) after: Digest,
}

/// Finds out what became of a change of the module.
pub(super) async fn module(site: &Site<'_>, submitted: &Submitted, step: Step) -> Settled {
    site.tell("the answer was lost; asking the network what became of it");
    let begun = Instant::now();
    let mut bound = SILENT_MAX;
    let mut is_under_way = false;
    loop {
        let fate = call::outcome(site.network, site.id, submitted).await.ok();
        let now = certified::read(site.network, site.id).await.ok().flatten();
        if let Some((fate, _time_ns)) = &fate {
            is_under_way = *fate == Fate::UnderWay;
        }
        if is_under_way {
            bound = UNDER_WAY_MAX;
        }
        if let Some(settled) = judge(fate, now.as_ref(), step, submitted.expires_ns) {
            return settled;
        }
        if bound <= begun.elapsed() {
            return if is_under_way {
                Settled::UnderWay
            } else {
                Settled::Unknown
            };
        }
        sleep(PAUSE).await;
    }
}

/// Waits until each of these messages was taken up, or can no longer be.
pub(super) async fn taken_up(site: &Site<'_>, sent: &[Submitted]) {
    let end = Instant::now() + SILENT_MAX;
    for submitted in sent {
        let last = submitted.expires_ns.saturating_add(MARGIN_NS);
        loop {
            match call::outcome(site.network, site.id, submitted).await {
                Ok((Fate::Unheard, time_ns)) if time_ns <= last => (),
                Ok(_) => break,
                Err(error) => tracing::debug!(slot = %site.slot, %error, "asked for a stop"),
            }
            if end <= Instant::now() {
                return;
            }
            sleep(PAUSE).await;
        }
    }
}

/// What follows from what the network said: of the request, when, and of the module right after. `None`: ask again.
fn judge(
    fate: Option<(Fate, u64)>,
    now: Option<&Certified>,
    step: Step,
    expires_ns: u64,
) -> Option<Settled> {
    // Where the same module is put in the place of itself, its hash says nothing.
    let says_something = step.before != Some(step.after);
    if let Some(now) = now
        && says_something
    {
        if now.module_hash == Some(step.after) {
            return Some(Settled::Done);
        }
        if now.module_hash != step.before {
            return Some(Settled::Other(now.module_hash));
        }
    }
    match fate? {
        (Fate::Replied(_), _) => Some(Settled::Done),
        (Fate::Rejected(reject), _) => Some(Settled::Rejected(reject)),
        (Fate::UnderWay, _) => None,
        // Another node may have answered for the module: what it says counts when it must have heard.
        (Fate::Unheard | Fate::Forgotten, time_ns) => {
            let expired = expires_ns.saturating_add(MARGIN_NS) < time_ns;
            (expired && now.is_some() && says_something).then_some(Settled::NotDone)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPIRES: u64 = 1_000_000_000_000;
    const LATER: u64 = EXPIRES + MARGIN_NS + 1;

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    const fn holding(module_hash: Option<Digest>) -> Certified {
        Certified {
            module_hash,
            time_ns: 0,
        }
    }

    fn reject() -> Reject {
        Reject {
            code: Some("IC0503".to_owned()),
            class: 5,
            message: "trap".to_owned(),
        }
    }

    /// 0: empty, 1: before, 2: after, 3: a third.
    #[track_caller]
    fn check(fate: Option<(Fate, u64)>, hash: Option<u8>, expected: impl Into<Option<Settled>>) {
        let now = hash.map(|byte| holding((byte != 0).then(|| digest(byte))));
        let step = Step {
            before: Some(digest(1)),
            after: digest(2),
        };
        assert_eq!(judge(fate, now.as_ref(), step, EXPIRES), expected.into());
    }

    #[test]
    fn the_certified_hash_decides_and_else_the_request() {
        check(None, None, None);
        check(None, Some(1), None);
        check(None, Some(2), Some(Settled::Done));
        check(None, Some(3), Some(Settled::Other(Some(digest(3)))));
        check(None, Some(0), Some(Settled::Other(None)));
        check(Some((Fate::UnderWay, LATER)), Some(2), Some(Settled::Done));
        check(Some((Fate::UnderWay, LATER)), Some(1), None);
        check(
            Some((Fate::Replied(Vec::new()), 1)),
            Some(1),
            Some(Settled::Done),
        );
        check(
            Some((Fate::Replied(Vec::new()), 1)),
            None,
            Some(Settled::Done),
        );
        check(
            Some((Fate::Rejected(reject()), 1)),
            Some(1),
            Some(Settled::Rejected(reject())),
        );
    }

    #[test]
    fn what_was_not_heard_of_may_come_until_it_expires() {
        check(Some((Fate::Unheard, EXPIRES)), Some(1), None);
        check(Some((Fate::Unheard, EXPIRES + MARGIN_NS)), Some(1), None);
        check(Some((Fate::Unheard, LATER)), None, None);
        check(
            Some((Fate::Unheard, LATER)),
            Some(1),
            Some(Settled::NotDone),
        );
        check(
            Some((Fate::Forgotten, LATER)),
            Some(1),
            Some(Settled::NotDone),
        );
        check(Some((Fate::Forgotten, EXPIRES)), Some(1), None);
    }

    #[test]
    fn a_module_in_the_place_of_itself_is_told_by_the_request_alone() {
        let step = Step {
            before: Some(digest(2)),
            after: digest(2),
        };
        let now = holding(Some(digest(2)));
        let of = |fate| judge(Some((fate, LATER)), Some(&now), step, EXPIRES);
        assert_eq!(of(Fate::Unheard), None);
        assert_eq!(of(Fate::Replied(Vec::new())), Some(Settled::Done));
        assert_eq!(
            of(Fate::Rejected(reject())),
            Some(Settled::Rejected(reject()))
        );
    }
}
