//! Deleting snapshots of ours that are no longer needed. Nobody else's is touched.

use super::call::{CallError, Reject};
use super::notes::Notes;
use super::refusal;
use super::site::Site;
use super::snapshot;
use crate::decide::canister::reject;
use crate::model::payload::hex;
use crate::targets::TargetError;

/// Keeps the newest `keep` of our snapshots of a canister, and answers what was deleted.
pub(super) async fn retire(
    site: &Site<'_>,
    notes: &Notes,
    keep: u8,
) -> Result<Vec<String>, TargetError> {
    let noted = notes.snapshots(site);
    if noted.len() <= usize::from(keep) {
        return Ok(Vec::new());
    }
    let listed = snapshot::list(site).await?;
    let mut kept: Vec<String> = Vec::new();
    let (mut deleted, mut trouble) = (Vec::new(), None);
    for (index, ours) in snapshot::ours(noted, &listed).into_iter().enumerate() {
        let Some(there) = listed.iter().find(|one| hex(&one.id) == ours.id) else {
            continue;
        };
        if index < usize::from(keep) {
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
