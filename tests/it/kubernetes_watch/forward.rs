//! Ports of pods, reached at addresses of this machine.

use super::{admin, annotated, start, target};
use crate::cluster::{User, manifest};
use lastgood::targets::{Target, TargetError};
use serde_json::json;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The first line of the answer to one request on a connection of its own.
async fn get(address: SocketAddr) -> io::Result<String> {
    let asking = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = "GET /health HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer.lines().next().unwrap_or_default().to_owned())
    };
    timeout(Duration::from_secs(15), asking)
        .await
        .expect("an answer in time")
}

/// Files and sockets that this process has open.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").expect("Linux").count()
}

#[tokio::test]
async fn a_hundred_connections_leave_nothing_behind() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 2).await;
    space.apply_object(&manifest::service("web")).await;
    space.wait_rolled_out("deployment/web").await;
    let slots = ["deployment/web"];
    let target = target(&cluster, &admin(&cluster), &space, &slots, &json!({}));
    let direct = target.forward("deployment/web:8080").await.unwrap();
    let service = target.forward("service/web:http").await.unwrap();
    assert_eq!(target.forward("deployment/web:8080").await.unwrap(), direct);
    assert!(direct.ip().is_loopback() && direct != service);
    assert_eq!(get(direct).await.unwrap(), "HTTP/1.1 200 Status");
    let before = open_files();
    for _ in 0..50 {
        for address in [direct, service] {
            assert_eq!(get(address).await.unwrap(), "HTTP/1.1 200 Status");
        }
    }
    assert!(
        open_files() <= before + 8,
        "{before} files open, then {}",
        open_files()
    );
    drop(target);
    tokio::task::yield_now().await;
    get(direct)
        .await
        .expect_err("the listener ends with its target");
}

#[tokio::test]
async fn it_leads_to_the_newest_revision_and_resets_when_nobody_is_there() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    let answers = |status: &str| {
        annotated(
            "web",
            "shop/web:1",
            1,
            &json!({"lastgood-test/http": status}),
        )
    };
    space.apply_object(&answers("200")).await;
    space.wait_rolled_out("deployment/web").await;
    let slots = ["deployment/web"];
    let target = target(&cluster, &admin(&cluster), &space, &slots, &json!({}));
    let address = target.forward("deployment/web:8080").await.unwrap();
    assert_eq!(get(address).await.unwrap(), "HTTP/1.1 200 Status");
    space.apply_object(&answers("500")).await;
    space.wait_rolled_out("deployment/web").await;
    let mut seen = BTreeSet::new();
    // The list of pods may be two seconds old.
    for _ in 0..60 {
        seen = BTreeSet::from([get(address).await.unwrap()]);
        if seen.contains("HTTP/1.1 500 Status") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(seen.contains("HTTP/1.1 500 Status"), "{seen:?}");
    space
        .patch("deployment/web", json!({"spec": {"replicas": 0}}))
        .await;
    space
        .wait_pods("app=web", "none is left", <[_]>::is_empty)
        .await;
    let error = get(address).await.expect_err("nobody is there");
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset, "{error}");
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed_is_refused() {
    let Some((cluster, space)) = start().await else {
        return;
    };
    space.deployment("web", "shop/web:1", 1).await;
    space.apply_object(&manifest::service("web")).await;
    space.wait_rolled_out("deployment/web").await;
    let slots = ["deployment/web"];
    let admins = target(&cluster, &admin(&cluster), &space, &slots, &json!({}));
    refused(admins.as_ref(), "deployment/web", "expected KIND/NAME:PORT").await;
    refused(
        admins.as_ref(),
        "deployment/other:80",
        "there is no deployment other",
    )
    .await;
    refused(
        admins.as_ref(),
        "service/web:81",
        "expected one of: 80 (http)",
    )
    .await;
    refused(
        admins.as_ref(),
        "deployment/web:metrics",
        "expected one of: 8080",
    )
    .await;
    let nobodys = target(
        &cluster,
        &cluster.kubeconfig(User::Nobody),
        &space,
        &slots,
        &json!({}),
    );
    refused(
        nobodys.as_ref(),
        "deployment/web:8080",
        "may not forward ports",
    )
    .await;
}

async fn refused(target: &dyn Target, to: &str, text: &str) {
    let error = target.forward(to).await.expect_err("it is refused");
    assert!(matches!(error, TargetError::Refused { .. }), "{error}");
    assert!(error.to_string().contains(text), "{error}");
}
