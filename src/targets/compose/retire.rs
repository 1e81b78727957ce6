//! Images that were kept for a way back, and are no longer needed; and whether one still can be put back.

use super::Compose;
use super::image::presence;
use super::image::{keep, local, name};
use super::observe;
use crate::model::state::Revision;
use crate::targets::TargetError;

/// Lets go of all but the newest `keep` images of each service that were kept because no registry has them; never of what runs, nor of
/// `keep`. What runs was just judged good, and is the newest from now on: it may have been put back, and be the oldest by its first day.
pub(super) async fn retire(
    compose: &Compose,
    keep: &[Revision],
) -> Result<Vec<String>, TargetError> {
    let Some(project) = &compose.settings.project else {
        return Ok(Vec::new());
    };
    let engine = compose.engine().await?;
    let mut kept = keep::kept(engine, project).await?;
    if kept.is_empty() {
        return Ok(Vec::new());
    }
    let look = observe::look(compose, engine).await?;
    let older = kept
        .values()
        .flat_map(|of_service| of_service.iter().skip(1));
    let mut is_renewed = false;
    for one in older.filter(|one| compose.has_service(one.service())) {
        if let Some(image) = look.images.get(one.id()) {
            keep::renew(engine, project, one, &image.raw).await?;
            is_renewed = true;
        }
    }
    if is_renewed {
        kept = keep::kept(engine, project).await?;
    }
    let in_use = look.images.keys().cloned().map(Revision);
    let never: Vec<Revision> = keep.iter().cloned().chain(in_use).collect();
    let mut gone = Vec::new();
    for surplus in keep::surplus(&kept, compose.settings.keep, &never) {
        if compose.has_service(surplus.service()) {
            gone.push(keep::let_go(engine, project, &surplus).await?);
        }
    }
    Ok(gone)
}

/// Whether the engine has the image, or a registry that we know of.
pub(super) async fn keeps(compose: &Compose, revision: &Revision) -> bool {
    if !name::is_digest(&revision.0) {
        return false;
    }
    let Ok(engine) = compose.engine().await else {
        return false;
    };
    if let Ok(Some(_)) = local::find(engine, revision, &[]).await {
        return true;
    }
    for name in compose.memory.names_of_any(revision) {
        if let Ok(true) = presence::confirmed(compose, engine, &name).await {
            return true;
        }
    }
    false
}
