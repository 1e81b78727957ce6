//! Objects as they change: a selection that is kept up to date by a watch until a deadline of our own clock. A watch that
//! drops or expires is begun again. What is waited for is the callers'.

use super::cluster::failed;
use crate::targets::TargetError;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use kube::api::Api;
use kube::runtime::WatchStreamExt as _;
use kube::runtime::watcher::{self, Config, Event, watcher};
use kube::{Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::fmt::Debug;
use tokio::time::{Instant, timeout_at};

/// A selection of objects of one kind.
pub(super) struct Live<K> {
    changes: BoxStream<'static, watcher::Result<Event<K>>>,
    objects: BTreeMap<String, K>,
    /// Those of a listing that has not ended yet.
    listed: BTreeMap<String, K>,
    ends: Instant,
    what: String,
}

impl<K> Live<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
{
    /// Begins to watch. `what` says what for, as the beginning of an error: `could not watch the pods of web`.
    pub(super) fn of(objects: Api<K>, config: Config, ends: Instant, what: &str) -> Self
    where
        K::DynamicType: Clone + Send + Sync,
    {
        Self {
            changes: watcher(objects, config).default_backoff().boxed(),
            objects: BTreeMap::new(),
            listed: BTreeMap::new(),
            ends,
            what: what.to_owned(),
        }
    }

    /// The objects after the first listing, then after each change. `None`: the deadline has passed.
    ///
    /// # Errors
    /// The server says that it will not show them; other troubles of a watch pass.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<&K>>, TargetError> {
        loop {
            let Ok(change) = timeout_at(self.ends, self.changes.try_next()).await else {
                return Ok(None);
            };
            match change {
                Ok(Some(event)) => {
                    if self.take(event) {
                        return Ok(Some(self.objects.values().collect()));
                    }
                }
                Ok(None) => return Ok(None),
                Err(error) => {
                    if let Some(error) = fatal(error) {
                        return Err(failed(error, &self.what));
                    }
                    tracing::debug!(what = self.what, "a watch is begun again");
                }
            }
        }
    }

    /// Takes one event in; whether the selection is complete after it.
    fn take(&mut self, event: Event<K>) -> bool {
        let key = |object: &K| format!("{:?}/{}", object.namespace(), object.name_any());
        match event {
            Event::Init => {
                self.listed.clear();
                false
            }
            Event::InitApply(object) => {
                self.listed.insert(key(&object), object);
                false
            }
            Event::InitDone => {
                self.objects = std::mem::take(&mut self.listed);
                true
            }
            Event::Apply(object) => {
                self.objects.insert(key(&object), object);
                true
            }
            Event::Delete(object) => {
                self.objects.remove(&key(&object));
                true
            }
        }
    }
}

/// The error of a watch that will be the same next time.
fn fatal(error: watcher::Error) -> Option<kube::Error> {
    let cause = match error {
        watcher::Error::InitialListFailed(cause) | watcher::Error::WatchStartFailed(cause) => cause,
        watcher::Error::WatchError(status) => kube::Error::Api(status),
        watcher::Error::WatchFailed(_) | watcher::Error::NoResourceVersion => return None,
    };
    match &cause {
        kube::Error::Api(status) if matches!(status.code, 400 | 401 | 403 | 404 | 405) => {
            Some(cause)
        }
        _ => None,
    }
}
