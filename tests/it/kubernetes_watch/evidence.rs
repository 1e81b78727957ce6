//! What is kept of the state before a change.

use super::{admin, annotated, start, target};
use crate::cluster::at;
use serde_json::json;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

#[tokio::test]
async fn logs_of_before_the_crash_are_kept_and_secrets_are_not() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    let logs = json!({"lastgood-test/logs": "now with hunter22", "lastgood-test/logs-previous": "before: postgres://web:pw1234@db"});
    let mut object = annotated("web", "shop/web:1-one-bad", 2, &logs);
    object["spec"]["template"]["spec"]["containers"][0]["env"] =
        json!([{"name": "API_TOKEN", "value": "plain-5678"}, {"name": "PORT", "value": "8080"}]);
    space.apply_object(&object).await;
    let restarted = |pod: &serde_json::Value| {
        at(pod, "/status/containerStatuses/0/restartCount").as_i64() >= Some(2)
    };
    let pods = space
        .wait_pods("app=web", "one has crashed", |pods| {
            pods.len() == 2 && pods.iter().any(restarted)
        })
        .await;
    let bad = pods.iter().find(|pod| restarted(pod)).unwrap();
    let bad = at(bad, "/metadata/name").as_str().unwrap().to_owned();
    let target = target(
        &cluster,
        &admin(&cluster),
        &space,
        &["deployment/web"],
        &json!({}),
    );
    let began = Instant::now();
    let files: BTreeMap<String, String> = target.evidence().await.into_iter().collect();
    assert!(began.elapsed() < Duration::from_secs(11));
    let names: Vec<&str> = files.keys().map(String::as_str).collect();
    let of = |name: &str| {
        files
            .get(name)
            .unwrap_or_else(|| panic!("no {name} in {names:?}"))
    };
    let describe = of("deployment-web.describe.txt");
    assert!(
        describe.contains(&format!("pod: {bad}\n")) && describe.contains("exit code 1"),
        "{describe}"
    );
    let previous = of(&format!("deployment-web.{bad}.previous.log"));
    assert!(previous.contains("before: postgres://***@db"), "{previous}");
    assert!(of(&format!("deployment-web.{bad}.log")).contains("now with ***"));
    assert_eq!(
        names.iter().filter(|name| name.contains(".log")).count(),
        3,
        "{names:?}"
    );
    assert!(of("deployment-web.history.txt").contains("revision 1"));
    assert!(
        files.contains_key("events.txt") && !files.contains_key("missing.txt"),
        "{names:?}"
    );
    let object = of("deployment-web.object.json");
    assert!(
        object.contains("8080") && !object.contains("managedFields"),
        "{object}"
    );
    for (name, text) in &files {
        for secret in ["hunter22", "pw1234", "plain-5678"] {
            assert!(!text.contains(secret), "{secret} in {name}");
        }
    }
}
