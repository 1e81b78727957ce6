//! Signs in an object that a change of it would not do what is expected, and the words for them. Pure: JSON in, words out.

use crate::targets::kubernetes::slots::{Kind, Place};
use jiff::Timestamp;
use serde_json::Value;

/// A paused Deployment takes a template and rolls nothing out.
pub(super) fn paused(object: &Value, place: &Place) -> Option<String> {
    (object.pointer("/spec/paused") == Some(&Value::Bool(true))).then(|| {
        format!(
            "{place} is paused: the new template would lie there and nothing would be rolled out; resume it first: kubectl rollout resume {}/{} -n {}",
            place.kind.word(), place.name, place.namespace
        )
    })
}

/// With `OnDelete`, pods change only when somebody deletes them.
pub(super) fn on_delete(object: &Value, place: &Place) -> Option<String> {
    let can = match place.kind {
        Kind::StatefulSet | Kind::DaemonSet => true,
        Kind::Deployment | Kind::Service | Kind::HttpRoute => false,
    };
    let kind = object.pointer("/spec/updateStrategy/type")?;
    (can && kind == "OnDelete").then(|| {
        format!(
            "{place} has the update strategy OnDelete: pods keep running what they run until somebody deletes them; delete them after the change, or set updateStrategy to RollingUpdate"
        )
    })
}

/// Pods below the partition keep the release that is replaced. Where two releases are there already, the change replaces only
/// what is above it (a canary), and those below run the earlier one.
pub(super) fn partition(object: &Value, place: &Place) -> Option<String> {
    let number = |pointer: &str| object.pointer(pointer).and_then(Value::as_u64);
    let replicas = number("/spec/replicas").unwrap_or(1);
    let stay = number("/spec/updateStrategy/rollingUpdate/partition")?.min(replicas);
    let is_on_delete = object.pointer("/spec/updateStrategy/type")? == "OnDelete";
    let revision = |which: &str| object.pointer(&format!("/status/{which}Revision"));
    let is_canary = revision("current") != revision("update");
    let is_kept = place.kind == Kind::StatefulSet && !is_on_delete && !is_canary && 0 < stay;
    is_kept.then(|| {
        format!(
            "{place}: {stay} of {replicas} pods stay on the release that is replaced: lower spec.updateStrategy.rollingUpdate.partition to roll all back"
        )
    })
}

/// The Helm release that an object belongs to. Not a hazard: Helm acts only when somebody runs it.
pub(in crate::targets::kubernetes) fn helm_release(object: &Value) -> Option<&str> {
    text(object, "annotations", "meta.helm.sh/release-name")
}

/// What is said of a Job with the labels of a migration, when it is newer than the good release or nobody knows.
pub(super) fn migrated(
    job: &str,
    created: Option<Timestamp>,
    good_since: Option<Timestamp>,
) -> Option<String> {
    let advice =
        "its changes of data are not undone: make sure that the earlier release can work with them";
    match (created, good_since) {
        (Some(created), Some(since)) if created < since => None,
        (Some(created), Some(since)) => Some(format!(
            "Job {job} was created at {created}, after the good release was there ({since}); {advice}"
        )),
        (created, _) => {
            let when = created.map_or_else(String::new, |time| format!(", created at {time},"));
            Some(format!(
                "Job {job}{when} may have run since the good release, of which no time is recorded; {advice}"
            ))
        }
    }
}

/// A label or an annotation, unless it is empty.
pub(super) fn text<'a>(object: &'a Value, map: &str, key: &str) -> Option<&'a str> {
    object
        .get("metadata")?
        .get(map)?
        .get(key)?
        .as_str()
        .filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn place(text: &str) -> Place {
        Place::parse(text, "shop").unwrap()
    }

    #[test]
    fn a_rollout_that_would_not_begin_is_seen() {
        #[track_caller]
        fn check(slot: &str, spec: &Value, expected: (bool, bool)) {
            let object = json!({ "spec": spec });
            let found = (
                paused(&object, &place(slot)).is_some(),
                on_delete(&object, &place(slot)).is_some(),
            );
            assert_eq!(found, expected, "{slot} {spec}");
        }
        let on_delete = json!({"updateStrategy": {"type": "OnDelete"}});
        let rolling = json!({"updateStrategy": {"type": "RollingUpdate"}});
        check("deployment/web", &json!({"paused": true}), (true, false));
        check("deployment/web", &json!({"paused": false}), (false, false));
        check("deployment/web", &json!({}), (false, false));
        check("statefulset/db", &on_delete, (false, true));
        check("daemonset/agent", &on_delete, (false, true));
        check("daemonset/agent", &rolling, (false, false));
        let told = paused(&json!({"spec": {"paused": true}}), &place("deployment/web")).unwrap();
        assert!(
            told.contains("kubectl rollout resume deployment/web -n shop"),
            "{told}"
        );
    }

    #[test]
    fn pods_below_a_partition_are_counted() {
        #[track_caller]
        fn check(slot: &str, object: &Value, expected: Option<&str>) {
            let found = partition(object, &place(slot));
            let found = found
                .as_deref()
                .map(|what| what.split(" stay").next().unwrap());
            assert_eq!(found, expected, "{slot} {object}");
        }
        let set = |partition: u32, current: &str, strategy: &str| {
            json!({
                "spec": {"replicas": 3, "updateStrategy":
                    {"type": strategy, "rollingUpdate": {"partition": partition}}},
                "status": {"currentRevision": current, "updateRevision": "b"}
            })
        };
        let (db, rolling) = ("statefulset/db", "RollingUpdate");
        check(db, &set(0, "b", rolling), None);
        check(
            db,
            &set(2, "b", rolling),
            Some("statefulset db in namespace shop: 2 of 3 pods"),
        );
        check(
            db,
            &set(9, "b", rolling),
            Some("statefulset db in namespace shop: 3 of 3 pods"),
        );
        check(db, &set(2, "a", rolling), None);
        check(db, &set(2, "b", "OnDelete"), None);
        check("daemonset/db", &set(2, "b", rolling), None);
        check(db, &json!({"spec": {}}), None);
    }

    #[test]
    fn a_migration_counts_from_the_good_release_on() {
        let at = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let (early, late) = (at("2026-01-01T00:00:00Z"), at("2026-01-02T00:00:00Z"));
        assert_eq!(migrated("m", early, late), None);
        assert!(
            migrated("m", late, early)
                .unwrap()
                .contains("after the good release")
        );
        assert!(migrated("m", late, late).is_some());
        assert!(
            migrated("m", late, None)
                .unwrap()
                .contains("no time is recorded")
        );
        assert!(migrated("m", None, early).is_some());
    }

    #[test]
    fn the_helm_release_is_known() {
        let object = json!({"metadata": {"annotations": {"meta.helm.sh/release-name": "shop"}}});
        assert_eq!(helm_release(&object), Some("shop"));
        assert_eq!(helm_release(&json!({"metadata": {}})), None);
    }
}
