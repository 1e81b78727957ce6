//! Each symptom that only shows once a rollout is done, and the rollouts that are waited for first.

use super::{Told, admin, annotated, asked, attend, held, sighted, start, target};
use crate::cluster::{User, manifest};
use lastgood::model::sighting::Symptom;
use lastgood::model::verdict::Severity;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_rollout_under_way_is_waited_for_and_what_is_well_is_well() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 3).await;
    space.apply_object(&manifest::service("web")).await;
    space.wait_rolled_out("deployment/web").await;
    space.set_image("deployment/web", "shop/web:2-slow").await;
    let more = json!({"drift": ["6s"], "log-errors": "(?i)error"});
    let slots = ["deployment/web", "service/web"];
    let target = target(&cluster, &admin(&cluster), &space, &slots, &more);
    let told = Told::default();
    let attended = attend(target.as_ref(), &told).await;
    assert_eq!(attended.sightings, [], "{:#?}", told.lines());
    // Both windows begin together, when the rollout is done.
    assert!(Duration::from_secs(6) <= attended.watched, "{attended:?}");
    let lines = told.lines();
    assert!(
        lines.iter().any(|line| line.contains("of 3 updated")),
        "{lines:#?}"
    );
    assert_eq!(lines.last().unwrap(), "deployment/web: the rollout is done");
    let mut unique = lines.clone();
    unique.dedup();
    assert_eq!(unique, lines, "nothing is told twice in a row");
}

#[tokio::test]
async fn what_crashes_ends_the_watching_early() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1-crash", 2).await;
    let target = target(
        &cluster,
        &admin(&cluster),
        &space,
        &["deployment/web"],
        &json!({}),
    );
    let attended = attend(target.as_ref(), &Told::default()).await;
    let worst = attended.sightings.first().unwrap();
    assert_eq!(worst.severity, Severity::Critical, "{attended:#?}");
    assert_eq!(
        sighted(&attended, Symptom::CrashLoop).severity,
        Severity::Critical
    );
    assert!(attended.watched < Duration::from_secs(30), "{attended:?}");
}

#[tokio::test]
async fn a_container_that_dies_after_the_rollout_is_seen() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1-dies-later", 2).await;
    let more = json!({"stable": "8s"});
    let target = target(
        &cluster,
        &admin(&cluster),
        &space,
        &["deployment/web"],
        &more,
    );
    let attended = attend(target.as_ref(), &Told::default()).await;
    let sighting = sighted(&attended, Symptom::RestartsGrow);
    assert_eq!(sighting.severity, Severity::Serious);
    assert!(
        sighting.what.contains("since the rollout was done"),
        "{}",
        sighting.what
    );
}

#[tokio::test]
async fn a_service_that_leads_nowhere_is_seen() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 2).await;
    let mut service = manifest::service("web");
    service["spec"]["ports"][0]["targetPort"] = json!("nowhere");
    space.apply_object(&service).await;
    space.wait_rolled_out("deployment/web").await;
    let target = target(
        &cluster,
        &admin(&cluster),
        &space,
        &["deployment/web"],
        &json!({}),
    );
    let attended = attend(target.as_ref(), &Told::default()).await;
    let sighting = sighted(&attended, Symptom::NoEndpoints);
    assert_eq!(sighting.severity, Severity::Critical);
    assert!(
        sighting
            .what
            .contains("2 of 2 pods that it selects are ready"),
        "{}",
        sighting.what
    );
    assert!(attended.watched < Duration::from_secs(15));
}

#[tokio::test]
async fn who_changes_it_back_is_named() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 2).await;
    space.wait_rolled_out("deployment/web").await;
    let proxy = cluster.mischief().await;
    let more = json!({"server": proxy.server(), "drift": ["3s", "8s"], "stable": "2s"});
    let kubeconfig = proxy.kubeconfig(User::Admin);
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    let told = Told::default();
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &told), async {
        // The window has begun.
        asked(&proxy, "/services", 1).await;
        let yaml = manifest::deployment("web", "shop/web:2", 2).to_string();
        space.apply_as("argocd-controller", &yaml).await;
    });
    let sighting = sighted(&attended, Symptom::DriftedBack);
    assert_eq!(sighting.severity, Severity::Serious);
    assert!(
        sighting.what.contains("the pod template was changed")
            && sighting.what.contains("argocd-controller"),
        "{}",
        sighting.what
    );
    assert!(sighting.advice.contains("GitOps"), "{}", sighting.advice);
}

#[tokio::test]
async fn a_slot_that_holds_something_else_from_the_start_is_told() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 1).await;
    space.wait_rolled_out("deployment/web").await;
    let target = target(
        &cluster,
        &admin(&cluster),
        &space,
        &["deployment/web"],
        &json!({}),
    );
    let held = held(target.as_ref()).await;
    space.set_image("deployment/web", "shop/web:2").await;
    let attended = target
        .attend(&held, &Told::default())
        .await
        .unwrap()
        .unwrap();
    let sighting = sighted(&attended, Symptom::DriftedBack);
    assert!(
        sighting.what.contains("was put in place"),
        "{}",
        sighting.what
    );
}

#[tokio::test]
async fn a_tag_that_moves_is_seen() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 2).await;
    space.wait_rolled_out("deployment/web").await;
    let proxy = cluster.mischief().await;
    let more = json!({"server": proxy.server(), "stable": "10s"});
    let kubeconfig = proxy.kubeconfig(User::Admin);
    let target = target(&cluster, &kubeconfig, &space, &["deployment/web"], &more);
    let told = Told::default();
    let other = manifest::digest_of("another");
    let (attended, ()) = tokio::join!(attend(target.as_ref(), &told), async {
        asked(&proxy, "/services", 1).await;
        space.move_tag("shop/web:1", &other).await;
        let pods = space.pods("app=web").await;
        let name = pods[0]["metadata"]["name"].as_str().unwrap();
        space.delete(&format!("pod/{name}")).await;
    });
    let sighting = sighted(&attended, Symptom::ImageNotReverted);
    assert_eq!(sighting.severity, Severity::Critical);
    assert!(
        sighting.what.contains(other.get(..19).unwrap()),
        "{}",
        sighting.what
    );
}

#[tokio::test]
async fn error_lines_of_now_count_and_old_ones_do_not() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    let new = "error: no database, password hunter22\n".repeat(4);
    let old = "@-600 error: long ago\n".repeat(50);
    let logs = json!({"lastgood-test/logs": format!("{old}{new}")});
    space
        .apply_object(&annotated("web", "shop/web:1", 2, &logs))
        .await;
    let told = Told::default();
    for (max, is_much) in [(8, false), (7, true)] {
        let more = json!({"log-errors": "^error", "log-errors-max": max, "stable": "2s"});
        let target = target(
            &cluster,
            &admin(&cluster),
            &space,
            &["deployment/web"],
            &more,
        );
        let attended = attend(target.as_ref(), &told).await;
        if is_much {
            let what = &sighted(&attended, Symptom::ErrorsLogged).what;
            assert!(
                what.contains("8 error lines within 2 minutes in 2 pods (at most 7)")
                    && what.ends_with("error: no database, password ***"),
                "{what}"
            );
        } else {
            assert_eq!(attended.sightings, []);
        }
    }
}
