//! The kubelet of the tests: what it says of pods, their logs, their images, and the way into them.

use crate::cluster::{Cluster, Space, at, condition, manifest};
use crate::world::service::{Behaviour, Service};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::LogParams;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// The first container's status of the only pod, once `test` holds for it.
async fn container(space: &Space, name: &str, what: &str, test: impl Fn(&Value) -> bool) -> Value {
    let first = |pod: &Value| at(pod, "/status/containerStatuses/0").clone();
    let selector = format!("app={name}");
    let pods = space
        .wait_pods(&selector, what, |pods| {
            pods.iter().any(|pod| test(&first(pod)))
        })
        .await;
    first(&pods[0])
}

fn reason(status: &Value) -> &str {
    at(status, "/state/waiting/reason")
        .as_str()
        .unwrap_or_default()
}

#[tokio::test]
async fn an_image_behaves_as_its_name_says() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("words").await;
    for word in ["crash", "oom", "missing", "config", "slow", "unready"] {
        space.deployment(word, &format!("shop/web:{word}"), 1).await;
    }
    let crash = container(&space, "crash", "it restarts again", |status| {
        at(status, "/restartCount") == 3
    })
    .await;
    assert_eq!(reason(&crash), "CrashLoopBackOff");
    assert_eq!(*at(&crash, "/lastState/terminated/exitCode"), 1);
    let oom = container(&space, "oom", "it restarts", |status| {
        at(status, "/restartCount") != 0
    })
    .await;
    assert_eq!(*at(&oom, "/lastState/terminated/reason"), "OOMKilled");
    let missing = container(&space, "missing", "it backs off", |status| {
        reason(status) == "ImagePullBackOff"
    })
    .await;
    assert_eq!(*at(&missing, "/imageID"), "");
    container(&space, "config", "its config is not there", |status| {
        reason(status) == "CreateContainerConfigError"
    })
    .await;
    container(&space, "slow", "it gets ready late", |status| {
        at(status, "/ready") == true
    })
    .await;
    let unready = container(&space, "unready", "it runs", |status| {
        status["state"]["running"].is_object()
    })
    .await;
    assert_eq!(*at(&unready, "/ready"), false);
    let since = std::time::Instant::now();
    loop {
        let events = space.list("event", "").await;
        let mut events = events.iter();
        if events.any(|event| {
            at(event, "/reason") == "Unhealthy" && at(event, "/count").as_u64() > Some(1)
        }) {
            return;
        }
        assert!(
            since.elapsed().as_secs() < 20,
            "probes fail again and again"
        );
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_pod_dies_later_or_is_the_only_bad_one_or_cannot_begin() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("later").await;
    space.deployment("later", "shop/web:dies-later", 1).await;
    space.deployment("one", "shop/web:one-bad", 3).await;
    let mut begins = manifest::deployment("begins", "shop/web:1", 1);
    begins["spec"]["template"]["spec"]["initContainers"] =
        json!([{"name": "migrate", "image": "shop/migrate:init-fails"}]);
    space.apply_object(&begins).await;
    let was_ready = container(&space, "later", "it is ready", |status| {
        at(status, "/ready") == true
    })
    .await;
    assert_eq!(*at(&was_ready, "/restartCount"), 0);
    space
        .wait_pods("app=one", "two of three are ready", |pods| {
            let ready = pods
                .iter()
                .filter(|pod| at(condition(pod, "Ready"), "/status") == "True");
            let crashes = pods
                .iter()
                .filter(|pod| reason(at(pod, "/status/containerStatuses/0")) == "CrashLoopBackOff");
            (ready.count(), crashes.count()) == (2, 1)
        })
        .await;
    let pods = space
        .wait_pods("app=begins", "its init container fails", |pods| {
            pods.iter()
                .any(|pod| reason(at(pod, "/status/initContainerStatuses/0")) == "CrashLoopBackOff")
        })
        .await;
    assert_eq!(*at(&pods[0], "/status/phase"), "Pending");
    assert_eq!(
        reason(at(&pods[0], "/status/containerStatuses/0")),
        "PodInitializing"
    );
    let died = container(&space, "later", "it died", |status| {
        at(status, "/restartCount") == 3
    })
    .await;
    assert_eq!(*at(&died, "/ready"), false);
}

#[tokio::test]
async fn a_job_ends() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("job").await;
    for (name, image, count) in [
        ("good", "shop/migrate:1", "succeeded"),
        ("bad", "shop/migrate:crash", "failed"),
    ] {
        let container = json!({"name": "migrate", "image": image});
        let job = json!({
            "apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": {"spec": {"restartPolicy": "Never", "containers": [container]}}},
        });
        space.apply_object(&job).await;
        let pointer = format!("/status/{count}");
        space
            .wait(&format!("job/{name}"), count, |job| at(job, &pointer) == 1)
            .await;
    }
}

#[tokio::test]
async fn a_tag_moves_and_a_digest_can_be_bad() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("tags").await;
    let (moved, bad) = (
        format!("sha256:{}", "a".repeat(64)),
        format!("sha256:{}", "b".repeat(64)),
    );
    space.deployment("old", "shop/web:1", 1).await;
    space.wait_rolled_out("deployment/old").await;
    space.move_tag("shop/web:1", &moved).await;
    space.behaves(&bad, "crash").await;
    space.deployment("new", "shop/web:1", 1).await;
    space.deployment("bad", &format!("shop/web@{bad}"), 1).await;
    space
        .deployment("pinned", &format!("shop/web:2@{moved}"), 1)
        .await;
    for (name, digest) in [
        ("old", &manifest::digest_of("shop/web:1")),
        ("new", &moved),
        ("pinned", &moved),
    ] {
        let status = container(&space, name, "it is ready", |status| {
            at(status, "/ready") == true
        })
        .await;
        assert_eq!(
            *at(&status, "/imageID"),
            format!("shop/web@{digest}"),
            "{name}"
        );
    }
    container(&space, "bad", "it crashes", |status| {
        reason(status) == "CrashLoopBackOff"
    })
    .await;
    // What a tag did, its digest does too.
    space.deployment("tagged", "shop/web:3-crash", 1).await;
    let tagged = container(&space, "tagged", "it crashes", |status| {
        reason(status) == "CrashLoopBackOff"
    })
    .await;
    let id = at(&tagged, "/imageID").as_str().unwrap();
    space.deployment("again", id, 1).await;
    container(&space, "again", "it crashes", |status| {
        reason(status) == "CrashLoopBackOff"
    })
    .await;
}

#[tokio::test]
async fn logs_are_those_of_the_annotation() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("logs").await;
    let mut web = manifest::deployment("web", "shop/web:crash", 1);
    web["spec"]["template"]["metadata"]["annotations"] = json!({
        "lastgood-test/logs": "@-500 old\n@-20 one\ntwo\nthree",
        "lastgood-test/logs-previous.web": "panic: no database",
    });
    space.apply_object(&web).await;
    space.deployment("good", "shop/web:1", 1).await;
    let name = |pods: &[Value]| at(&pods[0], "/metadata/name").as_str().unwrap().to_owned();
    container(&space, "web", "it restarts", |status| {
        at(status, "/restartCount") != 0
    })
    .await;
    container(&space, "good", "it is ready", |status| {
        at(status, "/ready") == true
    })
    .await;
    let (web, good) = (
        name(&space.pods("app=web").await),
        name(&space.pods("app=good").await),
    );
    let pods = Api::<Pod>::namespaced(cluster.client(), &space.name);
    let ask = LogParams::default();
    assert_eq!(
        pods.logs(&web, &ask).await.unwrap(),
        "old\none\ntwo\nthree\n"
    );
    let tail = LogParams {
        tail_lines: Some(2),
        ..ask.clone()
    };
    assert_eq!(pods.logs(&web, &tail).await.unwrap(), "two\nthree\n");
    let since = LogParams {
        since_seconds: Some(120),
        ..ask.clone()
    };
    assert_eq!(pods.logs(&web, &since).await.unwrap(), "one\ntwo\nthree\n");
    let previous = LogParams {
        previous: true,
        ..ask
    };
    assert_eq!(
        pods.logs(&web, &previous).await.unwrap(),
        "panic: no database\n"
    );
    let refused = pods.logs(&good, &previous).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("previous terminated container"),
        "{refused}"
    );
}

/// `GET /health` through a port-forward; what came back.
pub(super) async fn get(pods: &Api<Pod>, name: &str) -> String {
    let mut forward = pods.portforward(name, &[8080]).await.unwrap();
    let mut stream = forward.take_stream(8080).unwrap();
    let request = b"GET /health HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn a_port_forward_reaches_the_pod_or_a_real_server() {
    let Some(cluster) = Cluster::start().await else {
        return;
    };
    let space = cluster.space("forward").await;
    let dir = TempDir::new().unwrap();
    let release = dir.path().join("current");
    std::fs::create_dir_all(&release).unwrap();
    for (name, text) in crate::rig::files(&Behaviour::good("real")) {
        std::fs::write(release.join(name), text).unwrap();
    }
    let service = Service::start(dir.path()).await;
    let address = url::Url::parse(&service.health_url()).unwrap();
    let address = format!("127.0.0.1:{}", address.port().unwrap());
    let mut real = manifest::deployment("real", "shop/web:1", 1);
    real["spec"]["template"]["metadata"]["annotations"] = json!({"lastgood-test/forward": address});
    space.apply_object(&real).await;
    space.deployment("good", "shop/web:1", 1).await;
    space.deployment("bad", "shop/web:unready", 1).await;
    let pods = Api::<Pod>::namespaced(cluster.client(), &space.name);
    for (name, expected) in [
        ("good", r#"{"status":"healthy"}"#),
        ("bad", "HTTP/1.1 503"),
        ("real", "HTTP/1.1 200"),
    ] {
        container(&space, name, "it runs", |status| {
            status["state"]["running"].is_object()
        })
        .await;
        let pod = space.pods(&format!("app={name}")).await;
        let answer = get(&pods, at(&pod[0], "/metadata/name").as_str().unwrap()).await;
        assert!(answer.contains(expected), "{name}: {answer}");
    }
}
