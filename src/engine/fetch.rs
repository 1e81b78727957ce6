//! Gets the artifact of a release and makes proofs of its payloads. What is promised, and by whom, is weighed by
//! `decide::verify`; moving and measuring bytes is `artifact`'s.

use super::locate::{self, KnownBad, Search};
use super::numbered;
use super::operation::Operation;
use super::request::{Choice, Numbered};
use super::share;
use super::transfer::{download_dir, fetch, limits, tell_fetched};
use crate::artifact::{self, FetchError, Fetched};
use crate::decide::verify::{self, BadRelease};
use crate::model::candidate::{KnownGood, Run};
use crate::model::ids::{CommitSha, RunId};
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::Digest;
use crate::model::release::Release;
use crate::model::state::{Revision, Slot};
use crate::targets::{ReleaseFacts, Way};
use crate::tree::Scratch;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

/// A release whose bytes are here and proven, before any target was asked.
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) run: Option<RunId>,
    pub(super) commit: Option<CommitSha>,
    pub(super) manifest: Option<Release>,
    /// Digest of the artifact's blob.
    pub(super) digest: Option<Digest>,
    /// Name of the artifact or file.
    pub(super) name: String,
    pub(super) fetched: Option<Fetched>,
    /// Nobody promised these bytes, and the operator takes them all the same: a file they named, or
    /// `require-digest: false`.
    pub(super) taken_as_is: bool,
    /// It is what the operator named on disk.
    pub(super) named_by_hand: bool,
    way: Way,
    /// Instead of a release: what the targets keep themselves, by number.
    pub(super) numbered: Vec<Numbered>,
    /// The download lies in here until the release is dropped.
    _dir: Option<Scratch>,
}

impl InHand {
    pub(super) fn facts<'a>(&'a self, operation: &'a Operation) -> ReleaseFacts<'a> {
        ReleaseFacts {
            run: self.run,
            commit: self.commit.as_ref(),
            manifest: self.manifest.as_ref(),
            environment: &operation.request.environment.name,
            way: self.way,
            emergency: operation.request.verb.is_emergency(),
            on_state_conflict: operation.request.environment.policy.on_state_conflict,
            allowed: &operation.request.environment.policy.allow,
            story: Some(operation),
        }
    }

    /// The same as a release that is put in place for the first time.
    pub(super) const fn forward(mut self) -> Self {
        self.way = Way::Forward;
        self
    }

    /// Says which release this is in the last event.
    pub(super) fn remember(&self, operation: &Operation) {
        let mut facts = operation.facts();
        facts.run = self.run;
        facts.commit = self.commit.as_ref().map(ToString::to_string);
        facts.digest = self.digest;
    }
}

/// The release that `from` names: located, the named run, this very run, or a file.
pub(super) async fn release(
    operation: &Operation,
    from: &Choice,
    bad: KnownBad,
) -> Result<InHand, Failure> {
    match from {
        Choice::File(path) => from_file(operation, path).await,
        Choice::Numbered(numbered) => {
            numbered::check(&operation.targets, numbered)?;
            Ok(by_number(numbered))
        }
        // A person who names a run may go forward again to what was rolled back from.
        Choice::Run(id) => {
            let search = Search::named(operation, bad, *id).await?;
            located(operation, search, &BTreeMap::new()).await
        }
        Choice::Newest => {
            let revisions = bad.revisions.clone();
            located(operation, Search::begin(operation, bad).await?, &revisions).await
        }
    }
}

/// Tries the candidates in order: an artifact that is gone after all gives the turn to the next one.
async fn located(
    operation: &Operation,
    mut search: Search<'_>,
    bad: &BTreeMap<(Slot, Revision), String>,
) -> Result<InHand, Failure> {
    loop {
        operation.may_go_on()?;
        let Some(good) = search.next().await? else {
            return Err(locate::none_good(&search.conclude(None)));
        };
        let dir = download_dir(operation)?;
        match fetch(operation, &search.client, &good.artifact, dir.path()).await {
            Ok(fetched) => {
                let (fetched, took) = fetched;
                let whole = fetched.clone();
                let release = in_hand(operation, &good, fetched, dir);
                if let Some(why) = rolled_back_from(operation, &release, bad).await {
                    search.marked_bad(&good, why);
                    continue;
                }
                search.conclude(Some(good.clone()));
                tell_fetched(operation, &good.artifact.name, &whole, took);
                check_manifest(operation, &whole, Some(&good.run))?;
                return Ok(release);
            }
            Err(FetchError::Gone) => search.lost(&good),
            Err(error) => {
                let failure = error.failure(&good.artifact.name);
                search.conclude(Some(good));
                return Err(failure);
            }
        }
    }
}

/// Why these bytes are no candidate: they are what a slot was rolled back from, whichever run they come from.
async fn rolled_back_from(
    operation: &Operation,
    release: &InHand,
    bad: &BTreeMap<(Slot, Revision), String>,
) -> Option<String> {
    if bad.is_empty() {
        return None;
    }
    for target in &operation.targets {
        // What cannot be told now is told when it is planned.
        let Ok(share) = release.share(operation, target.as_ref()).await else {
            continue;
        };
        if let Some(why) = share.wanted.into_iter().find_map(|wanted| bad.get(&wanted)) {
            return Some(why.clone());
        }
    }
    None
}

fn in_hand(operation: &Operation, good: &KnownGood, fetched: Fetched, dir: Scratch) -> InHand {
    InHand {
        run: Some(good.run.id),
        commit: Some(good.run.sha.clone()),
        manifest: fetched.manifest.clone(),
        digest: Some(fetched.blob.digest),
        name: good.artifact.name.clone(),
        taken_as_is: taken_as_is(operation, &fetched),
        named_by_hand: false,
        way: Way::Back,
        numbered: Vec::new(),
        fetched: Some(fetched),
        _dir: Some(dir),
    }
}

/// Bytes without any promise are taken only when the operator said so, and it is said aloud.
fn taken_as_is(operation: &Operation, fetched: &Fetched) -> bool {
    let taken =
        fetched.promised_by.is_none() && !operation.request.environment.source.require_digest;
    if taken {
        operation.warn("nobody promised a digest of this artifact; taken as it is, because require-digest is false");
    }
    taken
}

/// The manifest must be of the release it was found in; --expected-sha256 can speak for one payload only.
fn check_manifest(
    operation: &Operation,
    fetched: &Fetched,
    run: Option<&Run>,
) -> Result<(), Failure> {
    let payloads = operation
        .targets
        .iter()
        .map(|target| share::count(operation, target.as_ref()))
        .sum::<usize>();
    verify::one_word_for_one(operation.request.verb.expected_sha256(), payloads)
        .map_err(bad_release)?;
    let Some(manifest) = &fetched.manifest else {
        return Ok(());
    };
    let repository = operation.request.github.repository.as_ref();
    let environment = &operation.request.environment.name;
    for warning in verify::release(manifest, repository, run, environment).map_err(bad_release)? {
        operation.warn(warning);
    }
    Ok(())
}

/// This run's own artifact, for `deploy`: it is not a candidate, and no check of a candidate is asked of it.
pub(super) async fn own_artifact(operation: &Operation, run: RunId) -> Result<InHand, Failure> {
    let client = locate::client(&operation.request)?;
    let name = operation.request.environment.source.artifact.clone();
    let exact = (!name.contains(['*', '?'])).then_some(name.as_str());
    let artifacts = client.artifacts(run, exact).await.map_err(|error| {
        error.failure(&format!(
            "could not ask for the artifacts of this run ({run})"
        ))
    })?;
    let found: Vec<String> = artifacts
        .iter()
        .map(|artifact| artifact.name.clone())
        .collect();
    let matcher = wildmatch::WildMatch::new(&name);
    let mut matching = artifacts
        .into_iter()
        .filter(|artifact| matcher.matches(&artifact.name));
    let (Some(artifact), None) = (matching.next(), matching.next()) else {
        return Err(Failure::msg(
            Outcome::ArtifactRefused,
            format!(
                "expected exactly one artifact {name} in this run ({run}), found {}",
                if found.is_empty() {
                    "none".to_owned()
                } else {
                    found.join(", ")
                }
            ),
        )
        .hint("name it with --artifact-name, and upload it in a job before this one"));
    };
    let dir = download_dir(operation)?;
    let (fetched, took) = fetch(operation, &client, &artifact, dir.path())
        .await
        .map_err(|error| error.failure(&artifact.name))?;
    tell_fetched(operation, &artifact.name, &fetched, took);
    check_manifest(operation, &fetched, None)?;
    Ok(InHand {
        name: artifact.name,
        taken_as_is: taken_as_is(operation, &fetched),
        named_by_hand: false,
        run: Some(run),
        commit: operation.request.context.sha.clone().map(CommitSha),
        manifest: fetched.manifest.clone(),
        digest: Some(fetched.blob.digest),
        way: Way::Forward,
        numbered: Vec::new(),
        fetched: Some(fetched),
        _dir: Some(dir),
    })
}

/// Nothing is fetched: the targets keep it themselves.
fn by_number(numbered: &[Numbered]) -> InHand {
    InHand {
        run: None,
        commit: None,
        manifest: None,
        digest: None,
        name: String::new(),
        fetched: None,
        taken_as_is: false,
        named_by_hand: false,
        way: Way::Back,
        numbered: numbered.to_vec(),
        _dir: None,
    }
}

pub(super) async fn from_file(operation: &Operation, path: &Path) -> Result<InHand, Failure> {
    let path = operation.request.process.dir.join(path);
    let dir = download_dir(operation)?;
    let started = Instant::now();
    let name = path
        .file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let fetched = artifact::open_file(&path, dir.path(), &limits(operation))
        .await
        .map_err(|error| error.failure(&name))?;
    tell_fetched(operation, &name, &fetched, started.elapsed());
    check_manifest(operation, &fetched, None)?;
    let manifest = fetched.manifest.clone();
    Ok(InHand {
        name,
        taken_as_is: true,
        named_by_hand: true,
        way: Way::Back,
        numbered: Vec::new(),
        run: manifest.as_ref().and_then(|manifest| manifest.run),
        commit: manifest
            .as_ref()
            .and_then(|manifest| manifest.commit.clone()),
        digest: Some(fetched.blob.digest),
        manifest,
        fetched: Some(fetched),
        _dir: Some(dir),
    })
}

pub(super) fn bad_release(error: BadRelease) -> Failure {
    let hint = error.hint();
    Failure::new(Outcome::ArtifactRefused, error).hint(hint)
}
