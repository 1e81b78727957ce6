//! Secrets that a pod template holds in clear: they would be readable in the artifact. They are told of, not changed: the
//! template must be put back as it was. Pure.

use crate::model::state::Slot;
use serde_json::Value;

/// One warning for each variable that looks like a secret and has its value in the template. The value is not in it.
pub(super) fn secrets(slot: &Slot, template: &Value) -> Vec<String> {
    let containers = ["containers", "initContainers"]
        .into_iter()
        .flat_map(|key| {
            let list = template
                .pointer(&format!("/spec/{key}"))
                .and_then(Value::as_array);
            list.into_iter().flatten()
        });
    containers
        .flat_map(|container| {
            let of = container.get("name").and_then(Value::as_str).unwrap_or("?");
            let variables = container.get("env").and_then(Value::as_array);
            variables.into_iter().flatten().filter_map(move |variable| {
                let name = variable.get("name")?.as_str()?;
                let value = variable.get("value")?.as_str()?;
                (is_secret_name(name) && !value.is_empty() || is_secret_value(value)).then(|| {
                    format!(
                        "{slot}: {name} of container {of} looks like a secret and stands in the pod template in clear, so everybody who may read the artifact can read it; move it into a Secret"
                    )
                })
            })
        })
        .collect()
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    // A file, an address or a flag about a secret is none.
    let is_about = [
        "_FILE", "_PATH", "_URL", "_NAME", "_ENABLED", "_TTL", "_HEADER", "_ID",
    ];
    let words = [
        "PASSWORD",
        "PASSWD",
        "SECRET",
        "TOKEN",
        "API_KEY",
        "APIKEY",
        "PRIVATE_KEY",
        "ACCESS_KEY",
        "CREDENTIAL",
    ];
    words.iter().any(|word| name.contains(word)) && !is_about.iter().any(|end| name.ends_with(end))
}

fn is_secret_value(value: &str) -> bool {
    let starts = [
        "ghp_",
        "gho_",
        "ghs_",
        "github_pat_",
        "glpat-",
        "xoxb-",
        "xoxp-",
        "AKIA",
        "sk_live_",
        "-----BEGIN ",
    ];
    let is_token = starts.iter().any(|start| value.starts_with(start))
        && !value.starts_with("-----BEGIN CERTIFICATE");
    is_token || url::Url::parse(value).is_ok_and(|url| url.password().is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(variable: &Value, is_told: bool) {
        let template = json!({"spec": {"containers": [{"name": "web", "env": [variable]}]}});
        let told = secrets(&Slot("deployment/web".to_owned()), &template);
        assert_eq!(told.len(), usize::from(is_told), "{variable}: {told:?}");
        let value = variable["value"].as_str().unwrap_or_default();
        assert!(told.iter().all(|text| !text.contains(value)), "{told:?}");
    }

    #[test]
    fn what_looks_like_a_secret_is_told_of_without_its_value() {
        check(&json!({"name": "DB_PASSWORD", "value": "hunter2"}), true);
        check(&json!({"name": "db_password", "value": "hunter2"}), true);
        check(
            &json!({"name": "DATABASE", "value": "postgres://me:hunter2@db/shop"}),
            true,
        );
        check(&json!({"name": "CI", "value": "ghp_0123456789"}), true);
        check(&json!({"name": "DB_PASSWORD", "value": ""}), false);
        check(
            &json!({"name": "DB_PASSWORD_FILE", "value": "/run/secrets/db"}),
            false,
        );
        check(
            &json!({"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "p"}}}),
            false,
        );
        check(
            &json!({"name": "DATABASE", "value": "postgres://db/shop"}),
            false,
        );
        check(
            &json!({"name": "CA", "value": "-----BEGIN CERTIFICATE-----"}),
            false,
        );
    }
}
