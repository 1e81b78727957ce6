//! What `ready` tells of an engine: which it is, whether it lets containers be changed, whether the services are there, and whether
//! the images that a release wants can be had. Nothing is changed.

use super::engine::{Engine, EngineError};
use super::image::presence::{self, Presence};
use super::observe::{self, Look};
use super::{Compose, absent, change, container, guard};
use crate::decide::compose::Job;
use crate::model::state::{Phase, Revision, Slot};
use crate::targets::{Finding, TargetError};
use futures_util::future::join_all;
use serde_json::{Value, json};

/// An id that no container has: what would be changed does not exist.
const NOBODY: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Everything a change needs, looked at. Never fails: what cannot be looked at is a finding.
pub(super) async fn findings(compose: &Compose) -> Vec<Finding> {
    const CHECK: &str = "engine";
    if let Err(error) = guard::guard(compose).await {
        return vec![finding_of(CHECK, error)];
    }
    let engine = match compose.engine().await {
        Ok(engine) => engine,
        Err(error) => return vec![finding_of(CHECK, error)],
    };
    let (version, permission, look) = tokio::join!(
        version(engine),
        permission(engine),
        observe::look(compose, engine)
    );
    let mut findings = vec![version, permission];
    match look {
        Ok(look) => {
            for slot in compose.known() {
                findings.extend(service(&look, &slot));
                findings.extend(replacing(compose, &look, &slot));
            }
            let images = compose.known().into_iter().filter_map(|slot| {
                let wanted = compose.memory.wanted(&slot).into_iter().next();
                wanted.map(|wanted| image(compose, engine, slot, wanted))
            });
            findings.extend(join_all(images).await);
            let missed = compose
                .memory
                .left_out()
                .into_iter()
                .filter(|left| left.is_missed);
            findings.extend(missed.map(|left| {
                let what = format!("{}: {}", left.slot, left.why);
                Finding::bad(
                    "service",
                    what,
                    "bring it up, or name the services that are put back in `services`",
                )
            }));
        }
        Err(error) => findings.push(finding_of("service", error)),
    }
    findings
}

async fn version(engine: &Engine) -> Finding {
    const CHECK: &str = "engine";
    let version = match engine.get("/version").await {
        Ok(version) => version,
        Err(error) => return finding_of(CHECK, error.reading("the version of the engine")),
    };
    let text = |key: &str| {
        version
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or("?")
            .to_owned()
    };
    let called = absent::called(engine).await;
    let (number, api) = (text("Version"), text("ApiVersion"));
    Finding::ok(CHECK, format!("{called}: version {number}, API {api}"))
}

/// Proxies before the socket let some requests through and not others. A container that does not exist is asked to be renamed, and to be
/// removed: who may not is told so, and who may is told that there is none.
async fn permission(engine: &Engine) -> Finding {
    const CHECK: &str = "permission";
    let path = format!("/containers/{NOBODY}/rename?name=lastgood-ready");
    let renamed = engine.post(&path, &json!({})).await;
    let asked = match renamed {
        Err(error) if !error.is_absent() => Err(error),
        Ok(_) | Err(_) => change::remove(engine, NOBODY).await,
    };
    match asked {
        Ok(()) => Finding::ok(CHECK, "the engine lets containers be changed"),
        Err(error @ EngineError::Status { .. }) => Finding::bad(
            CHECK,
            format!(
                "the engine, or a proxy before it, does not let containers be changed: {error}"
            ),
            "allow POST and DELETE on /containers and /images to whoever runs this",
        ),
        Err(error) => finding_of(CHECK, error.reading("whether containers may be changed")),
    }
}

fn service(look: &Look, slot: &Slot) -> Option<Finding> {
    const CHECK: &str = "service";
    let service = look.service(slot)?;
    if let Some(aside) = service.aside.first() {
        return Some(Finding::ok(
            CHECK,
            format!(
                "{slot}: a change of it was not finished ({} was put aside); the next one finishes it first",
                aside.name
            ),
        ));
    }
    let held = look.held(service, &[]);
    let revision = held
        .revision
        .as_ref()
        .map(Revision::short)
        .unwrap_or_default();
    let asked = service
        .replicas
        .first()
        .map_or("", |replica| &replica.image);
    let replicas = match service.replicas.len() {
        1 => "1 container".to_owned(),
        n => format!("{n} containers"),
    };
    let job = look.job(service);
    let what = match held.phase {
        Phase::Stopped | Phase::Moving if job == Job::No => "does not run as a whole",
        Phase::Running | Phase::Stopped | Phase::Moving => match job {
            Job::No => "runs",
            Job::Done => "has ended well by itself, as a job does",
            Job::AtWork => "a job that others wait for, at work",
            Job::Waiting => "a job that others wait for, not started",
            Job::Failed(_) => "a job that others wait for, which has failed",
        },
    };
    Some(Finding::ok(
        CHECK,
        format!("{slot}: {replicas}, {what}, {asked} ({revision})"),
    ))
}

/// What stands against replacing the containers of a service, and how long it is waited for them. A job that is left alone is not asked.
fn replacing(compose: &Compose, look: &Look, slot: &Slot) -> Vec<Finding> {
    const CHECK: &str = "service";
    let Some(service) = look.service(slot) else {
        return Vec::new();
    };
    let is_named = compose.settings.services.contains(&slot.0);
    if look.job(service) != Job::No && !is_named {
        return Vec::new();
    }
    let order = compose.settings.order;
    let refused = service
        .replicas
        .iter()
        .find_map(|replica| change::hurdle(slot, replica, order).err());
    let setting = compose.settings.healthy_deadline;
    let checks = service
        .replicas
        .iter()
        .filter_map(|replica| container::healthcheck(&replica.raw));
    let longest = checks.map(|check| check.patience(setting.0)).max();
    let longer = longest.filter(|longest| setting.0 < *longest);
    let longer = longer.map(|longest| {
        let seconds = longest.as_secs();
        Finding::ok(
            CHECK,
            format!("{slot}: its HEALTHCHECK may take {seconds} s to tell, and gets that long (healthy-deadline is {setting})"),
        )
    });
    let refused = refused.map(|error| finding_of(CHECK, error));
    refused.into_iter().chain(longer).collect()
}

async fn image(compose: &Compose, engine: &Engine, slot: Slot, wanted: Revision) -> Finding {
    const CHECK: &str = "image";
    match presence::of(compose, engine, &slot, &wanted, None).await {
        Ok(Presence::OnEngine(image)) => {
            Finding::ok(CHECK, format!("{slot}: the engine has {}", image.reference))
        }
        Ok(Presence::InRegistry { name, platforms: _ }) => {
            Finding::ok(CHECK, format!("{slot}: {name} is in its registry"))
        }
        Ok(Presence::NotAsked) => Finding::ok(
            CHECK,
            format!(
                "{slot}: the engine does not have {}, and check-images: false",
                wanted.short()
            ),
        ),
        Ok(Presence::Unknown { what, next }) => Finding::bad(
            CHECK,
            format!("{slot}: {what}"),
            format!("{next}; or set `check-images: false`"),
        ),
        Err(error) => finding_of(CHECK, error),
    }
}

fn finding_of(check: &str, error: TargetError) -> Finding {
    Finding::of(check, error, "engine")
}
