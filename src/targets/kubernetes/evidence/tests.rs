//! What is masked, what is cut, and how it reads.

use super::describe;
use super::masked::object;
use super::{FILE_BYTES_MAX, Files, Rank, bounded, finish};
use crate::model::secret::Secret;
use crate::targets::Base;
use crate::targets::kubernetes::Kubernetes;
use crate::targets::kubernetes::pods;
use serde_json::json;

fn target(secrets: &[&str]) -> Kubernetes {
    let base = Base {
        secrets: secrets.iter().map(|text| Secret::new(*text)).collect(),
        ..Base::default()
    };
    let settings = json!({"namespace": "shop", "slots": ["deployment/web"], "context": "c"});
    Kubernetes::new("shop", settings, &base).unwrap()
}

#[test]
fn values_of_such_names_are_masked_and_references_stay() {
    let mut found = json!({
        "metadata": {
            "managedFields": [{"manager": "x"}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "all of it", "auth-token": "abc"},
        },
        "spec": {"template": {"spec": {"containers": [{
            "name": "web",
            "args": ["--db-password=hunter2", "--token", "hunter3", "--port", "80"],
            "env": [
                {"name": "DB_PASSWORD", "value": "hunter2"},
                {"name": "PORT", "value": "80"},
                {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}},
            ],
        }]}}},
    });
    object(&mut found);
    assert_eq!(
        found,
        json!({
            "metadata": {"annotations": {"auth-token": "***"}},
            "spec": {"template": {"spec": {"containers": [{
                "name": "web",
                "args": ["--db-password=***", "--token", "***", "--port", "80"],
                "env": [
                    {"name": "DB_PASSWORD", "value": "***"},
                    {"name": "PORT", "value": "80"},
                    {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}},
                ],
            }]}}},
        })
    );
}

#[test]
fn secrets_and_passwords_in_addresses_are_masked() {
    let text = target(&["hunter2"]).masked("hunter2 at postgres://web:hunter3@db/shop");
    assert_eq!(text, "*** at postgres://***@db/shop");
}

#[test]
fn a_file_keeps_its_end() {
    let text = bounded("é".repeat(FILE_BYTES_MAX));
    assert!(text.len() <= FILE_BYTES_MAX && text.starts_with('[') && text.ends_with('é'));
    assert_eq!(bounded("short".to_owned()), "short");
}

#[test]
fn what_does_not_fit_or_did_not_come_is_listed() {
    let files = Files::default();
    files.put(Rank::Describe, "web.describe.txt", "hunter2".to_owned());
    for n in 0..20 {
        files.put(
            Rank::Log,
            &format!("{n:02}.log"),
            "x".repeat(FILE_BYTES_MAX),
        );
    }
    files.expect("events.txt");
    let all = finish(&target(&["hunter2"]), files);
    let total: usize = all.iter().map(|(_, text)| text.len()).sum();
    assert!(total <= 4 * 1024 * 1024 + 2000, "{total}");
    assert_eq!(
        all.first().unwrap(),
        &("web.describe.txt".to_owned(), "***".to_owned())
    );
    let (name, missing) = all.last().unwrap();
    assert_eq!(name, "missing.txt");
    assert!(missing.contains("events.txt: no answer within 10 s\n"));
    assert!(
        missing.contains("19.log: no room left of 4 MiB\n"),
        "{missing}"
    );
}

#[test]
fn a_pod_and_its_events_read_well() {
    let raw = serde_json::from_value(json!({
        "metadata": {"name": "web-1", "creationTimestamp": "2026-11-21T15:00:00Z"},
        "spec": {"nodeName": "n1", "containers": [{"name": "web", "image": "shop/web:2", "env": [{"name": "A", "value": "b"}]}]},
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "False", "reason": "ContainersNotReady"}],
            "containerStatuses": [{"name": "web", "image": "shop/web:2", "imageID": "shop/web@sha256:aa", "ready": false,
                "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
                "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}}}]},
    }))
    .unwrap();
    let text = describe::pod(&raw, &pods::pod(&raw, true, None));
    assert_eq!(
        text,
        "pod: web-1\n  revision: current\n  node: n1\n  phase: Running\n  created: 2026-11-21T15:00:00Z\n  \
         condition Ready: False, ContainersNotReady\n  container: web\n    image: shop/web:2\n    runs: shop/web@sha256:aa\n    \
         ready: no\n    restarts: 4\n    waiting: CrashLoopBackOff back-off 40s\n    ended before: exit code 1 Error\n"
    );
    let event = |message: &str, at: &str, count: i32| {
        serde_json::from_value(json!({
            "metadata": {}, "involvedObject": {"kind": "Pod", "name": "web-1"}, "reason": "BackOff", "message": message,
            "lastTimestamp": at, "count": count,
        }))
        .unwrap()
    };
    let events = [
        event("old", "2026-11-21T15:00:00Z", 1),
        event("same", "2026-11-21T15:00:01Z", 2),
        event("same", "2026-11-21T15:00:02Z", 3),
    ];
    assert_eq!(
        describe::events(&events),
        "2026-11-21T15:00:02Z  pod/web-1  BackOff (5x): same\n2026-11-21T15:00:00Z  pod/web-1  BackOff (1x): old\n"
    );
}
