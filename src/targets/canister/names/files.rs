//! The files of a project that name networks: `dfx.json`, dfx's `networks.json` and `icp.yaml`, each bounded and parsed. What
//! they mean is read elsewhere.

use crate::targets::{BadSettings, Base};
use serde_json::Value;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Such files are a few kilobytes; past this it is something else.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A file that was read.
#[derive(Debug, Clone)]
pub(super) struct File {
    /// As it is shown to people.
    pub(super) shown: String,
    pub(super) value: Value,
}

/// What a project says of its networks.
#[derive(Debug, Clone)]
pub(super) struct Project {
    pub(super) dir: PathBuf,
    pub(super) dfx: Option<File>,
    /// dfx's networks of this user, which all projects share.
    pub(super) shared: Option<File>,
    pub(super) icp: Option<File>,
}

impl Project {
    /// Reads those files that are there. `named`: the network is one that files define, so that they all matter.
    pub(super) fn read(base: &Base, named: bool) -> Result<Self, BadSettings> {
        let variable = |name: &str| base.environment.get(name).filter(|text| !text.is_empty());
        let home = variable("DFX_CONFIG_ROOT").or_else(|| variable("HOME"));
        let shared = match home {
            Some(home) if named => {
                let path = Path::new(home).join(".config/dfx/networks.json");
                read("network", &path, &path.display().to_string())?
            }
            Some(_) | None => None,
        };
        let icp = if named {
            read("network", &base.dir.join("icp.yaml"), "icp.yaml")?
        } else {
            None
        };
        Ok(Self {
            dir: base.dir.clone(),
            dfx: read("network", &base.dir.join("dfx.json"), "dfx.json")?,
            shared,
            icp,
        })
    }

    /// The items of a list in `icp.yaml`, `networks` or `environments`; an item that is a path is read from there.
    pub(super) fn items(&self, list: &str) -> Result<Vec<Value>, BadSettings> {
        let written = self.icp.as_ref().map(|file| &file.value[list]);
        let mut items = Vec::new();
        for item in written.and_then(Value::as_array).into_iter().flatten() {
            match item.as_str() {
                Some(path) => {
                    let file = read("network", &self.dir.join(path), path)?;
                    items.extend(file.map(|file| file.value));
                }
                None => items.push(item.clone()),
            }
        }
        Ok(items)
    }
}

/// Reads a file; `None` when there is none. `key` is the setting that leads to it.
pub(super) fn read(key: &str, path: &Path, shown: &str) -> Result<Option<File>, BadSettings> {
    let wrong = |what: String| BadSettings::new(key, format!("{shown}: {what}"));
    let size = match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => metadata.len(),
        Ok(_) => return Err(wrong("found no file, expected JSON or YAML".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(format!("could not be read ({error})"))),
    };
    if FILE_BYTES_MAX < size {
        return Err(wrong(format!(
            "found {size} bytes, expected at most {FILE_BYTES_MAX}"
        )));
    }
    let text =
        fs::read_to_string(path).map_err(|error| wrong(format!("could not be read ({error})")))?;
    let is_json = path.extension().is_some_and(|end| end == "json");
    let value = if is_json {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        serde_saphyr::from_str(&text).map_err(|error| error.to_string())
    };
    let value: Value = value.map_err(|error| {
        let first = error.lines().next().unwrap_or_default();
        let form = if is_json { "JSON" } else { "YAML" };
        wrong(format!("found a text that is no {form} ({first})"))
    })?;
    if !value.is_object() {
        return Err(wrong("found no mapping, expected one".to_owned()));
    }
    Ok(Some(File {
        shown: shown.to_owned(),
        value,
    }))
}
