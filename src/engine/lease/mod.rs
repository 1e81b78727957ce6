//! Keeps two rollbacks of one target apart. A lease expires, so that a dead holder never blocks for long; and because
//! it expires, every change also compares before it sets (either alone wedges or overwrites: Helm's pending releases,
//! helm/helm#7653). The file names the holder; the kernel's lock on it tells whether a holder on this machine lives.

mod renewal;

use super::operation::Operation;
use crate::model::outcome::{Failure, Outcome};
use crate::report::history;
use crate::targets::{Claim, Target, TargetError};
use anyhow::Context as _;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use renewal::{renew_file, renew_inside};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A lease that is not renewed for this long is over.
const LENGTH: Duration = Duration::from_mins(1);
/// How often it is renewed.
const RENEWAL: Duration = Duration::from_secs(10);
/// The same for a lease inside a target: a killed runner's successor has no other way to know that it is dead.
const LENGTH_INSIDE: Duration = Duration::from_secs(30);
/// How soon it is tried again when that failed.
const RETRY: Duration = Duration::from_secs(5);
/// How often it is looked whether a held lease was given back.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Longest wait for a lease that nobody needs.
const SWEEP_MAX: Duration = Duration::from_secs(3);

#[derive(Debug, Serialize, Deserialize)]
struct Written {
    operation: String,
    holder: String,
    host: String,
    expires_at: Timestamp,
}

/// Held leases; dropping them gives them back.
#[derive(Debug)]
pub(super) struct Leases {
    held: Vec<Held>,
    /// Those that lie in the targets themselves.
    inside: Vec<Inside>,
}

#[derive(Debug)]
struct Held {
    file: File,
    /// The kernel keeps others out, for as long as we live.
    is_locked: bool,
    renewed: Renewed,
}

#[derive(Debug)]
struct Inside {
    /// Which target.
    index: usize,
    renewed: Renewed,
}

/// When a lease was last written for certain: just before that was asked for.
#[derive(Debug)]
struct Renewed(Mutex<Instant>);

impl Renewed {
    const fn new(at: Instant) -> Self {
        Self(Mutex::new(at))
    }

    fn at(&self) -> Instant {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, at: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = at;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // An empty file is a free lease; the kernel's lock goes with the file.
        if let Err(error) = self.file.set_len(0) {
            tracing::debug!(%error, "lease not emptied: it expires");
        }
    }
}

impl Leases {
    /// Takes the lease of every target, or of the state directory for targets that have no place of their own.
    pub(super) async fn take(operation: &Operation) -> Result<Self, Failure> {
        let own = |path: Option<PathBuf>| {
            path.unwrap_or_else(|| operation.request.state_dir.join("lease"))
        };
        let mut paths: Vec<PathBuf> = operation
            .targets
            .iter()
            .map(|target| own(target.lease_path()))
            .collect();
        // One order for everybody: two operations cannot wait for each other.
        paths.sort();
        paths.dedup();
        let held = paths
            .iter()
            .map(|path| take_one(operation, path))
            .collect::<Result<_, _>>()?;
        let mut leases = Self {
            held,
            inside: Vec::new(),
        };
        // Files first: whoever has the state directory's knows that earlier operations of this directory are over.
        for (index, target) in operation.targets.iter().enumerate() {
            // Waiting for one may last longer than the others do unrenewed.
            let taken = tokio::select! {
                biased;
                taken = take_inside(operation, target.as_ref()) => taken,
                lost = leases.renew(operation) => Err(lost),
            };
            match taken {
                Ok(Some(at)) => leases.inside.push(Inside {
                    index,
                    renewed: Renewed::new(at),
                }),
                Ok(None) => (),
                Err(failure) => {
                    leases.release(operation).await;
                    return Err(failure);
                }
            }
        }
        Ok(leases)
    }

    /// Gives back what an operation that died left in the targets, where there is nothing to change and so no lease to take.
    pub(super) async fn sweep(operation: &Operation) {
        if claim(operation).dead.is_empty() {
            return;
        }
        // Somebody else's is left alone, and so is one that cannot be had soon: it expires.
        if let Ok(Ok(leases)) = timeout(SWEEP_MAX, Self::take(operation)).await {
            leases.release(operation).await;
        }
    }

    /// Gives back what lies in the targets; files go when this is dropped.
    pub(super) async fn release(&self, operation: &Operation) {
        let claim = claim(operation);
        for (target, _) in self.inside(operation) {
            target.release(&claim).await;
        }
    }

    fn inside<'a>(
        &'a self,
        operation: &'a Operation,
    ) -> impl Iterator<Item = (&'a dyn Target, &'a Renewed)> {
        self.inside.iter().filter_map(|inside| {
            let target = operation.targets.get(inside.index)?;
            Some((target.as_ref(), &inside.renewed))
        })
    }

    /// Renews until dropped; run beside the work. It ends only when somebody else has a lease, or may have it because it could not be
    /// renewed for as long as it lasts: then nothing more may be done.
    pub(super) async fn renew(&self, operation: &Operation) -> Failure {
        // Each by itself: one that does not answer is no reason to lose the others.
        let mut files: FuturesUnordered<_> = self
            .held
            .iter()
            .map(|held| renew_file(operation, held))
            .collect();
        let mut inside: FuturesUnordered<_> = self
            .inside(operation)
            .map(|(target, renewed)| renew_inside(operation, target, renewed))
            .collect();
        tokio::select! {
            Some(lost) = files.next() => lost,
            Some(lost) = inside.next() => lost,
            else => std::future::pending().await,
        }
    }
}

fn take_one(operation: &Operation, path: &Path) -> Result<Held, Failure> {
    let opened = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path);
    let mut file =
        opened.with_context(|| format!("could not open the lease {}", path.display()))?;
    let is_locked = match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => true,
        Err(Errno::WOULDBLOCK) => return Err(held_by_another(path, read(&mut file).as_ref())),
        // A filesystem without locks: what is written in the lease still keeps others out until it expires.
        Err(error) => {
            operation.warn(format!(
                "the lease {} cannot be locked: {error}",
                path.display()
            ));
            false
        }
    };
    if let Some(written) = read(&mut file)
        && operation.now() < written.expires_at
        && written.host != host(operation)
    {
        return Err(held_by_another(path, Some(&written)));
    }
    write(operation, &file)
        .with_context(|| format!("could not write the lease {}", path.display()))
        .map_err(|cause| {
            Failure::new(Outcome::Error, cause)
                .hint("give a directory on a disk with room, that can be written to: --state-dir")
        })?;
    Ok(Held {
        file,
        is_locked,
        renewed: Renewed::new(Instant::now()),
    })
}

fn held_by_another(path: &Path, written: Option<&Written>) -> Failure {
    let who = written.map_or_else(
        || "another operation".to_owned(),
        |it| {
            format!(
                "{} ({}), until {} unless renewed",
                it.operation, it.holder, it.expires_at
            )
        },
    );
    Failure::msg(Outcome::Refused, format!("the lease {} is held by {who}", path.display()))
        .hint("wait for it to end, then run the same command again; a dead holder's lease expires by itself in 60 s")
}

/// `None` for a free lease, also for one that cannot be read: it was torn by a crash, and its holder is gone.
fn read(file: &mut File) -> Option<Written> {
    let mut text = String::new();
    file.rewind()
        .and_then(|()| file.read_to_string(&mut text))
        .ok()?;
    serde_json::from_str(&text).ok()
}

/// Takes the lease that lies in a target, and answers when that was asked for; `None`: it has none. One that is held is waited for as long as a dead holder's would last.
async fn take_inside(
    operation: &Operation,
    target: &dyn Target,
) -> Result<Option<Instant>, Failure> {
    let asked = Instant::now();
    let mut is_told = false;
    loop {
        let at = Instant::now();
        match target.lease(&claim(operation)).await {
            // The last look comes when a dead holder's lease is over for certain.
            Err(TargetError::Held { what }) if asked.elapsed() <= LENGTH_INSIDE => {
                if !std::mem::replace(&mut is_told, true) {
                    operation.note(format!(
                        "{what}: waiting for it, at most {} s",
                        LENGTH_INSIDE.as_secs()
                    ));
                }
                tokio::select! {
                    () = operation.stop.cancelled() => (),
                    () = sleep(LOOK_EVERY) => (),
                }
                operation.may_go_on()?;
            }
            taken => {
                let taken = taken.map_err(|error| error.failure(target.name()))?;
                return Ok(taken.then_some(at));
            }
        }
    }
}

/// Earlier operations of this state directory: while its lease is ours, none of them is alive on this machine.
fn dead(operation: &Operation) -> Vec<String> {
    let past = history::read(&operation.request.state_dir);
    past.unfinished(&operation.request.environment.name)
        .into_iter()
        .map(|earlier| earlier.id)
        .filter(|id| *id != operation.id)
        .collect()
}

fn claim(operation: &Operation) -> Claim {
    Claim {
        operation: operation.id.clone(),
        holder: holder(operation),
        now: operation.now(),
        length: LENGTH_INSIDE,
        dead: dead(operation),
    }
}

fn holder(operation: &Operation) -> String {
    let context = &operation.request.context;
    match (context.run_id, context.attempt) {
        (Some(run), attempt) => format!("run {run} attempt {}", attempt.unwrap_or(1)),
        (None, _) => format!("process {} on {}", std::process::id(), host(operation)),
    }
}

fn write(operation: &Operation, mut file: &File) -> anyhow::Result<()> {
    let written = Written {
        operation: operation.id.clone(),
        holder: holder(operation),
        host: host(operation),
        expires_at: operation.now().checked_add(LENGTH)?,
    };
    let text = serde_json::to_vec(&written)?;
    file.rewind()?;
    file.set_len(0)?;
    file.write_all(&text)?;
    file.sync_data()?;
    Ok(())
}

fn host(operation: &Operation) -> String {
    operation
        .request
        .context
        .hostname
        .clone()
        .unwrap_or_else(|| "unknown".to_owned())
}
