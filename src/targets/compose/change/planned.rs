//! The plan at hand as a whole: the services that it changes, and their images, which are all on the engine before the first container of any
//! is touched. No container is changed here.

use super::site::Site;
use crate::model::plan::{Change, Plan};
use crate::model::state::{Revision, Slot};
use crate::targets::compose::image::{self, Image};
use crate::targets::{ReleaseFacts, TargetError};
use futures_util::stream::{self, StreamExt as _};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// Images that are pulled side by side; the engine itself pulls three layers of each at a time.
const AT_ONCE: usize = 4;

/// Changes that are carried out together.
#[derive(Debug, Default)]
struct Whole {
    /// What each service is to hold.
    to: BTreeMap<Slot, Revision>,
    /// Those whose containers are replaced.
    installed: BTreeMap<Slot, Revision>,
    /// Fetched once, by the change that comes first. What could not be had is kept too: it is every change's.
    images: OnceCell<Result<BTreeMap<Slot, Image>, Arc<TargetError>>>,
}

/// The plan at hand.
#[derive(Debug, Default)]
pub(in crate::targets::compose) struct Planned(Mutex<Arc<Whole>>);

impl Planned {
    /// Another plan is at hand.
    pub(in crate::targets::compose) fn begin(&self, plan: &Plan) {
        let changes = plan.changes.iter();
        let pair = |change: &Change| (change.slot().clone(), change.to().clone());
        let installed = changes
            .clone()
            .filter(|change| matches!(change, Change::Install { .. }));
        let whole = Whole {
            to: changes.map(pair).collect(),
            installed: installed.map(pair).collect(),
            images: OnceCell::new(),
        };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(whole);
    }

    fn whole(&self) -> Arc<Whole> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether the plan changes a service.
    pub(super) fn has(&self, slot: &Slot) -> bool {
        self.whole().to.contains_key(slot)
    }

    /// The image that the plan puts into a service, once it is on the engine.
    pub(super) fn image(&self, slot: &Slot) -> Option<Image> {
        let whole = self.whole();
        whole.images.get()?.as_ref().ok()?.get(slot).cloned()
    }
}

/// The image of one change, after those of all changes of the plan are on the engine.
///
/// # Errors
/// Whatever keeps one of them from being there: no container was touched.
pub(super) async fn image(
    site: &Site<'_>,
    revision: &Revision,
    facts: &ReleaseFacts<'_>,
) -> Result<Image, TargetError> {
    let whole = site.compose.planned.whole();
    if whole.installed.get(site.slot) == Some(revision) {
        let images = whole
            .images
            .get_or_init(|| async { all(site, &whole.installed, facts).await.map_err(Arc::new) })
            .await;
        match images {
            Ok(images) => {
                if let Some(image) = images.get(site.slot) {
                    return Ok(image.clone());
                }
            }
            Err(error) => return Err(again(error)),
        }
    }
    image::fetch(site.compose, site.engine, site.slot, revision, facts).await
}

async fn all(
    site: &Site<'_>,
    wanted: &BTreeMap<Slot, Revision>,
    facts: &ReleaseFacts<'_>,
) -> Result<BTreeMap<Slot, Image>, TargetError> {
    let fetching: Vec<_> = wanted
        .iter()
        .map(|(slot, revision)| async move {
            let fetched = image::fetch(site.compose, site.engine, slot, revision, facts).await;
            fetched.map(|image| (slot.clone(), image))
        })
        .collect();
    let mut fetching = stream::iter(fetching).buffer_unordered(AT_ONCE);
    let mut images = BTreeMap::new();
    while let Some(fetched) = fetching.next().await {
        let (slot, image) = fetched?;
        images.insert(slot, image);
    }
    Ok(images)
}

/// The same error for another change of the plan.
fn again(error: &TargetError) -> TargetError {
    match error {
        TargetError::Conflict {
            slot,
            found,
            expected,
        } => TargetError::Conflict {
            slot: slot.clone(),
            found: found.clone(),
            expected: expected.clone(),
        },
        TargetError::Refused { what, allow, next } => TargetError::Refused {
            what: what.clone(),
            allow: allow.clone(),
            next: next.clone(),
        },
        TargetError::Usage { what, next } => TargetError::Usage {
            what: what.clone(),
            next: next.clone(),
        },
        TargetError::Held { what } => TargetError::Held { what: what.clone() },
        TargetError::Unreachable { what } => TargetError::Unreachable { what: what.clone() },
        TargetError::OutcomeUnknown { what } => TargetError::OutcomeUnknown { what: what.clone() },
        TargetError::Unhealthy { what, advice } => TargetError::Unhealthy {
            what: what.clone(),
            advice: advice.clone(),
        },
        TargetError::BadRelease { what, next } => TargetError::BadRelease {
            what: what.clone(),
            next: next.clone(),
        },
        TargetError::Failed(cause) => TargetError::Failed(anyhow::anyhow!("{cause:#}")),
    }
}
