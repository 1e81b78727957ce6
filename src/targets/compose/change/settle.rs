//! What an earlier change left behind is brought to an end before a new one begins. Which end is judged in `leftover`.

use super::back::{Back, Place, can_run};
use super::health::{self, Look, Unwell};
use super::leftover::{Fate, New, Wanted, fate};
use super::replace::{finish, stop_old};
use super::rescue::{Rescue, Stage};
use super::site::{Site, own_name};
use super::{dependents, tell};
use crate::model::state::Revision;
use crate::targets::TargetError;
use crate::targets::compose::body::REPLACES;
use crate::targets::compose::project::{Replica, Service};
use crate::targets::compose::{image, project};
use futures_util::stream;
use serde_json::Value;

/// Brings every leftover of a service to an end. `wanted`: what the service is to hold; `None`: nothing in particular.
///
/// # Errors
/// `Unhealthy` when what is wanted was in place and did not come up: the container of before is back. `Refused` when somebody else has
/// put a container in between.
pub(super) async fn settle_all(
    site: &Site<'_>,
    service: &Service,
    wanted: Option<&Revision>,
) -> Result<(), TargetError> {
    for old in &service.aside {
        let name = own_name(old);
        let new = service.replicas.iter().find(|replica| replica.name == name);
        settle(site, old, new, wanted).await?;
    }
    Ok(())
}

async fn settle(
    site: &Site<'_>,
    old: &Replica,
    new: Option<&Replica>,
    wanted: Option<&Revision>,
) -> Result<(), TargetError> {
    let name = own_name(old);
    let which = which(site, old, new, wanted).await?;
    let mut state = new.map(|new| state(old, new));
    if let (Some(New::Runs | New::Ended), Some(new)) = (state, new) {
        let can_run = can_run(site.engine, &new.raw).await;
        // In the namespace of a container that went back itself: it is as good as never started.
        if !can_run.map_err(|error| error.reading(&format!("what {name} shares")))? {
            state = Some(New::NeverStarted);
        }
    }
    match (fate(state, which), new) {
        (Fate::Back, _) | (Fate::Judge | Fate::Yield | Fate::Refuse, None) => {
            site.say(&format!(
                "an earlier change did not end: putting {name} back"
            ));
            restore(site, old, new).await
        }
        (Fate::Judge, Some(new)) => {
            site.say(&format!(
                "an earlier change did not end: waiting for {name}"
            ));
            let come = match which {
                Wanted::New => come_up(site, new).await,
                // Neither stays long: what the first look says is enough.
                Wanted::Old | Wanted::Neither => at_once(site, new),
            };
            match come {
                Ok(()) => retire_old(site, old, new).await,
                Err(Unwell::Failed(what)) => {
                    let what = site.quoted(&what);
                    restore(site, old, Some(new)).await?;
                    if which != Wanted::New {
                        return Ok(());
                    }
                    let slot = site.slot;
                    Err(TargetError::Unhealthy {
                        what: format!(
                            "{slot}: the new {name} {what}; the container of before is back"
                        ),
                        advice: tell::advice(site),
                    })
                }
                Err(Unwell::Unknown(error)) => Err(error.changing(&format!("start {name}"))),
            }
        }
        (Fate::Yield, Some(new)) => match come_up(site, new).await {
            Ok(()) => retire_old(site, old, new).await,
            Err(Unwell::Failed(what)) => Err(in_between(name, &site.quoted(&what))),
            Err(Unwell::Unknown(error)) => Err(error.reading(&format!("container {name}"))),
        },
        (Fate::Refuse, Some(_)) => Err(in_between(name, "does not run")),
    }
}

fn in_between(name: &str, what: &str) -> TargetError {
    TargetError::Refused {
        what: format!(
            "somebody else made {name} while the container of before was put aside, and it {what}"
        ),
        allow: None,
        next: format!(
            "remove {name} or the one that was put aside, then run the same command again"
        ),
    }
}

/// Which of the two has the image that is wanted. When both have it, the new one is in place.
async fn which(
    site: &Site<'_>,
    old: &Replica,
    new: Option<&Replica>,
    wanted: Option<&Revision>,
) -> Result<Wanted, TargetError> {
    let Some(wanted) = wanted else {
        return Ok(Wanted::Neither);
    };
    if let Some(new) = new
        && image::answers_to(site.engine, &new.image_id, wanted).await?
    {
        return Ok(Wanted::New);
    }
    if image::answers_to(site.engine, &old.image_id, wanted).await? {
        return Ok(Wanted::Old);
    }
    Ok(Wanted::Neither)
}

fn state(old: &Replica, new: &Replica) -> New {
    let runs = new.is_running || new.is_restarting;
    if new.labels.get(REPLACES) != Some(&old.id) {
        return New::NotOurs { runs };
    }
    let status = new.raw.pointer("/State/Status").and_then(Value::as_str);
    match (runs, status) {
        (true, _) => New::Runs,
        (false, Some("created")) => New::NeverStarted,
        (false, _) => New::Ended,
    }
}

async fn come_up(site: &Site<'_>, new: &Replica) -> Result<(), Unwell> {
    let come = if new.is_running {
        health::wait(site, &new.id, stream::pending()).await
    } else {
        health::start_and_wait(site, &new.id).await
    };
    come.map(drop)
}

/// Whether it is well already.
fn at_once(site: &Site<'_>, new: &Replica) -> Result<(), Unwell> {
    let is_job = site.compose.memory.is_job(project::name(site.slot));
    match health::judge(&new.raw, is_job) {
        Look::Healthy | Look::Runs | Look::Done => Ok(()),
        Look::Waiting => Err(Unwell::Failed("is not healthy yet".to_owned())),
        Look::Failed(what) => Err(Unwell::Failed(what)),
    }
}

/// The new one stays.
async fn retire_old(site: &Site<'_>, old: &Replica, new: &Replica) -> Result<(), TargetError> {
    let dependents = dependents::of(site, old, true).await?;
    let mut rescue = Rescue::new(site, old, own_name(old), &dependents.sharers);
    rescue.created(&new.id);
    rescue.reached(Stage::Started);
    if old.is_running {
        let stopped = stop_old(site, old).await;
        stopped.map_err(|not| not.error.changing(&format!("could not stop {}", old.name)))?;
    }
    finish(site, old, &new.id, &dependents, &mut rescue).await
}

/// The old one has its place again. One that does not stay up there is no hindrance: another release is put in its place.
async fn restore(site: &Site<'_>, old: &Replica, new: Option<&Replica>) -> Result<(), TargetError> {
    let dependents = dependents::of(site, old, false).await?;
    let name = own_name(old);
    let ours = new.filter(|new| new.labels.get(REPLACES) == Some(&old.id));
    let place = Place {
        old: &old.id,
        name,
        ran: None,
        is_ending: false,
        new: ours.map(|new| new.id.as_str()),
        sharers: &dependents.sharers,
    };
    match dependents::put_all_back(site, &place, &[]).await {
        Ok(Back::AsItWas) => Ok(()),
        Ok(Back::Fallen(why)) => {
            site.warn(&format!(
                "{name}, which an earlier change put aside, has its place back, and {why}"
            ));
            Ok(())
        }
        Err(why) => Err(TargetError::OutcomeUnknown {
            what: format!("{}: {name} could not be put back: {why}", site.slot),
        }),
    }
}
