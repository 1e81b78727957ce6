//! What ConfigMaps hold before they are put back to what a release recorded, and what differs. Only those that a plan will
//! overwrite. What looks secret in them is masked.

use super::{Files, Rank};
use crate::targets::kubernetes::Kubernetes;
use crate::targets::kubernetes::cluster::Cluster;
use crate::targets::kubernetes::config_maps;
use crate::targets::kubernetes::slots::Place;
use crate::targets::masking;
use serde_json::{Map, Value};

/// `configmap-<name>.json` for each, and `configmaps.diff.txt`.
pub(super) async fn gather(target: &Kubernetes, cluster: &Cluster, files: &Files) {
    const DIFFERENCE: &str = "configmaps.diff.txt";
    let kept = target.memory.config();
    if kept.is_empty() {
        return;
    }
    files.expect(DIFFERENCE);
    let mut lines = Vec::new();
    for (place, recorded) in kept {
        for (name, old) in recorded.as_object().into_iter().flatten() {
            let file = file_name(target, &place, name);
            files.expect(&file);
            let now = match config_maps::config_map(cluster, &place, name).await {
                Ok(now) => now,
                Err(error) => {
                    files.miss(&file, &error.to_string());
                    continue;
                }
            };
            let was: Value = Map::from_iter([(name.clone(), old.clone())]).into();
            let is: Map<String, Value> =
                now.iter().map(|now| (name.clone(), now.clone())).collect();
            let differences = config_maps::difference(&was, &Value::Object(is));
            match now.filter(|_| !differences.is_empty()) {
                Some(now) => {
                    let text = serde_json::to_string_pretty(&masked(now)).unwrap_or_default();
                    files.put(Rank::Config, &file, text);
                }
                None => files.put_nothing(&file),
            }
            lines.extend(differences);
        }
    }
    // Several workloads may read the same one.
    lines.sort();
    lines.dedup();
    lines.push(String::new());
    files.put(Rank::Config, DIFFERENCE, lines.join("\n"));
}

fn file_name(target: &Kubernetes, place: &Place, name: &str) -> String {
    if place.namespace == target.settings.namespace {
        format!("configmap-{name}.json")
    } else {
        format!("{}.configmap-{name}.json", place.namespace)
    }
}

fn masked(mut map: Value) -> Value {
    for (key, value) in ["data", "binaryData"]
        .into_iter()
        .filter_map(|part| map.get(part)?.as_object().cloned().map(|data| (part, data)))
        .collect::<Vec<_>>()
    {
        let shown: Map<String, Value> = value
            .into_iter()
            .map(|(name, text)| {
                let shown = masking::of(&name, text.as_str().unwrap_or_default());
                (name, Value::String(shown))
            })
            .collect();
        if let Some(map) = map.as_object_mut() {
            map.insert(key.to_owned(), Value::Object(shown));
        }
    }
    map
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn secrets_in_a_config_map_are_not_kept_as_evidence() {
        let map = json!({"data": {"LEVEL": "info", "DB_PASSWORD": "hunter2", "app.ini": "token = abc"}, "sha256": "sha256:aa"});
        assert_eq!(
            masked(map),
            json!({"data": {"LEVEL": "info", "DB_PASSWORD": "***", "app.ini": "token = ***"}, "sha256": "sha256:aa"})
        );
    }
}
