//! What a ConfigMap or a Secret holds, as it is recorded and compared. Pure.

use crate::targets::masking::{self, MASK, looks_secret};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;

/// Recorded of an object that could not be read.
pub(in super::super) const UNREADABLE: &str = "unreadable";

/// What ConfigMaps and Secrets held, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(in super::super) struct Configuration {
    /// `{"data": {…}, "binaryData": {…}, "sha256": "sha256:…"}`, without the data where it was too much.
    pub(in super::super) config_maps: Map<String, Value>,
    /// `"sha256:…"` or `"unreadable"`.
    pub(in super::super) secrets: Map<String, Value>,
}

impl Configuration {
    /// Leaves out the data of the largest ConfigMap; its digest stays. The name and size in bytes of what was left out,
    /// `None` when there is nothing more to leave out.
    pub(in super::super) fn leave_out_largest(&mut self) -> Option<(String, usize)> {
        let size = |value: &Value| {
            let data = [value.get("data"), value.get("binaryData")];
            data.into_iter()
                .flatten()
                .map(|data| data.to_string().len())
                .sum::<usize>()
        };
        let (name, bytes) = self
            .config_maps
            .iter()
            .map(|(name, value)| (name.clone(), size(value)))
            .max_by_key(|(_, bytes)| *bytes)
            .filter(|(_, bytes)| 0 < *bytes)?;
        let value = self
            .config_maps
            .get_mut(&name)
            .and_then(Value::as_object_mut)?;
        value.shift_remove("data");
        value.shift_remove("binaryData");
        value.insert("left-out-bytes".to_owned(), json!(bytes));
        Some((name, bytes))
    }
}

/// A ConfigMap as it is recorded.
pub(super) fn of_config_map(map: &ConfigMap) -> Value {
    let mut value = Map::new();
    let mut sum = Sha256::new();
    if let Some(data) = map.data.as_ref().filter(|data| !data.is_empty()) {
        for (key, text) in data {
            feed(&mut sum, key, text.as_bytes());
        }
        value.insert("data".to_owned(), json!(data));
    }
    if let Some(data) = map.binary_data.as_ref().filter(|data| !data.is_empty()) {
        for (key, bytes) in data {
            feed(&mut sum, key, &bytes.0);
        }
        value.insert("binaryData".to_owned(), json!(data));
    }
    if map.immutable == Some(true) {
        value.insert("immutable".to_owned(), Value::Bool(true));
    }
    value.insert("sha256".to_owned(), Value::String(digest(sum)));
    Value::Object(value)
}

/// The digest of a Secret: of `key`, then of its keys and values, sorted.
pub(super) fn of_secret(secret: &Secret, key: &str) -> String {
    let mut sum = Sha256::new();
    feed(&mut sum, "key", key.as_bytes());
    for (name, bytes) in secret.data.iter().flatten() {
        feed(&mut sum, name, &bytes.0);
    }
    digest(sum)
}

/// Lengths go before contents, so that no two contents are the same bytes.
fn feed(sum: &mut Sha256, key: &str, value: &[u8]) {
    for part in [key.as_bytes(), value] {
        sum.update((part.len() as u64).to_be_bytes());
        sum.update(part);
    }
}

fn digest(sum: Sha256) -> String {
    use std::fmt::Write as _;
    let mut text = "sha256:".to_owned();
    for byte in sum.finalize() {
        write!(text, "{byte:02x}").expect("a String takes everything");
    }
    text
}

/// Whether two ConfigMaps hold the same. One that could not be read is taken to be the same: nothing is known about it.
pub(super) fn is_same(old: &Value, new: &Value) -> bool {
    old == UNREADABLE || new == UNREADABLE || old.get("sha256") == new.get("sha256")
}

/// The keys that differ, one line each, without what looks secret.
pub(super) fn difference(name: &str, old: &Value, new: &Value) -> Vec<String> {
    if old.get("left-out-bytes").is_some() {
        return vec![format!(
            "ConfigMap {name} has changed; what it held was too much to be recorded"
        )];
    }
    let mut lines = Vec::new();
    for part in ["data", "binaryData"] {
        let (old, new) = (old.get(part), new.get(part));
        let keys: BTreeSet<&String> = [old, new]
            .into_iter()
            .flatten()
            .filter_map(Value::as_object)
            .flat_map(Map::keys)
            .collect();
        for key in keys {
            let value =
                |of: Option<&Value>| of.and_then(|of| of.get(key)?.as_str().map(str::to_owned));
            let change = match (value(old), value(new)) {
                (Some(old), Some(new)) if old == new => continue,
                (None, None) => continue,
                (Some(_), None) => "is gone".to_owned(),
                (None, Some(_)) => "is new".to_owned(),
                (Some(_), Some(_)) if part == "binaryData" => "has other bytes".to_owned(),
                (Some(_), Some(_)) if looks_secret(key) => format!("was {MASK} and is {MASK}"),
                (Some(old), Some(new)) => first_difference(&old, &new),
            };
            lines.push(format!("ConfigMap {name}: {key} {change}"));
        }
    }
    lines
}

/// The first line that differs: files are kept in ConfigMaps, too.
fn first_difference(old: &str, new: &str) -> String {
    let shown = |line: Option<&str>| match line {
        None => "nothing".to_owned(),
        // Masked before it is cut: half a secret is not found any more.
        Some(line) => format!(
            "{:?}",
            masking::text(line).chars().take(60).collect::<String>()
        ),
    };
    if [old, new]
        .iter()
        .any(|text| text.contains("PRIVATE KEY-----"))
    {
        return format!("was {MASK} and is {MASK}");
    }
    let (mut olds, mut news) = (old.lines(), new.lines());
    let mut number = 0_usize;
    loop {
        number += 1;
        let (old_line, new_line) = (olds.next(), news.next());
        if old_line == new_line && old_line.is_some() {
            continue;
        }
        if old_line.is_none() && new_line.is_none() {
            return "has other line ends".to_owned();
        }
        let place = match old.lines().count().max(new.lines().count()) {
            0 | 1 => String::new(),
            _ => format!(" in line {number}"),
        };
        return format!("was {} and is {}{place}", shown(old_line), shown(new_line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::ByteString;
    use std::collections::BTreeMap;

    fn map(pairs: &[(&str, &str)]) -> Value {
        of_config_map(&ConfigMap {
            data: Some(owned(pairs)),
            ..ConfigMap::default()
        })
    }

    fn owned(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[track_caller]
    fn check(old: &[(&str, &str)], new: &[(&str, &str)], expected: &[&str]) {
        let (old, new) = (map(old), map(new));
        assert_eq!(is_same(&old, &new), expected.is_empty());
        let lines = difference("web", &old, &new);
        assert_eq!(lines, expected);
    }

    #[test]
    fn a_difference_can_be_read() {
        check(&[("LEVEL", "info")], &[("LEVEL", "info")], &[]);
        check(
            &[("LEVEL", "info"), ("OLD", "1")],
            &[("LEVEL", "debug"), ("NEW", "1")],
            &[
                "ConfigMap web: LEVEL was \"info\" and is \"debug\"",
                "ConfigMap web: NEW is new",
                "ConfigMap web: OLD is gone",
            ],
        );
        check(
            &[("app.ini", "a=1\nb=2\n")],
            &[("app.ini", "a=1\nb=3\nc=4\n")],
            &["ConfigMap web: app.ini was \"b=2\" and is \"b=3\" in line 2"],
        );
        check(
            &[("DB_PASSWORD", "hunter2"), ("app.ini", "password=hunter2")],
            &[("DB_PASSWORD", "hunter3"), ("app.ini", "password=hunter3")],
            &[
                "ConfigMap web: DB_PASSWORD was *** and is ***",
                "ConfigMap web: app.ini was \"password=***\" and is \"password=***\"",
            ],
        );
        check(
            &[("k", "a\n")],
            &[("k", "a")],
            &["ConfigMap web: k has other line ends"],
        );
        check(
            &[("k", "")],
            &[("k", "a")],
            &["ConfigMap web: k was nothing and is \"a\""],
        );
    }

    #[test]
    fn data_that_is_too_much_leaves_its_digest() {
        let mut held = Configuration::default();
        held.config_maps
            .insert("small".to_owned(), map(&[("k", "v")]));
        held.config_maps
            .insert("big".to_owned(), map(&[("k", &"v".repeat(100))]));
        held.config_maps
            .insert("unread".to_owned(), json!(UNREADABLE));
        let digest = held.config_maps["big"]["sha256"].clone();
        assert_eq!(held.leave_out_largest(), Some(("big".to_owned(), 108)));
        assert_eq!(
            held.config_maps["big"],
            json!({"sha256": digest, "left-out-bytes": 108})
        );
        assert_eq!(
            held.leave_out_largest().map(|(name, _)| name).as_deref(),
            Some("small")
        );
        assert_eq!(held.leave_out_largest(), None);
        let told = difference("big", &held.config_maps["big"], &map(&[]));
        assert_eq!(
            told,
            ["ConfigMap big has changed; what it held was too much to be recorded"]
        );
    }

    #[test]
    fn a_secret_leaves_a_keyed_digest_only() {
        let secret = |pairs: &[(&str, &str)]| Secret {
            data: Some(
                owned(pairs)
                    .into_iter()
                    .map(|(k, v)| (k, ByteString(v.into_bytes())))
                    .collect(),
            ),
            ..Secret::default()
        };
        let own = of_secret(&secret(&[("password", "hunter2")]), "uid-1");
        assert!(own.starts_with("sha256:") && own.len() == 71, "{own}");
        assert_eq!(own, of_secret(&secret(&[("password", "hunter2")]), "uid-1"));
        assert_ne!(own, of_secret(&secret(&[("password", "hunter2")]), "uid-2"));
        assert_ne!(own, of_secret(&secret(&[("password", "hunter3")]), "uid-1"));
        assert_ne!(
            of_secret(&secret(&[("a", "bc")]), "uid"),
            of_secret(&secret(&[("ab", "c")]), "uid")
        );
    }
}
