//! What we have done to canisters that the network does not tell apart from what others have done: which snapshots we took, and
//! which canisters we stopped. One file in the state directory. What is deleted or started because of it is not decided here.

use super::site::Site;
use crate::model::payload::hex;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

const NAME: &str = "canister-snapshots.json";

/// Far above what ten snapshots of a hundred canisters take.
const BYTES_MAX: u64 = 4 * 1024 * 1024;

const VERSION: u32 = 1;

/// In the place of the revision of a snapshot whose module is not sure.
pub(super) const UNKNOWN: &str = "unknown";

/// The notes of all canisters, in one file.
#[derive(Debug)]
pub(super) struct Notes {
    path: PathBuf,
    /// Canisters are changed side by side: one of them writes at a time.
    writing: Mutex<()>,
}

/// A canister, wherever the same name may lead to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Place {
    /// SHA-256 of the root key of the network, by whatever address it is reached. In notes of old: an address.
    pub(super) network: String,
    pub(super) canister: String,
}

/// A snapshot that we took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Noted {
    #[serde(flatten)]
    pub(super) place: Place,
    /// Hex.
    pub(super) id: String,
    /// Of the module that it holds; [`UNKNOWN`] when that is not sure.
    pub(super) revision: String,
    /// Nanoseconds since 1970 by the network's clock.
    pub(super) taken_at_ns: u64,
    pub(super) operation: String,
}

/// A canister that we stopped, and have not started since as far as we know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Stopped {
    #[serde(flatten)]
    place: Place,
    /// Nanoseconds since 1970 by the network's clock, right before.
    since_ns: u64,
    operation: String,
}

/// A snapshot that is about to be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Begun {
    #[serde(flatten)]
    pub(super) place: Place,
    /// Nanoseconds since 1970 by the network's clock, right before.
    pub(super) since_ns: u64,
    /// Ids of those that there were.
    pub(super) before: Vec<String>,
    /// Of the module that was installed.
    pub(super) revision: String,
    pub(super) operation: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Sheet {
    version: u32,
    #[serde(default)]
    snapshots: Vec<Noted>,
    #[serde(default)]
    stopped: Vec<Stopped>,
    #[serde(default)]
    begun: Vec<Begun>,
}

impl Place {
    pub(super) fn of(site: &Site<'_>) -> Self {
        Self {
            network: hex(&Sha256::digest(site.network.agent.read_root_key())),
            canister: site.id.to_text(),
        }
    }

    fn is_of(&self, site: &Site<'_>) -> bool {
        let old = || self.network == site.network.url.as_str();
        let here = Self::of(site);
        self.canister == here.canister && (self.network == here.network || old())
    }
}

impl Notes {
    pub(super) fn new(state_dir: &Path) -> Self {
        Self {
            path: state_dir.join(NAME),
            writing: Mutex::new(()),
        }
    }

    /// The snapshots of a canister that we took. Notes that cannot be read are told of, and count as none.
    pub(super) fn snapshots(&self, site: &Site<'_>) -> Vec<Noted> {
        let mut noted = self.read_or_tell(site).snapshots;
        noted.retain(|one| one.place.is_of(site));
        noted
    }

    /// Since when a canister is stopped by us.
    pub(super) fn stopped_since(&self, site: &Site<'_>) -> Option<u64> {
        let sheet = self.read_or_tell(site);
        let stopped = sheet.stopped.iter().find(|one| one.place.is_of(site));
        stopped.map(|one| one.since_ns)
    }

    /// The snapshot that was about to be taken when an earlier run ended.
    pub(super) fn begun(&self, site: &Site<'_>) -> Option<Begun> {
        let begun = self.read_or_tell(site).begun;
        begun.into_iter().find(|one| one.place.is_of(site))
    }

    /// Notes that a snapshot is about to be taken.
    pub(super) fn begins(&self, site: &Site<'_>, begun: Begun) {
        self.change(site, |sheet| {
            sheet.begun.retain(|one| !one.place.is_of(site));
            sheet.begun.push(begun);
        });
    }

    /// Notes that none was taken.
    pub(super) fn ends(&self, site: &Site<'_>) {
        self.change(site, |sheet| {
            sheet.begun.retain(|one| !one.place.is_of(site));
        });
    }

    /// Notes a snapshot; one that it took the place of is forgotten.
    pub(super) fn took(&self, site: &Site<'_>, noted: Noted, instead_of: Option<&str>) {
        self.change(site, |sheet| {
            sheet
                .snapshots
                .retain(|one| !one.place.is_of(site) || Some(one.id.as_str()) != instead_of);
            sheet.snapshots.push(noted);
            sheet.begun.retain(|one| !one.place.is_of(site));
        });
    }

    /// Forgets every snapshot of a canister that is not among these.
    pub(super) fn keep_only(&self, site: &Site<'_>, ids: &[String]) {
        self.change(site, |sheet| {
            let kept = |one: &Noted| !one.place.is_of(site) || ids.contains(&one.id);
            sheet.snapshots.retain(kept);
        });
    }

    /// Notes that a canister is about to be stopped.
    pub(super) fn stops(&self, site: &Site<'_>, since_ns: u64, operation: &str) {
        let place = Place::of(site);
        self.change(site, |sheet| {
            sheet.stopped.retain(|one| !one.place.is_of(site));
            sheet.stopped.push(Stopped {
                place,
                since_ns,
                operation: operation.to_owned(),
            });
        });
    }

    /// Notes that a canister runs again.
    pub(super) fn started(&self, site: &Site<'_>) {
        if self.stopped_since(site).is_some() {
            self.change(site, |sheet| {
                sheet.stopped.retain(|one| !one.place.is_of(site));
            });
        }
    }

    fn change(&self, site: &Site<'_>, change: impl FnOnce(&mut Sheet)) {
        let _guard = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sheet = match read(&self.path) {
            Ok(sheet) => sheet,
            Err(error) => {
                tell(site, "could not be read", &error);
                // What is there may be of use to a person.
                let aside = self.path.with_extension("json.damaged");
                if let Err(error) = fs::rename(&self.path, &aside) {
                    tell(site, "could not be put aside", &error);
                }
                Sheet::default()
            }
        };
        change(&mut sheet);
        sheet.version = VERSION;
        if let Err(error) = write(&self.path, &sheet) {
            tell(site, "could not be written", &error);
        }
    }

    fn read_or_tell(&self, site: &Site<'_>) -> Sheet {
        read(&self.path).unwrap_or_else(|error| {
            tell(site, "could not be read", &error);
            Sheet::default()
        })
    }
}

/// Nothing that was noted is worth ending a change for.
fn tell(site: &Site<'_>, what: &str, error: &io::Error) {
    site.tell(&format!("{NAME} {what}: {error}; going on without it"));
}

fn read(path: &Path) -> io::Result<Sheet> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Sheet::default()),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(BYTES_MAX).read_to_string(&mut text)?;
    let sheet: Sheet = serde_json::from_str(&text)?;
    if sheet.version != VERSION {
        let found = sheet.version;
        return Err(io::Error::other(format!(
            "found version {found}, expected {VERSION}"
        )));
    }
    Ok(sheet)
}

/// Whole or not at all: written beside, then renamed. There is no secret in it, and whoever keeps the state directory of a runner
/// is not always who wrote it.
fn write(path: &Path, sheet: &Sheet) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(dir)?;
    serde_json::to_writer_pretty(&mut file, sheet)?;
    file.write_all(b"\n")?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests;
