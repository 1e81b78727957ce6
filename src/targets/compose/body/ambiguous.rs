//! What a container has just as its image says it. Whether the image brought it or somebody asked for the same cannot be told; where the new
//! image does not say it at all, that is told. Pure.

use super::text;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the container loses because it was taken for the old image's (`of`), by names only. `to` is what the new image says.
///
/// It is never carried over: what the bad image says must not reach the good one, which ran without it.
pub(super) fn lost(container: &Value, of: &Value, to: &Value) -> Vec<String> {
    let own = container.get("Config").unwrap_or(&Value::Null);
    let mut lost = Vec::new();
    for (key, words) in [
        ("User", "user"),
        ("WorkingDir", "working directory"),
        ("StopSignal", "stop signal"),
    ] {
        // `/` is where every container works.
        let said = |config: &Value| {
            let value = text(config, &format!("/{key}"));
            if value == "/" {
                String::new()
            } else {
                value.to_owned()
            }
        };
        let value = said(own);
        if !value.is_empty() && value == said(of) && said(to).is_empty() {
            lost.push(format!("{words} {value}"));
        }
    }
    for (key, words) in [("Entrypoint", "entrypoint"), ("Cmd", "command")] {
        let said = |config: &Value| config.get(key).filter(|it| has_words(it)).cloned();
        if said(own).is_some() && said(own) == said(of) && said(to).is_none() {
            lost.push(words.to_owned());
        }
    }
    let of_labels = keys(own, of, to, "Labels");
    lost.extend(of_labels.filter(|name| !is_description(name)).map(label));
    lost.extend(keys(own, of, to, "ExposedPorts").map(|port| format!("port {port}")));
    let variables = entries(own.get("Env"));
    let (of_env, to_env) = (entries(of.get("Env")), entries(to.get("Env")));
    let of_image = variables
        .into_iter()
        .filter(|(name, value)| of_env.get(name) == Some(value) && !to_env.contains_key(name));
    lost.extend(of_image.map(|(name, _)| name.to_owned()));
    let mut told = Vec::new();
    if !lost.is_empty() {
        told.push(format!(
            "{}: set by the image of before and not by the new one, which ran without it; if the service misses it now, its compose file has to ask for it",
            lost.join(", ")
        ));
    }
    told.extend(check(own, of, to));
    told
}

/// A check calls programs of its image, so that it is not carried over either: one that the new image does not have would never be healthy.
fn check(own: &Value, of: &Value, to: &Value) -> Option<String> {
    let test = |config: &Value| {
        let test = config.pointer("/Healthcheck/Test");
        test.filter(|it| has_words(it)).cloned()
    };
    let mine = test(own).filter(|it| it.pointer("/0").and_then(Value::as_str) != Some("NONE"))?;
    (Some(mine) == test(of) && test(to).is_none()).then(|| {
        "HEALTHCHECK: set by the image of before and not by the new one, so that it is only proven that the container runs, for the time of `running-for`; a check that the service is to have with every image has to be in its compose file, and differ from the image's".to_owned()
    })
}

fn has_words(value: &Value) -> bool {
    value.as_array().is_some_and(|words| !words.is_empty())
}

/// What the container and its image say alike, and the new image does not say.
fn keys<'a>(
    own: &'a Value,
    of: &'a Value,
    to: &'a Value,
    key: &str,
) -> impl Iterator<Item = &'a String> {
    let map = |config: &'a Value| config.get(key).and_then(Value::as_object);
    let (of, to) = (map(of), map(to));
    let own = map(own).into_iter().flatten();
    own.filter(move |(name, value)| {
        let is_of_image = of.and_then(|of| of.get(*name)) == Some(value);
        is_of_image && !to.is_some_and(|to| to.contains_key(*name))
    })
    .map(|(name, _)| name)
}

fn label(name: &String) -> String {
    format!("label {name}")
}

/// Labels that say what an image is, and are read by nobody who runs it; and those that are kept (see `config`).
fn is_description(label: &str) -> bool {
    ["org.opencontainers.", "org.label-schema.", "com.docker."]
        .iter()
        .any(|prefix| label.starts_with(prefix))
        || label == "maintainer"
}

fn entries(variables: Option<&Value>) -> BTreeMap<&str, &str> {
    let variables = variables.and_then(Value::as_array);
    let texts = variables.into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.split_once('=')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn told(own: &Value, of: &Value, to: &Value, expected: &str) {
        let found = lost(&json!({"Config": own}), of, to).join("");
        assert!(found.starts_with(expected), "{found}");
        assert_eq!(found.is_empty(), expected.is_empty(), "{found}");
        assert!(!found.contains("secret"), "{found}");
    }

    #[test]
    fn what_the_new_image_does_not_say_is_told_by_name() {
        let v2 = json!({"User": "1000", "Env": ["MODE=secret", "VERSION=2"]});
        let v1 = json!({"User": "", "Env": ["VERSION=1"]});
        told(&v2, &v2, &v1, "user 1000, MODE: set by");
        told(&v2, &v2, &v2, "");
        // What somebody asked for is nobody's doubt.
        told(&json!({"User": "7", "Env": ["MODE=mine"]}), &v2, &v1, "");
    }

    #[test]
    fn a_route_or_a_check_that_goes_is_told() {
        let routed = json!({
            "Labels": {
                "traefik.enable": "secret", "org.opencontainers.image.revision": "b",
                "com.docker.compose.project": "shop",
            },
            "WorkingDir": "/app", "StopSignal": "SIGINT", "ExposedPorts": {"8080/tcp": {}},
            "Entrypoint": ["/run"], "Cmd": ["serve"],
        });
        let bare = json!({"WorkingDir": "/", "Cmd": []});
        told(
            &routed,
            &routed,
            &bare,
            "working directory /app, stop signal SIGINT, entrypoint, command, label traefik.enable, port 8080/tcp: set by",
        );
        told(&routed, &routed, &routed, "");
        told(&bare, &bare, &json!({}), "");
        let checked = json!({"Healthcheck": {"Test": ["CMD", "/check"], "Interval": 1}});
        let unchecked = json!({"Healthcheck": {"Test": ["NONE"]}});
        told(&checked, &checked, &bare, "HEALTHCHECK: set by");
        told(
            &checked,
            &checked,
            &json!({"Healthcheck": {"Test": ["CMD", "/old"]}}),
            "",
        );
        told(&checked, &unchecked, &bare, "");
        told(&unchecked, &unchecked, &bare, "");
    }
}
