//! What a container has just as its image says it. Whether the image brought it or somebody asked for the same cannot be told; where the new
//! image does not say it at all, that is told. Pure.

use super::text;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the container loses because it was taken for the old image's (`of`), by names only. `to` is what the new image says.
///
/// It is never carried over: what the bad image says must not reach the good one, which ran without it.
pub(super) fn lost(container: &Value, of: &Value, to: &Value) -> Vec<String> {
    let mut lost = Vec::new();
    let (own, new) = (text(container, "/Config/User"), text(to, "/User"));
    if !own.is_empty() && own == text(of, "/User") && new.is_empty() {
        lost.push(format!("user {own}"));
    }
    let own = entries(container.pointer("/Config/Env"));
    let (of, to) = (entries(of.get("Env")), entries(to.get("Env")));
    let of_image = own
        .into_iter()
        .filter(|(name, value)| of.get(name) == Some(value) && !to.contains_key(name));
    lost.extend(of_image.map(|(name, _)| name.to_owned()));
    if lost.is_empty() {
        return Vec::new();
    }
    vec![format!(
        "{}: set by the image of before and not by the new one, which ran without it; if the service misses it now, its compose file has to ask for it",
        lost.join(", ")
    )]
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
    fn check(own: &Value, of: &Value, to: &Value, expected: &str) {
        let told = lost(&json!({"Config": own}), of, to).join("");
        assert!(told.starts_with(expected), "{told}");
        assert_eq!(told.is_empty(), expected.is_empty(), "{told}");
        assert!(!told.contains("secret"), "{told}");
    }

    #[test]
    fn what_the_new_image_does_not_say_is_told_by_name() {
        let v2 = json!({"User": "1000", "Env": ["MODE=secret", "VERSION=2"]});
        let v1 = json!({"User": "", "Env": ["VERSION=1"]});
        check(&v2, &v2, &v1, "user 1000, MODE: set by");
        check(&v2, &v2, &v2, "");
        // What somebody asked for is nobody's doubt.
        check(&json!({"User": "7", "Env": ["MODE=mine"]}), &v2, &v1, "");
    }
}
