//! Snapshots of a canister: taking one, making room for it among our own, and proving what one holds. Which one is loaded is not
//! decided here, and none is deleted.

use super::call::{self, CallError, Fate, Submitted};
use super::notes::{Noted, Notes, Place};
use super::refusal;
use super::site::Site;
use crate::model::payload::{Digest, hex};
use crate::targets::TargetError;
use ic_management_canister_types::Snapshot;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The network keeps this many of a canister.
pub(super) const SNAPSHOTS_MAX: usize = 10;

/// How long a request that nobody has heard of is asked for: the canister is stopped meanwhile.
const UNHEARD_MAX: Duration = Duration::from_secs(30);

/// How long a snapshot may be under way.
const UNDER_WAY_MAX: Duration = Duration::from_mins(5);

const PAUSE: Duration = Duration::from_secs(1);

/// Read at once: an answer takes 2 MB at most.
const PIECE_BYTES: u64 = 1_500_000;

/// What is to be kept before a change.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish<'a> {
    /// The module that is installed.
    pub(super) holds: Digest,
    pub(super) operation: &'a str,
    /// Since when it has been stopped by an earlier run of ours: a snapshot taken since holds the same state.
    pub(super) stopped_since: Option<u64>,
    /// The newest snapshot of ours with this module is not replaced: it may be needed.
    pub(super) spare: Option<Digest>,
}

/// Where a new snapshot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Room {
    Free,
    /// In the place of this one of ours.
    Replace(String),
    /// All that could be replaced is what may be needed.
    Spared,
    /// All of them are other people's.
    Full,
}

/// Takes a snapshot of module and state, and notes it. One that is there already is not taken again.
///
/// # Errors
/// When there is none: nothing was changed.
pub(super) async fn take(
    site: &Site<'_>,
    notes: &Notes,
    wish: &Wish<'_>,
) -> Result<(), TargetError> {
    let listed = list(site).await?;
    let ours = ours(notes.snapshots(site), &listed);
    if let Some(reused) = reusable(&listed, &ours, wish) {
        site.tell(&format!("snapshot {reused} is there already"));
        return Ok(());
    }
    let replaced = match room(listed.len(), &ours, wish.spare) {
        Room::Free => None,
        Room::Replace(id) => Some(id),
        Room::Spared => {
            site.tell(
                "took no snapshot: there is room for no more, and the one that could be replaced may be needed",
            );
            return Ok(());
        }
        Room::Full => {
            return Err(TargetError::Refused {
                what: format!(
                    "{}: it has {} snapshots and none of them was taken here; nothing was changed",
                    site.slot,
                    listed.len()
                ),
                allow: Some("no-snapshot".to_owned()),
                next: "delete a snapshot of it that is no longer needed".to_owned(),
            });
        }
    };
    let replace = replaced
        .as_deref()
        .and_then(|id| listed.iter().find(|one| hex(&one.id) == id))
        .map(|one| one.id.clone());
    let taken = match site.management().take_snapshot(replace).await {
        Ok(taken) => taken,
        Err(CallError::Unknown { why, submitted }) => find(site, &listed, &submitted, &why).await?,
        Err(error) => {
            let error = refusal::failed(site, refusal::SNAPSHOT, error);
            return Err(refusal::adding(error, "nothing was changed"));
        }
    };
    let id = hex(&taken.id);
    site.tell(&match &replaced {
        None => format!("took snapshot {id}"),
        Some(replaced) => format!("took snapshot {id} in the place of {replaced}"),
    });
    let noted = Noted {
        place: Place::of(site),
        id,
        revision: wish.holds.to_string(),
        taken_at_ns: taken.taken_at_timestamp,
        operation: wish.operation.to_owned(),
    };
    notes.took(site, noted, replaced.as_deref());
    Ok(())
}

/// Every snapshot of a canister.
pub(super) async fn list(site: &Site<'_>) -> Result<Vec<Snapshot>, TargetError> {
    let listed = site.management().snapshots().await;
    listed.map_err(|error| refusal::failed(site, refusal::SNAPSHOTS, error))
}

/// Those that we took and that are still there, newest first.
pub(super) fn ours(mut noted: Vec<Noted>, listed: &[Snapshot]) -> Vec<Noted> {
    let there: BTreeSet<String> = listed.iter().map(|one| hex(&one.id)).collect();
    noted.retain(|one| there.contains(&one.id));
    noted.sort_by(|a, b| (b.taken_at_ns, &b.id).cmp(&(a.taken_at_ns, &a.id)));
    noted
}

/// Whether the module of a snapshot is the one wanted, of `bytes` bytes: read and hashed.
pub(super) async fn holds(
    site: &Site<'_>,
    snapshot: &[u8],
    wanted: Digest,
    bytes: u64,
) -> Result<bool, CallError> {
    let management = site.management();
    if management.snapshot_module_bytes(snapshot.to_vec()).await? != bytes {
        return Ok(false);
    }
    let mut sha256 = Sha256::new();
    let mut offset = 0;
    while offset < bytes {
        let size = PIECE_BYTES.min(bytes - offset);
        let piece = management
            .snapshot_module(snapshot.to_vec(), offset, size)
            .await?;
        sha256.update(&piece);
        offset += size;
    }
    Ok(Digest::from_bytes(sha256.finalize().into()) == wanted)
}

/// The snapshot that an earlier run took of this very state: newest of all, ours, taken since we stopped the canister.
fn reusable<'a>(listed: &[Snapshot], ours: &'a [Noted], wish: &Wish<'_>) -> Option<&'a str> {
    let since = wish.stopped_since?;
    let newest = listed.iter().max_by_key(|one| one.taken_at_timestamp)?;
    let noted = ours.first()?;
    let same = noted.id == hex(&newest.id)
        && noted.revision == wish.holds.to_string()
        && since <= newest.taken_at_timestamp;
    same.then_some(noted.id.as_str())
}

/// `ours`: newest first.
fn room(listed: usize, ours: &[Noted], spare: Option<Digest>) -> Room {
    if listed < SNAPSHOTS_MAX {
        return Room::Free;
    }
    let spare = spare.map(|digest| digest.to_string());
    let spared = spare.and_then(|revision| ours.iter().find(|one| one.revision == revision));
    let oldest = ours
        .iter()
        .rev()
        .find(|one| spared.is_none_or(|spared| spared.id != one.id));
    match oldest {
        Some(oldest) => Room::Replace(oldest.id.clone()),
        None if ours.is_empty() => Room::Full,
        None => Room::Spared,
    }
}

/// What became of a snapshot whose answer was lost.
async fn find(
    site: &Site<'_>,
    before: &[Snapshot],
    submitted: &Submitted,
    why: &str,
) -> Result<Snapshot, TargetError> {
    let begun = Instant::now();
    let mut bound = UNHEARD_MAX;
    loop {
        match call::outcome(site.network, site.id, submitted).await {
            Ok((Fate::Replied(bytes), _)) => match candid::decode_one(&bytes) {
                Ok(taken) => return Ok(taken),
                Err(_unreadable) => break,
            },
            Ok((Fate::Rejected(reject), _)) => {
                let error = refusal::rejected(site, refusal::SNAPSHOT, &reject);
                return Err(refusal::adding(error, "nothing was changed"));
            }
            Ok((Fate::Forgotten, _)) => break,
            Ok((Fate::UnderWay, _)) => bound = UNDER_WAY_MAX,
            Ok((Fate::Unheard, _)) | Err(_) => (),
        }
        if bound <= begun.elapsed() {
            break;
        }
        sleep(PAUSE).await;
    }
    let mut new = list(site).await?;
    new.retain(|one| before.iter().all(|old| old.id != one.id));
    match new.pop() {
        // Of two, one is somebody else's, and nobody can say which.
        Some(taken) if new.is_empty() => Ok(taken),
        Some(_) | None => Err(TargetError::Unreachable {
            what: format!(
                "{}: could not take a snapshot: {why}; nothing else was changed",
                site.slot
            ),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(byte: u8) -> Digest {
        Digest::from_bytes([byte; 32])
    }

    fn noted(id: &str, holds: u8, taken_at_ns: u64) -> Noted {
        Noted {
            place: Place {
                network: "http://127.0.0.1/".to_owned(),
                canister: "aaaaa-aa".to_owned(),
            },
            id: id.to_owned(),
            revision: digest(holds).to_string(),
            taken_at_ns,
            operation: "op".to_owned(),
        }
    }

    fn snapshot(id: u8, taken_at_timestamp: u64) -> Snapshot {
        Snapshot {
            id: vec![id],
            taken_at_timestamp,
            total_size: 1,
        }
    }

    #[track_caller]
    fn check_room(listed: usize, ours: &[Noted], spare: Option<u8>, expected: &Room) {
        assert_eq!(room(listed, ours, spare.map(digest)), *expected);
    }

    #[test]
    fn only_our_own_is_replaced_and_not_the_one_that_may_be_needed() {
        let two = [noted("02", 2, 20), noted("01", 1, 10)];
        let replace = |id: &str| Room::Replace(id.to_owned());
        check_room(9, &[], None, &Room::Free);
        check_room(9, &two, Some(1), &Room::Free);
        check_room(10, &[], None, &Room::Full);
        check_room(10, &[], Some(1), &Room::Full);
        check_room(10, &two, None, &replace("01"));
        check_room(10, &two, Some(1), &replace("02"));
        check_room(10, &two, Some(2), &replace("01"));
        check_room(10, &two[..1], Some(2), &Room::Spared);
        check_room(10, &two[..1], Some(1), &replace("02"));
        let same = [noted("02", 1, 20), noted("01", 1, 10)];
        check_room(10, &same, Some(1), &replace("01"));
    }

    #[test]
    fn ours_are_those_that_are_noted_and_listed() {
        let listed = [snapshot(1, 10), snapshot(3, 30), snapshot(9, 90)];
        let all = vec![noted("01", 1, 10), noted("02", 1, 20), noted("03", 1, 30)];
        let found: Vec<String> = ours(all, &listed).into_iter().map(|one| one.id).collect();
        assert_eq!(found, ["03", "01"]);
    }

    #[track_caller]
    fn check_reuse(
        listed: &[Snapshot],
        ours: &[Noted],
        since: Option<u64>,
        expected: Option<&str>,
    ) {
        let wish = Wish {
            holds: digest(1),
            operation: "op",
            stopped_since: since,
            spare: None,
        };
        assert_eq!(reusable(listed, ours, &wish), expected);
    }

    #[test]
    fn a_snapshot_is_taken_once_for_one_stop() {
        let listed = [snapshot(1, 10), snapshot(2, 20)];
        let ours = [noted("02", 1, 20), noted("01", 1, 10)];
        check_reuse(&listed, &ours, Some(15), Some("02"));
        check_reuse(&listed, &ours, Some(20), Some("02"));
        // It ran since, or nobody knows.
        check_reuse(&listed, &ours, Some(21), None);
        check_reuse(&listed, &ours, None, None);
        // Of another module, or not ours.
        check_reuse(&listed, &[noted("02", 2, 20)], Some(15), None);
        check_reuse(&listed, &ours[1..], Some(5), None);
        check_reuse(&[], &[], Some(5), None);
    }
}
