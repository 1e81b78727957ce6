//! Whether the controller of a Deployment gave up on this rollout. `ProgressDeadlineExceeded` can be left over from before
//! the change, stays when a rollback makes no progress, and flickers; so it counts only when it is new and holds.
//! How long to wait otherwise is the caller's own clock.

use super::seen::{Condition, Workload};
use super::standing::{Standing, standing};

const EXCEEDED: &str = "ProgressDeadlineExceeded";

/// Fed with every state seen after a change.
#[derive(Debug, Clone)]
pub struct Deadline {
    /// The condition read before the change.
    before: Option<Condition>,
    /// Another condition than `before` was seen since, of this generation.
    has_moved: bool,
    /// The last read showed a new `ProgressDeadlineExceeded`.
    is_suspected: bool,
}

impl Deadline {
    /// `before`: the condition `Progressing` as it was read right before the change.
    pub const fn new(before: Option<Condition>) -> Self {
        Self {
            before,
            has_moved: false,
            is_suspected: false,
        }
    }

    /// Takes a read, and says whether the controller gave up: a condition newer than `before`, on two reads in a row.
    ///
    /// A rollout that hangs sends no second watch event, so a caller reads once more by itself when
    /// [`is_suspected`](Self::is_suspected).
    pub fn seen(&mut self, workload: &Workload) -> bool {
        let is_new = self.is_new(workload);
        let holds = is_new && self.is_suspected;
        self.is_suspected = is_new;
        holds
    }

    /// The last read said that the deadline is exceeded, and a second one has to confirm it.
    pub const fn is_suspected(&self) -> bool {
        self.is_suspected
    }

    fn is_new(&mut self, workload: &Workload) -> bool {
        // Before the controller has seen the change, its conditions are of the release before.
        if !workload.is_observed() {
            return false;
        }
        let Some(now) = &workload.progressing else {
            return false;
        };
        if now.status != "False" || now.reason != EXCEEDED {
            self.has_moved |= self
                .before
                .as_ref()
                .is_none_or(|before| before.reason != now.reason);
            return false;
        }
        // The counts know better than the condition.
        if standing(workload) == Standing::Done {
            return false;
        }
        match &self.before {
            None => true,
            Some(before) if before.reason != EXCEEDED => true,
            // The same stamp is the same condition, come back from a stale cache: no deadline is shorter than the second in
            // which stamps are counted.
            Some(before) => is_later(before.updated_at.as_deref(), now.updated_at.as_deref())
                .unwrap_or(self.has_moved && before.updated_at != now.updated_at),
        }
    }
}

/// `None` where either is absent or no time: then only a reason that changed counts.
fn is_later(before: Option<&str>, now: Option<&str>) -> Option<bool> {
    let read = |text: &str| text.parse::<jiff::Timestamp>().ok();
    Some(before.and_then(read)? < now.and_then(read)?)
}
