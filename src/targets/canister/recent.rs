//! The last look at each canister, for the next step that needs the same within a moment: a look is two certified answers, and
//! the compare right before a change is followed at once by the change. Nothing is asked here.

use super::observe::Seen;
use candid::Principal;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Older looks are taken again.
const AGE_MAX: Duration = Duration::from_secs(1);

/// One look of each canister, and when it was begun.
#[derive(Debug, Default)]
pub(super) struct Recent(Mutex<BTreeMap<Principal, (Instant, Seen)>>);

impl Recent {
    /// Keeps a look that was begun `at`.
    pub(super) fn keep(&self, id: Principal, at: Instant, seen: &Seen) {
        self.all().insert(id, (at, seen.clone()));
    }

    /// The look of a moment ago, which is used up by it. `None`: there is none, or it is too old.
    pub(super) fn take(&self, id: Principal) -> Option<Seen> {
        let (at, seen) = self.all().remove(&id)?;
        (at.elapsed() <= AGE_MAX).then_some(seen)
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Principal, (Instant, Seen)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::canister::certified::Certified;
    use crate::targets::canister::observe::Told;

    #[tokio::test(start_paused = true)]
    async fn a_look_serves_once_and_not_for_long() {
        let (recent, id) = (Recent::default(), Principal::anonymous());
        let certified = Certified {
            module_hash: None,
            time_ns: 1,
        };
        let told = Told::Denied;
        let seen = Seen { certified, told };
        let keep = || recent.keep(id, Instant::now(), &seen);
        keep();
        assert_eq!(recent.take(id), Some(seen.clone()));
        assert_eq!(recent.take(id), None);
        keep();
        tokio::time::advance(AGE_MAX + Duration::from_millis(1)).await;
        assert_eq!(recent.take(id), None);
    }
}
