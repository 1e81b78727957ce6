//! How a container was made, without what is secret in it. Of its environment the names alone: any value may be a password.

use crate::targets::masking::{self, MASK};
use serde_json::Value;

/// What the engine says of a container, as text.
pub(super) fn shown(raw: &Value) -> String {
    let mut shown = raw.clone();
    masking::values(&mut shown);
    mask(&mut shown);
    serde_json::to_string_pretty(&shown).unwrap_or_default()
}

fn mask(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (key, field) in fields.iter_mut() {
                match (key.as_str(), &mut *field) {
                    ("Env", Value::Array(items)) => {
                        for item in items {
                            environment(item);
                        }
                    }
                    ("Cmd" | "Entrypoint" | "Args" | "Test", Value::Array(items)) => {
                        masking::arguments(items);
                    }
                    ("Labels", Value::Object(labels)) => {
                        for (name, label) in labels.iter_mut() {
                            if let Value::String(text) = label {
                                *text = masking::of(name, text);
                            }
                        }
                    }
                    _ => mask(field),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                mask(item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

fn environment(item: &mut Value) {
    if let Value::String(text) = item {
        let name = text.split('=').next().unwrap_or_default();
        *text = format!("{name}={MASK}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_of_the_environment_are_never_shown() {
        let raw = json!({
            "Args": ["--db-password", "hunter2"],
            "Config": {
                "Env": ["PORT=80", "DB_PASSWORD=hunter2", "EMPTY"],
                "Cmd": ["run", "--token=hunter2", "--port=80"],
                "Healthcheck": {"Test": ["CMD-SHELL", "curl -H 'Authorization: Bearer hunter2345' localhost"]},
                "Labels": {"team": "shop", "auth-token": "hunter2", "url": "http://me:hunter2@db"},
            },
            "HostConfig": {"LogConfig": {"Config": {"splunk-token": "hunter2"}}},
        });
        let text = shown(&raw);
        assert!(!text.contains("hunter2"), "{text}");
        for kept in ["PORT=***", "EMPTY=***", "--port=80", "\"team\": \"shop\""] {
            assert!(text.contains(kept), "{kept} in {text}");
        }
    }
}
