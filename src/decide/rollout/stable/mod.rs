//! What may not happen once a rollout is done: restarts, a Service without addresses, other images than the wanted ones, a
//! count that is no longer complete, error lines. The failures of single pods are `diagnose`'s.

use super::diagnose::{advice, has_lasting_fault};
use super::seen::{Pod, Seen};
use super::standing::{Standing, standing};
use crate::model::sighting::{Sighting, Symptom};
use crate::model::state::Slot;
use crate::model::verdict::Severity;
use std::collections::{BTreeMap, BTreeSet};

/// Restart counts by pod and container.
pub type Restarts = BTreeMap<(String, String), u32>;

/// The restart counts of now, to compare later ones with.
pub fn restarts(pods: &[Pod]) -> Restarts {
    pods.iter()
        .flat_map(|pod| {
            pod.containers.iter().map(|container| {
                let key = (pod.name.clone(), container.name.clone());
                (key, container.restarts)
            })
        })
        .collect()
}

/// Containers of the wanted revision that restarted since `before`. A pod that is not in there started after it, from zero.
///
/// Pods whose nodes are bad say nothing about the release.
pub fn restarts_grew(slot: &Slot, before: &Restarts, pods: &[Pod]) -> Option<Sighting> {
    let grown: Vec<(&Pod, &str, u32)> = pods
        .iter()
        .filter(|pod| pod.is_new)
        .flat_map(|pod| {
            pod.containers.iter().filter_map(move |container| {
                let key = (pod.name.clone(), container.name.clone());
                let grown = container
                    .restarts
                    .checked_sub(before.get(&key).copied().unwrap_or(0))?;
                (0 < grown).then_some((pod, container.name.as_str(), grown))
            })
        })
        .collect();
    let is_elsewhere = |one: &&(&Pod, &str, u32)| !is_on_bad_node(one.0);
    let quoted = grown.iter().find(is_elsewhere);
    let (first, container, _) = *quoted.or(grown.first())?;
    let names: BTreeSet<&str> = grown.iter().map(|(pod, ..)| pod.name.as_str()).collect();
    let times = grown
        .iter()
        .fold(0_u32, |sum, (.., grown)| sum.saturating_add(*grown));
    let severity = if quoted.is_none() {
        Severity::Monitor
    } else {
        Severity::Serious
    };
    let ended = first
        .containers
        .iter()
        .find(|one| one.name == container)
        .and_then(|one| one.last_end())
        .map_or(String::new(), |(code, reason)| {
            format!(", ended with exit code {code} {reason}")
        });
    let what = format!(
        "{times} restart{} in {} of {} pods since the rollout was done (pod {}, container {container}{ended})",
        if times == 1 { "" } else { "s" },
        names.len(),
        pods.iter().filter(|pod| pod.is_new).count(),
        first.name,
    );
    let symptom = Symptom::RestartsGrow;
    Some(Sighting::new(
        slot,
        severity,
        symptom,
        &what,
        advice(symptom),
    ))
}

/// A Service whose selector matches pods that should be running, and which leads nowhere. `selected`: those pods.
pub fn no_endpoints(
    slot: &Slot,
    service: &str,
    ready_addresses: usize,
    selected: &[&Pod],
) -> Option<Sighting> {
    let active: Vec<&&Pod> = selected.iter().filter(|pod| pod.is_active()).collect();
    if 0 < ready_addresses || active.is_empty() {
        return None;
    }
    let ready = active.iter().filter(|pod| pod.is_ready).count();
    let symptom = Symptom::NoEndpoints;
    let (severity, what, advice) = if 0 < ready {
        (
            Severity::Critical,
            format!(
                "service {service} has no ready address, although {ready} of {} pods that it selects are ready: a wrong \
                 selector or port",
                active.len()
            ),
            "compare selector and ports of the Service with the labels and ports of the pods, or roll back",
        )
    } else if active.iter().all(|pod| is_on_bad_node(pod)) {
        (
            Severity::Monitor,
            format!(
                "service {service} has no ready address: its pods are on nodes that are not ready"
            ),
            advice(Symptom::NodeIssue),
        )
    } else {
        (
            Severity::Critical,
            format!(
                "service {service} has no ready address: 0 of {} pods that it selects are ready",
                active.len()
            ),
            advice(symptom),
        )
    };
    Some(Sighting::new(slot, severity, symptom, &what, advice))
}

/// What there was when the rollout was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Before {
    pub restarts: Restarts,
    pub available: u32,
}

impl Before {
    pub fn of(seen: &Seen) -> Self {
        Self {
            restarts: restarts(&seen.pods),
            available: seen.workload.available,
        }
    }

    fn had(&self, pod: &Pod) -> bool {
        let mut names = self.restarts.keys().map(|(name, _)| name);
        names.any(|name| *name == pod.name)
    }
}

/// Was complete, and is not any more. What explains it, if anything does, is `diagnose`'s.
///
/// More that are wanted (an autoscaler), and pods that came later and are still starting (a node that was drained), say
/// nothing about the release: it is serious when fewer are available than there were, and pods of then are not ready or gone
/// for nothing, or when a pod has a fault that lasts.
pub fn incomplete(slot: &Slot, before: &Before, seen: &Seen) -> Option<Sighting> {
    let Standing::Going { text } = standing(&seen.workload) else {
        return None;
    };
    let unwell: Vec<&Pod> = seen
        .pods
        .iter()
        .filter(|pod| pod.is_new && pod.is_active() && !pod.is_ready)
        .collect();
    let is_fewer = seen.workload.available < before.available.min(seen.workload.wanted);
    // Nobody to blame: the scheduler has no room or the node is gone, which is not the code's fault.
    let is_excused = |pod: &Pod| is_on_bad_node(pod) || pod.unschedulable.is_some();
    let is_serious =
        |pod: &&Pod| !is_excused(pod) && (has_lasting_fault(pod) || (is_fewer && before.had(pod)));
    let severity = if unwell.iter().any(is_serious) || (is_fewer && unwell.is_empty()) {
        Severity::Serious
    } else {
        Severity::Monitor
    };
    let is_held_up = !unwell.is_empty() && unwell.iter().all(|pod| is_excused(pod));
    let symptom = Symptom::StuckRollout;
    let what = format!("was complete and is no longer: {text}");
    let advice = match severity {
        Severity::Monitor if is_held_up => advice(Symptom::NodeIssue),
        Severity::None | Severity::Monitor => {
            "wait until the pods that start are up, and watch again"
        }
        Severity::Serious | Severity::Critical => {
            "read the logs of the pods that are not ready, or roll back"
        }
    };
    Some(Sighting::new(slot, severity, symptom, &what, advice))
}

/// One container of one ready pod of the wanted revision, as far as its image goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    pub pod: String,
    pub container: String,
    /// As the pod's own specification has it: admission may have rewritten it.
    pub asked: String,
    /// As the node reports it. A node may report the digest of its platform where an index was asked for.
    pub image_id: Option<String>,
    /// CPU architecture of the node, where it is known: with another one, another digest of the same image is right.
    pub architecture: Option<String>,
}

/// Images that run and are not those of the template: another digest than the pinned one, or several of one tag.
///
/// A container runtime proves what it pulls by digest, so a pod that asks for the wanted digest runs it, whatever digest
/// (index, platform, configuration) the node reports.
pub fn other_images(
    slot: &Slot,
    wanted: &BTreeMap<String, String>,
    running: &[Running],
) -> Option<Sighting> {
    for (container, image) in wanted {
        let of = || running.iter().filter(|one| one.container == *container);
        let found = match digest(image) {
            Some(digest) => of().find_map(|one| not_pinned(one, digest)),
            None => of().find_map(|one| not_agreed(one, of().next()?)),
        };
        if let Some((severity, what)) = found {
            let symptom = Symptom::ImageNotReverted;
            return Some(Sighting::new(
                slot,
                severity,
                symptom,
                &what,
                advice(symptom),
            ));
        }
    }
    None
}

fn not_pinned(one: &Running, wanted: &str) -> Option<(Severity, String)> {
    let runs = one.image_id.as_deref().and_then(digest);
    if digest(&one.asked) == Some(wanted) || runs.is_none() || runs == Some(wanted) {
        return None;
    }
    let what = format!(
        "pod {} runs {} in container {}, but {} was put in place",
        one.pod,
        short(runs.unwrap_or_default()),
        one.container,
        short(wanted),
    );
    Some((Severity::Critical, what))
}

fn not_agreed(one: &Running, first: &Running) -> Option<(Severity, String)> {
    let (runs, other) = (
        digest(one.image_id.as_deref()?)?,
        digest(first.image_id.as_deref()?)?,
    );
    if runs == other {
        return None;
    }
    let is_known = one.architecture.is_some() && one.architecture == first.architecture;
    let what = format!(
        "container {} runs {} in pod {} and {} in pod {}: the tag {} moved",
        one.container,
        short(other),
        first.pod,
        short(runs),
        one.pod,
        one.asked,
    );
    Some((
        if is_known {
            Severity::Critical
        } else {
            Severity::Monitor
        },
        what,
    ))
}

/// More error lines than the limit. `first`: one of them, with secrets masked.
pub fn errors_logged(
    slot: &Slot,
    lines: usize,
    limit: u32,
    pods: usize,
    first: &str,
) -> Option<Sighting> {
    let is_much = usize::try_from(limit).is_ok_and(|limit| limit < lines);
    let what = format!(
        "{lines} error lines within 2 minutes in {pods} pod{} (at most {limit}), such as: {first}",
        if pods == 1 { "" } else { "s" }
    );
    let symptom = Symptom::ErrorsLogged;
    is_much.then(|| Sighting::new(slot, Severity::Serious, symptom, &what, advice(symptom)))
}

/// Pods of the release before, of a workload whose pods are replaced when somebody deletes them.
pub fn not_replaced(slot: &Slot, seen: &Seen) -> Option<Sighting> {
    let active = || seen.pods.iter().filter(|pod| pod.is_active());
    let old = active().filter(|pod| !pod.is_new).count();
    if !seen.workload.is_on_delete || old == 0 {
        return None;
    }
    let all = active().count();
    let what = format!("{old} of {all} pods still run the release before: delete them");
    let symptom = Symptom::NotReplaced;
    Some(Sighting::new(
        slot,
        Severity::Monitor,
        symptom,
        &what,
        advice(symptom),
    ))
}

/// It could not be looked at to the end. `why`: with secrets masked.
pub fn unseen(slot: &Slot, why: &str) -> Sighting {
    let symptom = Symptom::Unseen;
    let what = format!("could not be watched: {why}");
    Sighting::new(slot, Severity::Monitor, symptom, &what, advice(symptom))
}

/// Somebody else's change. `who`: "manager argocd-controller (Apply)", where it is known.
pub fn drifted(slot: &Slot, what: &str, who: Option<&str>) -> Sighting {
    let by = who.map_or(String::new(), |who| format!(", by {who}"));
    let symptom = Symptom::DriftedBack;
    let what = format!("{what}{by}");
    Sighting::new(slot, Severity::Serious, symptom, &what, advice(symptom))
}

fn is_on_bad_node(pod: &Pod) -> bool {
    pod.node_ready == Some(false)
        || matches!(
            pod.reason.as_deref(),
            Some("Evicted" | "NodeLost" | "NodeShutdown")
        )
}

/// `sha256:…` of `name@sha256:…`; a bare digest is one too.
fn digest(image: &str) -> Option<&str> {
    let at = image.rfind("sha256:")?;
    let (before, digest) = image.split_at_checked(at)?;
    (before.is_empty() || before.ends_with('@') || before.ends_with("//")).then_some(digest)
}

/// Enough of a digest to tell it from another.
fn short(digest: &str) -> String {
    digest.chars().take("sha256:".len() + 12).collect()
}

#[cfg(test)]
mod tests;
