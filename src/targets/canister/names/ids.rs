//! Which id a canister's name has on a network: written beside it, else what the files of dfx and icp-cli say. Files that
//! contradict each other are refused: a rollback must not choose between two canisters.

use super::files::{self, Project};
use super::network::{LOCAL, MAINNET, is_loopback, is_mainnet};
use super::{NetworkName, nearest};
use crate::targets::canister::settings::{Canister, Settings, canister_id};
use crate::targets::{BadSettings, Base};
use candid::Principal;
use serde_json::Value;
use std::collections::BTreeMap;

/// What dfx takes for a network that a file does not name (dfinity/sdk, `CanisterIdStore::DEFAULT`).
const ANY_NETWORK: &str = "__default";

/// Every id that was found.
#[derive(Debug, Default)]
struct Known {
    /// The files that were looked for: as shown, and whether they are there.
    looked: Vec<(String, bool)>,
    /// By name, each with the file that says so.
    ids: BTreeMap<String, Vec<(Principal, String)>>,
    /// Names that have an id on other networks only, with those networks.
    elsewhere: BTreeMap<String, Vec<String>>,
}

/// The ids of the settings' canisters, in their order.
pub(super) fn find(
    settings: &Settings,
    base: &Base,
    project: &Project,
    network: &NetworkName,
) -> Result<Vec<Principal>, BadSettings> {
    let mut known: Option<Known> = None;
    let mut ids = Vec::new();
    for (index, canister) in settings.canisters.iter().enumerate() {
        let key = format!("canisters[{index}]");
        if let Some(id) = &canister.id {
            let id = canister_id(id);
            ids.push(id.map_err(|what| BadSettings::new(&format!("{key}.id"), what))?);
            continue;
        }
        // Files matter only when somebody is named: a broken one is no reason to refuse ids.
        let known = match &mut known {
            Some(known) => known,
            none => none.insert(read(settings, base, project, network)?),
        };
        ids.push(known.id(&key, canister, network)?);
    }
    Ok(ids)
}

fn read(
    settings: &Settings,
    base: &Base,
    project: &Project,
    network: &NetworkName,
) -> Result<Known, BadSettings> {
    let mut known = Known::default();
    let keys = keys(network);
    if let Some(path) = &settings.ids {
        let file = files::read("ids", &base.dir.join(path), path)?;
        let file = file.ok_or_else(|| {
            BadSettings::new(
                "ids",
                format!("found no file {path}, expected the ids of canisters"),
            )
        })?;
        known.looked.push((path.clone(), true));
        known.take("ids", &file.value, &file.shown, &keys)?;
        return Ok(known);
    }
    for key in &keys {
        let paths = [
            "canister_ids.json".to_owned(),
            format!(".dfx/{key}/canister_ids.json"),
            format!(".icp/data/mappings/{key}.ids.json"),
            format!(".icp/cache/mappings/{key}.ids.json"),
        ];
        for path in paths {
            if known.looked.iter().any(|(looked, _)| *looked == path) {
                continue;
            }
            let file = files::read("ids", &base.dir.join(&path), &path)?;
            known.looked.push((path, file.is_some()));
            if let Some(file) = file {
                known.take("ids", &file.value, &file.shown, &keys)?;
            }
        }
    }
    known
        .looked
        .push(("dfx.json".to_owned(), project.dfx.is_some()));
    if let Some(dfx) = &project.dfx {
        let canisters = dfx.value["canisters"].as_object();
        for (name, canister) in canisters.into_iter().flatten() {
            let remote = &canister["remote"]["id"];
            known.named("ids", name, remote, &dfx.shown, &keys)?;
        }
    }
    Ok(known)
}

/// What files call a network. An address has no name there; but the mainnet is the mainnet, and this machine is local.
fn keys(network: &NetworkName) -> Vec<String> {
    if !network.name.contains("://") {
        return vec![network.name.clone()];
    }
    if is_mainnet(&network.url) {
        return vec![MAINNET.to_owned()];
    }
    // dfx writes an address as the name of a directory (dfinity/sdk, `network_to_pathcompat`).
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut keys = vec![network.name.chars().map(plain).collect()];
    if is_loopback(&network.url) {
        keys.push(LOCAL.to_owned());
    }
    keys
}

impl Known {
    /// Reads a file of ids: `{"name": {"network": "id"}}` is dfx's form, `{"name": "id"}` icp-cli's.
    fn take(
        &mut self,
        key: &str,
        value: &Value,
        from: &str,
        keys: &[String],
    ) -> Result<(), BadSettings> {
        for (name, written) in value.as_object().into_iter().flatten() {
            self.named(key, name, written, from, keys)?;
        }
        Ok(())
    }

    fn named(
        &mut self,
        key: &str,
        name: &str,
        written: &Value,
        from: &str,
        keys: &[String],
    ) -> Result<(), BadSettings> {
        let wrong = |what: String| BadSettings::new(key, format!("{from}: {name}: {what}"));
        let here = match written {
            Value::Object(networks) => {
                let mut here = keys.iter().map(String::as_str).chain([ANY_NETWORK]);
                let here = here.find_map(|network| networks.get(network));
                if here.is_none() {
                    let others = self.elsewhere.entry(name.to_owned()).or_default();
                    others.extend(networks.keys().cloned());
                }
                here
            }
            Value::Null => None,
            other => Some(other),
        };
        let Some(here) = here else { return Ok(()) };
        let text = here
            .as_str()
            .ok_or_else(|| wrong("found no text, expected an id".to_owned()))?;
        let id = canister_id(text).map_err(wrong)?;
        let all = self.ids.entry(name.to_owned()).or_default();
        if !all.iter().any(|(known, _)| *known == id) {
            all.push((id, from.to_owned()));
        }
        Ok(())
    }

    /// The one id of a canister that is named.
    fn id(
        &self,
        key: &str,
        canister: &Canister,
        network: &NetworkName,
    ) -> Result<Principal, BadSettings> {
        let name = canister.label();
        match self.ids.get(name).map(Vec::as_slice) {
            Some([(id, _)]) => Ok(*id),
            Some([(one, first), (other, second), ..]) => Err(BadSettings::new(
                key,
                format!(
                    "{name} is {one} in {first} and {other} in {second}, expected one id: write the right one as id, or \
                     name the right file with ids"
                ),
            )),
            Some([]) | None => Err(BadSettings::new(key, self.missing(name, network))),
        }
    }

    /// What was looked at, and what could have been meant.
    fn missing(&self, name: &str, network: &NetworkName) -> String {
        let files = |there: bool| -> Vec<&str> {
            let those = self
                .looked
                .iter()
                .filter(|(_, is_there)| *is_there == there);
            those.map(|(path, _)| path.as_str()).collect()
        };
        let (found, absent) = (files(true), files(false));
        let looked = match (found.is_empty(), absent.is_empty()) {
            (true, _) => format!("there is none of {}", absent.join(", ")),
            (false, true) => format!("looked in {}", found.join(", ")),
            (false, false) => {
                format!(
                    "looked in {}; there is no {}",
                    found.join(", "),
                    absent.join(", no ")
                )
            }
        };
        let meant = match (
            self.elsewhere.get(name),
            nearest(name, self.ids.keys().map(String::as_str)),
        ) {
            (Some(networks), _) if !networks.is_empty() => {
                format!("; it has one on {}", networks.join(", "))
            }
            (_, Some(near)) => format!("; did you mean {near}?"),
            (_, None) => String::new(),
        };
        format!(
            "found no id of {name} on {}, expected one ({looked}){meant}; write it as id, or name the file with ids",
            network.name
        )
    }
}
