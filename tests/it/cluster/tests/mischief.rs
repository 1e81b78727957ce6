//! Each trick of the proxy is met by a client, once.

use crate::cluster::{Cluster, Mischief, Trick, User, at};
use futures_util::StreamExt as _;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::{Patch, PatchParams, WatchEvent, WatchParams};
use kube::config::KubeConfigOptions;
use kube::{Api, Client, Config, Error};
use serde_json::json;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// A client that tries once: kube's own would hide a 429 and a 503.
async fn impatient(mischief: &Mischief) -> Client {
    let file = kube::config::Kubeconfig::read_from(mischief.kubeconfig(User::Admin)).unwrap();
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .unwrap();
    config.default_retry = false;
    Client::try_from(config).unwrap()
}

fn code(error: &Error) -> u16 {
    match error {
        Error::Api(status) => status.code,
        _ => 0,
    }
}

fn value(text: &str) -> Patch<serde_json::Value> {
    Patch::Merge(json!({"data": {"key": text}}))
}

#[tokio::test]
async fn every_refusal_is_met_once_and_changes_nothing() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("refusals").await;
    space
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: it}, data: {key: old}}")
        .await;
    let mischief = cluster.mischief().await;
    let maps = Api::<ConfigMap>::namespaced(impatient(&mischief).await, &space.name);
    let tricks = [
        (Trick::Conflict, 409),
        (Trick::Forbidden, 403),
        (Trick::TooManyRequests { retry_after_s: 1 }, 429),
        (Trick::Unavailable, 503),
        (Trick::Refuse, 0),
    ];
    for (trick, expected) in tricks {
        mischief.play("PATCH", "/configmaps/it", 1, trick);
        let refused = maps
            .patch("it", &PatchParams::default(), &value("new"))
            .await
            .unwrap_err();
        assert_eq!(code(&refused), expected, "{trick:?}: {refused}");
        assert_eq!(*at(&space.get("configmap/it").await, "/data/key"), "old");
    }
    assert_eq!(mischief.left(), 0);
    assert_eq!(mischief.mutations().len(), 5);
    mischief.play("PATCH", "/configmaps/it", 2, Trick::Conflict);
    maps.patch("it", &PatchParams::default(), &value("first"))
        .await
        .unwrap();
    maps.patch("it", &PatchParams::default(), &value("second"))
        .await
        .unwrap_err();
    assert_eq!(*at(&space.get("configmap/it").await, "/data/key"), "first");
}

#[tokio::test]
async fn an_answer_is_lost_but_the_change_is_made() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("lost").await;
    space
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: it}, data: {key: old}}")
        .await;
    let mischief = cluster.mischief().await;
    let maps = Api::<ConfigMap>::namespaced(impatient(&mischief).await, &space.name);
    mischief.play("PATCH", "/configmaps/it", 1, Trick::LoseReply);
    maps.patch("it", &PatchParams::default(), &value("new"))
        .await
        .unwrap_err();
    assert_eq!(*at(&space.get("configmap/it").await, "/data/key"), "new");
    let dry = PatchParams {
        dry_run: true,
        ..PatchParams::default()
    };
    maps.patch("it", &dry, &value("dry")).await.unwrap();
    assert_eq!(mischief.mutations().len(), 1, "a dry run is none");
}

#[tokio::test]
async fn another_writer_comes_first_and_a_request_can_be_slow() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("second").await;
    space
        .apply("{apiVersion: v1, kind: ConfigMap, metadata: {name: it}, data: {key: old}}")
        .await;
    let mischief = cluster.mischief().await;
    let maps = Api::<ConfigMap>::namespaced(mischief.client(User::Admin).await, &space.name);
    let others = Api::<ConfigMap>::namespaced(cluster.client(), &space.name);
    mischief.before("PATCH", "/configmaps/it", 1, async move {
        others
            .patch("it", &PatchParams::default(), &value("theirs"))
            .await
            .unwrap();
    });
    let test = json!([{"op": "test", "path": "/data/key", "value": "old"}, {"op": "replace", "path": "/data/key", "value": "ours"}]);
    let patch = Patch::Json::<()>(serde_json::from_value(test).unwrap());
    maps.patch("it", &PatchParams::default(), &patch)
        .await
        .unwrap_err();
    assert_eq!(*at(&space.get("configmap/it").await, "/data/key"), "theirs");
    let delay = Duration::from_millis(300);
    mischief.play("GET", "/configmaps/it", 1, Trick::Delay(delay));
    let since = Instant::now();
    maps.get("it").await.unwrap();
    assert!(delay <= since.elapsed());
}

#[tokio::test]
async fn watches_expire_and_are_cut() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("watches").await;
    let mischief = cluster.mischief().await;
    let maps = Api::<ConfigMap>::namespaced(mischief.client(User::Admin).await, &space.name);
    let yaml = "{apiVersion: v1, kind: ConfigMap, metadata: {name: it}, data: {key: old}}";
    let is_gone = |event: Option<Result<WatchEvent<ConfigMap>, Error>>| matches!(event, Some(Ok(WatchEvent::Error(status))) if status.code == 410);

    mischief.play("GET", "watch=true", 1, Trick::Gone);
    let mut events = pin!(maps.watch(&WatchParams::default(), "0").await.unwrap());
    assert!(is_gone(events.next().await));

    space.apply(yaml).await;
    for order in ["expire", "drop"] {
        let mut events = pin!(maps.watch(&WatchParams::default(), "0").await.unwrap());
        assert!(
            matches!(events.next().await, Some(Ok(WatchEvent::Added(_)))),
            "{order}"
        );
        let open = if order == "expire" {
            mischief.expire_watches()
        } else {
            mischief.drop_watches()
        };
        assert_eq!(open, 1);
        let rest = timeout(Duration::from_secs(10), events.next())
            .await
            .unwrap();
        if order == "expire" {
            assert!(is_gone(rest));
        } else {
            assert!(!matches!(rest, Some(Ok(_))), "no more events come");
        }
    }
}

#[tokio::test]
async fn a_port_forward_passes_through() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("through").await;
    space.deployment("web", "shop/web:1", 1).await;
    space.wait_rolled_out("deployment/web").await;
    let mischief = cluster.mischief().await;
    let pods = Api::<Pod>::namespaced(mischief.client(User::Admin).await, &space.name);
    let pod = space.pods("app=web").await;
    let name = at(&pod[0], "/metadata/name").as_str().unwrap();
    let answer = super::kubelet::get(&pods, name).await;
    assert!(answer.ends_with(r#"{"status":"healthy"}"#), "{answer}");
    assert!(
        mischief
            .seen()
            .iter()
            .any(|seen| seen.path.ends_with("/portforward"))
    );
}
