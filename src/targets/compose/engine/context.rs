//! Contexts of Docker's own client, as it keeps them in its directory: where an engine is, and the certificates for it.

use super::address::variable;
use super::error::usage;
use crate::model::secret::without_passwords;
use crate::targets::{Base, TargetError};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A file of a context is a few hundred bytes, a config file a few thousand; past this it is something else.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// How many contexts are named in a message.
const NAMED_MAX: usize = 10;

/// One context.
#[derive(Debug)]
pub(super) struct Context {
    /// In the form of `DOCKER_HOST`.
    pub(super) host: String,
    /// The directory with `ca.pem`, `cert.pem` and `key.pem`; need not exist.
    pub(super) tls: PathBuf,
}

impl Context {
    pub(super) fn has_certificates(&self) -> bool {
        self.tls.join("ca.pem").is_file() || self.tls.join("cert.pem").is_file()
    }
}

/// The directory of Docker's client: `DOCKER_CONFIG`, else `~/.docker`.
pub(super) fn directory(base: &Base) -> Option<PathBuf> {
    match variable(base, "DOCKER_CONFIG") {
        Some(path) => Some(base.dir.join(path)),
        None => variable(base, "HOME").map(|home| Path::new(home).join(".docker")),
    }
}

/// The current context and who says so, when there is one.
pub(super) fn current(base: &Base) -> Result<Option<(String, String)>, TargetError> {
    let Some(file) = directory(base).map(|directory| directory.join("config.json")) else {
        return Ok(None);
    };
    let Some(config) = json(&file)? else {
        return Ok(None);
    };
    let name = config.get("currentContext").and_then(Value::as_str);
    let name = name.filter(|name| !name.is_empty() && *name != "default");
    Ok(name.map(|name| (name.to_owned(), format!("{}", file.display()))))
}

/// Where the files of a context lie: the digest of its name (docker/cli, `cli/context/store`).
pub(super) fn id(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest.iter().fold(String::new(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("a string takes every text");
        id
    })
}

/// Reads one context. `from`: who asks for it, in words.
pub(super) fn read(name: &str, from: &str, base: &Base) -> Result<Context, TargetError> {
    let Some(directory) = directory(base) else {
        return Err(usage(
            format!(
                "{from}: found the context {name}, but neither DOCKER_CONFIG nor HOME says where contexts are"
            ),
            "say where the engine is: the setting host, or the input docker-host",
        ));
    };
    let contexts = directory.join("contexts");
    let file = contexts.join("meta").join(id(name)).join("meta.json");
    let Some(meta) = json(&file)? else {
        let known = names(&contexts.join("meta"));
        let known = match known.as_slice() {
            [] => "none".to_owned(),
            names => names.join(", "),
        };
        return Err(usage(
            format!(
                "{from}: there is no context {name} in {}, found {known}",
                contexts.display()
            ),
            "name one that `docker context ls` shows, or say where the engine is: the setting host",
        ));
    };
    let endpoint = meta.pointer("/Endpoints/docker");
    let host = endpoint.and_then(|endpoint| endpoint.get("Host")?.as_str());
    let Some(host) = host.filter(|host| !host.is_empty()) else {
        return Err(usage(
            format!("the context {name} names no host of an engine"),
            "say where the engine is: the setting host, or the input docker-host",
        ));
    };
    let skips = endpoint.and_then(|endpoint| endpoint.get("SkipTLSVerify")?.as_bool());
    if skips == Some(true) {
        let host = without_passwords(host);
        return Err(usage(
            format!(
                "the context {name} has SkipTLSVerify: anybody on the way could answer in place of {host}"
            ),
            format!(
                "give it the certificate of its authority: `docker context update {name} --docker host={host},ca=ca.pem`"
            ),
        ));
    }
    Ok(Context {
        host: host.to_owned(),
        tls: contexts.join("tls").join(id(name)).join("docker"),
    })
}

fn names(meta: &Path) -> Vec<String> {
    let entries = fs::read_dir(meta).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| {
        let meta = json(&entry.path().join("meta.json")).ok().flatten()?;
        Some(meta.get("Name")?.as_str()?.to_owned())
    };
    let mut names: Vec<String> = entries.take(NAMED_MAX).filter_map(name).collect();
    names.sort();
    names
}

/// A file of JSON. `None`: there is no such file.
fn json(file: &Path) -> Result<Option<Value>, TargetError> {
    let bad = |why: String| {
        usage(
            format!("{}: {why}", file.display()),
            "mend that file, or say where the engine is: the setting host, or the input docker-host",
        )
    };
    let size = match fs::metadata(file) {
        Ok(found) => found.len(),
        Err(error) if is_absent(&error) => return Ok(None),
        Err(error) => return Err(bad(error.to_string())),
    };
    if FILE_BYTES_MAX < size {
        return Err(bad(format!(
            "it has {size} bytes, expected at most {FILE_BYTES_MAX}"
        )));
    }
    let bytes = fs::read(file).map_err(|error| bad(error.to_string()))?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(error) => Err(bad(format!("found no JSON: {error}"))),
    }
}

fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}
