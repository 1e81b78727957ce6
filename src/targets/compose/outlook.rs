//! The last look before a plan is permitted: every image is proven to be there, what will differ is told, and what the plan would do
//! beyond changing images is named. Nothing is changed, and nothing is pulled.

use super::engine::Engine;
use super::image::presence::{self, Presence};
use super::image::{Image, local, name, platform};
use super::observe::{self, Look, standing};
use super::project::{Replica, Service};
use super::record;
use super::settings::Order;
use super::{Compose, change, container};
use crate::decide::compose::{Job, State, is_long_ago};
use crate::model::plan::{Change, Hazard, Plan};
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot};
use crate::targets::registry::Reference;
use crate::targets::{ReleaseFacts, TargetError};
use futures_util::future::join_all;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// What one change comes to.
#[derive(Debug, Default)]
struct Foreseen {
    lines: Vec<String>,
    hazards: Vec<(&'static str, String)>,
}

/// Hazards of a plan, after everything that would refuse it.
pub(super) async fn hazards(
    compose: &Compose,
    plan: &Plan,
    facts: &ReleaseFacts<'_>,
) -> Result<Vec<Hazard>, TargetError> {
    compose.planned.begin(plan);
    if let Some(story) = facts.story {
        for left in compose.memory.left_out() {
            story.warn(
                &left.slot,
                &format!("NOT changed, left as it is: {}", left.why),
            );
        }
    }
    let engine = compose.engine().await?;
    let (look, own, now) = tokio::join!(
        observe::look(compose, engine),
        platform::of_engine(engine),
        container::now(engine)
    );
    let (look, own) = (look?, own?);
    if let Some(story) = facts.story {
        for (slot, line) in fewer(compose, &look, facts) {
            story.warn(&slot, &line);
        }
    }
    let looks = plan.changes.iter().map(|change| {
        let (look, own) = (&look, own.as_deref());
        async move {
            let foreseen = foresee(compose, engine, look, (own, now), change, facts).await;
            (change.slot(), foreseen)
        }
    });
    let mut hazards = Vec::new();
    for (slot, foreseen) in join_all(looks).await {
        let Foreseen { lines, hazards: of } = foreseen?;
        if let Some(story) = facts.story {
            for line in lines {
                story.progress(slot, &line);
            }
        }
        hazards.extend(of.into_iter().map(|(name, what)| Hazard {
            slot: slot.clone(),
            name: name.to_owned(),
            what,
        }));
    }
    Ok(hazards)
}

async fn foresee(
    compose: &Compose,
    engine: &Engine,
    look: &Look,
    (own, now): (Option<&str>, Option<Timestamp>),
    change: &Change,
    facts: &ReleaseFacts<'_>,
) -> Result<Foreseen, TargetError> {
    let (slot, to) = (change.slot(), change.to());
    name::check(slot, to)?;
    let Some(service) = look.service(slot) else {
        return Ok(Foreseen::default());
    };
    let mut foreseen = Foreseen::default();
    let job = look.job(service);
    foreseen.hazards.extend(of_job(slot, job));
    if job == Job::No {
        foreseen.lines.extend(stopped(service, now));
    }
    match change {
        Change::Start { .. } if service.aside.is_empty() => return Ok(foreseen),
        Change::Start { .. } | Change::Install { .. } => {
            replaceable(slot, service, compose.settings.order)?;
        }
    }
    if matches!(change, Change::Start { .. }) {
        return Ok(foreseen);
    }
    let pin = facts.pin(slot).filter(|pin| pin.revision == *to);
    let (presence, moved) = tokio::join!(presence::of(compose, engine, slot, to, pin), async {
        let is_asked = compose.settings.check_images;
        let written = pin.filter(|_| is_asked).and_then(record::written)?;
        presence::moved(compose, engine, written, to).await
    });
    let presence = presence?;
    foreseen.hazards.extend(of_project(compose, pin));
    foreseen.lines.extend(tag_moved(engine, pin, to).await?);
    foreseen.lines.push(told(&presence, to.short().as_str()));
    foreseen.lines.extend(moved);
    let Some(running) = standing(service).first() else {
        return Ok(foreseen);
    };
    let image = look.images.get(&running.image_id);
    let changed = pin.map(|pin| record::changed(pin, running, image));
    for changed in changed.into_iter().flatten() {
        foreseen.lines.push(format!(
            "warning: since this release was recorded, {changed}; that stays as it is, only the image goes back"
        ));
    }
    if let Presence::OnEngine(image) = &presence {
        for path in new_volumes(image, running) {
            foreseen.lines.push(format!(
                "warning: the image declares a volume at {path} that the container does not have: it starts with an empty one"
            ));
        }
    }
    let now = look
        .images
        .get(&running.image_id)
        .and_then(|image| platform::of_image(&image.raw));
    foreseen
        .hazards
        .extend(elsewhere(&presence, own, now.as_deref()));
    Ok(foreseen)
}

/// Services that have fewer containers than when the release was recorded: only images are put back.
fn fewer(compose: &Compose, look: &Look, facts: &ReleaseFacts<'_>) -> Vec<(Slot, String)> {
    let known = compose.known().into_iter();
    let lacking = known.filter_map(|slot| {
        let has = standing(look.service(&slot)?).len();
        let had = facts.pin(&slot).and_then(record::replicas)?;
        let line = format!(
            "the release ran in {had} containers, and it has {has}: docker compose up -d --no-recreate --scale {slot}={had} brings the others up"
        );
        (has < had).then_some((slot, line))
    });
    lacking.collect()
}

/// A release of another project is another application, or its staging: services have the same names everywhere.
fn of_project(compose: &Compose, pin: Option<&Pin>) -> Option<(&'static str, String)> {
    let (recorded, own) = (
        pin.and_then(record::project)?,
        compose.settings.project.as_deref()?,
    );
    let what = format!(
        "the release was recorded of project {recorded}, and this is project {own}: its services may be another application"
    );
    (recorded != own).then_some(("other-project", what))
}

/// A release that was built on the engine goes back by its id; `docker compose up` takes what its tag leads to.
async fn tag_moved(
    engine: &Engine,
    pin: Option<&Pin>,
    to: &Revision,
) -> Result<Option<String>, TargetError> {
    // What is no reference to an image is asked of nobody.
    let tag = pin.and_then(record::built_as);
    let Some(tag) = tag.filter(|tag| tag.parse::<Reference>().is_ok()) else {
        return Ok(None);
    };
    let Some(raw) = local::inspect(engine, tag).await? else {
        return Ok(None);
    };
    let found = Image::read(raw, tag.to_owned());
    let has_moved = found.is_some_and(|found| found.id != to.0);
    let short = to.short();
    Ok(has_moved.then(|| {
        format!(
            "warning: {tag} leads to another image now, and the next `docker compose up` brings that one up: build the good one again first, or docker tag {short} {tag}"
        )
    }))
}

/// Where the image comes from.
fn told(presence: &Presence, short: &str) -> String {
    match presence {
        Presence::OnEngine(image) => format!("goes to {}, which the engine has", image.reference),
        Presence::InRegistry { name, platforms: _ } => {
            format!("goes to {name}, which is pulled: its registry has it")
        }
        Presence::NotAsked => {
            format!(
                "goes to {short}, which the engine does not have; check-images: false, so its registry is not asked"
            )
        }
        Presence::Unknown { what, next } => format!("warning: {what}; {next}"),
    }
}

/// What would be refused when it is carried out is refused before anything else is done.
fn replaceable(slot: &Slot, service: &Service, order: Order) -> Result<(), TargetError> {
    let mut replicas = service.replicas.iter();
    replicas.try_for_each(|replica| change::hurdle(slot, replica, order))
}

/// A job that is named in `services`, and so is changed like everything else.
fn of_job(slot: &Slot, job: Job) -> Option<(&'static str, String)> {
    let again = "another image would run it again";
    match job {
        Job::No => None,
        Job::Done => Some((
            "runs-again",
            format!("{slot} has ended well by itself, as a job does: {again}"),
        )),
        Job::Failed(code) => Some((
            "runs-again",
            format!("{slot} is a job and has ended with exit code {code}: {again}"),
        )),
        Job::Waiting => Some((
            "runs-again",
            format!("{slot} is a job and was not started: the image of the release would be run"),
        )),
        Job::AtWork => Some((
            "stops-job",
            format!(
                "{slot} is a job and is at work: it would be stopped in the middle, and run again from another image"
            ),
        )),
    }
}

/// What a policy keeps running, and does not run, somebody has stopped; long ago they meant it.
fn stopped(service: &Service, now: Option<Timestamp>) -> Option<String> {
    let now = now?;
    let is_stopped = |replica: &Replica| {
        let raw = &replica.raw;
        let by_hand = matches!(container::exit_code(raw), 0 | 130 | 137 | 143);
        container::state(raw) == State::Exited
            && container::starts_again(raw)
            && by_hand
            && container::down_since(raw).is_some_and(|since| is_long_ago(since, now))
    };
    let is_whole = service.aside.is_empty() && !service.replicas.is_empty();
    (is_whole && service.replicas.iter().all(is_stopped)).then(|| {
        "warning: it was stopped by hand more than 10 minutes ago, and is started with the release".to_owned()
    })
}

/// An image for machines of another kind, where the one that runs is not. `own`: what the engine is.
fn elsewhere(
    presence: &Presence,
    own: Option<&str>,
    now: Option<&str>,
) -> Option<(&'static str, String)> {
    let own = own?;
    // Emulated already.
    if now.is_some_and(|now| !platform::runs(own, now)) {
        return None;
    }
    let platforms = match presence {
        Presence::OnEngine(image) => platform::of_image(&image.raw).into_iter().collect(),
        Presence::InRegistry { name: _, platforms } => platforms.clone(),
        Presence::NotAsked | Presence::Unknown { .. } => Vec::new(),
    };
    if platforms.is_empty() || platforms.iter().any(|image| platform::runs(own, image)) {
        return None;
    }
    let platforms = platforms.join(", ");
    let what = format!(
        "the image is for {platforms}, and the engine is {own}: it would not start, or be emulated"
    );
    Some(("other-platform", what))
}

/// Where an image declares volumes and the container has nothing mounted.
fn new_volumes(image: &Image, running: &Replica) -> BTreeSet<String> {
    let declared = image
        .raw
        .pointer("/Config/Volumes")
        .and_then(Value::as_object);
    let declared = declared.into_iter().flat_map(Map::keys).cloned();
    let mounts = running.raw.get("Mounts").and_then(Value::as_array);
    let mounted: BTreeSet<&str> = mounts
        .into_iter()
        .flatten()
        .filter_map(|mount| mount.get("Destination")?.as_str())
        .collect();
    declared
        .filter(|path| !mounted.contains(path.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn on_engine(arch: &str) -> Presence {
        let raw = json!({"Id": "sha256:aa", "Os": "linux", "Architecture": arch});
        Presence::OnEngine(Box::new(Image {
            id: "sha256:aa".to_owned(),
            reference: "x".to_owned(),
            raw,
        }))
    }

    #[test]
    fn an_image_for_other_machines() {
        let of = |presence: &Presence, now: &str| {
            elsewhere(presence, Some("linux/amd64"), Some(now)).map(|(name, _)| name)
        };
        assert_eq!(
            of(&on_engine("arm64"), "linux/amd64"),
            Some("other-platform")
        );
        assert_eq!(of(&on_engine("amd64"), "linux/amd64"), None);
        assert_eq!(of(&on_engine("arm64"), "linux/arm64"), None);
        let platforms = vec!["linux/arm64".to_owned(), "linux/amd64".to_owned()];
        let index = Presence::InRegistry {
            name: "x".to_owned(),
            platforms,
        };
        assert_eq!(of(&index, "linux/amd64"), None);
        assert_eq!(of(&Presence::NotAsked, "linux/amd64"), None);
    }

    #[test]
    fn volumes_that_would_be_empty() {
        let raw = json!({"Id": "1", "Config": {"Volumes": {"/data": {}, "/cache": {}}}});
        let image = Image {
            id: "1".to_owned(),
            reference: "x".to_owned(),
            raw,
        };
        let raw = json!({
            "Config": {"Labels": {"com.docker.compose.service": "web"}},
            "Mounts": [{"Destination": "/data"}], "HostConfig": {"AutoRemove": true},
        });
        let replica = Replica::read(raw).unwrap();
        assert_eq!(
            new_volumes(&image, &replica),
            BTreeSet::from(["/cache".to_owned()])
        );
        let service = Service {
            replicas: vec![replica],
            aside: Vec::new(),
        };
        let web = Slot("web".to_owned());
        let error = replaceable(&web, &service, Order::StopFirst).unwrap_err();
        assert!(error.to_string().contains("--rm"), "{error}");
    }

    #[test]
    fn a_job_is_changed_only_when_that_is_allowed() {
        let web = Slot("web".to_owned());
        let name = |job| of_job(&web, job).map(|(name, _)| name);
        assert_eq!(name(Job::No), None);
        assert_eq!(name(Job::Done), Some("runs-again"));
        assert_eq!(name(Job::Failed(1)), Some("runs-again"));
        assert_eq!(name(Job::Waiting), Some("runs-again"));
        assert_eq!(name(Job::AtWork), Some("stops-job"));
    }

    #[test]
    fn what_somebody_stopped_long_ago() {
        let check = |policy: &str, status: &str, code: i64, finished: &str, expected: bool| {
            let raw = json!({
                "Config": {"Labels": {"com.docker.compose.service": "web"}},
                "HostConfig": {"RestartPolicy": {"Name": policy}},
                "State": {"Status": status, "ExitCode": code, "FinishedAt": finished},
            });
            let service = Service {
                replicas: vec![Replica::read(raw).unwrap()],
                aside: Vec::new(),
            };
            let now = Some("2024-01-01T01:00:00Z".parse().unwrap());
            let found = stopped(&service, now).is_some();
            assert_eq!(found, expected, "{policy} {status} {code} {finished}");
            assert_eq!(stopped(&service, None), None);
        };
        let (long, short) = ("2024-01-01T00:49:00Z", "2024-01-01T00:51:00Z");
        check("unless-stopped", "exited", 0, long, true);
        check("always", "exited", 137, long, true);
        check("always", "exited", 143, short, false);
        check("always", "exited", 3, long, false);
        check("on-failure", "exited", 0, long, false);
        check("no", "exited", 143, long, false);
        check("always", "created", 0, long, false);
        check("always", "restarting", 0, long, false);
    }
}
