//! The way to the API server while it is watched: watches that end, answers that do not come, permissions that are missing.

use super::{Told, asked, attend, start, target};
use crate::cluster::{Trick, User};
use lastgood::model::state::{Revision, Slot, Wanted};
use lastgood::targets::TargetError;
use serde_json::json;

#[tokio::test]
async fn watches_that_end_and_answers_that_fail_do_not_end_it() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1-slow", 2).await;
    let proxy = cluster.mischief().await;
    let more = json!({"server": proxy.server()});
    let kubeconfig = proxy.kubeconfig(User::Admin);
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    proxy.play("GET", "watch=true", 1, Trick::Gone);
    proxy.play(
        "GET",
        "/pods",
        3,
        Trick::TooManyRequests { retry_after_s: 1 },
    );
    proxy.play("GET", "/replicasets", 4, Trick::Refuse);
    let told = Told::default();
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &told), async {
        asked(&proxy, "/pods", 2).await;
        proxy.drop_watches();
        asked(&proxy, "/services", 1).await;
        proxy.play("GET", "/deployments/web", 1, Trick::Unavailable);
        proxy.expire_watches();
    });
    assert_eq!(attended.sightings, [], "{:#?}", told.lines());
    assert_eq!(proxy.left(), 0, "every trick was met");
}

#[tokio::test]
async fn what_may_not_be_read_is_told_once_and_the_rest_is_watched() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 1).await;
    space.wait_rolled_out("deployment/web").await;
    let verbs = json!(["get", "list", "watch"]);
    let rules = json!([
        {"apiGroups": ["apps"], "resources": ["deployments", "replicasets"], "verbs": verbs},
        {"apiGroups": [""], "resources": ["pods"], "verbs": verbs},
    ]);
    space.allow(User::Ci, rules).await;
    let more = json!({"log-errors": "error"});
    let kubeconfig = cluster.kubeconfig(User::Ci);
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    let told = Told::default();
    let attended = attend(target.as_ref(), &told).await;
    assert_eq!(attended.sightings, []);
    let lines = told.lines();
    let about = |what: &str| lines.iter().filter(|line| line.contains(what)).count();
    assert_eq!(
        about("could not look at services and their endpoints"),
        1,
        "{lines:#?}"
    );
    assert_eq!(about("could not look at the logs"), 1, "{lines:#?}");
}

#[tokio::test]
async fn failing_to_look_at_all_is_an_error_and_no_sickness() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 1).await;
    let kubeconfig = cluster.kubeconfig(User::Nobody);
    let more = json!({"rollout-deadline": "3s"});
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    let slot = Slot("deployment/web".to_owned());
    let held = Wanted::from_iter([(slot, Revision("sha256:00".to_owned()))]);
    let error = target.attend(&held, &Told::default()).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused { .. }), "{error}");
}
