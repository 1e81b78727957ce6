//! The reference part of `docs/config.md`, made from the schema: every key, what it means, its default.

use serde_json::{Map, Value};
use std::fmt::Write as _;

/// One section per mapping of the config file, in the order of the schema.
pub(crate) fn markdown(schema: &Value) -> String {
    let mut text = String::new();
    let mut todo = vec![("(top level)".to_owned(), schema.clone())];
    while !todo.is_empty() {
        let (path, object) = todo.remove(0);
        section(&mut text, schema, &path, &object, &mut todo);
        if let Some(branches) = object["allOf"].as_array() {
            for branch in branches {
                let kind = branch["if"]["properties"]["kind"]["const"]
                    .as_str()
                    .unwrap();
                section(
                    &mut text,
                    schema,
                    &format!("{path} (kind: {kind})"),
                    &branch["then"],
                    &mut todo,
                );
            }
        }
    }
    text
}

fn section(
    text: &mut String,
    root: &Value,
    path: &str,
    object: &Value,
    todo: &mut Vec<(String, Value)>,
) {
    let about = sentence(object);
    write!(
        text,
        "### `{path}`\n\n{about}\n\n| key | what it is | default |\n|---|---|---|\n"
    )
    .unwrap();
    let required: Vec<&str> = object["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let empty = Map::new();
    for (key, value) in object["properties"].as_object().unwrap_or(&empty) {
        if value.is_boolean() {
            continue; // a common key, told in the section above
        }
        let inner = behind(root, value);
        let default = match value.get("default") {
            Some(default) => format!("`{}`", plain(default)),
            None if required.contains(&key.as_str()) => "required".to_owned(),
            None => "-".to_owned(),
        };
        let about = match sentence(value) {
            about if about.is_empty() => sentence(&inner),
            about => about,
        };
        let form = form(root, value, &inner);
        writeln!(text, "| `{key}` | {about}{form} | {default} |").unwrap();
        nested(root, path, key, &inner, todo);
    }
    text.push('\n');
}

/// Mappings below a key get their own section.
fn nested(root: &Value, path: &str, key: &str, inner: &Value, todo: &mut Vec<(String, Value)>) {
    let path = match path {
        "(top level)" => key.to_owned(),
        path => format!("{path}.{key}"),
    };
    let below = [
        (path.clone(), inner.clone()),
        (format!("{path}[]"), behind(root, &inner["items"])),
        (
            format!("{path}.<name>"),
            behind(root, &inner["additionalProperties"]),
        ),
    ];
    todo.extend(
        below
            .into_iter()
            .filter(|(_, value)| value["properties"].is_object()),
    );
}

/// The definition behind a reference, alone or in an `anyOf` with null.
fn behind(root: &Value, value: &Value) -> Value {
    match reference(value).and_then(|reference| reference.strip_prefix('#')) {
        Some(pointer) => root.pointer(pointer).cloned().unwrap_or_default(),
        None => value.clone(),
    }
}

fn reference(value: &Value) -> Option<&str> {
    value["$ref"].as_str().or_else(|| {
        let any = value["anyOf"].as_array()?;
        any.iter().find_map(|one| one["$ref"].as_str())
    })
}

/// How a value is written, in brackets.
fn form(root: &Value, value: &Value, inner: &Value) -> String {
    let words: Vec<String> = ["enum", "oneOf"]
        .iter()
        .filter_map(|key| inner[*key].as_array())
        .flatten()
        .map(|one| one.get("const").unwrap_or(one))
        .filter_map(Value::as_str)
        .map(|word| format!("`{word}`"))
        .collect();
    let item = behind(root, &inner["items"]);
    let kind = |value: &Value| match &value["type"] {
        Value::String(kind) => kind.clone(),
        Value::Array(kinds) => kinds
            .first()
            .and_then(Value::as_str)
            .unwrap_or("")
            .to_owned(),
        _ => String::new(),
    };
    let word = match kind(inner).as_str() {
        "string" if inner["pattern"].is_string() => match reference(value) {
            Some(reference) => reference.replace("#/$defs/", "").to_lowercase(),
            None => "a text".to_owned(),
        },
        "string" => "a text".to_owned(),
        "integer" => match (inner.get("minimum"), inner.get("maximum")) {
            (Some(low), Some(high)) => format!("{low} to {high}"),
            (_, _) => "a whole number".to_owned(),
        },
        "boolean" => "`true` or `false`".to_owned(),
        "array" if kind(&item) == "string" => "a list of texts".to_owned(),
        "array" => "a list".to_owned(),
        "object" => "a mapping".to_owned(),
        _ => String::new(),
    };
    match (words.is_empty(), word.is_empty()) {
        (false, _) => format!(" ({})", words.join(", ")),
        (true, false) => format!(" ({word})"),
        (true, true) => String::new(),
    }
}

fn sentence(value: &Value) -> String {
    let text = value["description"].as_str().unwrap_or_default();
    text.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('|', "\\|")
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(plain).collect();
            format!("[{}]", items.join(", "))
        }
        value => value.to_string(),
    }
}
