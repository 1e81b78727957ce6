//! Snapshots of a canister: taking one, making room for it among our own, and proving what one holds. Which one is loaded is not
//! decided here, and none is deleted.

use super::call::{self, CallError, Fate, Reject, Submitted};
use super::certified::Certified;
use super::change::NO_SNAPSHOT;
use super::found;
use super::notes::{Begun, Noted, Notes, Place, UNKNOWN};
use super::refusal;
use super::site::Site;
use crate::decide::canister::reject;
use crate::model::payload::{Digest, hex};
use crate::targets::TargetError;
use ic_management_canister_types::Snapshot;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The network keeps this many of a canister (`MAX_NUMBER_OF_SNAPSHOTS_PER_CANISTER` in `rs/config` of dfinity/ic).
pub(super) const SNAPSHOTS_MAX: usize = 10;

/// How long a request that nobody has heard of is asked for: the canister is stopped meanwhile.
const UNHEARD_MAX: Duration = Duration::from_secs(30);

/// How long a snapshot may be under way.
const UNDER_WAY_MAX: Duration = Duration::from_mins(5);

/// A request is forgotten five minutes after it was sent (interface specification, `ingress_expiry`): what was taken later than
/// this after it is somebody else's.
const TAKEN_WITHIN_NS: u64 = 360_000_000_000;

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
    /// The operator goes without one where the network refuses to take it.
    pub(super) optional: bool,
}

/// Those that we took of a canister, whether or not they are still there.
#[derive(Debug, Clone)]
pub(super) struct Own {
    pub(super) noted: Vec<Noted>,
    /// As in [`Wish`].
    pub(super) spare: Option<Digest>,
}

/// The snapshots of a canister, counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Counted {
    pub(super) all: usize,
    pub(super) ours: usize,
    pub(super) room: Room,
}

impl Own {
    pub(super) fn count(&self, listed: &[Snapshot]) -> Counted {
        let ours = ours(self.noted.clone(), listed);
        Counted {
            all: listed.len(),
            ours: ours.len(),
            room: room(listed.len(), &ours, self.spare),
        }
    }
}

/// What asking for one came to.
enum Asked {
    Taken(Snapshot),
    Rejected(Reject),
}

/// Where a new snapshot goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Room {
    Free,
    /// In the place of this one of ours.
    Replace(String),
    /// All that could be replaced is what may be needed.
    Spared,
    /// All of them are other people's.
    Full,
}

/// Takes a snapshot of module and state, and notes it. One that is there already is not taken again. Answers whether there is one:
/// there is none where nothing may be replaced, or where it was refused and that is allowed.
///
/// # Errors
/// When none could be taken: nothing was changed.
pub(super) async fn take(
    site: &Site<'_>,
    notes: &Notes,
    wish: &Wish<'_>,
) -> Result<bool, TargetError> {
    let (listed, now) = tokio::join!(list(site), found::certified(site));
    let (listed, now) = (listed?, now?);
    adopt(site, notes, &listed, &now);
    let ours = ours(notes.snapshots(site), &listed);
    if let Some(reused) = reusable(&listed, &ours, wish) {
        site.tell(&format!("snapshot {reused} is there already"));
        return Ok(true);
    }
    let replaced = match room(listed.len(), &ours, wish.spare) {
        Room::Free => None,
        Room::Replace(id) => Some(id),
        Room::Spared => {
            site.tell(
                "took no snapshot: there is room for no more, and the one that could be replaced may be needed",
            );
            return Ok(false);
        }
        Room::Full => {
            let error = TargetError::Refused {
                what: format!(
                    "{}: it has {} snapshots and none of them was taken here; nothing was changed",
                    site.slot,
                    listed.len()
                ),
                allow: Some(NO_SNAPSHOT.to_owned()),
                next: "delete a snapshot of it that is no longer needed".to_owned(),
            };
            return without(site, wish, error);
        }
    };
    let replace = replaced
        .as_deref()
        .and_then(|id| listed.iter().find(|one| hex(&one.id) == id))
        .map(|one| one.id.clone());
    notes.begins(
        site,
        Begun {
            place: Place::of(site),
            since_ns: now.time_ns,
            before: listed.iter().map(|one| hex(&one.id)).collect(),
            revision: revision(&now, wish.holds),
            operation: wish.operation.to_owned(),
        },
    );
    let taken = match ask(site, &listed, replace).await? {
        Asked::Taken(taken) => taken,
        Asked::Rejected(reject) => {
            notes.ends(site);
            return without(site, wish, refused(site, &reject));
        }
    };
    // Whatever somebody else did meanwhile: what it holds is noted only when that is sure.
    let holds = match found::certified(site).await {
        Ok(after) if after.module_hash == now.module_hash => revision(&now, wish.holds),
        Ok(_) | Err(_) => UNKNOWN.to_owned(),
    };
    let id = hex(&taken.id);
    site.tell(&match &replaced {
        None => format!("took snapshot {id}"),
        Some(replaced) => format!("took snapshot {id} in the place of {replaced}"),
    });
    let noted = Noted {
        place: Place::of(site),
        id,
        revision: holds,
        taken_at_ns: taken.taken_at_timestamp,
        operation: wish.operation.to_owned(),
    };
    notes.took(site, noted, replaced.as_deref());
    Ok(true)
}

/// What a snapshot of now is noted with.
fn revision(now: &Certified, holds: Digest) -> String {
    if now.module_hash == Some(holds) {
        holds.to_string()
    } else {
        UNKNOWN.to_owned()
    }
}

/// None could be taken: whether that ends the change.
fn without(site: &Site<'_>, wish: &Wish<'_>, error: TargetError) -> Result<bool, TargetError> {
    if wish.optional {
        site.tell(&format!("{error}; going on without one, as is allowed"));
        return Ok(false);
    }
    Err(error)
}

fn refused(site: &Site<'_>, reject: &Reject) -> TargetError {
    let error = refusal::rejected(site, refusal::SNAPSHOT, reject);
    match refusal::adding(error, "nothing was changed") {
        TargetError::Refused { what, next, .. }
            if !reject::is_not_controller(reject.code.as_deref(), &reject.message) =>
        {
            TargetError::Refused {
                what,
                allow: Some(NO_SNAPSHOT.to_owned()),
                next,
            }
        }
        other => other,
    }
}

/// Asks for one, and finds out what became of it.
async fn ask(
    site: &Site<'_>,
    listed: &[Snapshot],
    replace: Option<Vec<u8>>,
) -> Result<Asked, TargetError> {
    match site.management().take_snapshot(replace).await {
        Ok(taken) => Ok(Asked::Taken(taken)),
        Err(CallError::Rejected { reject, .. }) => Ok(Asked::Rejected(reject)),
        Err(CallError::Unknown { why, submitted }) => find(site, listed, &submitted, &why).await,
        Err(error) => {
            let error = refusal::failed(site, refusal::SNAPSHOT, error);
            Err(refusal::adding(error, "nothing was changed"))
        }
    }
}

/// A run that was killed after it had asked for a snapshot has left one that nobody noted.
fn adopt(site: &Site<'_>, notes: &Notes, listed: &[Snapshot], now: &Certified) {
    let Some(begun) = notes.begun(site) else {
        return;
    };
    let Some(left) = left_behind(&begun, listed) else {
        notes.ends(site);
        return;
    };
    let id = hex(&left.id);
    site.tell(&format!(
        "snapshot {id} was taken by an earlier run that did not come to its end"
    ));
    let same = now.module_hash.map(|hash| hash.to_string()) == Some(begun.revision.clone());
    let noted = Noted {
        place: begun.place,
        id,
        revision: if same {
            begun.revision
        } else {
            UNKNOWN.to_owned()
        },
        taken_at_ns: left.taken_at_timestamp,
        operation: begun.operation,
    };
    notes.took(site, noted, None);
}

/// The one that has come since, while the request could still be heard. Of two, nobody can say which is ours.
fn left_behind<'a>(begun: &Begun, listed: &'a [Snapshot]) -> Option<&'a Snapshot> {
    let within = begun.since_ns..=begun.since_ns.saturating_add(TAKEN_WITHIN_NS);
    let mut new = listed.iter().filter(|one| {
        within.contains(&one.taken_at_timestamp) && !begun.before.contains(&hex(&one.id))
    });
    let only = new.next()?;
    new.next().is_none().then_some(only)
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
) -> Result<Asked, TargetError> {
    let begun = Instant::now();
    let mut bound = UNHEARD_MAX;
    loop {
        match call::outcome(site.network, site.id, submitted).await {
            Ok((Fate::Replied(bytes), _)) => match candid::decode_one(&bytes) {
                Ok(taken) => return Ok(Asked::Taken(taken)),
                Err(_unreadable) => break,
            },
            Ok((Fate::Rejected(reject), _)) => return Ok(Asked::Rejected(reject)),
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
        Some(taken) if new.is_empty() => Ok(Asked::Taken(taken)),
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

    #[test]
    fn what_a_killed_run_left_is_the_only_one_that_came_in_its_time() {
        #[track_caller]
        fn check(listed: &[Snapshot], expected: Option<u8>) {
            let begun = Begun {
                place: noted("", 1, 0).place,
                since_ns: 50,
                before: vec!["01".to_owned()],
                revision: digest(1).to_string(),
                operation: "op".to_owned(),
            };
            let found = left_behind(&begun, listed).map(|one| one.id.clone());
            assert_eq!(found, expected.map(|id| vec![id]));
        }
        check(&[], None);
        check(&[snapshot(1, 60)], None);
        check(&[snapshot(1, 10), snapshot(2, 60)], Some(2));
        check(&[snapshot(2, 49)], None);
        check(&[snapshot(2, 60), snapshot(3, 70)], None);
        let later = 50 + TAKEN_WITHIN_NS;
        check(&[snapshot(2, later)], Some(2));
        check(&[snapshot(2, later + 1)], None);
        check(&[snapshot(2, 60), snapshot(3, later + 1)], Some(2));
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
            optional: false,
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
