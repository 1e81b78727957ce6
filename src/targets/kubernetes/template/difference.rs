//! What differs between two pod templates, in lines a person can read: bounded, and without values that look secret.

use super::bare;
use crate::model::payload::Digest;
use crate::targets::masking;
use serde_json::Value;
use std::collections::BTreeSet;

/// More lines than a person reads before a change.
const LINES_MAX: usize = 40;

/// Characters of one value.
const VALUE_CHARS_MAX: usize = 100;

/// A value to compare, and the same masked: what is shown of it.
#[derive(Clone, Copy)]
struct Both<'a> {
    real: &'a Value,
    shown: &'a Value,
}

impl Both<'_> {
    fn get(self, key: &str) -> Option<Self> {
        let (real, shown) = (self.real.get(key)?, self.shown.get(key)?);
        Some(Self { real, shown })
    }

    /// The item of a list that has this name. Masking leaves names and places.
    fn named(self, name: &str) -> Option<Self> {
        let real = self.real.as_array()?;
        let at = real.iter().position(|item| name_of(item) == Some(name))?;
        let (real, shown) = (real.get(at)?, self.shown.get(at)?);
        Some(Self { real, shown })
    }
}

/// `spec.containers[c].image: app:1 -> app:2`, one line per value that differs, at most 41 lines.
pub(in super::super) fn difference(old: &Value, new: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let (old, new) = (bare(old), bare(new));
    let (old_shown, new_shown) = (masked(&old), masked(&new));
    let old = Both {
        real: &old,
        shown: &old_shown,
    };
    let new = Both {
        real: &new,
        shown: &new_shown,
    };
    compare("", Some(old), Some(new), &mut lines);
    if LINES_MAX < lines.len() {
        let more = lines.len() - LINES_MAX;
        lines.truncate(LINES_MAX);
        lines.push(format!("and {more} more"));
    }
    lines
}

fn masked(template: &Value) -> Value {
    let mut shown = template.clone();
    masking::values(&mut shown);
    shown
}

fn compare(path: &str, old: Option<Both<'_>>, new: Option<Both<'_>>, lines: &mut Vec<String>) {
    let (old_real, new_real) = (old.map(|old| old.real), new.map(|new| new.real));
    if old_real == new_real || (is_absent(old_real) && is_absent(new_real)) {
        return;
    }
    if let (Some(old), Some(new)) = (old, new) {
        match (old.real, new.real) {
            (Value::Object(olds), Value::Object(news)) => {
                let keys: BTreeSet<&String> = olds.keys().chain(news.keys()).collect();
                for key in keys {
                    let inner = if path.is_empty() {
                        key.clone()
                    } else {
                        format!("{path}.{key}")
                    };
                    compare(&inner, old.get(key), new.get(key), lines);
                }
                return;
            }
            (Value::Array(olds), Value::Array(news)) => {
                if let (Some(mut all), Some(more)) = (names(olds), names(news)) {
                    all.extend(more);
                    return by_name(path, old, new, &all, lines);
                }
            }
            _ => (),
        }
    }
    lines.push(format!("{path}: {} -> {}", shown(old), shown(new)));
}

/// Lists of things with names: their order is not compared.
fn by_name(
    path: &str,
    old: Both<'_>,
    new: Both<'_>,
    names: &BTreeSet<&str>,
    lines: &mut Vec<String>,
) {
    let is_env = path.rsplit('.').next() == Some("env");
    for name in names {
        let (old, new) = (old.named(name), new.named(name));
        if is_env {
            let inner = format!("{path}.{name}");
            compare(&inner, old.map(env_value), new.map(env_value), lines);
        } else {
            compare(&format!("{path}[{name}]"), old, new, lines);
        }
    }
    if lines.is_empty() && old.real != new.real {
        lines.push(format!("{path}: in another order"));
    }
}

/// The value of an environment variable, or where it comes from.
fn env_value(item: Both<'_>) -> Both<'_> {
    const EMPTY: &Value = &Value::String(String::new());
    let value = item.get("valueFrom").or_else(|| item.get("value"));
    value.unwrap_or(Both {
        real: EMPTY,
        shown: EMPTY,
    })
}

fn names(items: &[Value]) -> Option<BTreeSet<&str>> {
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

fn shown(value: Option<Both<'_>>) -> String {
    match value.map(|value| value.shown) {
        None | Some(Value::Null) => "(none)".to_owned(),
        Some(Value::String(text)) => bounded(&short(text)),
        Some(other) => bounded(&shortened(other).to_string()),
    }
}

/// A value with its digests cut.
fn shortened(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .map(|(key, value)| (key.clone(), shortened(value)))
            .collect(),
        Value::Array(items) => items.iter().map(shortened).collect(),
        Value::String(text) => Value::String(short(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

/// Digests are longer than anybody reads.
fn short(text: &str) -> String {
    match text.rsplit_once("@sha256:") {
        Some((name, digits)) => match digits.parse::<Digest>() {
            Ok(digest) => format!("{name}@sha256:{}…", digest.short()),
            Err(_not_one) => text.to_owned(),
        },
        None => text.to_owned(),
    }
}

fn bounded(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= VALUE_CHARS_MAX {
        return line;
    }
    let head: String = line.chars().take(VALUE_CHARS_MAX - 1).collect();
    format!("{head}…")
}
