//! A change that goes well, and what the container of before and the new one have in common; and releases that do not come up.

use super::bed::Project;
use crate::docker::{ask, name, send};
use lastgood::targets::TargetError;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const SHOP: &str = "
services:
  web:
    image: IMAGE:v1
    environment: {GREETING: hi}
    ports: ['127.0.0.1::8080']
    networks: {back: {aliases: [api]}, front: {}}
    volumes: ['named:/named', /anon]
    restart: unless-stopped
    tmpfs: [/run2]
    ulimits: {nofile: 1024}
    extra_hosts: ['x.test:10.0.0.1']
    init: false
    stop_grace_period: 3s
  db:
    image: IMAGE:v1
    networks: [back]
  edge:
    image: IMAGE:v1
    networks: [front]
volumes: {named: {}}
networks: {back: {}, front: {}}
";

/// What of a description is new with every container.
fn stable(mut raw: Value) -> Value {
    for key in [
        "Id",
        "Created",
        "State",
        "ExecIDs",
        "ResolvConfPath",
        "HostnamePath",
        "HostsPath",
        "LogPath",
        "GraphDriver",
    ] {
        raw[key] = Value::Null;
    }
    let config = &mut raw["Config"];
    config["Hostname"] = Value::Null;
    let network = &mut raw["NetworkSettings"];
    for key in ["SandboxID", "SandboxKey", "Ports"] {
        network[key] = Value::Null;
    }
    for endpoint in network["Networks"].as_object_mut().unwrap().values_mut() {
        for key in ["EndpointID", "IPAddress", "MacAddress"] {
            endpoint[key] = Value::Null;
        }
        // The last one is the id.
        endpoint["Aliases"].as_array_mut().unwrap().pop();
    }
    for mount in raw["Mounts"].as_array_mut().unwrap() {
        mount["Mode"] = Value::Null;
    }
    raw["Mounts"]
        .as_array_mut()
        .unwrap()
        .sort_by_key(|mount| mount["Destination"].to_string());
    raw
}

/// The paths at which two documents differ.
fn differences(at: &str, a: &Value, b: &Value, found: &mut Vec<String>) {
    if let (Value::Object(left), Value::Object(right)) = (a, b) {
        for key in left
            .keys()
            .chain(right.keys().filter(|key| !left.contains_key(*key)))
        {
            differences(&format!("{at}/{key}"), &a[key], &b[key], found);
        }
    } else if a != b {
        found.push(at.to_owned());
    }
}

#[tokio::test]
async fn a_service_is_replaced_and_nothing_else_changes() {
    let Some(project) = Project::up(SHOP).await else {
        return;
    };
    let before = project.container("web").await;
    send(&before, "/file/data/text", "kept").await;
    project
        .apply(project.install("web", "v1", "v2"))
        .await
        .unwrap();
    project.serves("web", "v2").await;
    let after = project.container("web").await;
    assert_ne!(before["Id"], after["Id"]);
    assert_eq!(ask(&after, "/env/GREETING").await, "hi");
    assert_eq!(after["Image"], project.image("v2").id.as_str());
    assert_eq!(
        ask(&after, "/file/data/text").await,
        "kept",
        "the anonymous volume lost its data"
    );
    let mut found = Vec::new();
    differences("", &stable(before), &stable(after.clone()), &mut found);
    found.sort();
    let env = "/Config/Env";
    let expected = [
        env,
        "/Config/Image",
        "/Config/Labels/com.docker.compose.image",
        "/Config/Labels/from",
        "/Config/Labels/lastgood.found",
        "/Config/Labels/lastgood.replaces",
        "/HostConfig/Binds",
        "/HostConfig/Mounts",
        "/Image",
    ];
    assert_eq!(found, expected);
    assert!(
        after["Config"]["Env"]
            .as_array()
            .unwrap()
            .contains(&json!("VERSION=v2"))
    );
    assert_eq!(
        after["Config"]["Labels"]["com.docker.compose.image"],
        project.image("v2").id.as_str()
    );
    // Every name leads to it, in every network, for its neighbour there.
    for (neighbour, network) in [("db", "back"), ("edge", "front")] {
        let asked = project.container(neighbour).await;
        let named = format!("{}_{network}", project.name);
        let address = &after["NetworkSettings"]["Networks"][&named]["IPAddress"];
        let own = format!("{}-web-1", project.name);
        for name in ["web", &own] {
            assert_eq!(
                ask(&asked, &format!("/resolve/{name}")).await,
                address.as_str().unwrap()
            );
        }
    }
    let api = ask(&project.container("db").await, "/resolve/api").await;
    assert!(!api.is_empty(), "the alias is gone");
    // Compose sees the truth: the tag that was rolled back from is something to do.
    let dry = project.dry_run().await;
    let line = dry.lines().find(|line| line.contains("web-1")).unwrap();
    assert!(line.contains("Recreate"), "{dry}");
    let told = project.told();
    assert!(told.contains("(up to 5 s)"), "{told}");
    // There is nothing left to do, and doing it does no harm.
    project
        .apply(project.install("web", "v1", "v2"))
        .await
        .unwrap();
    assert_eq!(project.container("web").await["Id"], after["Id"]);
    // And back again, over what we made ourselves.
    project
        .apply(project.install("web", "v2", "v1"))
        .await
        .unwrap();
    project.serves("web", "v1").await;
    assert_eq!(
        ask(&project.container("web").await, "/file/data/text").await,
        "kept"
    );
}

#[track_caller]
fn is_unhealthy(applied: Result<(), TargetError>, texts: &[&str]) {
    match applied {
        Err(TargetError::Unhealthy { what, .. }) => {
            for text in texts {
                assert!(what.contains(text), "{what}");
            }
        }
        other => panic!("found {other:?}, expected unhealthy"),
    }
}

const ONE: &str = "
services:
  web: {image: 'IMAGE:v1', networks: [back], restart: always}
networks: {back: {}}
";

#[tokio::test]
async fn what_does_not_come_up_is_put_back() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let before = project.container("web").await;
    let bad = project.apply(project.install("web", "v1", "bad")).await;
    is_unhealthy(bad, &["unhealthy", "500 Bad", "back and runs"]);
    project.serves("web", "v1").await;
    let crashed = project.apply(project.install("web", "v1", "crash")).await;
    is_unhealthy(
        crashed,
        &["exit code 3", "this is the end", "back and runs"],
    );
    project.serves("web", "v1").await;
    assert_eq!(project.container("web").await["Id"], before["Id"]);
    // Without a HEALTHCHECK it must run for a while, and that is enough.
    project
        .apply(project.install("web", "v1", "plain"))
        .await
        .unwrap();
    project.serves("web", "plain").await;
}

#[tokio::test]
async fn a_container_that_ignores_its_signal_is_stopped_after_its_grace() {
    let Some(project) = Project::up(&ONE.replace("v1", "stubborn")).await else {
        return;
    };
    project.set("stop-grace", json!("1s"));
    let began = Instant::now();
    project
        .apply(project.install("web", "stubborn", "v1"))
        .await
        .unwrap();
    assert!(Duration::from_secs(1) <= began.elapsed());
    project.serves("web", "v1").await;
}

#[tokio::test]
async fn a_plan_that_is_out_of_date_is_refused_and_so_is_what_cannot_be_put_back() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    let before = project.container("web").await;
    let applied = project.apply(project.install("web", "v2", "plain")).await;
    assert!(
        matches!(applied, Err(TargetError::Conflict { .. })),
        "{applied:?}"
    );
    let gone = project.apply(project.install("nobody", "v1", "v2")).await;
    assert!(matches!(gone, Err(TargetError::Refused { .. })), "{gone:?}");
    // A container that the engine removes as soon as it stops.
    let id = project
        .engine
        .docker(&[
            "run",
            "-d",
            "--rm",
            "--network",
            &format!("{}_back", project.name),
            "--name",
            &format!("{}-rm-1", project.name),
            "--label",
            &format!("com.docker.compose.project={}", project.name),
            "--label",
            "com.docker.compose.service=rm",
            &project.image("v1").pinned(),
        ])
        .await;
    let applied = project.apply(project.install("rm", "v1", "v2")).await;
    assert!(
        matches!(applied, Err(TargetError::Refused { .. })),
        "{applied:?}"
    );
    assert_eq!(project.container("rm").await["Id"], id.as_str());
    assert_eq!(project.container("web").await["Id"], before["Id"]);
    project.engine.docker(&["rm", "-f", &id]).await;
}

#[tokio::test]
async fn the_new_one_can_go_first() {
    let Some(project) = Project::up(ONE).await else {
        return;
    };
    project.set("order", json!("start-first"));
    let before = project.container("web").await;
    is_unhealthy(
        project.apply(project.install("web", "v1", "bad")).await,
        &["back and runs"],
    );
    let kept = project.container("web").await;
    assert_eq!(
        kept["State"]["StartedAt"], before["State"]["StartedAt"],
        "it was away"
    );
    project
        .apply(project.install("web", "v1", "v2"))
        .await
        .unwrap();
    project.serves("web", "v2").await;
}

#[tokio::test]
async fn replicas_are_replaced_one_after_the_other() {
    let scaled = "services:\n  web: {image: 'IMAGE:v1', scale: 3}\n";
    let Some(project) = Project::up(scaled).await else {
        return;
    };
    project
        .apply(project.install("web", "v1", "v2"))
        .await
        .unwrap();
    let after = project.containers("web").await;
    let names: Vec<_> = after.iter().map(name).collect();
    let expected: Vec<_> = (1..=3)
        .map(|number| format!("{}-web-{number}", project.name))
        .collect();
    assert_eq!(names, expected);
    for raw in &after {
        assert_eq!(ask(raw, "/").await, "v2");
    }
    let bad = project.apply(project.install("web", "v2", "bad")).await;
    is_unhealthy(bad, &["back and runs"]);
    for raw in project.containers("web").await {
        assert_eq!(ask(&raw, "/").await, "v2");
    }
}
