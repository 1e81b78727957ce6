//! Which ConfigMaps and Secrets a pod template names. Pure.

use serde_json::Value;
use std::collections::BTreeMap;

/// Names, and whether pods need them: one optional mention does not make another optional.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in super::super) struct References {
    pub(in super::super) config_maps: BTreeMap<String, bool>,
    pub(in super::super) secrets: BTreeMap<String, bool>,
}

impl References {
    /// Of the containers and volumes of a raw pod template.
    pub(in super::super) fn of(template: &Value) -> Self {
        let mut found = Self::default();
        let spec = template.get("spec").unwrap_or(&Value::Null);
        for container in ["containers", "initContainers"]
            .into_iter()
            .flat_map(|key| list(spec, key))
        {
            for source in list(container, "envFrom") {
                found.config_map(source.get("configMapRef"), "name");
                found.secret(source.get("secretRef"), "name");
            }
            for variable in list(container, "env") {
                found.config_map(variable.pointer("/valueFrom/configMapKeyRef"), "name");
                found.secret(variable.pointer("/valueFrom/secretKeyRef"), "name");
            }
        }
        for volume in list(spec, "volumes") {
            found.config_map(volume.get("configMap"), "name");
            found.secret(volume.get("secret"), "secretName");
            let sources = volume.get("projected").unwrap_or(&Value::Null);
            for source in list(sources, "sources") {
                found.config_map(source.get("configMap"), "name");
                found.secret(source.get("secret"), "name");
            }
        }
        found
    }

    fn config_map(&mut self, reference: Option<&Value>, key: &str) {
        note(&mut self.config_maps, reference, key);
    }

    fn secret(&mut self, reference: Option<&Value>, key: &str) {
        note(&mut self.secrets, reference, key);
    }
}

fn note(names: &mut BTreeMap<String, bool>, reference: Option<&Value>, key: &str) {
    let name = reference.and_then(|reference| reference.get(key)?.as_str());
    let (Some(reference), Some(name)) = (reference, name.filter(|name| !name.is_empty())) else {
        return;
    };
    let is_needed = reference.get("optional") != Some(&Value::Bool(true));
    *names.entry(name.to_owned()).or_default() |= is_needed;
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_way_to_name_one_is_known() {
        let template = json!({"spec": {
            "containers": [{
                "envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "s-all", "optional": true}}],
                "env": [
                    {"name": "A", "value": "x"},
                    {"name": "B", "valueFrom": {"configMapKeyRef": {"name": "one", "key": "k"}}},
                    {"name": "C", "valueFrom": {"secretKeyRef": {"name": "s-one", "key": "k"}}},
                    {"name": "D", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                ],
            }],
            "initContainers": [{"envFrom": [{"configMapRef": {"name": "init", "optional": true}}]}],
            "volumes": [
                {"configMap": {"name": "file"}},
                {"secret": {"secretName": "s-file"}},
                {"projected": {"sources": [{"configMap": {"name": "part"}}, {"secret": {"name": "s-part"}}, {"serviceAccountToken": {}}]}},
                {"configMap": {"name": "init", "optional": true}},
                {"configMap": {"name": "all", "optional": true}},
                {"emptyDir": {}},
            ],
        }});
        let found = References::of(&template);
        let names = |map: &BTreeMap<String, bool>| -> Vec<String> {
            map.iter()
                .map(|(name, needed)| format!("{name}{}", if *needed { "" } else { "?" }))
                .collect()
        };
        assert_eq!(
            names(&found.config_maps),
            ["all", "file", "init?", "one", "part"]
        );
        assert_eq!(
            names(&found.secrets),
            ["s-all?", "s-file", "s-one", "s-part"]
        );
        assert_eq!(References::of(&Value::Null), References::default());
    }
}
