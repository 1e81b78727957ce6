//! What differs between two pod templates, in lines a person can read: bounded, and without values that look secret.

use super::bare;
use crate::model::payload::Digest;
use serde_json::Value;
use std::collections::BTreeSet;

/// More lines than a person reads before a change.
const LINES_MAX: usize = 40;

/// Characters of one value.
const VALUE_CHARS_MAX: usize = 100;

/// Words in the names of values that are not shown.
const SECRET_WORDS: [&str; 10] = [
    "secret",
    "token",
    "passw",
    "pwd",
    "key",
    "credential",
    "auth",
    "private",
    "dsn",
    "cookie",
];

/// `spec.containers[c].image: app:1 -> app:2`, one line per value that differs, at most 41 lines.
pub(in super::super) fn difference(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    compare("", Some(&bare(old)), Some(&bare(new)), false, &mut lines);
    if LINES_MAX < lines.len() {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn compare(
    path: &str,
    old: Option<&Value>,
    new: Option<&Value>,
    is_secret: bool,
    lines: &mut Vec<String>,
) {
    if old == new || (is_absent(old) && is_absent(new)) {
        return;
    }
    match (old, new) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for key in keys {
                let inner = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                let is_secret = is_secret || looks_secret(key);
                compare(&inner, old.get(key), new.get(key), is_secret, lines);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => match (names(old), names(new)) {
            (Some(_), Some(_)) => by_name(path, old, new, is_secret, lines),
            (None, _) | (_, None) => lines.push(format!(
                "{path}: {} -> {}",
                list(old, is_secret),
                list(new, is_secret)
            )),
        },
        (old, new) => lines.push(format!(
            "{path}: {} -> {}",
            shown(old, is_secret),
            shown(new, is_secret)
        )),
    }
}

/// Lists of things with names: their order is not compared.
fn by_name(path: &str, old: &[Value], new: &[Value], is_secret: bool, lines: &mut Vec<String>) {
    let all = names(old).into_iter().chain(names(new)).flatten();
    let all: BTreeSet<&str> = all.collect();
    let find = |items: &'_ [Value], name: &str| -> Option<Value> {
        items
            .iter()
            .find(|item| name_of(item) == Some(name))
            .cloned()
    };
    let is_env = path.rsplit('.').next() == Some("env");
    for name in all {
        let (old, new) = (find(old, name), find(new, name));
        if is_env {
            let is_secret = is_secret || looks_secret(name);
            let value = |item: Option<Value>| item.map(|item| env_value(&item));
            let (old, new) = (value(old), value(new));
            let inner = format!("{path}.{name}");
            compare(&inner, old.as_ref(), new.as_ref(), is_secret, lines);
        } else {
            let inner = format!("{path}[{name}]");
            compare(&inner, old.as_ref(), new.as_ref(), is_secret, lines);
        }
    }
    if lines.is_empty() && old != new {
        lines.push(format!("{path}: in another order"));
    }
}

/// The value of an environment variable, or where it comes from.
fn env_value(item: &Value) -> Value {
    let from = item.get("valueFrom").cloned();
    from.or_else(|| item.get("value").cloned())
        .unwrap_or_else(|| Value::String(String::new()))
}

fn names(items: &[Value]) -> Option<Vec<&str>> {
    items.iter().map(name_of).collect()
}

fn name_of(item: &Value) -> Option<&str> {
    item.get("name")?.as_str()
}

fn is_absent(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::Object(map)) => map.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) => false,
    }
}

fn shown(value: Option<&Value>, is_secret: bool) -> String {
    match value {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(_) if is_secret => "***".to_owned(),
        Some(Value::String(text)) => bounded(&masked(text)),
        Some(Value::Array(items)) => list(items, is_secret),
        Some(Value::Object(_)) => bounded(&hidden(value, false).to_string()),
        Some(other @ (Value::Bool(_) | Value::Number(_))) => bounded(&other.to_string()),
    }
}

fn list(items: &[Value], is_secret: bool) -> String {
    if is_secret {
        return "***".to_owned();
    }
    let items: Vec<Value> = items.iter().map(|item| hidden(Some(item), false)).collect();
    bounded(&Value::Array(items).to_string())
}

/// A whole value with what looks secret in it hidden.
fn hidden(value: Option<&Value>, is_secret: bool) -> Value {
    match value {
        None | Some(Value::Null) => Value::Null,
        Some(Value::Object(map)) => {
            // An environment variable keeps its name beside its value.
            let named = map.get("name").and_then(Value::as_str);
            let is_named = named.is_some_and(looks_secret);
            map.iter()
                .map(|(key, value)| {
                    let is_secret =
                        is_secret || looks_secret(key) || (is_named && key.as_str() == "value");
                    (key.clone(), hidden(Some(value), is_secret))
                })
                .collect()
        }
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| hidden(Some(item), is_secret))
            .collect(),
        Some(_) if is_secret => Value::String("***".to_owned()),
        Some(Value::String(text)) => Value::String(masked(text)),
        Some(other @ (Value::Bool(_) | Value::Number(_))) => other.clone(),
    }
}

/// Arguments such as `--password=…`, addresses with credentials, and digests longer than anybody reads.
fn masked(text: &str) -> String {
    if let Some((name, _)) = text.split_once('=')
        && looks_secret(name)
    {
        return format!("{name}=***");
    }
    if let Some((scheme, rest)) = text.split_once("://")
        && let Some((credentials, rest)) = rest.split_once('@')
        && !credentials.contains('/')
    {
        return format!("{scheme}://***@{rest}");
    }
    match text.rsplit_once("@sha256:") {
        Some((name, digits)) => match digits.parse::<Digest>() {
            Ok(digest) => format!("{name}@sha256:{}…", digest.short()),
            Err(_not_one) => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

fn looks_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    // What points to a secret is no secret.
    let points = [
        "secretkeyref",
        "configmapkeyref",
        "secretname",
        "secretref",
        "imagepullsecrets",
    ];
    !points.contains(&name.as_str())
        && name != "key"
        && name != "secret"
        && !name.starts_with("automount")
        && !name.contains("topologykey")
        && SECRET_WORDS.iter().any(|word| name.contains(word))
}

fn bounded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= VALUE_CHARS_MAX {
        return line;
    }
    let head: String = line.chars().take(VALUE_CHARS_MAX - 1).collect();
    format!("{head}…")
}
