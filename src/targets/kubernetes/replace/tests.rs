//! What a patch of a template holds.

use super::*;

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn annotations_are_taken_from_the_replica_set_but_for_the_deployments_own() {
    let own = map(&[
        ("deployment.kubernetes.io/revision", "7"),
        ("kubectl.kubernetes.io/last-applied-configuration", "{}"),
        ("lastgood.dev/replicas", "3"),
        ("kubernetes.io/change-cause", "bad"),
    ]);
    let set = map(&[
        ("deployment.kubernetes.io/revision", "4"),
        ("deployment.kubernetes.io/desired-replicas", "2"),
        ("kubernetes.io/change-cause", "good"),
    ]);
    let after = annotations_after(Some(&own), &set);
    assert_eq!(
        Value::Object(after),
        json!({
            "deployment.kubernetes.io/revision": "7",
            "kubectl.kubernetes.io/last-applied-configuration": "{}",
            "lastgood.dev/replicas": "3",
            "kubernetes.io/change-cause": "good",
        })
    );
    assert_eq!(annotations_after(None, &map(&[("a", "b")])).len(), 1);
}

#[test]
fn a_conflict_says_what_was_found_and_expected() {
    let slot = Slot("deployment/web".to_owned());
    let from = Revision("sha256:aa".to_owned());
    assert_eq!(
        conflict(&slot, "sha256:bb", Some(&from)).to_string(),
        "deployment/web holds sha256:bb, but the plan saw sha256:aa; somebody else changed it"
    );
}
