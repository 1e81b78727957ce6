//! A Lease object that keeps two operations on one target apart (`coordination.k8s.io/v1`, as in leader election). Every
//! change of it names the version it was read at, so that two who take it at once cannot both have it.
//! When it is taken, renewed and given back is the engine's.

use super::Kubernetes;
use super::cluster::{self, changed_failed, failed};
use crate::targets::{Claim, TargetError};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use kube::api::{Api, ObjectMeta, PostParams};

/// Who holds it, in words. `holderIdentity` is the operation.
const HOLDER: &str = "lastgood.dev/holder";

/// Names of objects: a DNS subdomain of at most so many characters (RFC 1123).
const NAME_CHARS_MAX: usize = 253;

/// Tries when another took or renewed it between our reading and our writing.
const TRIES: usize = 4;

/// Takes the lease, or renews it when it is ours. `false`: the settings say that there is none.
///
/// # Errors
/// `Held` when another operation holds it; `Refused` when the account may not write it.
pub(super) async fn take(kubernetes: &Kubernetes, claim: &Claim) -> Result<bool, TargetError> {
    if !kubernetes.settings.lease {
        return Ok(false);
    }
    let leases = leases(kubernetes).await?;
    let name = name(&kubernetes.name);
    let what = format!("could not take the lease {name}");
    for _ in 0..TRIES {
        let found = leases.get_opt(&name).await;
        let found = found.map_err(|error| denied(kubernetes, error, &what))?;
        let written = match found {
            None => {
                let new = fresh(&name, claim);
                leases.create(&PostParams::default(), &new).await
            }
            Some(mut lease) => {
                match standing(&lease, claim) {
                    Standing::Ours | Standing::Free => fill(&mut lease, claim),
                    Standing::Held { by, until } => {
                        return Err(held(kubernetes, &name, &by, until));
                    }
                }
                leases.replace(&name, &PostParams::default(), &lease).await
            }
        };
        match written {
            Ok(_) => return Ok(true),
            // Taken or gone meanwhile: look again.
            Err(error) if matches!(cluster::code(&error), Some(404 | 409)) => (),
            Err(error) if cluster::is_forbidden(&error) => {
                return Err(denied(kubernetes, error, &what));
            }
            Err(error) => return Err(changed_failed(error, &what)),
        }
    }
    Err(TargetError::Unreachable {
        what: format!("{what}: others took or renewed it {TRIES} times while it was looked at"),
    })
}

/// Gives it back when it is ours. It expires by itself when this fails.
pub(super) async fn give_back(kubernetes: &Kubernetes, claim: &Claim) {
    if !kubernetes.settings.lease {
        return;
    }
    let name = name(&kubernetes.name);
    let Ok(leases) = leases(kubernetes).await else {
        return;
    };
    let Ok(Some(mut lease)) = leases.get_opt(&name).await else {
        return;
    };
    if standing(&lease, claim) != Standing::Ours {
        return;
    }
    // As leader election does it: nobody holds it, and the object stays for the next.
    if let Some(spec) = &mut lease.spec {
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(claim.now));
    }
    if let Some(notes) = &mut lease.metadata.annotations {
        notes.remove(HOLDER);
    }
    if let Err(error) = leases.replace(&name, &PostParams::default(), &lease).await {
        tracing::debug!(
            lease = name,
            code = cluster::code(&error),
            "the lease expires by itself"
        );
    }
}

async fn leases(kubernetes: &Kubernetes) -> Result<Api<Lease>, TargetError> {
    let client = kubernetes.cluster().await?.client.clone();
    Ok(Api::namespaced(client, &kubernetes.settings.namespace))
}

/// The Lease of a target: its name as far as names of objects allow.
fn name(target: &str) -> String {
    let safe: String = target
        .to_ascii_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_lowercase() || c.is_ascii_digit() {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name: String = format!("lastgood-{safe}")
        .chars()
        .take(NAME_CHARS_MAX)
        .collect();
    name.trim_end_matches('-').to_owned()
}

/// Who has a lease.
#[derive(Debug, PartialEq, Eq)]
enum Standing {
    Free,
    Ours,
    Held { by: String, until: Timestamp },
}

/// Judged by our clock. A renewal in our future (the holder's clock is ahead of ours) counts from now on.
fn standing(lease: &Lease, claim: &Claim) -> Standing {
    let Some(spec) = &lease.spec else {
        return Standing::Free;
    };
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() || claim.dead.iter().any(|dead| dead == holder) {
        return Standing::Free;
    }
    if holder == claim.operation {
        return Standing::Ours;
    }
    let (Some(renewed), Some(seconds)) = (&spec.renew_time, spec.lease_duration_seconds) else {
        return Standing::Free;
    };
    let length = SignedDuration::from_secs(i64::from(seconds.max(0)));
    let until = renewed
        .0
        .min(claim.now)
        .checked_add(length)
        .unwrap_or(Timestamp::MAX);
    let is_over = renewed
        .0
        .checked_add(length)
        .is_ok_and(|end| end <= claim.now);
    if is_over {
        return Standing::Free;
    }
    let words = lease
        .metadata
        .annotations
        .as_ref()
        .and_then(|it| it.get(HOLDER));
    let by = match words {
        Some(words) => format!("{holder} ({words})"),
        None => holder.to_owned(),
    };
    Standing::Held { by, until }
}

fn fresh(name: &str, claim: &Claim) -> Lease {
    let mut lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            ..ObjectMeta::default()
        },
        spec: None,
    };
    fill(&mut lease, claim);
    lease
}

fn fill(lease: &mut Lease, claim: &Claim) {
    let spec = lease.spec.get_or_insert_with(LeaseSpec::default);
    let now = MicroTime(claim.now);
    if spec.holder_identity.as_ref() != Some(&claim.operation) {
        spec.acquire_time = Some(now.clone());
        spec.lease_transitions = Some(spec.lease_transitions.unwrap_or(-1).saturating_add(1));
    }
    spec.holder_identity = Some(claim.operation.clone());
    let seconds = claim.length.as_secs().max(1);
    spec.lease_duration_seconds = Some(i32::try_from(seconds).unwrap_or(i32::MAX));
    spec.renew_time = Some(now);
    let notes = lease.metadata.annotations.get_or_insert_default();
    notes.insert(HOLDER.to_owned(), claim.holder.clone());
}

fn held(kubernetes: &Kubernetes, name: &str, by: &str, until: Timestamp) -> TargetError {
    let namespace = &kubernetes.settings.namespace;
    TargetError::Held {
        what: format!(
            "the lease {name} in namespace {namespace} is held by {by}, until {until:.0} unless renewed"
        ),
    }
}

fn denied(kubernetes: &Kubernetes, error: kube::Error, what: &str) -> TargetError {
    if !cluster::is_forbidden(&error) {
        return failed(error, what);
    }
    let namespace = &kubernetes.settings.namespace;
    TargetError::Refused {
        what: format!("{what}: the account may not get, create and update leases in namespace {namespace} (403)"),
        allow: None,
        next: "grant it `apiGroups: [coordination.k8s.io]`, `resources: [leases]`, `verbs: [get, create, update]`; or set `lease: false` when nothing else changes this target at the same time".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn claim(operation: &str, now: &str) -> Claim {
        Claim {
            operation: operation.to_owned(),
            holder: "run 7 attempt 1".to_owned(),
            now: now.parse().unwrap(),
            length: Duration::from_mins(1),
            dead: Vec::new(),
        }
    }

    #[test]
    fn a_lease_is_held_until_it_expires() {
        let lease = fresh("lastgood-web", &claim("a", "2026-01-01T00:00:00Z"));
        #[track_caller]
        fn check(lease: &Lease, operation: &str, now: &str, expected: &Standing) {
            assert_eq!(standing(lease, &claim(operation, now)), *expected);
        }
        let held = |until: &str| Standing::Held {
            by: "a (run 7 attempt 1)".to_owned(),
            until: until.parse().unwrap(),
        };
        check(&lease, "a", "2026-01-01T00:00:59Z", &Standing::Ours);
        check(
            &lease,
            "b",
            "2026-01-01T00:00:59Z",
            &held("2026-01-01T00:01:00Z"),
        );
        check(&lease, "b", "2026-01-01T00:01:00Z", &Standing::Free);
        // The holder's clock is ahead of ours: from when we saw it, its length at most is told.
        check(
            &lease,
            "b",
            "2025-12-31T23:00:00Z",
            &held("2025-12-31T23:01:00Z"),
        );
    }

    #[test]
    fn the_lease_of_one_that_is_known_to_be_over_is_free() {
        let lease = fresh("lastgood-web", &claim("a", "2026-01-01T00:00:00Z"));
        let mut mine = claim("b", "2026-01-01T00:00:01Z");
        mine.dead = vec!["a".to_owned()];
        assert_eq!(standing(&lease, &mine), Standing::Free);
    }

    #[test]
    fn what_names_no_holder_or_no_time_is_free() {
        let mine = claim("b", "2026-01-01T00:00:00Z");
        let mut lease = fresh("x", &claim("a", "2026-01-01T00:00:00Z"));
        lease.spec.as_mut().unwrap().renew_time = None;
        assert_eq!(standing(&lease, &mine), Standing::Free);
        lease.spec = None;
        assert_eq!(standing(&lease, &mine), Standing::Free);
    }

    #[test]
    fn a_renewal_keeps_the_time_it_was_taken_and_a_new_holder_counts() {
        let mut lease = fresh("x", &claim("a", "2026-01-01T00:00:00Z"));
        fill(&mut lease, &claim("a", "2026-01-01T00:00:20Z"));
        let spec = lease.spec.clone().unwrap();
        assert_eq!(
            spec.acquire_time.unwrap().0.to_string(),
            "2026-01-01T00:00:00Z"
        );
        assert_eq!(
            spec.renew_time.unwrap().0.to_string(),
            "2026-01-01T00:00:20Z"
        );
        assert_eq!(spec.lease_transitions, Some(0));
        fill(&mut lease, &claim("b", "2026-01-01T00:05:00Z"));
        assert_eq!(lease.spec.unwrap().lease_transitions, Some(1));
    }

    #[test]
    fn any_target_has_a_name_that_the_api_takes() {
        assert_eq!(name("web"), "lastgood-web");
        assert_eq!(name("Shop API (eu)"), "lastgood-shop-api--eu");
        assert!(name(&"x".repeat(400)).len() <= NAME_CHARS_MAX);
    }
}
