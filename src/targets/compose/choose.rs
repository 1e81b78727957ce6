//! What a release wants of every service: the image that was recorded, else the one that a file of images names. Never "the one
//! before".

use super::image::name;
use super::observe::{self, standing};
use super::{Compose, image, record, swarm};
use crate::decide::compose::Job;
use crate::model::payload::Measured;
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot, Wanted};
use crate::targets::images_file::{ImagesFile, Noun, digest};
use crate::targets::{LeftOut, ReleaseFacts, TargetError};
use indexmap::IndexMap;
use std::collections::BTreeSet;

/// What a file of images names images for.
const SERVICE: Noun = Noun("service");

/// A revision, and under which names it can be had.
#[derive(Debug, PartialEq, Eq)]
struct Chosen {
    revision: Revision,
    names: Vec<String>,
}

pub(super) async fn wanted(
    compose: &Compose,
    facts: &ReleaseFacts<'_>,
    payload: Option<&Measured>,
) -> Result<Wanted, TargetError> {
    let file = payload
        .map(|payload| ImagesFile::read(&payload.path, payload.shape, SERVICE))
        .transpose()?;
    if facts.manifest.is_none() && file.is_none() {
        return Err(TargetError::BadRelease {
            what: "the release has neither lastgood.json nor a file of images".to_owned(),
            next:
                "add a `lastgood record` step to the deploy workflow, which writes down what runs"
                    .to_owned(),
        });
    }
    compose.memory.keep_ran(ran(facts));
    let there = there(compose).await?;
    let mut wanted = Wanted::new();
    let mut left_out = absent(compose, facts, &there);
    for (slot, service) in &there {
        let slot = slot.clone();
        let chosen = match facts.pin(&slot) {
            Some(pin) => Some(recorded(&slot, pin)?),
            None => file
                .as_ref()
                .map(|file| named(file, &slot, service))
                .transpose()?
                .flatten(),
        };
        let is_named = compose.settings.services.contains(&slot.0);
        let was_job = facts.pin(&slot).and_then(record::was_job) == Some(true);
        let leave = |why: String| LeftOut {
            slot: slot.clone(),
            why,
            is_missed: false,
        };
        match chosen {
            None => left_out.push(leave("the release says nothing of it".to_owned())),
            Some(_) if (was_job || service.job != Job::No) && !is_named => {
                left_out.push(leave(left_alone(service.job)));
            }
            Some(Chosen { revision, names }) => {
                compose.memory.keep_wanted(&slot, &revision, &names);
                if facts.pin(&slot).is_some_and(image::is_built) {
                    compose.memory.keep_built(&revision);
                }
                wanted.insert(slot, revision);
            }
        }
    }
    if wanted.is_empty() {
        return Err(nothing(compose, facts, file.as_ref(), &there));
    }
    compose.memory.keep_left_out(left_out);
    Ok(wanted)
}

/// A service as it is now.
#[derive(Debug)]
struct Standing {
    /// The image as it was asked for; empty when nothing of it is there.
    image: String,
    job: Job,
}

/// Every service that there is, in the order of changes.
async fn there(compose: &Compose) -> Result<IndexMap<Slot, Standing>, TargetError> {
    if compose.settings.stack.is_some() {
        let running = swarm::running(compose).await?;
        let standing = running.into_iter().map(|(slot, running)| {
            let image = running.reference;
            (
                slot,
                Standing {
                    image,
                    job: Job::No,
                },
            )
        });
        return Ok(standing.collect());
    }
    let look = observe::look(compose, compose.engine().await?).await?;
    let known = compose.known().into_iter();
    let found = known.filter_map(|slot| {
        let service = look.service(&slot)?;
        let first = standing(service).first();
        let image = first
            .map(|replica| replica.image.clone())
            .unwrap_or_default();
        let job = look.job(service);
        Some((slot, Standing { image, job }))
    });
    Ok(found.collect())
}

/// Why a job is left alone.
fn left_alone(job: Job) -> String {
    let what = match job {
        Job::No => {
            "it had done its work and ended when the release was recorded, as a job does, and another image would run it again"
                .to_owned()
        }
        Job::Done => {
            "it has ended well by itself, as a job does, and another image would run it again"
                .to_owned()
        }
        Job::Failed(code) => format!(
            "it is a job that others wait for and has ended with exit code {code}, and another image would do its work again"
        ),
        Job::AtWork => {
            "it is a job that others wait for and is at work, which is not stopped in the middle"
                .to_owned()
        }
        Job::Waiting => {
            "it is a job that others wait for and was not started, and another image would be"
                .to_owned()
        }
    };
    format!("{what}; name it in `services` to have it put back too")
}

/// The services that ran when the release was recorded.
fn ran(facts: &ReleaseFacts<'_>) -> BTreeSet<String> {
    let slots = facts
        .manifest
        .into_iter()
        .flat_map(|manifest| &manifest.slots);
    slots
        .filter(|(_, pin)| record::was_job(pin) == Some(false))
        .map(|(slot, _)| slot.0.clone())
        .collect()
}

/// Services of this project that the release names and the engine has no container of.
fn absent(
    compose: &Compose,
    facts: &ReleaseFacts<'_>,
    there: &IndexMap<Slot, Standing>,
) -> Vec<LeftOut> {
    let slots = facts
        .manifest
        .into_iter()
        .flat_map(|manifest| &manifest.slots);
    let is_ours = |pin: &Pin| {
        let project = record::project(pin);
        project.is_some() && project == compose.settings.project.as_deref()
    };
    slots
        .filter(|(slot, pin)| is_ours(pin) && !there.contains_key(*slot))
        .filter(|(slot, _)| compose.has_service(&slot.0))
        .map(|(slot, pin)| LeftOut {
            slot: slot.clone(),
            why: "the release names it, and the project has no container of it: docker compose up -d brings it up".to_owned(),
            is_missed: record::was_job(pin) != Some(true),
        })
        .collect()
}

/// What was written down of a service.
fn recorded(slot: &Slot, pin: &Pin) -> Result<Chosen, TargetError> {
    name::check(slot, &pin.revision)?;
    let is_it = |image: &&String| digest(image) == Some(&pin.revision.0);
    let names: Vec<String> = pin.images.iter().filter(is_it).cloned().collect();
    if names.is_empty() && !pin.images.is_empty() {
        let found: String = pin
            .images
            .iter()
            .flat_map(|image| image.chars())
            .take(200)
            .collect();
        return Err(TargetError::BadRelease {
            what: format!(
                "{slot}: found image {found:?}, expected one with the digest of its revision {}",
                pin.revision.short()
            ),
            next: "record the release again, or choose another: --run-id".to_owned(),
        });
    }
    let names = if image::is_built(pin) {
        Vec::new()
    } else {
        names
    };
    Ok(Chosen {
        revision: pin.revision.clone(),
        names,
    })
}

/// What a file names for a service: by its name, else by the repository of what it runs.
///
/// # Errors
/// `BadRelease` when the file names several images for it.
fn named(
    file: &ImagesFile,
    slot: &Slot,
    service: &Standing,
) -> Result<Option<Chosen>, TargetError> {
    let is_same = |image: &&String| {
        !service.image.is_empty() && name::is_same_repository(image, &service.image)
    };
    let found: Vec<&String> = match (file.slots.get(&slot.0), file.named.get(&slot.0)) {
        (Some(of_slot), _) => of_slot.values().collect(),
        (None, Some(image)) => vec![image],
        (None, None) => file.loose.iter().filter(is_same).collect(),
    };
    let image = match found.as_slice() {
        [] => return Ok(None),
        [image] => *image,
        [one, other, ..] => {
            return Err(TargetError::BadRelease {
                what: format!("the file of images: {slot}: found {one} and {other}, expected one"),
                next: "write service=NAME@sha256:DIGEST, each service once".to_owned(),
            });
        }
    };
    let revision = digest(image).map(|digest| Revision(digest.to_owned()));
    Ok(revision.map(|revision| Chosen {
        revision,
        names: vec![image.clone()],
    }))
}

/// A release that says nothing of any service: that of another repository, or a file with other names.
fn nothing(
    compose: &Compose,
    facts: &ReleaseFacts<'_>,
    file: Option<&ImagesFile>,
    there: &IndexMap<Slot, Standing>,
) -> TargetError {
    let (of, project) = match (&compose.settings.project, &compose.settings.stack) {
        (Some(project), _) => ("project", project.as_str()),
        (None, stack) => ("stack", stack.as_deref().unwrap_or_default()),
    };
    let of_release = facts
        .manifest
        .into_iter()
        .flat_map(|manifest| manifest.slots.keys());
    let of_release = of_release.map(|slot| slot.0.as_str());
    let of_file = file
        .into_iter()
        .flat_map(|file| file.slots.keys().chain(file.named.keys()));
    let named: Vec<&str> = of_release.chain(of_file.map(String::as_str)).collect();
    let named = match named.as_slice() {
        [] => "no service".to_owned(),
        named => named.join(", "),
    };
    let only_jobs = there.values().all(|service| service.job != Job::No);
    let there: Vec<&str> = there.keys().map(|slot| slot.0.as_str()).collect();
    if only_jobs {
        return TargetError::BadRelease {
            what: format!(
                "every service of {of} {project} is a job, which is there to end and is left alone"
            ),
            next: "name those that are to be put back in `services`".to_owned(),
        };
    }
    TargetError::BadRelease {
        what: format!(
            "the release names {named}, and nothing of {of} {project}, which has {}",
            there.join(", ")
        ),
        next: "name a release that was recorded with this target: --run-id".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn d(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    fn pin(digit: char, images: &[String]) -> Pin {
        Pin {
            revision: Revision(d(digit)),
            payload: None,
            images: images.to_vec(),
            recorded: None,
        }
    }

    #[test]
    fn a_pin_whose_image_is_another_is_refused() {
        let slot = Slot("web".to_owned());
        let good = format!("shop/web@{}", d('a'));
        assert_eq!(
            recorded(&slot, &pin('a', std::slice::from_ref(&good)))
                .unwrap()
                .names,
            std::slice::from_ref(&good)
        );
        assert_eq!(recorded(&slot, &pin('a', &[])).unwrap().names, [""; 0]);
        let error = recorded(&slot, &pin('b', &[good])).unwrap_err();
        assert!(
            error.to_string().contains("expected one with the digest"),
            "{error}"
        );
        let bad = Pin {
            revision: Revision("v1".to_owned()),
            ..pin('a', &[])
        };
        assert!(matches!(
            recorded(&slot, &bad),
            Err(TargetError::BadRelease { .. })
        ));
    }

    #[test]
    fn a_file_names_services_or_repositories() {
        let service = Standing {
            image: "shop/web:2".to_owned(),
            job: Job::No,
        };
        let web = Slot("web".to_owned());
        let of = |text: String| {
            let file = ImagesFile::parse(&text, SERVICE)?;
            Ok::<_, TargetError>(named(&file, &web, &service)?.map(|chosen| chosen.revision.0))
        };
        assert_eq!(
            of(format!("web=other/name@{}", d('a'))).unwrap(),
            Some(d('a'))
        );
        assert_eq!(of(format!("db=shop/web@{}", d('a'))).unwrap(), None);
        assert_eq!(
            of(format!("docker.io/shop/web:1@{}", d('a'))).unwrap(),
            Some(d('a'))
        );
        assert_eq!(of(format!("shop/db@{}", d('a'))).unwrap(), None);
        assert_eq!(
            of(json!({"web": format!("x@{}", d('b'))}).to_string()).unwrap(),
            Some(d('b'))
        );
        assert_eq!(
            of(json!({"web": {"image": format!("x@{}", d('b'))}}).to_string()).unwrap(),
            Some(d('b'))
        );
        let two = format!("shop/web@{}\nshop/web@{}", d('a'), d('b'));
        assert!(of(two).unwrap_err().to_string().contains("expected one"));
        let error = of("web=shop/web:2".to_owned()).unwrap_err();
        match error {
            TargetError::BadRelease { next, .. } => {
                assert!(next.contains("service=NAME@sha256"), "{next}");
            }
            other => panic!("{other}"),
        }
    }
}
