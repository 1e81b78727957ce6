//! What is told of one slot as it is now: whether it could go back, and what else puts its hands on it. Pure.

use crate::targets::Finding;
use crate::targets::kubernetes::hazards;
use crate::targets::kubernetes::slots::Place;
use serde_json::Value;

/// Of an object that is there.
pub(super) fn finding(place: &Place, object: &Value) -> Finding {
    let mut detail = format!("{place} is there");
    if place.kind.is_workload() {
        let limit = object.pointer("/spec/revisionHistoryLimit");
        if limit.and_then(Value::as_i64) == Some(0) {
            detail.push_str("; it keeps no history (revisionHistoryLimit: 0), so only a release that was recorded with its template can be put back");
        }
        if object.pointer("/spec/replicas").and_then(Value::as_i64) == Some(0) {
            detail.push_str("; it is scaled to 0");
        }
    }
    if let Some(release) = hazards::helm_release(object) {
        detail = format!(
            "{detail}; it belongs to the Helm release {release}, and the next `helm upgrade` brings its own back"
        );
    }
    Finding::ok("slot", detail)
}

/// The images of a workload's template, init containers included, each once.
pub(super) fn images(object: &Value) -> Vec<String> {
    let spec = object.pointer("/spec/template/spec");
    let mut images: Vec<String> = ["initContainers", "containers"]
        .iter()
        .filter_map(|key| spec?.get(key)?.as_array())
        .flatten()
        .filter_map(|container| container.get("image")?.as_str())
        .map(str::to_owned)
        .collect();
    images.sort();
    images.dedup();
    images
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_matters_on_the_way_back_is_told() {
        #[track_caller]
        fn check(object: &Value, says: &str) {
            let place = Place::parse("deployment/web", "shop").unwrap();
            let found = finding(&place, object);
            assert!(found.ok && found.detail.contains(says), "{}", found.detail);
        }
        check(
            &json!({"spec": {}}),
            "deployment web in namespace shop is there",
        );
        check(
            &json!({"spec": {"revisionHistoryLimit": 0}}),
            "keeps no history",
        );
        check(&json!({"spec": {"replicas": 0}}), "scaled to 0");
        check(
            &json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "shop"}}, "spec": {}}),
            "Helm release shop",
        );
    }

    #[test]
    fn every_container_has_its_image() {
        let object = json!({"spec": {"template": {"spec": {
            "containers": [{"image": "b"}, {"image": "a"}, {}],
            "initContainers": [{"image": "c"}, {"image": "a"}]}}}});
        assert_eq!(images(&object), ["a", "b", "c"]);
        assert_eq!(images(&json!({"spec": {}})), [""; 0]);
    }
}
