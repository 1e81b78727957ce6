//! Names to addresses: which network is meant, and which id each canister has there, by the conventions of dfx and icp-cli.
//! Reads files of the project; contacts nothing, writes nothing.

mod files;
mod ids;
mod network;
mod root_key;

pub(super) use network::address;

use super::network::RootKey;
use super::settings::{Settings, other_reinstall};
use crate::targets::{BadSettings, Base};
use candid::Principal;
use indexmap::IndexMap;
use url::Url;

/// What the names in the settings mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Resolved {
    pub(super) network: NetworkName,
    /// By slot, in the order of the settings.
    pub(super) ids: IndexMap<String, Principal>,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NetworkName {
    /// As the settings call it.
    pub(super) name: String,
    /// The API endpoint: scheme, host and port.
    pub(super) url: Url,
    pub(super) root_key: RootKey,
}

/// Says what the names in checked settings mean.
///
/// # Errors
/// A network or canister that no file knows, files that contradict each other, a file that cannot be read, or a network
/// whose answers could not be verified: by key, with what to do.
pub(super) fn resolve(settings: &Settings, base: &Base) -> Result<Resolved, BadSettings> {
    let project = files::Project::read(base, network::is_defined_in_files(&settings.network))?;
    let network = network::find(settings, &project)?;
    let ids = ids::find(settings, base, &project, &network)?;
    let mut resolved: IndexMap<String, Principal> = IndexMap::new();
    for (index, (canister, id)) in settings.canisters.iter().zip(ids).enumerate() {
        if let Some(typed) = &canister.reinstall
            && Principal::from_text(typed).ok() != Some(id)
        {
            return Err(BadSettings::new(
                &format!("canisters[{index}].reinstall"),
                other_reinstall(typed, id),
            ));
        }
        if let Some((other, _)) = resolved.iter().find(|(_, known)| **known == id) {
            return Err(BadSettings::new(
                &format!("canisters[{index}]"),
                format!(
                    "found {} and {other}, which are both {id}, expected each canister once",
                    canister.label()
                ),
            ));
        }
        resolved.insert(canister.label().to_owned(), id);
    }
    Ok(Resolved {
        network,
        ids: resolved,
    })
}

/// The known name that is most like a given one, when one is like it at all.
fn nearest<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this two names share letters and no more.
    const LIKE_MIN: f64 = 0.75;
    let like = |other: &str| strsim::jaro_winkler(name, other);
    let best = known.max_by(|a, b| like(a).total_cmp(&like(b)))?;
    (LIKE_MIN < like(best)).then_some(best)
}

#[cfg(test)]
mod tests;
