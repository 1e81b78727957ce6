//! One canister in the settings: a name, an id, or a mapping; and what holds of it beyond its types.

use crate::targets::BadSettings;
use crate::targets::settings::check_payload;
use candid::Principal;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// One canister, as it is written: a name, an id, or a mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Canister {
    pub(crate) name: Option<String>,
    pub(crate) id: Option<String>,
    /// Path or wildcard inside the artifact of its module.
    pub(crate) wasm: Option<String>,
    /// Candid text.
    pub(crate) argument: Option<String>,
    /// The id typed once more.
    pub(crate) reinstall: Option<String>,
}

/// One canister and what is to be said about it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(rename = "Canister")]
struct Written {
    /// Its name, which is also the name of its slot. Default: its id.
    #[serde(default)]
    name: Option<String>,
    /// Its id, such as `rrkah-fqaaa-aaaaa-aaaaq-cai`. Default: what the files with ids say of its name.
    #[serde(default)]
    id: Option<String>,
    /// Its module inside the artifact: a path or wildcard that matches one file. Default: `NAME.wasm`, then `NAME.wasm.gz`.
    #[serde(default)]
    wasm: Option<String>,
    /// The argument of its installation and upgrades, as Candid text such as `(record { open = true })`. Default: none.
    #[serde(default)]
    argument: Option<String>,
    /// The id of this canister, typed once more: only then, and with `policy.allow: [reinstall]`, may it be reinstalled, which
    /// removes its whole state, stable memory and logs included.
    #[serde(default)]
    reinstall: Option<String>,
}

impl Canister {
    /// How people call it, and its slot: the name, else the id.
    pub(in super::super) fn label(&self) -> &str {
        let written = self.name.as_deref().or(self.id.as_deref());
        written.unwrap_or_default()
    }

    /// What its module may be called inside the artifact, the first that is there counts.
    pub(in super::super) fn modules(&self) -> Vec<String> {
        match &self.wasm {
            Some(pattern) => vec![pattern.clone()],
            None => vec![
                format!("{}.wasm", self.label()),
                format!("{}.wasm.gz", self.label()),
            ],
        }
    }
}

impl<'de> Deserialize<'de> for Canister {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CanisterReader)
    }
}

struct CanisterReader;

impl<'de> Visitor<'de> for CanisterReader {
    type Value = Canister;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a canister, its id, or a mapping with name or id")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Canister, E> {
        let text = Some(text.to_owned());
        Ok(match text.as_deref().map(looks_like_an_id) {
            Some(true) => Canister {
                id: text,
                ..Canister::default()
            },
            Some(false) | None => Canister {
                name: text,
                ..Canister::default()
            },
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Canister, A::Error> {
        let written = Written::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Canister {
            name: written.name,
            id: written.id,
            wasm: written.wasm,
            argument: written.argument,
            reinstall: written.reinstall,
        })
    }
}

impl JsonSchema for Canister {
    fn schema_name() -> Cow<'static, str> {
        "CanisterOrName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let written = generator.subschema_for::<Written>();
        json_schema!({
            "description": "The name of a canister, its id, or a mapping.",
            "anyOf": [{ "type": "string", "minLength": 1 }, written]
        })
    }
}

/// Checks one canister; `key` is where it stands.
pub(super) fn check(key: &str, canister: &Canister) -> Result<(), BadSettings> {
    let wrong = |name: &str, what: String| {
        let dot = if name.is_empty() { "" } else { "." };
        BadSettings::new(&format!("{key}{dot}{name}"), what)
    };
    if canister.name.is_none() && canister.id.is_none() {
        return Err(wrong(
            "",
            "found neither name nor id, expected at least one of them".to_owned(),
        ));
    }
    if let Some(name) = &canister.name {
        let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ' ');
        if name.trim() != name || name.is_empty() || !name.chars().all(is_plain) {
            let what = format!("found {name:?}, expected the name or the id of a canister");
            return Err(wrong("", what));
        }
        if looks_like_an_id(name) {
            let what = format!("found the id {name}, expected a name; write it as id");
            return Err(wrong("name", what));
        }
    }
    let id = canister.id.as_deref().map(canister_id).transpose();
    let id = id.map_err(|what| wrong("id", what))?;
    if let Some(wasm) = &canister.wasm {
        check_payload(&format!("{key}.wasm"), wasm)?;
    }
    if let Some(argument) = &canister.argument {
        candid_parser::parse_idl_args(argument).map_err(|error| {
            let found = shortened(argument);
            wrong(
                "argument",
                format!("found {found:?}, expected Candid text such as (record {{ open = true }}) ({error})"),
            )
        })?;
    }
    if let Some(reinstall) = &canister.reinstall {
        let typed = canister_id(reinstall).map_err(|what| wrong("reinstall", what))?;
        if let Some(id) = id
            && id != typed
        {
            return Err(wrong("reinstall", other_reinstall(reinstall, id)));
        }
    }
    Ok(())
}

/// Why a `reinstall` that names another canister is refused.
pub(in super::super) fn other_reinstall(typed: &str, id: Principal) -> String {
    format!("found {typed}, expected the id of this canister, {id}: a reinstall removes its state")
}

/// The id of a canister, from its text.
pub(in super::super) fn canister_id(text: &str) -> Result<Principal, String> {
    /// The last byte of an id that stands for a key, and not for a canister (IC interface specification, "Principals").
    const SELF_AUTHENTICATING: u8 = 2;
    let expected = "the id of a canister such as rrkah-fqaaa-aaaaa-aaaaq-cai";
    let id = Principal::from_text(text)
        .map_err(|error| format!("found {text:?}, expected {expected} ({error})"))?;
    let is_key = id.as_slice().len() == 29 && id.as_slice().last() == Some(&SELF_AUTHENTICATING);
    if id == Principal::management_canister() || id == Principal::anonymous() || is_key {
        return Err(format!(
            "found {id}, which is no canister, expected {expected}"
        ));
    }
    Ok(id)
}

/// Each canister is there once.
pub(super) fn check_distinct(canisters: &[Canister]) -> Result<(), BadSettings> {
    let mut seen = BTreeSet::new();
    for (index, canister) in canisters.iter().enumerate() {
        for word in [&canister.name, &canister.id].into_iter().flatten() {
            if !seen.insert(word) {
                return Err(BadSettings::new(
                    &format!("canisters[{index}]"),
                    format!("found {word} twice, expected each canister once"),
                ));
            }
        }
    }
    Ok(())
}

/// Whether a text has the form of a canister's id: such a text is never a name, so that a mistyped id is not looked up as one.
fn looks_like_an_id(text: &str) -> bool {
    /// Ten bytes and a checksum in base 32, in groups of five (IC interface specification, "Textual representation").
    const LENGTHS: [usize; 5] = [5, 5, 5, 5, 3];
    let groups = text.split('-').map(str::len);
    let is_base32 = |c: char| c.is_ascii_lowercase() || ('2'..='7').contains(&c) || c == '-';
    (groups.eq(LENGTHS) && text.chars().all(is_base32)) || Principal::from_text(text).is_ok()
}

/// The beginning of a text, for a message.
fn shortened(text: &str) -> String {
    const SHOWN_MAX: usize = 60;
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}
