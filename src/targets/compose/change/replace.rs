//! One container is replaced by another: put aside, created, stopped, started, healthy, removed. What takes time and can be done while the old one
//! serves is done before it stops. Whatever fails, the old one gets its place back.

use super::back::{Back, Place, put_back};
use super::calls::NotStopped;
use super::dependents::{self, Dependents};
use super::health::{self, Unwell};
use super::rescue::{Rescue, Stage};
use super::site::{Site, aside, own_name, short};
use super::tell::{Trouble, told, unknown};
use super::{calls, hurdles};
use crate::targets::TargetError;
use crate::targets::compose::body::{self, Before, Body, REPLACES};
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::image::Image;
use crate::targets::compose::project::Replica;
use crate::targets::compose::settings::Order;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How often it is tried to remove what nobody needs any more.
const REMOVALS_MAX: u32 = 3;
/// How long a removal may take whose answer says that it was not made.
const REMOVED_WITHIN: Duration = Duration::from_secs(1);

/// What a new container has to be before the old one goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Demand {
    /// Started, and well.
    Well,
    /// Started; whether it comes up is told, and decides nothing.
    Started,
    /// There; the one before did not run either.
    Created,
}

/// What takes the place of a container.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replacement<'a> {
    pub(super) image: &'a Image,
    /// Containers that were replaced before, with those in their place: ids.
    pub(super) moved: &'a BTreeMap<String, String>,
    /// Whether those that depend on it are restarted after it.
    pub(super) restarts: bool,
    pub(super) demand: Demand,
}

/// Puts a container of another image in the place of `old`, with all that depends on it.
///
/// # Errors
/// `Refused` and `Conflict` before anything was touched; `Unhealthy` or `Failed` when the old one is back in its place; `OutcomeUnknown` when it is not.
pub(super) async fn replace(
    site: &Site<'_>,
    old: &Replica,
    what: &Replacement<'_>,
) -> Result<(), TargetError> {
    let order = site.compose.settings.order;
    hurdles::check(old, order)?;
    let (old_image, dependents) = futures_util::future::try_join(
        config_of(site.engine, &old.image_id),
        dependents::of(site, old, what.restarts),
    )
    .await?;
    let version = site.engine.api().client_version();
    let before = Before {
        container: &old.raw,
        image_config: old_image.as_ref(),
        ran: old.is_running,
        side_by_side: order == Order::StartFirst,
    };
    let api = (version.major_version, version.minor_version);
    let body = body::describe(&before, what.image, what.moved, api);
    for warning in &body.warnings {
        site.warn(&format!("{}: {warning}", old.name));
    }
    let mut rescue = Rescue::new(site, old, &old.name, &dependents.sharers);
    let new = match forward(site, old, what, &body, &mut rescue).await {
        Ok(new) => new,
        Err(Trouble::Gone) => {
            rescue.reached(Stage::Over);
            return Err(told(site, old, &Trouble::Gone, Ok(Back::AsItWas)));
        }
        Err(trouble) => {
            site.say(&format!("putting {} back", old.name));
            rescue.reached(if trouble.leaves_ending() {
                Stage::Halting
            } else {
                Stage::Back
            });
            let place = Place {
                old: &old.id,
                name: &old.name,
                ran: Some(old.is_running),
                is_ending: trouble.leaves_ending(),
                new: rescue.new_id(),
                sharers: &dependents.sharers,
            };
            let back = put_back(site, &place).await;
            rescue.reached(Stage::Over);
            return Err(told(site, old, &trouble, back));
        }
    };
    finish(site, old, &new, &dependents, &mut rescue).await
}

/// The calls up to a new container that is well. Answers its id.
async fn forward(
    site: &Site<'_>,
    old: &Replica,
    what: &Replacement<'_>,
    body: &Body,
    rescue: &mut Rescue,
) -> Result<String, Trouble> {
    let (engine, name) = (site.engine, old.name.as_str());
    put_aside(site, old, rescue).await?;
    let new = create(engine, name, &old.id, &body.create)
        .await
        .map_err(|error| Trouble::Call(format!("create {name}"), error))?;
    rescue.created(&new);
    for (network, endpoint) in &body.connect {
        let connected = calls::connect(engine, network, &new, endpoint).await;
        let is_connected = |raw: &Value| {
            let networks = raw.pointer("/NetworkSettings/Networks");
            networks.is_some_and(|networks| networks.get(network).is_some())
        };
        calls::settled(connected, engine, &new, is_connected)
            .await
            .map_err(|error| Trouble::Call(format!("connect {name} to {network}"), error))?;
    }
    let order = site.compose.settings.order;
    if order == Order::StopFirst && old.is_running {
        rescue.reached(Stage::Stopping);
        stop(site, old).await?;
    }
    match what.demand {
        Demand::Well => {
            site.say(&format!("starting {name}"));
            rescue.reached(Stage::Started);
            come_up(site, old, &new, what.image, rescue).await?;
        }
        Demand::Started => {
            site.say(&format!("starting {name}"));
            rescue.reached(Stage::Started);
            // Whether it runs well is not asked, since it did not; but it has to run.
            calls::start(engine, &new)
                .await
                .map_err(|error| Trouble::Call(format!("start {name}"), error))?;
        }
        Demand::Created => (),
    }
    if order == Order::StartFirst && old.is_running {
        stop(site, old).await?;
    }
    Ok(new)
}

/// Starts the new one, and waits until it is well.
async fn come_up(
    site: &Site<'_>,
    old: &Replica,
    new: &str,
    image: &Image,
    rescue: &mut Rescue,
) -> Result<(), Trouble> {
    let name = &old.name;
    let mut started = health::start_and_wait(site, new).await;
    if let Err(Unwell::Failed(_)) = started
        && site.compose.settings.order == Order::StopFirst
        && runs(site, &old.id).await
    {
        // A restart of it was still under way, and it may hold what the new one needs (`rescue` asks for such restarts).
        rescue.reached(Stage::Stopping);
        stop(site, old).await?;
        rescue.reached(Stage::Started);
        site.say(&format!("starting {name} again"));
        started = health::start_and_wait(site, new).await;
    }
    let raw = match started {
        Ok(raw) => raw,
        Err(Unwell::Failed(what)) => return Err(Trouble::Unwell(site.quoted(&what))),
        Err(Unwell::Unknown(error)) => return Err(Trouble::Call(format!("start {name}"), error)),
    };
    // Others have reported success while another image ran.
    let found = raw.get("Image").and_then(Value::as_str).unwrap_or_default();
    if found != image.id {
        return Err(Trouble::Unwell(format!(
            "runs image {}, expected {}",
            short(found),
            short(&image.id)
        )));
    }
    Ok(())
}

async fn runs(site: &Site<'_>, id: &str) -> bool {
    let raw = calls::inspect(site.engine, id).await.ok().flatten();
    raw.and_then(|raw| raw.pointer("/State/Running")?.as_bool()) == Some(true)
}

/// Gives the old container another name. While one is restarted over and over, its network comes and goes, and the engine refuses to
/// rename it ("sandbox not found"): only such a one is stopped for it, since it serves nobody.
async fn put_aside(site: &Site<'_>, old: &Replica, rescue: &mut Rescue) -> Result<(), Trouble> {
    let (engine, name) = (site.engine, old.name.as_str());
    let named = aside(name);
    let is_aside = |raw: &Value| {
        let found = raw.get("Name").and_then(Value::as_str);
        found.is_some_and(|found| found.trim_start_matches('/') == named)
    };
    let renamed = calls::rename(engine, &old.id, &named).await;
    let mut renamed = calls::settled(renamed, engine, &old.id, is_aside).await;
    if renamed.as_ref().is_err_and(calls::is_stumble) {
        match calls::inspect(engine, &old.id).await {
            Ok(None) => return Err(Trouble::Gone),
            Ok(Some(raw)) if calls::is_shaky(&raw) => {
                rescue.reached(Stage::Halting);
                stop(site, old).await?;
                let again = calls::rename(engine, &old.id, &named).await;
                renamed = calls::settled(again, engine, &old.id, is_aside).await;
                if renamed.is_ok() {
                    rescue.reached(Stage::Prepared);
                }
            }
            Ok(Some(_)) | Err(_) => (),
        }
    }
    renamed.map_err(|error| Trouble::Call(format!("put {name} aside"), error))
}

/// Creates the container. When the answer is lost it is looked for by its name and our mark.
async fn create(
    engine: &Engine,
    name: &str,
    old: &str,
    body: &Value,
) -> Result<String, EngineError> {
    let error = match calls::create(engine, name, body).await {
        Ok(id) => return Ok(id),
        Err(error) => error,
    };
    if !calls::is_open(&error) {
        return Err(error);
    }
    let is_ours = |raw: &Value| {
        let labels = raw.pointer("/Config/Labels");
        labels.and_then(|labels| labels.get(REPLACES)?.as_str()) == Some(old)
    };
    if !calls::awaited(engine, name, calls::LANDS, is_ours).await {
        return Err(error);
    }
    let found = calls::inspect(engine, name).await.ok().flatten();
    match found.filter(is_ours) {
        Some(raw) => Ok(raw
            .get("Id")
            .and_then(Value::as_str)
            .unwrap_or(name)
            .to_owned()),
        None => Err(error),
    }
}

async fn stop(site: &Site<'_>, old: &Replica) -> Result<(), Trouble> {
    stop_old(site, old).await.map_err(Trouble::Stop)
}

/// Stops a container, with its grace.
pub(super) async fn stop_old(site: &Site<'_>, old: &Replica) -> Result<(), NotStopped> {
    let grace = site.grace(&old.raw);
    let name = own_name(old);
    site.say(&format!("stopping {name} (up to {} s)", grace.as_secs()));
    calls::stopped(site.engine, &old.id, grace).await
}

/// What is left once the new container is well: those that stand on it, and the old one. Until that is gone the next run comes here again.
pub(super) async fn finish(
    site: &Site<'_>,
    old: &Replica,
    new: &str,
    dependents: &Dependents,
    rescue: &mut Rescue,
) -> Result<(), TargetError> {
    let name = own_name(old);
    rescue.created(new);
    rescue.reached(Stage::Moving);
    if let Err(error) = dependents::move_sharers(site, &old.id, new, dependents).await {
        // They cannot run in the namespace of one that is stopped: all go back together.
        let place = Place {
            old: &old.id,
            name,
            ran: None,
            is_ending: false,
            new: Some(new),
            sharers: &dependents.sharers,
        };
        rescue.reached(Stage::Back);
        let back = dependents::put_all_back(site, &place, &dependents.sharers).await;
        rescue.reached(Stage::Over);
        return Err(match back {
            Ok(Back::AsItWas) => error,
            Ok(Back::Fallen(why)) => {
                site.warn(&format!("{name} has its place back, and {why}"));
                error
            }
            Err(why) => unknown(site, name, &error.to_string(), &why),
        });
    }
    rescue.reached(Stage::Over);
    dependents::restart(site, &dependents.restarts).await;
    if runs(site, &old.id).await {
        // It came back by itself: it has its grace, as before.
        stop_old(site, old).await.ok();
    }
    let mut left = REMOVALS_MAX;
    loop {
        left -= 1;
        let Err(error) = calls::remove(site.engine, &old.id).await else {
            return Ok(());
        };
        // It may be on its way: none of that name answers what is asked of it then.
        calls::awaited(site.engine, &old.id, REMOVED_WITHIN, |_| false).await;
        match calls::inspect(site.engine, &old.id).await {
            Ok(None) => return Ok(()),
            Ok(Some(_)) | Err(_) if 0 < left => (),
            Ok(Some(_)) | Err(_) => {
                let what =
                    format!("{name} is replaced, and the container of before is still there");
                return Err(error.changing(&what));
            }
        }
    }
}

/// The `Config` of an image. One that is gone from the engine says nothing.
async fn config_of(engine: &Engine, image_id: &str) -> Result<Option<Value>, TargetError> {
    match engine.get(&format!("/images/{image_id}/json")).await {
        Ok(mut raw) => Ok(raw.get_mut("Config").map(Value::take)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.reading(&format!("image {}", short(image_id)))),
    }
}
