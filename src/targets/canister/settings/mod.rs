//! Settings of a `canister` target, and what holds of them beyond their types. What needs a file to be known (ids, networks)
//! is checked in `names`.

mod canister;

pub(crate) use canister::Canister;
pub(super) use canister::{canister_id, other_reinstall};

use super::names::address;
use super::network::RootKey;
use crate::targets::BadSettings;
use crate::targets::settings::{Time, check_time};
use candid::Principal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a `canister` target.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    /// The network: `ic` (the mainnet), `local`, the address of an API endpoint such as `https://icp-api.io`, or a name that is
    /// defined in `dfx.json`, in dfx's `networks.json`, or as an environment or network in `icp.yaml`.
    pub(crate) network: String,
    /// The canisters whose module is observed and restored, in the order of changes: names, ids, or mappings with more to
    /// say about one of them: `name`, `id`, `wasm` (its module in the artifact), `argument` (Candid text) and `reinstall`.
    #[schemars(length(min = 1))]
    pub(crate) canisters: Vec<Canister>,
    /// The file with the ids of named canisters, as dfx (`canister_ids.json`) or icp-cli (`*.ids.json`) writes it. A relative path
    /// starts at the repository. Default: `canister_ids.json`, `dfx.json`, `.dfx/NETWORK/canister_ids.json` and
    /// `.icp/{data,cache}/mappings/NETWORK.ids.json` of the repository, which must not contradict each other.
    #[serde(default)]
    pub(crate) ids: Option<String>,
    /// The root key of a network other than `ic`, in hex (DER, 133 bytes), that its answers are verified with; `mainnet` for another
    /// way to the mainnet. Default: the one in `icp.yaml`. A network on this machine may be asked for it; any other must have one.
    #[serde(default)]
    pub(crate) root_key: Option<String>,

    /// The principal that the identity must have: another one is refused before anything else.
    #[serde(default)]
    pub(crate) principal: Option<String>,
    /// The environment variable that holds the private key of a controller, as PEM text. Default: the input `identity` (text or
    /// path), then the variable `DFX_IDENTITY_PEM`. Without any, canisters can be observed and not changed.
    #[serde(default)]
    pub(crate) identity_from: Option<String>,
    /// A PEM file with the private key of a controller. A relative path starts at the repository.
    #[serde(default)]
    pub(crate) identity_file: Option<String>,
    /// The environment variable that holds the password of an encrypted key (`ENCRYPTED PRIVATE KEY`). Default: the input
    /// `identity-password`.
    #[serde(default)]
    pub(crate) identity_password_from: Option<String>,

    /// How many canisters are changed at once, from 1 to 16; 1 is one after the other, in their order.
    #[serde(default = "parallel")]
    #[schemars(range(min = 1, max = 16))]
    pub(crate) parallel: usize,
    /// Longest wait for a canister to stop, by our own clock, 1s to 10m. After it the canister is started again and the change
    /// fails.
    #[serde(default = "stop_deadline")]
    pub(crate) stop_deadline: Time,
    /// What becomes of a canister that was found stopped.
    #[serde(default)]
    pub(crate) when_stopped: WhenStopped,
    /// How many snapshots of our own are kept of each canister after a healthy release, 0 to 9. With 0 none is taken, and a
    /// state that no longer fits cannot be brought back.
    #[serde(default = "snapshots")]
    #[schemars(range(min = 0, max = 9))]
    pub(crate) snapshots: u8,
    /// How long canisters are watched after a change, 0s to 1h.
    #[serde(default = "stable")]
    pub(crate) stable: Time,
    /// How many lines with `[TRAP]` in the logs since the change are still well. More are not, when they also come more than
    /// twice as often as in the log before the change.
    #[serde(default = "traps_max")]
    pub(crate) traps_max: u32,
    /// With cycles for fewer days than this until a canister freezes, it is not well; 0 to 3650.
    #[serde(default = "cycles_days_min")]
    #[schemars(range(min = 0, max = 3650))]
    pub(crate) cycles_days_min: u32,
}

/// What becomes of a canister that was found stopped.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenStopped {
    /// It is started.
    #[default]
    Start,
    /// It is left as it was found.
    Leave,
}

const fn parallel() -> usize {
    1
}

fn stop_deadline() -> Time {
    Time::seconds(60)
}

const fn snapshots() -> u8 {
    1
}

fn stable() -> Time {
    Time::seconds(30)
}

/// Anybody can make a canister trap with a message that it cannot read.
const fn traps_max() -> u32 {
    3
}

const fn cycles_days_min() -> u32 {
    7
}

/// The network refuses an eleventh snapshot of a canister; one place stays free for the snapshot of the next change.
const SNAPSHOTS_MAX: u8 = 9;

const PARALLEL_MAX: usize = 16;

/// Ten years: more is a mistake of units.
const DAYS_MAX: u32 = 3650;

/// Checks what the types cannot say.
pub(super) fn check(settings: &Settings) -> Result<(), BadSettings> {
    check_network(settings)?;
    if settings.canisters.is_empty() {
        return Err(BadSettings::new(
            "canisters",
            "found an empty list, expected at least one canister: a name or an id",
        ));
    }
    for (index, canister) in settings.canisters.iter().enumerate() {
        canister::check(&format!("canisters[{index}]"), canister)?;
    }
    canister::check_distinct(&settings.canisters)?;
    check_identity(settings)?;
    check_numbers(settings)
}

fn check_network(settings: &Settings) -> Result<(), BadSettings> {
    let name = settings.network.trim();
    if name.is_empty() || name != settings.network || name.chars().any(char::is_control) {
        return Err(BadSettings::new(
            "network",
            format!(
                "found {:?}, expected ic, local, the name of a network or an address",
                settings.network
            ),
        ));
    }
    if name.contains("://") {
        address(name).map_err(|what| BadSettings::new("network", what))?;
    }
    if let Some(path) = &settings.ids
        && path.trim().is_empty()
    {
        return Err(BadSettings::new(
            "ids",
            "found an empty text, expected the path of a file with the ids of canisters",
        ));
    }
    match &settings.root_key {
        Some(_) if name == "ic" => Err(BadSettings::new(
            "root-key",
            "found a root key for ic, expected none: the key of the mainnet is built in",
        )),
        Some(hex) => RootKey::from_text(hex)
            .map(|_key| ())
            .map_err(|what| BadSettings::new("root-key", what)),
        None => Ok(()),
    }
}

fn check_identity(settings: &Settings) -> Result<(), BadSettings> {
    if settings.identity_from.is_some() && settings.identity_file.is_some() {
        return Err(BadSettings::new(
            "identity-file",
            "found identity-from and identity-file, expected one of them",
        ));
    }
    let variables = [
        ("identity-from", &settings.identity_from),
        ("identity-password-from", &settings.identity_password_from),
    ];
    for (key, name) in variables {
        let Some(name) = name else { continue };
        // Somebody who wrote the key itself here must not read it again in a message.
        let is_name = name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        if name.is_empty() || !is_name {
            return Err(BadSettings::new(
                key,
                "found something else than the name of an environment variable, expected its name, such as IDENTITY_PEM",
            ));
        }
    }
    if settings.identity_file.as_deref().map(str::trim) == Some("") {
        return Err(BadSettings::new(
            "identity-file",
            "found an empty text, expected the path of a PEM file",
        ));
    }
    if let Some(text) = &settings.principal {
        Principal::from_text(text).map_err(|error| {
            BadSettings::new(
                "principal",
                format!("found {text:?}, expected a principal as `icp identity principal` prints it ({error})"),
            )
        })?;
    }
    Ok(())
}

fn check_numbers(settings: &Settings) -> Result<(), BadSettings> {
    let found = settings.parallel;
    if !(1..=PARALLEL_MAX).contains(&found) {
        let what = format!("found {found}, expected 1 to {PARALLEL_MAX}");
        return Err(BadSettings::new("parallel", what));
    }
    let found = settings.snapshots;
    if SNAPSHOTS_MAX < found {
        let what = format!(
            "found {found}, expected 0 to {SNAPSHOTS_MAX}: a canister has at most 10 snapshots"
        );
        return Err(BadSettings::new("snapshots", what));
    }
    let found = settings.cycles_days_min;
    if DAYS_MAX < found {
        let what = format!("found {found}, expected 0 to {DAYS_MAX} days");
        return Err(BadSettings::new("cycles-days-min", what));
    }
    check_time("stop-deadline", settings.stop_deadline, Time::seconds(600))?;
    if Time::seconds(3600) < settings.stable {
        let what = format!("found {}, expected at most 1h", settings.stable);
        return Err(BadSettings::new("stable", what));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
