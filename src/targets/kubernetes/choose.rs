//! Which template a release means for a workload: the recorded one, an earlier one with the recorded digests, the one of a
//! number the operator names, or the live one with other images. Never "the previous one". Nothing is changed here.

use super::Kubernetes;
use super::history::{self, Kept};
use super::owned::side_by_side;
use super::replace;
use super::slots::Place;
use super::template::{self, Images};
use super::wish::{ImagesFile, Wish};
use super::workload::{self, Observed};
use crate::model::payload::{Measured, Verified};
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot, Wanted};
use crate::targets::{ReleaseFacts, TargetError, Way};
use serde_json::Value;
use std::collections::BTreeMap;

/// A template for a workload, with the revision that it becomes there.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    pub(super) revision: Revision,
    /// With its images by digest where they are known.
    pub(super) template: Value,
    /// Those of the ReplicaSet that it comes from.
    pub(super) annotations: Option<BTreeMap<String, String>>,
    /// In words: "lastgood.json", "ReplicaSet web-5d4f (revision 3)".
    pub(super) source: String,
}

/// What a release wants in every slot.
pub(super) async fn wanted(
    kubernetes: &Kubernetes,
    facts: &ReleaseFacts<'_>,
    payload: Option<&Measured>,
) -> Result<Wanted, TargetError> {
    let file = payload
        .map(|payload| ImagesFile::read(&payload.path, payload.shape))
        .transpose()?;
    if facts.manifest.is_none() && file.is_none() {
        return Err(TargetError::BadRelease {
            what: "the release has neither lastgood.json nor a file of images".to_owned(),
            next:
                "add a `lastgood record` step to the deploy workflow, which writes down what runs"
                    .to_owned(),
        });
    }
    let observed = workload::observe_all(kubernetes).await?;
    let is_only = observed.len() == 1;
    let mut asked = Vec::new();
    for observed in &observed {
        let file = file.as_ref();
        asked.push(async move {
            let chosen = choose(kubernetes, observed, facts, file, is_only).await?;
            Ok((observed.place.clone(), chosen))
        });
    }
    let chosen = side_by_side(asked).await?;
    let mut chosen: BTreeMap<Place, Answer> = chosen.into_iter().collect();
    let mut wanted = Wanted::new();
    let mut left_out = BTreeMap::new();
    for place in kubernetes.places() {
        let slot = kubernetes.slot(&place);
        let answer = chosen.remove(&place).unwrap_or(Answer::Nothing);
        match (answer, facts.pinned(&slot)) {
            (Answer::Chosen(chosen), _) => {
                wanted.insert(slot, chosen.revision);
            }
            (Answer::NoHistory, _) => {
                left_out.insert(slot, NO_HISTORY.to_owned());
            }
            (Answer::Nothing, Some(revision)) if !place.kind.is_workload() => {
                wanted.insert(slot, revision.clone());
            }
            (Answer::Nothing, _) if kubernetes.named.contains(&place) => {
                left_out.insert(slot, "the release says nothing of it".to_owned());
            }
            // Found by labels and not there when the release was made: left alone.
            (Answer::Nothing, _) => {
                tracing::info!(%slot, "the release says nothing of it; it is left alone");
            }
        }
    }
    if wanted.is_empty() {
        return Err(nothing(&left_out));
    }
    kubernetes.memory.keep_left_out(left_out);
    Ok(wanted)
}

/// Why a release wants nothing of any slot.
fn nothing(left_out: &BTreeMap<Slot, String>) -> TargetError {
    let no_history = left_out.iter().find(|(_, why)| *why == NO_HISTORY);
    if let Some((slot, why)) = no_history {
        return TargetError::BadRelease {
            what: format!("{slot}: {why}"),
            next: "name the template: --to-revision, or a release with a recorded one: --run-id"
                .to_owned(),
        };
    }
    let slots: Vec<&str> = left_out.keys().map(|slot| slot.0.as_str()).collect();
    let of = match slots.as_slice() {
        [] => "nothing in the release belongs to a slot of this target".to_owned(),
        slots => format!("the release says nothing of slot {}", slots.join(", ")),
    };
    TargetError::BadRelease {
        what: of,
        next: "compare the slots and containers in the release with those of the target, or name a release that was recorded with them: --run-id"
            .to_owned(),
    }
}

const NO_HISTORY: &str =
    "the release names its images, and the cluster keeps no template that ran them";

/// What a release means for one workload.
#[derive(Debug)]
enum Answer {
    Chosen(Box<Chosen>),
    /// The release says nothing of it.
    Nothing,
    /// It names images that no template which the cluster keeps ran.
    NoHistory,
}

/// The revision of a template that the cluster keeps under a number.
pub(super) async fn numbered(
    kubernetes: &Kubernetes,
    slot: &Slot,
    number: &str,
) -> Result<Revision, TargetError> {
    let place = kubernetes.place(slot)?;
    if !place.kind.is_workload() {
        return Err(TargetError::Refused {
            what: format!(
                "{slot} has no revision {number}: only workloads have numbered revisions"
            ),
            allow: None,
            next: "name a release: --run-id or --artifact".to_owned(),
        });
    }
    let observed = workload::existing(kubernetes, &place).await?;
    let kept = history::kept(kubernetes, &observed).await?;
    let found = kept.iter().find(|kept| kept.number.to_string() == number);
    let Some(found) = found else {
        let numbers: Vec<String> = kept.iter().map(|kept| kept.number.to_string()).collect();
        let numbers = match numbers.as_slice() {
            [] => "none".to_owned(),
            numbers => numbers.join(", "),
        };
        return Err(TargetError::Refused {
            what: format!(
                "{slot}: found no revision {number}, expected one that is kept: {numbers}"
            ),
            allow: None,
            next: "name one of these, or a release: --run-id; numbers change with every rollback"
                .to_owned(),
        });
    };
    let images = known(kubernetes, &observed, &found.template);
    if !template::is_pinned(&images) {
        tracing::warn!(%slot, number, "its digests are not known any more: images are put back by tag, which may have moved");
    }
    Ok(earlier(kubernetes, &observed, found, &images)
        .await?
        .revision)
}

/// The template of a revision that was planned, for carrying it out.
pub(super) async fn planned(
    kubernetes: &Kubernetes,
    observed: &Observed,
    to: &Revision,
    facts: &ReleaseFacts<'_>,
    payload: Option<&Verified>,
) -> Result<Chosen, TargetError> {
    let place = &observed.place;
    if let Some(chosen) = kubernetes.memory.chosen(place, to) {
        return Ok(chosen);
    }
    let file = payload
        .map(|payload| ImagesFile::read(payload.path(), payload.shape()))
        .transpose()?;
    let is_only = kubernetes.places().len() == 1;
    let chosen = choose(kubernetes, observed, facts, file.as_ref(), is_only).await?;
    if let Answer::Chosen(chosen) = chosen
        && chosen.revision == *to
    {
        return Ok(*chosen);
    }
    for kept in history::kept(kubernetes, observed).await? {
        let images = known(kubernetes, observed, &kept.template);
        if template::revision(&kept.template, &images) == *to {
            return earlier(kubernetes, observed, &kept, &images).await;
        }
    }
    Err(TargetError::BadRelease {
        what: format!(
            "nothing has the template of revision {} of {place}",
            to.short()
        ),
        next: "run the same command again: it plans from what the release and the cluster hold now"
            .to_owned(),
    })
}

async fn choose(
    kubernetes: &Kubernetes,
    observed: &Observed,
    facts: &ReleaseFacts<'_>,
    file: Option<&ImagesFile>,
    is_only: bool,
) -> Result<Answer, TargetError> {
    let slot = kubernetes.slot(&observed.place);
    let pin = facts.pin(&slot);
    if let Some((template, images)) = pin.and_then(recorded) {
        let source = "lastgood.json".to_owned();
        let chosen = candidate(kubernetes, observed, template, &images, None, source).await?;
        return Ok(Answer::Chosen(Box::new(chosen)));
    }
    let (wish, is_only) = match (pin.and_then(pinned_images), file) {
        // The pin is of this slot alone.
        (Some(wish), _) => (wish, true),
        (None, Some(file)) => (file.wish(&slot), is_only),
        (None, None) => return Ok(Answer::Nothing),
    };
    match facts.way {
        Way::Forward => {
            let images = wish.over(&observed.images, is_only);
            if images.is_empty() {
                return Ok(Answer::Nothing);
            }
            let source = "the images of the release over the live template".to_owned();
            let template = observed.pinned();
            let chosen = candidate(kubernetes, observed, template, &images, None, source).await?;
            Ok(Answer::Chosen(Box::new(chosen)))
        }
        Way::Back if wish.over(&observed.images, is_only).is_empty() => Ok(Answer::Nothing),
        Way::Back => {
            for kept in history::kept(kubernetes, observed).await? {
                let images = known(kubernetes, observed, &kept.template);
                if let Some(images) = wish.fits(&images, &observed.images, is_only) {
                    let chosen = earlier(kubernetes, observed, &kept, &images).await?;
                    return Ok(Answer::Chosen(Box::new(chosen)));
                }
            }
            Ok(Answer::NoHistory)
        }
    }
}

/// The template that was written down, with the images that ran.
fn recorded(pin: &Pin) -> Option<(Value, Images)> {
    let recorded = pin.recorded.as_ref()?;
    let template = recorded
        .get("template")
        .filter(|template| template.is_object())?;
    Some((template.clone(), recorded_images(recorded)))
}

fn recorded_images(recorded: &Value) -> Images {
    let images = recorded.get("images").and_then(Value::as_object);
    images
        .into_iter()
        .flatten()
        .filter_map(|(name, image)| Some((name.clone(), image.as_str()?.to_owned())))
        .filter(|(_, image)| template::digest(image).is_some())
        .collect()
}

fn pinned_images(pin: &Pin) -> Option<Wish> {
    let named = pin
        .recorded
        .as_ref()
        .map(recorded_images)
        .unwrap_or_default();
    let loose: Vec<String> = pin
        .images
        .iter()
        .filter(|image| template::digest(image).is_some())
        .cloned()
        .collect();
    (!named.is_empty() || !loose.is_empty()).then_some(Wish { named, loose })
}

/// The images of a template by digest, as far as this process has seen them.
fn known(kubernetes: &Kubernetes, observed: &Observed, template: &Value) -> Images {
    let written = template::images_of(template);
    let key = template::revision(template, &written);
    let known = kubernetes.memory.images(observed.uid(), &key);
    known.unwrap_or(written)
}

async fn earlier(
    kubernetes: &Kubernetes,
    observed: &Observed,
    kept: &Kept,
    images: &Images,
) -> Result<Chosen, TargetError> {
    let source = format!("{} (revision {})", kept.name, kept.number);
    let template = kept.template.clone();
    let annotations = kept.annotations.clone();
    candidate(kubernetes, observed, template, images, annotations, source).await
}

/// Pins a template and asks the server what it would become, defaults and admission included.
async fn candidate(
    kubernetes: &Kubernetes,
    observed: &Observed,
    template: Value,
    images: &Images,
    annotations: Option<BTreeMap<String, String>>,
    source: String,
) -> Result<Chosen, TargetError> {
    let mut template = template::bare(&template);
    template::pin(&mut template, images);
    let mut revision = template::revision(&template, &known(kubernetes, observed, &template));
    if revision != observed.revision {
        let stored = replace::dry_run(kubernetes, observed, &template).await?;
        let images = known(kubernetes, observed, &stored);
        let written = template::revision(&stored, &template::images_of(&stored));
        // From here on the revision stays, whatever the pods report once they are there.
        let images = kubernetes
            .memory
            .keep_images(observed.uid(), written, images);
        revision = template::revision(&stored, &images);
    }
    let chosen = Chosen {
        revision,
        template,
        annotations,
        source,
    };
    kubernetes.memory.keep_chosen(&observed.place, &chosen);
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(left_out: &[(&str, &str)], says: &str) {
        let left_out = left_out
            .iter()
            .map(|(slot, why)| (Slot((*slot).to_owned()), (*why).to_owned()))
            .collect();
        let error = nothing(&left_out);
        assert!(matches!(error, TargetError::BadRelease { .. }));
        assert!(error.to_string().contains(says), "{error}");
    }

    #[test]
    fn a_release_that_wants_nothing_is_refused_with_its_reason() {
        check(&[], "nothing in the release belongs to a slot");
        check(
            &[("deployment/api", "x"), ("deployment/web", "x")],
            "says nothing of slot deployment/api, deployment/web",
        );
        check(
            &[("deployment/api", "x"), ("deployment/web", NO_HISTORY)],
            "deployment/web: the release names its images",
        );
    }
}
