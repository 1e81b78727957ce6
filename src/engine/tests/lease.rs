//! Leases that lie in a target, and the file that comes before them.

use super::fake::{Fake, Renewals, World};
use super::{has, operation, operation_in, told};
use crate::engine::lease::Leases;
use crate::engine::operation::Operation;
use crate::model::outcome::Outcome;
use std::time::Duration;
use tokio::time::Instant;

fn leased(name: &'static str, held_for: u32) -> Fake {
    let edit = |world: &mut World| world.lease_held_for = Some(held_for);
    Fake::new(name, "web=1").with(edit)
}

/// Whether the file of the state directory is free.
async fn is_free(beside: &Operation) -> bool {
    let other = operation_in(&beside.request.state_dir, &[], |_| ());
    Leases::take(&other).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn one_that_stays_held_is_waited_for_as_long_as_a_dead_holders_lasts() {
    let fake = leased("fake", u32::MAX);
    let (operation, _dir) = operation(&[&fake], |_| ());
    let asked = Instant::now();
    let failure = Leases::take(&operation).await.unwrap_err();
    let waited = asked.elapsed().as_secs();
    assert!((30..=31).contains(&waited), "{waited} s");
    assert_eq!(failure.kind, Outcome::Refused);
    let message = "target fake: the lease is held by another operation";
    assert_eq!(failure.to_string(), message);
    let note = "note the lease is held by another operation: waiting for it, at most 30 s";
    assert_eq!(told(&operation), [note]);
    assert!(is_free(&operation).await);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_given_back_meanwhile_is_taken() {
    let fake = leased("fake", 5);
    let (operation, _dir) = operation(&[&fake], |_| ());
    let asked = Instant::now();
    let leases = Leases::take(&operation).await.unwrap();
    assert_eq!(asked.elapsed().as_secs(), 5);
    leases.release(&operation).await;
    let asked = fake.asked();
    assert_eq!(
        asked.last_chunk(),
        Some(&["lease taken".to_owned(), "lease given back".to_owned()])
    );
    let claim = fake.world().claims.first().cloned().unwrap();
    assert_eq!(claim.operation, operation.id);
    assert_eq!(claim.length, Duration::from_secs(30));
    assert!(claim.holder.ends_with("on runner"), "{}", claim.holder);
}

#[tokio::test(start_paused = true)]
async fn a_target_without_one_is_asked_once_and_owes_nothing() {
    let fake = Fake::new("fake", "web=1");
    let (operation, _dir) = operation(&[&fake], |_| ());
    let leases = Leases::take(&operation).await.unwrap();
    leases.release(&operation).await;
    assert_eq!(fake.world().claims.len(), 1);
    assert!(fake.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stop_ends_the_waiting() {
    let fake = leased("fake", u32::MAX);
    let (operation, _dir) = operation(&[&fake], |_| ());
    let (taken, ()) = tokio::join!(Leases::take(&operation), async {
        tokio::time::sleep(Duration::from_millis(2500)).await;
        operation.stop.cancel();
    });
    assert_eq!(taken.unwrap_err().kind, Outcome::Incomplete);
    assert_eq!(fake.world().claims.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_file_of_the_state_directory_comes_first() {
    let fake = leased("fake", 0);
    let (first, dir) = operation(&[], |_| ());
    // It has no target of its own place, so it is given one that takes the file.
    let plain = Fake::new("plain", "web=1");
    let holder = operation_in(dir.path(), &[&plain], |_| ());
    let held = Leases::take(&holder).await.unwrap();
    let second = operation_in(dir.path(), &[&fake], |_| ());
    let failure = Leases::take(&second).await.unwrap_err();
    assert_eq!(failure.kind, Outcome::Refused);
    assert!(failure.to_string().contains(&holder.id), "{failure}");
    assert!(fake.world().claims.is_empty(), "the target was asked");
    drop((held, first));
    Leases::take(&second).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_claim_names_the_earlier_operations_that_never_ended() {
    let fake = leased("fake", 0);
    let (killed, dir) = operation(&[], |_| ());
    let elsewhere = operation_in(dir.path(), &[], |request| {
        request.environment.name = "staging".to_owned();
    });
    let next = operation_in(dir.path(), &[&fake], |_| ());
    Leases::take(&next).await.unwrap();
    let claims = fake.world().claims.clone();
    assert_eq!(
        claims.last().unwrap().dead,
        std::slice::from_ref(&killed.id)
    );
    drop(elsewhere);
}

/// The second is waited for longer than the first lasts unrenewed.
#[tokio::test(start_paused = true)]
async fn the_ones_taken_are_kept_alive_while_another_is_waited_for_and_given_back_without_it() {
    let (first, second) = (leased("first", 0), leased("second", u32::MAX));
    let (operation, _dir) = operation(&[&first, &second], |_| ());
    Leases::take(&operation).await.unwrap_err();
    let asked = first.asked();
    let taken = asked.iter().filter(|line| *line == "lease taken").count();
    assert!((3..=4).contains(&taken), "{asked:?}");
    assert_eq!(asked.last().unwrap(), "lease given back");
    has(&operation, "waiting for it");
}

/// How long the work may go on, and what ends it then.
async fn lost_after(fakes: &[&Fake]) -> (u64, String, Operation, tempfile::TempDir) {
    let (operation, dir) = operation(fakes, |_| ());
    let leases = Leases::take(&operation).await.unwrap();
    let began = Instant::now();
    let lost = leases.renew(&operation).await;
    assert_eq!(lost.kind, Outcome::Incomplete);
    (began.elapsed().as_secs(), lost.to_string(), operation, dir)
}

#[tokio::test(start_paused = true)]
async fn one_that_cannot_be_renewed_is_lost_when_it_is_over() {
    let fake = leased("fake", 0).with(|world| world.renewals = Renewals::FailFor(u32::MAX));
    let (after, lost, operation, _dir) = lost_after(&[&fake]).await;
    assert_eq!(after, 30);
    assert!(lost.contains("the lease is over after 30 s"), "{lost}");
    has(
        &operation,
        "warned could not renew the lease of fake: the lease did not answer",
    );
}

/// Nor is the one beside it renewed late by it.
#[tokio::test(start_paused = true)]
async fn one_that_is_not_answered_about_is_lost_when_it_is_over() {
    let silent = leased("silent", 0).with(|world| world.renewals = Renewals::Silent);
    let well = leased("well", 0);
    let (after, lost, _operation, _dir) = lost_after(&[&silent, &well]).await;
    assert_eq!(after, 30);
    assert!(lost.contains("silent: found no answer"), "{lost}");
    let taken = well.asked().len();
    assert!((3..=4).contains(&taken), "{taken}");
}

#[tokio::test(start_paused = true)]
async fn one_that_is_renewed_at_last_is_kept() {
    let fake = leased("fake", 0).with(|world| world.renewals = Renewals::FailFor(3));
    let (operation, _dir) = operation(&[&fake], |_| ());
    let leases = Leases::take(&operation).await.unwrap();
    let minutes = Duration::from_mins(5);
    let renewed = tokio::time::timeout(minutes, leases.renew(&operation)).await;
    assert!(renewed.is_err(), "lost");
    assert!(20 < fake.asked().len());
}
