//! Target `directory`: releases in directories of their own, and a link `current` that is switched atomically.
//! One slot, named like the target; its revision is the digest of what really lies behind `current`.
//! Not here: which release to install, and fetching it.

mod content;
mod disk;
mod layout;
mod preflight;
mod retire;
mod settings;

pub use settings::Settings;

use super::process::{self, Program};
use super::settings::{environment, parse, path};
use super::{BadSettings, Base, Finding, ReleaseFacts, Target, TargetError};
use crate::model::payload::{Digest, Measured, Payloads, Verified};
use crate::model::plan::{Change, Hazard, PermittedChange, Plan};
use crate::model::secret::Secret;
use crate::model::state::{Held, Phase, Revision, Slot, State, Wanted};
use anyhow::{Context as _, anyhow};
use async_trait::async_trait;
use content::Payload;
use disk::{Disk, Install, Prepared, Seen};
use layout::Layout;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// JSON Schema of the settings.
pub fn schema() -> schemars::Schema {
    schemars::schema_for!(Settings)
}

/// Opens a `directory` target.
pub fn open(
    name: &str,
    settings: serde_json::Value,
    base: &Base,
) -> Result<Box<dyn Target>, BadSettings> {
    let settings: Settings = parse(settings)?;
    settings::check(&settings)?;
    let env = environment("env", &settings.env, &base.environment)?;
    let slot = Slot(name.to_owned());
    Ok(Box::new(Directory {
        disk: Disk {
            layout: Layout {
                root: path(&base.dir, &settings.path),
            },
            slot,
            restarts: settings.restart.is_some(),
        },
        settings,
        env,
        secrets: base.secrets.clone(),
        measured: Arc::default(),
    }))
}

#[derive(Debug)]
struct Directory {
    settings: Settings,
    disk: Disk,
    env: BTreeMap<String, String>,
    secrets: Vec<Secret>,
    /// What payloads become on disk, by their own digest: unpacking twice to plan and to check would be a waste.
    measured: Arc<Mutex<BTreeMap<Digest, Measured>>>,
}

#[async_trait]
impl Target for Directory {
    fn name(&self) -> &str {
        &self.disk.slot.0
    }

    fn kind(&self) -> &'static str {
        "directory"
    }

    fn slots(&self) -> Vec<Slot> {
        vec![self.disk.slot.clone()]
    }

    fn payload(&self) -> Option<String> {
        Some(self.settings.payload.clone())
    }

    async fn wanted(
        &self,
        release: &ReleaseFacts<'_>,
        payloads: &Payloads<Measured>,
    ) -> Result<Wanted, TargetError> {
        let slot = self.disk.slot.clone();
        let pinned = release.pinned(&slot);
        let revision = match (payloads.whole(), pinned) {
            (Some(payload), pinned) => {
                let found = self.becomes(payload.clone()).await?.digest;
                if let Some(pinned) = pinned
                    && *pinned != disk::revision(found)
                {
                    return Err(not_as_promised(&slot, pinned, found));
                }
                disk::revision(found)
            }
            (None, Some(pinned)) => disk::revision(digest_of(&slot, pinned)?),
            (None, None) => {
                return Err(TargetError::BadRelease {
                    what: format!(
                        "lastgood.json says nothing of slot {slot}, and there is no payload"
                    ),
                    next: format!("deploy an artifact that holds {}", self.settings.payload),
                });
            }
        };
        Ok(Wanted::from([(slot, revision)]))
    }

    async fn observe(&self) -> Result<State, TargetError> {
        let seen = self.blocking(Disk::look).await?;
        let held = Held {
            revision: seen.revision,
            phase: seen.phase,
        };
        Ok(State::from([(self.disk.slot.clone(), held)]))
    }

    async fn hazards(
        &self,
        _plan: &Plan,
        _facts: &ReleaseFacts<'_>,
    ) -> Result<Vec<Hazard>, TargetError> {
        // Files are all there is, and the release that is replaced stays on disk.
        Ok(Vec::new())
    }

    async fn preflight(&self, payloads: &Payloads<Verified>) -> Vec<Finding> {
        preflight::findings(self, payloads.whole()).await
    }

    async fn apply(
        &self,
        change: PermittedChange<'_>,
        payload: Option<&Verified>,
        facts: &ReleaseFacts<'_>,
    ) -> Result<(), TargetError> {
        match change.change() {
            Change::Install { slot, from, to } => {
                self.install(Install {
                    from: from.clone(),
                    to: digest_of(slot, to)?,
                    payload: payload.map(|verified| Payload {
                        path: verified.path().to_owned(),
                        shape: verified.shape(),
                    }),
                    label: label(facts),
                })
                .await
            }
            Change::Start { revision, .. } => {
                let seen = self.blocking(Disk::look).await?;
                self.disk.compare(&seen, Some(revision))?;
                self.finish(seen).await
            }
        }
    }

    async fn retire(&self, keep: &[Revision]) -> Result<Vec<String>, TargetError> {
        let (keep, count) = (keep.to_vec(), self.settings.keep);
        self.blocking(move |disk| retire::retire(disk, &keep, count))
            .await
    }

    async fn keeps(&self, revision: &Revision) -> bool {
        let Ok(digest) = digest_of(&self.disk.slot, revision) else {
            return false;
        };
        let found = self.blocking(move |disk| disk.find(digest)).await;
        matches!(found, Ok(Some(_)))
    }

    async fn evidence(&self) -> Vec<(String, String)> {
        let listed = self.blocking(retire::listing).await;
        let text = listed.unwrap_or_else(|error| format!("could not be read: {error}"));
        vec![(
            "releases.txt".to_owned(),
            process::mask(&text, &self.secrets),
        )]
    }

    fn lease_path(&self) -> Option<PathBuf> {
        Some(self.disk.layout.root.join(".lastgood-lease"))
    }
}

impl Directory {
    async fn install(&self, install: Install) -> Result<(), TargetError> {
        let preparing = install.clone();
        let prepared = self.blocking(move |disk| disk.prepare(&preparing)).await?;
        let name = match prepared {
            Prepared::InPlace(seen) => return self.finish(seen).await,
            Prepared::Ready(name) => name,
        };
        // A step of its own: a run that is cancelled while it copies never gets here.
        let dir = self.disk.layout.release(&name);
        self.blocking(move |disk| disk.switch(&install, &name))
            .await?;
        self.restart(dir).await
    }

    /// The right release is behind `current`: only its restart may be missing.
    async fn finish(&self, seen: Seen) -> Result<(), TargetError> {
        match (seen.phase, seen.at) {
            (Phase::Stopped | Phase::Moving, Some(dir)) => self.restart(dir).await,
            (Phase::Running, _) | (_, None) => Ok(()),
        }
    }

    /// Runs the restart command, if there is one, and removes the marker once it succeeded.
    async fn restart(&self, dir: PathBuf) -> Result<(), TargetError> {
        let Some(argv) = &self.settings.restart else {
            return Ok(());
        };
        let program = Program {
            argv: argv.clone(),
            cwd: dir,
            env: self.env.clone(),
            deadline: self.settings.restart_deadline.0,
            secrets: self.secrets.clone(),
        };
        let doing = "the release is in place, but it was not restarted; running again restarts it";
        let ended = process::run(&program, Vec::new()).await.context(doing)?;
        if !ended.status.success() {
            let how = ended.describe(&self.secrets);
            return Err(anyhow!("restart: {how}").context(doing).into());
        }
        self.blocking(|disk| {
            Ok(disk
                .layout
                .clear_pending()
                .context("could not remove the restart marker")?)
        })
        .await
    }

    /// What a payload becomes on disk.
    async fn becomes(&self, payload: Measured) -> Result<Measured, TargetError> {
        let known = Arc::clone(&self.measured);
        self.blocking(move |_disk| {
            let lock = || known.lock().expect("nobody panics with the lock");
            if let Some(measured) = lock().get(&payload.digest) {
                return Ok(measured.clone());
            }
            let measured = content::measure(&Payload {
                path: payload.path,
                shape: payload.shape,
            })?;
            lock().insert(payload.digest, measured.clone());
            Ok(measured)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T, TargetError> + Send + 'static,
    ) -> Result<T, TargetError> {
        let disk = self.disk.clone();
        tokio::task::spawn_blocking(move || work(&disk))
            .await
            .context("a file operation was ended")?
    }
}

fn digest_of(slot: &Slot, revision: &Revision) -> Result<Digest, TargetError> {
    revision.0.parse().map_err(|error| TargetError::BadRelease {
        what: format!("revision of slot {slot}: {error}"),
        next: "record the release again with this version of lastgood".to_owned(),
    })
}

fn not_as_promised(slot: &Slot, pinned: &Revision, found: Digest) -> TargetError {
    TargetError::BadRelease {
        what: format!("lastgood.json promises {pinned} for slot {slot}, the payload is {found}"),
        next: "record the manifest from the same files that are uploaded, and deploy again"
            .to_owned(),
    }
}

/// The part of a release's name that tells people where it comes from.
fn label(facts: &ReleaseFacts<'_>) -> String {
    match (facts.run, facts.commit) {
        (Some(run), _) => run.to_string(),
        (None, Some(commit)) => commit
            .short()
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .collect(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests;
