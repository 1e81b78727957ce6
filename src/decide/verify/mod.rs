//! What must be proven of a release before it is applied: that its manifest belongs to the chosen run, which payloads are needed,
//! and whose word each payload is held against. Measuring and comparing bytes is done elsewhere.

use crate::model::candidate::Run;
use crate::model::ids::RepoName;
use crate::model::payload::{Digest, Expected, Measured, Promise};
use crate::model::release::{MANIFEST_NAME, MANIFEST_SCHEMA, PayloadPin, Release};
use crate::model::state::Slot;

/// The release is not what it should be; nothing may be applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRelease {
    #[error(
        "found {MANIFEST_NAME} of schema {found}, expected {MANIFEST_SCHEMA}: a newer lastgood wrote it"
    )]
    Schema { found: u32 },
    #[error("{MANIFEST_NAME} names no slot")]
    Empty,
    /// The manifest tells another story than the run it was found in.
    #[error("{MANIFEST_NAME} is of {what} {found}, expected {expected}")]
    Foreign {
        what: &'static str,
        found: String,
        expected: String,
    },
    #[error(
        "{MANIFEST_NAME} gives slot {slot} the payload path {path:?}, expected a relative path inside the artifact"
    )]
    Path { slot: Slot, path: String },
    #[error("{MANIFEST_NAME} promises two different contents for {path:?}")]
    Ambiguous { path: String },
    /// The operator and the manifest promise different bytes.
    #[error("{MANIFEST_NAME} promises {found} for {path:?}, --expected-sha256 says {expected}")]
    Contradiction {
        path: String,
        found: Digest,
        expected: Digest,
    },
    #[error(
        "nobody promised what {path:?} holds: no {MANIFEST_NAME}, no digest from GitHub, no --expected-sha256"
    )]
    Unpromised { path: String },
    #[error("--expected-sha256 is one digest, and {count} payloads are needed")]
    OneForMany { count: usize },
}

/// What the environment of a manifest is called in messages.
const ENVIRONMENT: &str = "environment";

impl BadRelease {
    /// One next action.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Schema { .. } => "update lastgood",
            Self::Empty | Self::Path { .. } | Self::Ambiguous { .. } => {
                "write the manifest with lastgood record in the deploy workflow"
            }
            Self::Foreign { what, .. } if *what == ENVIRONMENT => {
                "name that environment (-e), or choose another run with --run-id"
            }
            Self::Foreign { .. } => "choose another run with --run-id",
            Self::Contradiction { .. } => "find out which of the two is right before anything else",
            Self::Unpromised { .. } => {
                "give --expected-sha256, or add lastgood record to the deploy workflow"
            }
            Self::OneForMany { .. } => {
                "add lastgood record to the deploy workflow, and leave it out"
            }
        }
    }
}

/// Checks a manifest against the run it was found in (`None` for a file the operator gave). The answer is what the operator
/// should know although it holds.
pub fn release(
    release: &Release,
    repository: Option<&RepoName>,
    run: Option<&Run>,
    environment: &str,
) -> Result<Vec<String>, BadRelease> {
    if release.schema != MANIFEST_SCHEMA {
        return Err(BadRelease::Schema {
            found: release.schema,
        });
    }
    if release.slots.is_empty() {
        return Err(BadRelease::Empty);
    }
    let foreign = |what, found: String, expected: String| {
        Err(BadRelease::Foreign {
            what,
            found,
            expected,
        })
    };
    if let (Some(found), Some(expected)) = (&release.repository, repository)
        && !found
            .to_string()
            .eq_ignore_ascii_case(&expected.to_string())
    {
        return foreign("repository", found.to_string(), expected.to_string());
    }
    if let Some(found) = &release.environment
        && found != environment
    {
        return foreign(ENVIRONMENT, found.clone(), environment.to_owned());
    }
    let mut warnings = Vec::new();
    if let Some(run) = run {
        match release.run {
            Some(found) if found != run.id => {
                return foreign("run", found.to_string(), run.id.to_string());
            }
            Some(_) | None => (),
        }
        match &release.commit {
            Some(found) if found != &run.sha => {
                return foreign("commit", found.to_string(), run.sha.to_string());
            }
            Some(_) | None => (),
        }
        let latest = run.attempt.unwrap_or(1);
        match release.attempt {
            Some(attempt) if attempt != latest => warnings.push(format!(
                "{MANIFEST_NAME} is of attempt {attempt} of run {}, the latest attempt is {latest}",
                run.id
            )),
            Some(_) | None => (),
        }
    }
    check_paths(release)?;
    Ok(warnings)
}

fn check_paths(release: &Release) -> Result<(), BadRelease> {
    let pins: Vec<(&Slot, &PayloadPin)> = payloads(release).collect();
    for (index, (slot, pin)) in pins.iter().enumerate() {
        let whole = pin.path == ".";
        let inside = pin
            .path
            .split('/')
            .all(|part| !matches!(part, "" | "." | ".."));
        if !whole && (!inside || pin.path.contains(['\\', '\0'])) {
            return Err(BadRelease::Path {
                slot: (*slot).clone(),
                path: pin.path.clone(),
            });
        }
        if pins
            .iter()
            .take(index)
            .any(|(_, other)| other.path == pin.path && other != pin)
        {
            return Err(BadRelease::Ambiguous {
                path: pin.path.clone(),
            });
        }
    }
    Ok(())
}

/// The payloads a manifest promises, in its order.
pub fn payloads(release: &Release) -> impl Iterator<Item = (&Slot, &PayloadPin)> {
    release
        .slots
        .iter()
        .filter_map(|(slot, pin)| Some((slot, pin.payload.as_ref()?)))
}

/// The payloads that these slots need, by path, each once. A slot without one (an image in a registry) needs none.
pub fn demanded<'a>(release: &'a Release, slots: &[Slot]) -> Vec<&'a PayloadPin> {
    let mut demanded: Vec<&PayloadPin> = Vec::new();
    for (slot, pin) in payloads(release) {
        if slots.contains(slot) && !demanded.contains(&pin) {
            demanded.push(pin);
        }
    }
    demanded
}

/// Who gave a word on a payload.
#[derive(Debug, Clone, Copy, Default)]
pub struct Words<'a> {
    /// `--expected-sha256`: the operator's, which is the strongest.
    pub operator: Option<Digest>,
    pub manifest: Option<&'a PayloadPin>,
    /// The artifact this payload was taken from is byte for byte what GitHub's digest says.
    pub artifact_verified: bool,
}

/// What a payload must be. The strongest word decides, and a weaker one must not contradict it: bytes cannot be two things.
/// With neither operator nor manifest, a payload out of a verified artifact is promised to be as it was measured.
pub fn expected(measured: &Measured, name: &str, words: Words<'_>) -> Result<Expected, BadRelease> {
    match (words.operator, words.manifest) {
        (Some(digest), Some(pin)) if digest != pin.sha256 => Err(BadRelease::Contradiction {
            path: name.to_owned(),
            found: pin.sha256,
            expected: digest,
        }),
        (Some(digest), pin) => Ok(Expected {
            digest,
            size_bytes: pin.map(|pin| pin.size_bytes),
            promised_by: Promise::Operator,
        }),
        (None, Some(pin)) => Ok(Expected {
            digest: pin.sha256,
            size_bytes: Some(pin.size_bytes),
            promised_by: Promise::Manifest,
        }),
        (None, None) if words.artifact_verified => Ok(Expected {
            digest: measured.digest,
            size_bytes: Some(measured.size_bytes),
            promised_by: Promise::ArtifactDigest,
        }),
        (None, None) => Err(BadRelease::Unpromised {
            path: name.to_owned(),
        }),
    }
}

/// `--expected-sha256` is one digest: it can vouch for one payload only.
pub const fn one_word_for_one(operator: Option<Digest>, payloads: usize) -> Result<(), BadRelease> {
    match (operator, payloads) {
        (Some(_), 2..) => Err(BadRelease::OneForMany { count: payloads }),
        (Some(_), 0 | 1) | (None, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
