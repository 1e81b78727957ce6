//! Deleting snapshots of ours that are no longer needed. Nobody else's is touched.

use super::call::{CallError, Reject};
use super::found;
use super::notes::{Noted, Notes};
use super::refusal;
use super::site::Site;
use super::snapshot;
use crate::decide::canister::reject;
use crate::model::payload::hex;
use crate::model::state::Revision;
use crate::targets::TargetError;
use std::collections::BTreeSet;

/// Keeps the newest `keep` of our snapshots of a canister, the newest of the module that is installed, and the newest of each of
/// these revisions: after a way back, those are not the same. Answers what was deleted.
pub(super) async fn retire(
    site: &Site<'_>,
    notes: &Notes,
    keep: u8,
    revisions: &[Revision],
) -> Result<Vec<String>, TargetError> {
    let noted = notes.snapshots(site);
    if noted.len() <= usize::from(keep) {
        return Ok(Vec::new());
    }
    let listed = snapshot::list(site).await?;
    let ours = snapshot::ours(noted, &listed);
    let installed = found::certified(site).await?.module_hash;
    let mut revisions: BTreeSet<String> = revisions.iter().map(|one| one.0.clone()).collect();
    revisions.extend(installed.map(|hash| hash.to_string()));
    let spared = spared(&ours, usize::from(keep), &revisions);
    let mut kept: Vec<String> = Vec::new();
    let (mut deleted, mut trouble) = (Vec::new(), None);
    for ours in ours {
        let Some(there) = listed.iter().find(|one| hex(&one.id) == ours.id) else {
            continue;
        };
        if spared.contains(&ours.id) {
            kept.push(ours.id);
            continue;
        }
        match site.management().delete_snapshot(there.id.clone()).await {
            Ok(()) => deleted.push(format!("snapshot {} of {}", ours.id, site.slot)),
            // Somebody was faster.
            Err(CallError::Rejected { reject, .. }) if is_gone(&reject) => (),
            Err(error) => {
                kept.push(ours.id);
                trouble = trouble.or(Some(error));
            }
        }
    }
    notes.keep_only(site, &kept);
    match trouble {
        // An answer that was lost: it is looked at again the next time.
        None | Some(CallError::Unknown { .. }) => Ok(deleted),
        Some(error) => Err(refusal::failed(site, refusal::DELETE, error)),
    }
}

fn is_gone(rejected: &Reject) -> bool {
    reject::is_no_snapshot(rejected.code.as_deref(), &rejected.message)
}

/// Ids of those that stay. `ours`: newest first.
fn spared(ours: &[Noted], keep: usize, revisions: &BTreeSet<String>) -> BTreeSet<String> {
    let newest = ours.iter().take(keep);
    let of = |revision: &String| ours.iter().find(|one| one.revision == *revision);
    let needed = revisions.iter().filter_map(of);
    newest.chain(needed).map(|one| one.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::canister::notes::Place;

    #[track_caller]
    fn check(keep: usize, revisions: &[&str], expected: &[&str]) {
        let ours: Vec<Noted> = [("d", "bad"), ("c", "good"), ("b", "bad"), ("a", "good")]
            .into_iter()
            .map(|(id, revision)| Noted {
                place: Place {
                    network: String::new(),
                    canister: String::new(),
                },
                id: id.to_owned(),
                revision: revision.to_owned(),
                taken_at_ns: 0,
                operation: String::new(),
            })
            .collect();
        let revisions = revisions.iter().map(|&one| one.to_owned()).collect();
        let spared = spared(&ours, keep, &revisions);
        assert!(spared.iter().eq(expected), "{spared:?}");
    }

    #[test]
    fn the_newest_stay_and_the_newest_of_what_may_be_needed() {
        check(1, &[], &["d"]);
        check(1, &["good"], &["c", "d"]);
        check(1, &["good", "bad", "other"], &["c", "d"]);
        check(2, &["good"], &["c", "d"]);
        check(3, &["good"], &["b", "c", "d"]);
        check(0, &["good"], &["c"]);
        check(0, &[], &[]);
    }
}
