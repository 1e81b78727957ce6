//! `record`: writes the release manifest into the artifact's directory, before it is uploaded.

use crate::artifact::{FetchError, Fetched};
use crate::engine::Finished;
use crate::engine::opened::open_targets;
use crate::engine::request::Request;
use crate::model::ids::CommitSha;
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::{Measured, Payloads};
use crate::model::release::{MANIFEST_NAME, MANIFEST_SCHEMA, PayloadPin, Pin, Release};
use crate::model::state::{Revision, Slot};
use crate::targets::{ReleaseFacts, Target, Way};
use anyhow::Context as _;
use indexmap::IndexMap;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

pub(in crate::engine) async fn run(
    request: &Request,
    dir: &Path,
    revisions: &[(Slot, Revision)],
) -> Result<Finished, Failure> {
    let recorded = record(request, dir, revisions).await?;
    Ok(answer(request, &recorded))
}

/// What was written down, and what the targets keep for it.
struct Recorded {
    release: Release,
    path: PathBuf,
    kept: Vec<String>,
}

async fn record(
    request: &Request,
    dir: &Path,
    revisions: &[(Slot, Revision)],
) -> Result<Recorded, Failure> {
    let dir = request.process.dir.join(dir);
    if !dir.is_dir() {
        return Err(Failure::msg(
            Outcome::Usage,
            format!("found no directory {}", dir.display()),
        )
        .hint("give the directory that upload-artifact uploads: --path DIR"));
    }
    let mut slots = IndexMap::new();
    let mut pinned = Vec::new();
    for target in open_targets(request)? {
        let pins = pin(request, target.as_ref(), &dir, revisions).await?;
        slots.extend(pins.clone());
        pinned.push((target, pins));
    }
    check_known(revisions, &slots)?;
    let mut kept = Vec::new();
    for (target, pins) in pinned.iter().filter(|_| !request.dry_run) {
        let protected = target.protect(pins).await;
        kept.extend(protected.map_err(|error| error.failure(target.name()))?);
    }
    let context = &request.context;
    let release = Release {
        schema: MANIFEST_SCHEMA,
        repository: context.repository.clone(),
        run: context.run_id,
        attempt: context.attempt,
        commit: context.sha.clone().map(CommitSha),
        environment: Some(request.environment.name.clone()),
        slots,
        baseline: None,
        tool: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let path = dir.join(MANIFEST_NAME);
    if !request.dry_run {
        write(&dir, &path, &release)?;
    }
    Ok(Recorded {
        release,
        path,
        kept,
    })
}

async fn pin(
    request: &Request,
    target: &dyn Target,
    dir: &Path,
    revisions: &[(Slot, Revision)],
) -> Result<IndexMap<Slot, Pin>, Failure> {
    let asked = target.record().await;
    if let Some(pins) = asked.map_err(|error| error.failure(target.name()))? {
        return Ok(pins);
    }
    let payloads = measure(target, dir)?;
    let commit = request.context.sha.clone().map(CommitSha);
    let facts = ReleaseFacts {
        run: request.context.run_id,
        commit: commit.as_ref(),
        manifest: None,
        environment: &request.environment.name,
        way: Way::Forward,
        emergency: false,
        on_state_conflict: request.environment.policy.on_state_conflict,
        allowed: &request.environment.policy.allow,
        story: None,
    };
    let given = |slot: &Slot| {
        revisions
            .iter()
            .find(|(name, _)| name == slot)
            .map(|(_, revision)| revision.clone())
    };
    let derived = match target.wanted(&facts, &payloads).await {
        Ok(wanted) => wanted,
        // Every revision was given: nothing needs deriving.
        Err(_) if target.slots().iter().all(|slot| given(slot).is_some()) => IndexMap::new(),
        Err(error) => {
            return Err(error
                .failure(target.name())
                .hint("name it: --revision SLOT=REVISION"));
        }
    };
    let mut slots = IndexMap::new();
    for slot in target.slots() {
        let Some(revision) = given(&slot).or_else(|| derived.get(&slot).cloned()) else {
            continue;
        };
        let pin = Pin {
            revision,
            payload: payloads.of(&slot).map(|measured| PayloadPin {
                path: path_in(dir, measured),
                shape: measured.shape,
                size_bytes: measured.size_bytes,
                sha256: measured.digest,
            }),
            images: Vec::new(),
            recorded: None,
        };
        slots.insert(slot, pin);
    }
    Ok(slots)
}

/// The payloads of a target, as they lie in the directory.
fn measure(target: &dyn Target, dir: &Path) -> Result<Payloads<Measured>, Failure> {
    let refused = |error: FetchError| {
        Failure::msg(
            Outcome::Usage,
            format!("{} for target {}: {error}", dir.display(), target.name()),
        )
        .hint("give the directory that will be uploaded: --path DIR")
    };
    let own: Vec<(Slot, Vec<String>)> = target
        .slots()
        .into_iter()
        .map(|slot| (slot.clone(), target.own_payload(&slot)))
        .filter(|(_, names)| !names.is_empty())
        .collect();
    let shared = target.payload();
    if own.is_empty() && shared.is_none() {
        return Ok(Payloads::none());
    }
    let found = Fetched::in_place(dir).map_err(refused)?;
    if let Some(path) = shared.filter(|_| own.is_empty()) {
        let measured = found.payload(&path).map_err(refused)?;
        return Ok(Payloads::shared(Some(measured)));
    }
    let measured = own
        .into_iter()
        .map(|(slot, names)| Ok((slot, found.one_payload(&names).map_err(refused)?)));
    Ok(Payloads::own(measured.collect::<Result<_, Failure>>()?))
}

/// Its path in the artifact, as the manifest names it.
fn path_in(dir: &Path, measured: &Measured) -> String {
    match measured.path.strip_prefix(dir) {
        Ok(path) if path.as_os_str().is_empty() => ".".to_owned(),
        Ok(path) => path.to_string_lossy().into_owned(),
        Err(_) => ".".to_owned(),
    }
}

fn check_known(revisions: &[(Slot, Revision)], slots: &IndexMap<Slot, Pin>) -> Result<(), Failure> {
    for (slot, _) in revisions {
        if !slots.contains_key(slot) {
            let known: Vec<_> = slots.keys().map(ToString::to_string).collect();
            return Err(Failure::msg(
                Outcome::Usage,
                format!(
                    "--revision: found slot {slot}, expected one of: {}",
                    known.join(", ")
                ),
            )
            .hint("slots are named by the targets of the config file"));
        }
    }
    Ok(())
}

/// Whole or not at all: written beside, then renamed.
fn write(dir: &Path, path: &Path, release: &Release) -> Result<(), Failure> {
    let written = (|| {
        let mut file = tempfile::Builder::new()
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(dir)?;
        serde_json::to_writer_pretty(&mut file, release)?;
        file.write_all(b"\n")?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        anyhow::Ok(())
    })();
    written
        .with_context(|| format!("could not write {}", path.display()))
        .map_err(Failure::from)
}

fn answer(request: &Request, recorded: &Recorded) -> Finished {
    let Recorded {
        release,
        path,
        kept,
    } = recorded;
    let outcome = if request.dry_run {
        Outcome::Planned
    } else {
        Outcome::Healthy
    };
    let stdout = if request.output.json {
        let mut answer = serde_json::json!({
            "outcome": outcome, "exit_code": outcome.exit_code(), "path": path, "manifest": release,
        });
        if !kept.is_empty() {
            answer["kept"] = serde_json::json!(kept);
        }
        format!("{answer:#}\n")
    } else {
        let verb = if request.dry_run {
            "would write"
        } else {
            "wrote"
        };
        let mut text = format!("{verb} {}\n", path.display());
        for (slot, pin) in &release.slots {
            writeln!(text, "  {slot}  {}", pin.revision).expect("a string takes everything");
        }
        for what in kept {
            writeln!(text, "  keeps {what}").expect("a string takes everything");
        }
        text
    };
    Finished { outcome, stdout }
}
