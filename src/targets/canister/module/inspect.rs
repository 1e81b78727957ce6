//! A WebAssembly module validated, and what of it matters for a canister. Proposals that the network does not have are let through:
//! it says so itself, and it has learned new ones before. What can never be is refused: broken code, imports from elsewhere than
//! the system interface. Limits are those of `rs/config/src/embedders.rs` and `rs/embedders/src/wasm_utils/validation.rs` of
//! dfinity/ic; all but the size have been raised before, so that going over them is a doubt and no error.

use super::{BadModule, kind};
use crate::decide::canister::mode::Persistence;
use wasmparser::{
    ExternalKind, FuncValidatorAllocations, Import, Parser, Payload, TypeRef, ValidPayload,
    Validator, WasmFeatures,
};

const FUNCTIONS_MAX: u64 = 50_000;
const GLOBALS_MAX: u64 = 1_000;
const CODE_BYTES_MAX: u64 = 12 * 1024 * 1024;
const METHODS_MAX: u64 = 1_000;
const METHOD_NAMES_BYTES_MAX: u64 = 20_000;
const SECTIONS_MAX: u64 = 16;
const SECTIONS_BYTES_MAX: u64 = 1024 * 1024;

/// Longest name of an import in a message.
const NAME_CHARS_MAX: usize = 60;

const MAGIC: &[u8] = b"\0asm";
const VERSION: &[u8] = &[1, 0, 0, 0];

/// What a module is like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in super::super) struct Facts {
    /// Bytes, unpacked.
    pub(in super::super) size_bytes: u64,
    /// Whether it keeps its state in the main memory (`enhanced-orthogonal-persistence`).
    pub(in super::super) enhanced: bool,
    /// Its Candid interface, from the custom section `candid:service`, as far as it is text.
    pub(in super::super) interface: Option<String>,
    /// What a network with the limits that are known here would not take.
    pub(in super::super) doubts: Vec<String>,
}

impl Facts {
    pub(in super::super) const fn persistence(&self) -> Persistence {
        Persistence::of_section(self.enhanced)
    }
}

/// What is counted against limits.
#[derive(Debug, Default)]
struct Counts {
    functions: u64,
    globals: u64,
    code_bytes: u64,
    methods: u64,
    method_names_bytes: u64,
    sections: u64,
    sections_bytes: u64,
}

/// Validates an unpacked module.
pub(super) fn inspect(bytes: &[u8]) -> Result<Facts, BadModule> {
    if !bytes.starts_with(MAGIC) || bytes.get(4..8).is_some_and(|found| found != VERSION) {
        return Err(kind::no_module(bytes));
    }
    let broken = |error: wasmparser::BinaryReaderError| {
        BadModule::new(
            format!("found a WebAssembly module that is not valid: {error}"),
            "build the module again; it may be cut off",
        )
    };
    let features = WasmFeatures::all();
    let mut validator = Validator::new_with_features(features);
    let mut parser = Parser::new(0);
    parser.set_features(features);
    let mut facts = Facts {
        size_bytes: bytes.len() as u64,
        ..Facts::default()
    };
    let mut counts = Counts::default();
    let mut bodies = Vec::new();
    for payload in parser.parse_all(bytes) {
        let payload = payload.map_err(broken)?;
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(broken)? {
            bodies.push((function, body));
        }
        note(payload, &mut facts, &mut counts)?;
    }
    let mut allocations = FuncValidatorAllocations::default();
    for (function, body) in bodies {
        let mut validator = function.into_validator(allocations);
        validator.validate(&body).map_err(broken)?;
        allocations = validator.into_allocations();
    }
    facts.doubts = doubts(&counts);
    Ok(facts)
}

/// Takes down what a section says; it was validated before.
fn note(payload: Payload<'_>, facts: &mut Facts, counts: &mut Counts) -> Result<(), BadModule> {
    match payload {
        Payload::ImportSection(imports) => {
            for import in imports.into_imports().flatten() {
                check_import(&import)?;
            }
        }
        Payload::FunctionSection(functions) => counts.functions = functions.count().into(),
        Payload::GlobalSection(globals) => counts.globals = globals.count().into(),
        Payload::CodeSectionStart {
            count: _,
            range: _,
            size,
        } => counts.code_bytes = size.into(),
        Payload::ExportSection(exports) => {
            for export in exports.into_iter().flatten() {
                if export.kind == ExternalKind::Func
                    && let Some(name) = method(export.name)
                {
                    counts.methods += 1;
                    counts.method_names_bytes += name.len() as u64;
                }
            }
        }
        Payload::CustomSection(section) => {
            if let Some(name) = icp(section.name()) {
                counts.sections += 1;
                counts.sections_bytes += (name.len() + section.data().len()) as u64;
                match name {
                    "candid:service" => {
                        let text = std::str::from_utf8(section.data());
                        facts.interface = text.ok().map(str::to_owned);
                    }
                    "enhanced-orthogonal-persistence" => facts.enhanced = true,
                    _ => (),
                }
            }
        }
        _ => (),
    }
    Ok(())
}

/// The name behind `icp:public ` or `icp:private `: others are not kept by the network.
fn icp(section: &str) -> Option<&str> {
    section
        .strip_prefix("icp:public ")
        .or_else(|| section.strip_prefix("icp:private "))
}

/// The name of an exported method that can be called.
fn method(export: &str) -> Option<&str> {
    [
        "canister_update ",
        "canister_query ",
        "canister_composite_query ",
    ]
    .iter()
    .find_map(|prefix| export.strip_prefix(prefix))
}

/// Functions come from the system interface `ic0`, and once came from `method`; memories and tables may come from `env`. Which
/// functions `ic0` has is not looked at: newer networks have more.
fn check_import(import: &Import<'_>) -> Result<(), BadModule> {
    let short = |text: &str| -> String { text.chars().take(NAME_CHARS_MAX).collect() };
    let found = || format!("{}.{}", short(import.module), short(import.name));
    match import.ty {
        TypeRef::Func(_) | TypeRef::FuncExact(_) => match import.module {
            "ic0" | "method" => Ok(()),
            other => Err(BadModule::new(
                format!(
                    "found an import of the function {}, expected imports from ic0 alone",
                    found()
                ),
                elsewhere(other),
            )),
        },
        TypeRef::Global(_) | TypeRef::Tag(_) => Err(BadModule::new(
            format!("found an import of {}, expected functions of ic0", found()),
            "build the module for the Internet Computer: with ic-cdk, Motoko or another kit for canisters",
        )),
        TypeRef::Memory(_) | TypeRef::Table(_) => Ok(()),
    }
}

fn elsewhere(module: &str) -> &'static str {
    if module.starts_with("wasi") {
        return "build for the target wasm32-unknown-unknown, or convert the module with `wasi2ic`";
    }
    if module.starts_with("__wbindgen") || module == "wbg" {
        return "take out what is for browsers (wasm-bindgen): often the features `js` or `wasmbind` of a dependency";
    }
    "build the module for the Internet Computer: with ic-cdk, Motoko or another kit for canisters"
}

fn doubts(counts: &Counts) -> Vec<String> {
    [
        (counts.functions, FUNCTIONS_MAX, "functions"),
        (counts.globals, GLOBALS_MAX, "globals"),
        (counts.code_bytes, CODE_BYTES_MAX, "bytes of code"),
        (counts.methods, METHODS_MAX, "exported methods"),
        (
            counts.method_names_bytes,
            METHOD_NAMES_BYTES_MAX,
            "bytes of method names",
        ),
        (counts.sections, SECTIONS_MAX, "custom sections"),
        (
            counts.sections_bytes,
            SECTIONS_BYTES_MAX,
            "bytes of custom sections",
        ),
    ]
    .into_iter()
    .filter(|(found, most, _)| most < found)
    .map(|(found, most, what)| {
        format!("{found} {what}, and networks are known to take {most} at most")
    })
    .collect()
}
