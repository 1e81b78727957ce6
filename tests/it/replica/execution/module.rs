//! A module as uploaded: gzip or plain, checked, compiled once, with its metadata.

use super::ic0;
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use wasmi::{Config, Engine};

/// Unpacked; see <https://docs.internetcomputer.org/references/resource-limits>.
const MODULE_BYTES_MAX: u64 = 100 << 20;
const CODE_BYTES_MAX: usize = 12 << 20;
const FUNCTIONS_MAX: usize = 50_000;
const GLOBALS_MAX: usize = 1_000;
/// Names and contents of all `icp:` sections together.
const METADATA_BYTES_MAX: usize = 1 << 20;
const METADATA_SECTIONS_MAX: usize = 16;

/// A custom section `icp:public NAME` or `icp:private NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub public: bool,
    pub content: Vec<u8>,
}

pub struct Module {
    /// As uploaded: what the module hash is of.
    pub raw: Vec<u8>,
    pub hash: [u8; 32],
    pub metadata: BTreeMap<String, Metadata>,
    engine: Engine,
    compiled: wasmi::Module,
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("bytes", &self.raw.len())
            .finish_non_exhaustive()
    }
}

impl Module {
    /// Unpacks, checks and compiles; the error is what a replica says after "Canister's Wasm module is not valid: ".
    pub fn parse(raw: &[u8]) -> Result<Self, String> {
        let plain = unpack(raw)?;
        let metadata = check(&plain)?;
        let mut config = Config::default();
        config.consume_fuel(true).ignore_custom_sections(true);
        let engine = Engine::new(&config);
        let compiled = wasmi::Module::new(&engine, &plain)
            .map_err(|error| format!("Wasmtime failed to validate wasm module {error}"))?;
        Ok(Self {
            raw: raw.to_vec(),
            hash: Sha256::digest(raw).into(),
            metadata,
            engine,
            compiled,
        })
    }

    /// Motoko's enhanced orthogonal persistence: such a module keeps its heap over upgrades, and has to be told so.
    pub fn keeps_heap(&self) -> bool {
        self.metadata
            .contains_key("enhanced-orthogonal-persistence")
    }

    pub fn exports(&self, name: &str) -> bool {
        self.compiled.get_export(name).is_some()
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.engine
    }

    pub(super) fn compiled(&self) -> &wasmi::Module {
        &self.compiled
    }
}

fn unpack(raw: &[u8]) -> Result<Vec<u8>, String> {
    if raw.starts_with(b"\0asm") {
        if raw.len() as u64 > MODULE_BYTES_MAX {
            return Err(too_large());
        }
        return Ok(raw.to_vec());
    }
    if !raw.starts_with(&[0x1f, 0x8b, 0x08]) {
        return Err("Failed to decode wasm module: unsupported canister module format".to_owned());
    }
    let mut plain = Vec::new();
    GzDecoder::new(raw)
        .take(MODULE_BYTES_MAX + 1)
        .read_to_end(&mut plain)
        .map_err(|error| format!("Failed to decode wasm module: {error}"))?;
    if plain.len() as u64 > MODULE_BYTES_MAX {
        return Err(too_large());
    }
    Ok(plain)
}

fn too_large() -> String {
    format!("Failed to decode wasm module: module too large: limit {MODULE_BYTES_MAX} bytes")
}

/// Validates, and collects the metadata.
fn check(plain: &[u8]) -> Result<BTreeMap<String, Metadata>, String> {
    use wasmparser::{Parser, Payload, Validator};
    let invalid =
        |error: &dyn fmt::Display| format!("Wasmtime failed to validate wasm module {error}");
    Validator::new()
        .validate_all(plain)
        .map_err(|error| invalid(&error))?;
    let (mut metadata, mut functions, mut globals) = (BTreeMap::new(), 0, 0);
    for payload in Parser::new(0).parse_all(plain) {
        match payload.map_err(|error| invalid(&error))? {
            Payload::CustomSection(section) => {
                let Some((name, public)) = metadata_name(section.name()) else {
                    continue;
                };
                let content = section.data().to_vec();
                let one = Metadata { public, content };
                if metadata.insert(name.to_owned(), one).is_some() {
                    return Err(format!(
                        "Wasm module has an invalid custom section. Duplicate custom section name {name}"
                    ));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.map_err(|error| invalid(&error))?;
                    known(import.module, import.name)?;
                }
            }
            Payload::FunctionSection(section) => functions += section.count() as usize,
            Payload::GlobalSection(section) => globals += section.count() as usize,
            Payload::CodeSectionStart { size, .. } if size as usize > CODE_BYTES_MAX => {
                return Err(format!(
                    "Wasm module code section size of {size} exceeds the maximum allowed size of {CODE_BYTES_MAX}"
                ));
            }
            _ => {}
        }
    }
    limits(&metadata, functions, globals)?;
    Ok(metadata)
}

fn known(module: &str, name: &str) -> Result<(), String> {
    if module == "ic0" && ic0::IMPORTS.contains(&name) {
        return Ok(());
    }
    Err(format!(
        "Wasm module has an invalid import section. Module imports function '{name}' from '{module}' that is not exported by the runtime."
    ))
}

fn limits(
    metadata: &BTreeMap<String, Metadata>,
    functions: usize,
    globals: usize,
) -> Result<(), String> {
    let size: usize = metadata
        .iter()
        .map(|(name, one)| name.len() + one.content.len())
        .sum();
    let over = [
        (size, METADATA_BYTES_MAX, "bytes of custom sections"),
        (metadata.len(), METADATA_SECTIONS_MAX, "custom sections"),
        (functions, FUNCTIONS_MAX, "functions"),
        (globals, GLOBALS_MAX, "globals"),
    ];
    match over.into_iter().find(|(is, max, _)| is > max) {
        None => Ok(()),
        Some((is, max, what)) => Err(format!(
            "Wasm module defined {is} {what} which exceeds the maximum number allowed {max}."
        )),
    }
}

fn metadata_name(section: &str) -> Option<(&str, bool)> {
    let public = section.strip_prefix("icp:public ").map(|name| (name, true));
    public.or_else(|| Some((section.strip_prefix("icp:private ")?, false)))
}
