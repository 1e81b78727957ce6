//! Whether an image can be had, asked before anything is touched: of the engine, which pulls; and of the registry itself where the
//! engine cannot tell. Nothing is pulled.

use super::{Image, credentials, gone, local, name, names, trouble};
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;
use crate::targets::compose::Compose;
use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::registry::{Credentials, Limits, Reference, Registry, RegistryError};
use bollard::models::DistributionInspect;
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for the engine's answer about one image: it asks a registry, over the network.
const ASKED_MAX: Duration = Duration::from_secs(20);

/// Where an image is.
#[derive(Debug)]
pub(in crate::targets::compose) enum Presence {
    OnEngine(Box<Image>),
    /// In a registry from which the engine can pull it.
    InRegistry {
        name: String,
        /// What machines it is for; empty when the registry does not say.
        platforms: Vec<String>,
    },
    /// The settings say not to ask.
    NotAsked,
    /// Nobody could tell: no reason to leave a bad release in place.
    Unknown {
        what: String,
        next: String,
    },
}

/// Looks for the image of a slot's revision.
///
/// # Errors
/// `BadRelease` when it is proven that it cannot be had; else what kept the engine from answering.
pub(in crate::targets::compose) async fn of(
    compose: &Compose,
    engine: &Engine,
    slot: &Slot,
    revision: &Revision,
    pin: Option<&Pin>,
) -> Result<Presence, TargetError> {
    name::check(slot, revision)?;
    let names = names(compose, slot, revision, pin);
    if let Some(image) = local::find(engine, revision, &names).await? {
        return Ok(Presence::OnEngine(Box::new(image)));
    }
    if names.is_empty() {
        return Err(gone(compose, engine, slot, revision));
    }
    if !compose.settings.check_images {
        return Ok(Presence::NotAsked);
    }
    let logins = credentials::given(compose)?;
    let (mut unknown, mut missing) = (None, None);
    for name in names {
        match in_registry(compose, engine, &logins, &name).await {
            Asked::There(found) => {
                let platforms = platforms(&found);
                return Ok(Presence::InRegistry { name, platforms });
            }
            Asked::Missing { what, next } => {
                let what = format!("{slot}: {what}");
                missing = missing.or(Some(TargetError::BadRelease { what, next }));
            }
            Asked::Unknown { what, next } => {
                unknown = unknown.or(Some(Presence::Unknown { what, next }));
            }
        }
    }
    match (unknown, missing) {
        (Some(unknown), _) => Ok(unknown),
        (None, Some(missing)) => Err(missing),
        (None, None) => Err(gone(compose, engine, slot, revision)),
    }
}

/// Whether a registry says that it has `NAME@sha256:...`.
///
/// # Errors
/// The credentials of registries cannot be used.
pub(in crate::targets::compose) async fn confirmed(
    compose: &Compose,
    engine: &Engine,
    name: &str,
) -> Result<bool, TargetError> {
    let logins = credentials::given(compose)?;
    match in_registry(compose, engine, &logins, name).await {
        Asked::There(_) => Ok(true),
        Asked::Missing { .. } | Asked::Unknown { .. } => Ok(false),
    }
}

/// What is known of one name.
#[derive(Debug)]
enum Asked {
    There(Box<DistributionInspect>),
    Missing { what: String, next: String },
    Unknown { what: String, next: String },
}

/// Asks the engine what it sees of `NAME@sha256:...` in the registry, and the registry itself when the engine cannot tell: podman has
/// no such question, and an engine may have no way out while it is asked and have one while it pulls.
async fn in_registry(
    compose: &Compose,
    engine: &Engine,
    logins: &Credentials,
    name: &str,
) -> Asked {
    let image: Reference = match name.parse() {
        Ok(image) => image,
        Err(bad) => {
            let bad: crate::targets::registry::BadReference = bad;
            return Asked::Missing {
                what: bad.to_string(),
                next: bad.next.to_owned(),
            };
        }
    };
    let header = credentials::header(logins, &image);
    let has_login = header.is_some();
    let asked = engine.api().inspect_registry_image(name, header);
    let said = match timeout(ASKED_MAX, asked).await {
        Ok(Ok(found)) => return Asked::There(Box::new(found)),
        Ok(Err(error)) => EngineError::from(error),
        Err(_elapsed) => EngineError::TimedOut { within: ASKED_MAX },
    };
    let message = said.to_string();
    let trouble = trouble::kind(&message);
    let next = trouble::next(trouble, &image, logins.input(), has_login);
    if trouble == trouble::Trouble::Missing {
        let what = format!("{image} is not in its registry ({message})");
        return Asked::Missing { what, next };
    }
    let unknown = Asked::Unknown {
        what: format!("it is not known whether {image} can be pulled: {message}"),
        next,
    };
    // Loopback is another machine for us than for the engine.
    if image.is_loopback() {
        return unknown;
    }
    let registry = Registry::new(&compose.base.net, logins.clone(), Limits::default());
    let Ok(registry) = registry else {
        return unknown;
    };
    match registry.present(&image).await {
        Err(error @ (RegistryError::Missing { .. } | RegistryError::WrongDigest { .. })) => {
            let next = error.next();
            Asked::Missing {
                what: error.to_string(),
                next,
            }
        }
        // It is there, and the engine did not get it: the pull will tell.
        Ok(_) | Err(_) => unknown,
    }
}

/// What a tag points to now, when that is not `recorded` any more. What cannot be told is not told of: what is put back is pinned.
pub(in crate::targets::compose) async fn moved(
    compose: &Compose,
    engine: &Engine,
    written: &str,
    recorded: &Revision,
) -> Option<String> {
    let image: Reference = written.parse().ok()?;
    image.digest().is_none().then_some(())?;
    let logins = credentials::given(compose).ok()?;
    let header = credentials::header(&logins, &image);
    let tagged = image.by_tag()?.to_string();
    let asked = engine.api().inspect_registry_image(&tagged, header);
    let now = timeout(ASKED_MAX, asked).await.ok()?;
    match now {
        Ok(found) => {
            let now = found.descriptor.digest?;
            (now != recorded.0).then(|| {
                let now = Revision(now).short();
                let was = recorded.short();
                format!("the tag of {written} has moved: it was {was}, and is {now} now; what ran is put back, by its digest")
            })
        }
        Err(error) => {
            let message = EngineError::from(error).to_string();
            (trouble::kind(&message) == trouble::Trouble::Missing).then(|| {
                format!("the tag of {written} is gone; what ran is put back, by its digest")
            })
        }
    }
}

fn platforms(found: &DistributionInspect) -> Vec<String> {
    let named = found.platforms.iter().filter_map(|platform| {
        let (os, arch) = (platform.os.as_ref()?, platform.architecture.as_ref()?);
        let is_known = !os.is_empty() && os != "unknown" && !arch.is_empty();
        is_known.then(|| format!("{os}/{arch}"))
    });
    named.collect()
}
