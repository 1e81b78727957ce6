//! The way to the API server while it is watched: watches that end, answers that do not come, permissions that are missing.

use super::{Told, asked, attend, start, target};
use crate::cluster::{Trick, User};
use lastgood::decide::mitigate::with_sightings;
use lastgood::model::sighting::Symptom;
use lastgood::model::state::{Revision, Slot, Wanted};
use lastgood::model::verdict::{Call, Severity};
use lastgood::targets::Attended;
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
async fn failing_to_look_at_all_is_told_and_no_sickness() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 1).await;
    let kubeconfig = cluster.kubeconfig(User::Nobody);
    let more = json!({"rollout-deadline": "3s"});
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    let slot = Slot("deployment/web".to_owned());
    let held = Wanted::from_iter([(slot, Revision("sha256:00".to_owned()))]);
    let attended = target.attend(&held, &Told::default()).await;
    check_unseen(&attended.unwrap().unwrap());
}

#[tokio::test]
async fn a_token_that_ends_in_the_window_is_not_taken_for_health() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 1).await;
    space.wait_rolled_out("deployment/web").await;
    let proxy = cluster.mischief().await;
    let more = json!({"server": proxy.server()});
    let kubeconfig = proxy.kubeconfig(User::Admin);
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    let told = Told::default();
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &told), async {
        asked(&proxy, "/services", 1).await;
        for nth in 1..200 {
            proxy.play("GET", "/deployments/web", nth, Trick::Forbidden);
        }
    });
    check_unseen(&attended);
}

/// One sighting, which no policy rolls back for and nobody takes for health.
#[track_caller]
fn check_unseen(attended: &Attended) {
    let [only] = attended.sightings.as_slice() else {
        panic!("{attended:#?}");
    };
    assert_eq!(
        (only.symptom, only.severity),
        (Symptom::Unseen, Severity::Monitor)
    );
    assert!(only.what.starts_with("could not be watched: "), "{only}");
    let verdict = with_sightings(None, &attended.sightings, 1);
    assert_eq!(verdict.call, Call::Inconclusive);
}
