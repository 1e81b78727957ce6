//! What `lastgood record` writes down of a project after a good deploy: which image every service runs, by digest, and how to have it
//! again. Nothing unproven is recorded. What is in no registry is kept on the engine.

use super::engine::Engine;
use super::image::{self, Image, keep, name, platform, presence};
use super::observe::{self, Look};
use super::project::{Replica, Service};
use super::shape::Shape;
use super::{Compose, container};
use crate::decide::compose::{Job, too_fresh};
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;
use crate::targets::images_file::digest;
use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// What each service runs now.
///
/// # Errors
/// `Refused` when a change is under way, a container does not run or is not healthy, or replicas run different images.
pub(super) async fn pins(compose: &Compose) -> Result<IndexMap<Slot, Pin>, TargetError> {
    let engine = compose.engine().await?;
    let running_for = compose.settings.running_for.0;
    let (mut look, mut now) = tokio::join!(observe::look(compose, engine), container::now(engine));
    let missing = look.as_ref().ok().zip(now);
    let missing = missing.and_then(|(look, now)| too_young(look, now, running_for));
    if let Some(missing) = missing {
        // It is recorded right after it was deployed: what it takes to be proof is a moment away.
        tokio::time::sleep(missing).await;
        (look, now) = tokio::join!(observe::look(compose, engine), container::now(engine));
    }
    let look = look?;
    let clock = Clock { now, running_for };
    let mut asked = Vec::new();
    for slot in compose.known() {
        let look = &look;
        asked.push(async move {
            let Some(service) = look.service(&slot) else {
                return Ok(None);
            };
            let pin = of_service(compose, engine, look, &slot, service, clock).await?;
            Ok::<_, TargetError>(Some((slot, pin)))
        });
    }
    let pins = futures_util::future::try_join_all(asked).await?;
    Ok(pins.into_iter().flatten().collect())
}

/// How long it takes until the youngest container that no HEALTHCHECK looks at has run for long enough.
fn too_young(look: &Look, now: Timestamp, running_for: Duration) -> Option<Duration> {
    let replicas = look.project.values().flat_map(|service| &service.replicas);
    let missing = replicas
        .filter(|replica| replica.is_running)
        .filter_map(|replica| {
            let status = replica
                .raw
                .pointer("/State/Health/Status")
                .and_then(Value::as_str);
            let started = container::time(&replica.raw, "/State/StartedAt")?;
            let age = Duration::try_from(now.duration_since(started)).unwrap_or_default();
            let missing = running_for.checked_sub(age)?;
            matches!(status, None | Some("none")).then_some(missing + TICK)
        });
    missing.max()
}

/// The engine's clock and ours do not run alike to the last bit.
const TICK: Duration = Duration::from_millis(100);

/// Keeps what only this engine has.
pub(super) async fn protect(
    compose: &Compose,
    pins: &IndexMap<Slot, Pin>,
) -> Result<Vec<String>, TargetError> {
    let Some(project) = &compose.settings.project else {
        return Ok(Vec::new());
    };
    let engine = compose.engine().await?;
    let mut kept = Vec::new();
    for (slot, pin) in pins {
        kept.extend(keep::keep(engine, project, slot, pin).await?);
    }
    Ok(kept)
}

async fn of_service(
    compose: &Compose,
    engine: &Engine,
    look: &Look,
    slot: &Slot,
    service: &Service,
    clock: Clock,
) -> Result<Pin, TargetError> {
    let (replica, revision) = proven(slot, service, look, clock)?;
    let Some(image) = look.images.get(&replica.image_id) else {
        let what = format!(
            "the engine does not have the image of its container {} any more",
            replica.name
        );
        return Err(refused(slot, &what, "deploy it again, then record it"));
    };
    let images = names(image, &revision, &replica.image);
    let is_built = is_built(compose, engine, image, &images).await?;
    let mut recorded = json!({
        "project": compose.settings.project,
        "image": replica.image,
        "id": image.id,
        "replicas": service.replicas.len(),
    });
    if is_built {
        recorded["built"] = json!(true);
    }
    if look.job(service) == Job::Done {
        recorded["job"] = json!(true);
    }
    if let Some(platform) = platform::of_image(&image.raw) {
        recorded["platform"] = json!(platform);
    }
    recorded["shape"] = json!(Shape::of(&replica.raw, Some(&image.raw)));
    Ok(Pin {
        revision,
        payload: None,
        images: if is_built { Vec::new() } else { images },
        recorded: Some(recorded),
    })
}

/// Only what has come up is recorded: a release is put back because it once ran. Answers a replica for all, and what they run.
fn proven<'a>(
    slot: &Slot,
    service: &'a Service,
    look: &Look,
    clock: Clock,
) -> Result<(&'a Replica, Revision), TargetError> {
    const WATCH: &str = "run `lastgood watch` first, and record what it finds healthy";
    if let Some(aside) = service.aside.first() {
        let what = format!(
            "a change of it was not finished ({} was put aside)",
            aside.name
        );
        let next = "run the command that made the change again: it finishes it first";
        return Err(refused(slot, &what, next));
    }
    let is_done = match look.job(service) {
        Job::Done => true,
        Job::AtWork => {
            let next = "record when it has ended";
            return Err(refused(
                slot,
                "it is a job that others wait for, and is still at work",
                next,
            ));
        }
        Job::No | Job::Waiting | Job::Failed(_) => false,
    };
    for replica in service.replicas.iter().filter(|_| !is_done) {
        if let Some(what) = unwell(replica, clock) {
            let name = &replica.name;
            let next = if replica.is_running {
                WATCH
            } else {
                "start it (docker compose up -d), or name the services to be recorded in `services`"
            };
            return Err(refused(slot, &format!("its container {name} {what}"), next));
        }
    }
    let mut found: Vec<Revision> = service
        .replicas
        .iter()
        .map(|one| look.canonical(one))
        .collect();
    found.sort();
    found.dedup();
    match (service.replicas.first(), found.as_slice()) {
        (Some(replica), [revision]) => Ok((replica, revision.clone())),
        (_, several) => {
            let short: Vec<String> = several.iter().map(Revision::short).collect();
            let what = format!(
                "its replicas run different images ({})",
                short.join(" and ")
            );
            Err(refused(
                slot,
                &what,
                "bring all of them up from one: docker compose up -d",
            ))
        }
    }
}

/// The time on the engine, if it tells, and how long a container must have run.
#[derive(Debug, Clone, Copy)]
struct Clock {
    now: Option<Timestamp>,
    running_for: Duration,
}

/// Why a container is no proof of anything. What its HEALTHCHECK finds well needs no time besides.
fn unwell(replica: &Replica, clock: Clock) -> Option<String> {
    let text = |path: &str| replica.raw.pointer(path).and_then(Value::as_str);
    let flag = |path: &str| {
        replica
            .raw
            .pointer(path)
            .and_then(Value::as_bool)
            .unwrap_or_default()
    };
    if replica.is_restarting {
        return Some("restarts again and again".to_owned());
    }
    if !replica.is_running {
        let code = replica
            .raw
            .pointer("/State/ExitCode")
            .and_then(Value::as_i64);
        return Some(format!(
            "does not run (exit code {})",
            code.unwrap_or_default()
        ));
    }
    if flag("/State/Paused") {
        return Some("is paused".to_owned());
    }
    match text("/State/Health/Status") {
        Some("starting") => Some("is not healthy yet".to_owned()),
        Some("unhealthy") => Some("is unhealthy".to_owned()),
        Some("healthy") => None,
        Some(_) | None => {
            let started = container::time(&replica.raw, "/State/StartedAt")?;
            let restarts = container::restarts(&replica.raw);
            too_fresh(started, restarts, clock.now?, clock.running_for)
        }
    }
}

fn refused(slot: &Slot, what: &str, next: &str) -> TargetError {
    TargetError::Refused {
        what: format!("{slot} is not recorded: {what}"),
        allow: None,
        next: next.to_owned(),
    }
}

/// `NAME@sha256:...` of a revision, that of the repository which the container names first.
fn names(image: &Image, revision: &Revision, asked: &str) -> Vec<String> {
    let mut names: Vec<String> = image
        .repo_digests()
        .into_iter()
        .filter(|entry| digest(entry) == Some(&revision.0))
        .collect();
    names.sort_by_key(|entry| (!name::is_same_repository(entry, asked), entry.clone()));
    names
}

/// Whether the image is in no registry that we know of. Where images are stored by containerd, also one that was built on the engine
/// has a digest; then only a registry can tell, and what it does not confirm is kept.
async fn is_built(
    compose: &Compose,
    engine: &Engine,
    image: &Image,
    names: &[String],
) -> Result<bool, TargetError> {
    let pulled = image
        .raw
        .pointer("/Identity/Pull")
        .and_then(Value::as_array);
    if names.is_empty() {
        return Ok(true);
    }
    let is_by_id = names.iter().any(|name| digest(name) == Some(&image.id));
    if !is_by_id || pulled.is_some_and(|pulled| !pulled.is_empty()) {
        return Ok(false);
    }
    for name in names {
        if presence::confirmed(compose, engine, name).await? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What is another around the image than when this was recorded.
pub(super) fn changed(pin: &Pin, replica: &Replica, image: Option<&Image>) -> Vec<String> {
    let recorded = pin.recorded.as_ref();
    let was = recorded.and_then(|recorded| recorded.get("shape").cloned());
    let was = was.and_then(|was| serde_json::from_value::<Shape>(was).ok());
    let now = Shape::of(&replica.raw, image.map(|image| &image.raw));
    was.map(|was| now.since(&was)).unwrap_or_default()
}

/// The tag of an image that was built on the engine.
pub(super) fn built_as(pin: &Pin) -> Option<&str> {
    let recorded = pin.recorded.as_ref()?;
    recorded
        .get("image")?
        .as_str()
        .filter(|_| image::is_built(pin))
}

/// Whether it had done its work and ended when this was recorded. `None`: this was not recorded of a service of a project.
pub(super) fn was_job(pin: &Pin) -> Option<bool> {
    let recorded = pin.recorded.as_ref()?;
    recorded.get("replicas")?;
    Some(recorded.get("job").and_then(Value::as_bool) == Some(true))
}

/// How many containers it had when this was recorded.
pub(super) fn replicas(pin: &Pin) -> Option<usize> {
    let count = pin.recorded.as_ref()?.get("replicas")?.as_u64()?;
    usize::try_from(count).ok()
}

/// The project that this was recorded of.
pub(super) fn project(pin: &Pin) -> Option<&str> {
    pin.recorded.as_ref()?.get("project")?.as_str()
}

/// The image as it was asked for when this was recorded.
pub(super) fn written(pin: &Pin) -> Option<&str> {
    let recorded = pin.recorded.as_ref()?;
    recorded
        .get("image")?
        .as_str()
        .filter(|_| !image::is_built(pin))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(state: &Value, expected: Option<&str>) {
        let raw = json!({
            "Id": "1", "Name": "/shop-web-1", "Image": "sha256:aa", "State": state,
            "Config": {"Image": "shop/web:2", "Labels": {"com.docker.compose.service": "web"}},
        });
        let replica = Replica::read(raw).unwrap();
        let clock = Clock {
            now: Some("2024-01-01T00:01:00Z".parse().unwrap()),
            running_for: Duration::from_secs(3),
        };
        assert_eq!(unwell(&replica, clock).as_deref(), expected);
        let blind = Clock { now: None, ..clock };
        let is_time = expected.is_some_and(|what| what.starts_with("runs for"));
        assert_eq!(
            unwell(&replica, blind).is_some(),
            expected.is_some() && !is_time
        );
    }

    #[test]
    fn what_is_not_well_is_no_proof() {
        check(&json!({"Running": true}), None);
        check(
            &json!({"Running": true, "Health": {"Status": "healthy"}}),
            None,
        );
        check(
            &json!({"Running": true, "Health": {"Status": "none"}}),
            None,
        );
        check(
            &json!({"Running": true, "Health": {"Status": "starting"}}),
            Some("is not healthy yet"),
        );
        check(
            &json!({"Running": true, "Health": {"Status": "unhealthy"}}),
            Some("is unhealthy"),
        );
        check(&json!({"Running": true, "Paused": true}), Some("is paused"));
        check(
            &json!({"Running": true, "Restarting": true}),
            Some("restarts again and again"),
        );
        let since = |started: &str, health: &str| json!({"Running": true, "StartedAt": started, "Health": {"Status": health}});
        check(&since("2024-01-01T00:00:57Z", "none"), None);
        check(
            &since("2024-01-01T00:00:58Z", "none"),
            Some("runs for 2.0 s only"),
        );
        check(&since("2024-01-01T00:00:59Z", "healthy"), None);
        check(
            &json!({"Running": false, "ExitCode": 137}),
            Some("does not run (exit code 137)"),
        );
    }
}
