//! What a container has just as its image says it. Whether the image brought it or somebody asked for the same cannot be told; where the new
//! image says something else, that matters. Pure.

use super::text;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What is asked of an image as a whole, and belongs to its program.
const WHOLE: &[&str] = &[
    "Entrypoint",
    "Cmd",
    "WorkingDir",
    "StopSignal",
    "Healthcheck",
];

/// Settles what cannot be told, and says so, by names only. `create` is the new configuration, from which the defaults of the old image
/// (`of`) were taken out; `to` is what the new image says.
///
/// What the new image does not have at all is kept: a variable that its program does not know does no harm, while a service that
/// runs as root though somebody asked for a user does. What it has in another way is its own: a command has to fit its image.
pub(super) fn settle(
    create: &mut Map<String, Value>,
    container: &Value,
    of: &Value,
    to: &Value,
) -> Vec<String> {
    let mut kept = Vec::new();
    let mut taken = Vec::new();
    let (own, new) = (text(container, "/Config/User"), text(to, "/User"));
    if !own.is_empty() && own == text(of, "/User") && own != new {
        if new.is_empty() {
            create.insert("User".to_owned(), own.into());
            kept.push(format!("user {own}"));
        } else {
            taken.push("user".to_owned());
        }
    }
    variables(create, container, of, to, (&mut kept, &mut taken));
    for key in WHOLE {
        let own = container.pointer(&format!("/Config/{key}"));
        let (of, to) = (of.get(key), to.get(key));
        if is_set(own) && own == of && is_set(of) && to != of {
            taken.push(key.to_lowercase());
        }
    }
    let mut told = Vec::new();
    if !kept.is_empty() {
        told.push(format!(
            "{}: the image of before says the same and the new one nothing, so it cannot be told who asked for it; it is kept",
            kept.join(", ")
        ));
    }
    if !taken.is_empty() {
        told.push(format!(
            "{}: as the new image says, which differs from the image of before; if a compose file asks for what the image of before said, run `docker compose up -d` afterwards",
            taken.join(", ")
        ));
    }
    told
}

fn variables(
    create: &mut Map<String, Value>,
    container: &Value,
    of: &Value,
    to: &Value,
    (kept, taken): (&mut Vec<String>, &mut Vec<String>),
) {
    let (own, of, to) = (
        entries(container.pointer("/Config/Env")),
        entries(of.get("Env")),
        entries(to.get("Env")),
    );
    for (name, value) in own {
        if of.get(name) != Some(&value) {
            continue;
        }
        match to.get(name) {
            Some(new) if *new == value => (),
            Some(_) => taken.push(name.to_owned()),
            None => {
                let variables = create.entry("Env").or_insert_with(|| json!([]));
                if !variables.is_array() {
                    *variables = json!([]);
                }
                if let Some(variables) = variables.as_array_mut() {
                    variables.push(format!("{name}={value}").into());
                }
                kept.push(name.to_owned());
            }
        }
    }
}

fn entries(variables: Option<&Value>) -> BTreeMap<&str, &str> {
    let variables = variables.and_then(Value::as_array);
    let texts = variables.into_iter().flatten().filter_map(Value::as_str);
    texts.filter_map(|text| text.split_once('=')).collect()
}

fn is_set(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Array(list)) => !list.is_empty(),
        Some(Value::Object(map)) => !map.is_empty(),
        Some(Value::Bool(_) | Value::Number(_)) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A container that has all as its image (`of`) says; answers the new configuration and what is told.
    fn settled(of: &Value, to: &Value) -> (Value, String) {
        let container = json!({"Config": of});
        let mut create = Map::new();
        let told = settle(&mut create, &container, of, to);
        (Value::Object(create), told.join("\n"))
    }

    #[test]
    fn what_the_new_image_does_not_have_is_kept() {
        let (create, told) = settled(
            &json!({"User": "1000", "Env": ["MODE=secret", "SAME=1"]}),
            &json!({"User": "", "Env": ["SAME=1"]}),
        );
        assert_eq!(create, json!({"User": "1000", "Env": ["MODE=secret"]}));
        assert!(told.contains("user 1000, MODE: "), "{told}");
        assert!(!told.contains("secret") && !told.contains("SAME"), "{told}");
    }

    #[test]
    fn what_the_new_image_has_in_another_way_is_its_own() {
        let (create, told) = settled(
            &json!({"User": "1000", "Env": ["VERSION=2"], "Cmd": ["b"], "WorkingDir": "/"}),
            &json!({"User": "app", "Env": ["VERSION=1"], "Cmd": ["a"], "WorkingDir": "/"}),
        );
        assert_eq!(create, json!({}));
        assert!(told.starts_with("user, VERSION, cmd: as the new"), "{told}");
        assert_eq!(settled(&json!({"User": "a"}), &json!({"User": "a"})).1, "");
    }

    #[test]
    fn what_somebody_asked_for_is_nobodys_doubt() {
        let container = json!({"Config": {"User": "7", "Env": ["A=mine"]}});
        let of = json!({"User": "1000", "Env": ["A=1"]});
        let told = settle(&mut Map::new(), &container, &of, &json!({}));
        assert_eq!(told, Vec::<String>::new());
    }
}
