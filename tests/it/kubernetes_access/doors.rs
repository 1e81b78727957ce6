//! By kubeconfig and by token; another cluster, a missing namespace and a missing permission are refused.

use super::{assert_refused, open, target};
use crate::cluster::{Cluster, Trick, User};
use lastgood::targets::{self, Base, TargetError};
use serde_json::json;
use std::fs;

#[tokio::test]
async fn the_cluster_is_the_one_that_the_settings_name() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("doors").await;
    let namespaces: kube::Api<k8s_openapi::api::core::v1::Namespace> =
        kube::Api::all(cluster.client());
    let uid = namespaces
        .get("kube-system")
        .await
        .unwrap()
        .metadata
        .uid
        .unwrap();
    let admin = |more| target(&cluster, &space, User::Admin, &more);
    admin(json!({"cluster-uid": uid})).guard().await.unwrap();
    assert_refused(
        admin(json!({"cluster-uid": "00000000-0000-0000-0000-000000000000"}))
            .guard()
            .await,
        &format!("has the UID {uid}, expected 0000"),
        "cluster-uid",
    );
    assert_refused(
        admin(json!({"server": "https://10.0.0.1:6443"}))
            .guard()
            .await,
        "this is another cluster: the credentials lead to https://127.0.0.1",
        "correct `server`",
    );
    assert_refused(
        admin(json!({"namespaces": ["no-such-space"], "selector": "a=b"}))
            .guard()
            .await,
        "there is no namespace no-such-space",
        "create it",
    );
    assert_refused(
        admin(json!({"context": "no-such-context"})).guard().await,
        "no context \"no-such-context\"; it has ",
        "correct `context`",
    );
}

#[tokio::test]
async fn an_account_proves_the_place_with_what_it_may_read() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("doors").await;
    let ci = |more| target(&cluster, &space, User::Ci, &more);
    assert_refused(
        ci(json!({"cluster-uid": "u"})).guard().await,
        "may not read the UID of kube-system",
        "resourceNames: [kube-system]",
    );
    let denied = ci(json!({})).guard().await;
    assert_refused(denied, "forbidden", "grant that permission");
    let read = json!([{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["get"]}]);
    space.allow(User::Ci, read).await;
    let denied = ci(json!({})).guard().await;
    assert_refused(denied, "none of its slots was found", "verbs: [get]");
    space.deployment("web", "shop/web:1", 1).await;
    ci(json!({})).guard().await.unwrap();
}

#[tokio::test]
async fn a_token_is_enough_and_a_wrong_one_is_told() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("doors").await;
    let by_token = |token: &str, ca: &str| {
        let settings = json!({
            "namespace": space.name, "slots": ["deployment/web"], "server": cluster.server(),
            "token-from": "TOKEN", "ca-from": "CA",
        });
        let base = Base {
            environment: [("TOKEN", token), ("CA", ca)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            ..Base::default()
        };
        targets::open("kubernetes", "web", settings, &base).unwrap()
    };
    let ca = fs::read_to_string(cluster.ca_file()).unwrap();
    let token = cluster.token(User::Admin);
    by_token(&token, &ca).guard().await.unwrap();
    let denied = by_token("wrong", &ca).guard().await;
    assert_refused(denied, "does not accept the credentials (401)", "expired");
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    let denied = by_token(&token, &other.cert.pem()).guard().await;
    assert_refused(
        denied,
        "certificate of the API server is not trusted",
        "ca-from",
    );
}

#[tokio::test]
async fn a_busy_server_is_asked_again_and_a_lost_answer_is_no_answer() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("doors").await;
    let mischief = cluster.mischief().await;
    let path = format!("/namespaces/{}", space.name);
    mischief.play("GET", &path, 1, Trick::TooManyRequests { retry_after_s: 1 });
    let kubeconfig = mischief.kubeconfig(User::Admin);
    let target = open(&space.name, &kubeconfig, &mischief.server(), &json!({}));
    target.guard().await.unwrap();
    assert_eq!(mischief.left(), 0, "the trick was not played");
    mischief.play("GET", &path, 1, Trick::Unavailable);
    target.guard().await.unwrap();
    let nobody = open(&space.name, &kubeconfig, "https://127.0.0.1:1", &json!({}));
    assert_refused(nobody.guard().await, "this is another cluster", "`server`");
    let text = fs::read_to_string(&kubeconfig).unwrap();
    let dead = tempfile::NamedTempFile::new().unwrap();
    let dead_server = "https://127.0.0.1:1";
    fs::write(dead.path(), text.replace(&mischief.server(), dead_server)).unwrap();
    let dead = open(&space.name, dead.path(), dead_server, &json!({}));
    let error = dead.guard().await.unwrap_err();
    assert!(
        matches!(&error, TargetError::Unreachable { what } if what.contains("refused")),
        "{error:?}"
    );
}
