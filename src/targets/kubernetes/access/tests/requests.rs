//! What is sent again and what is not, against a server that answers from a list.

use super::super::transport::patient;
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::{changed_failed, failed};
use http::Request;
use kube::{Client, Config};
use serde_json::Value;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// One answer of the server.
#[derive(Clone, Copy)]
enum Say {
    Ok,
    /// A status, and the value of `Retry-After`.
    Busy(u16, Option<u32>),
    /// A status with this message.
    Error(u16, &'static str),
    /// The connection ends without an answer.
    Nothing,
    /// The answer ends in its middle.
    Half,
}

/// Answers one connection each, then ends with the requests' first lines.
async fn server(script: Vec<Say>) -> (Client, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        let mut seen = Vec::new();
        for say in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut bytes = vec![0; 8192];
            let read = stream.read(&mut bytes).await.unwrap();
            let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
            seen.push(text.lines().next().unwrap_or_default().to_owned());
            stream.write_all(answer(say).as_bytes()).await.unwrap();
        }
        seen
    });
    crate::net::install_tls_provider();
    let mut config = Config::new(format!("http://127.0.0.1:{port}").parse().unwrap());
    config.default_retry = false;
    (patient(Client::try_from(config).unwrap(), "shop"), task)
}

fn answer(say: Say) -> String {
    let whole = |code: u16, header: &str, body: &str| {
        let length = body.len();
        format!(
            "HTTP/1.1 {code} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n{header}\r\n{body}"
        )
    };
    let status = |code: u16, message: &str| {
        format!(r#"{{"kind":"Status","status":"Failure","code":{code},"message":"{message}"}}"#)
    };
    match say {
        Say::Ok => whole(200, "", r#"{"fine": true}"#),
        Say::Busy(code, after) => {
            let header = after.map_or_else(String::new, |s| format!("Retry-After: {s}\r\n"));
            whole(code, &header, &status(code, "busy"))
        }
        Say::Error(code, message) => whole(code, "", &status(code, message)),
        Say::Nothing => String::new(),
        Say::Half => "HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"fine\"".to_owned(),
    }
}

async fn ask(method: &str, path: &str, script: &[Say]) -> (Result<Value, kube::Error>, usize) {
    let (client, task) = server(script.to_vec()).await;
    let request = Request::builder().method(method).uri(path);
    let body = if method == "GET" {
        Vec::new()
    } else {
        b"{}".to_vec()
    };
    let answer = client.request::<Value>(request.body(body).unwrap()).await;
    // What was not asked for stays unanswered.
    let asked = tokio::time::timeout(Duration::from_millis(500), task).await;
    let asked = asked.map_or(usize::MAX, |seen| seen.unwrap().len());
    (answer, asked)
}

#[tokio::test]
async fn a_read_is_sent_again() {
    async fn check(path: &str, first: Say) {
        let (answer, asked) = ask("GET", path, &[first, Say::Ok]).await;
        assert_eq!(answer.unwrap()["fine"], true);
        assert_eq!(asked, 2);
    }
    check("/a", Say::Busy(429, None)).await;
    check("/a", Say::Busy(503, None)).await;
    check("/a", Say::Busy(504, None)).await;
    check("/a", Say::Nothing).await;
    check("/a", Say::Half).await;
    check("/a?watch=true", Say::Busy(429, None)).await;
    for (method, path) in [
        ("PATCH", "/a?dryRun=All"),
        ("POST", "/x/selfsubjectaccessreviews"),
    ] {
        let (answer, asked) = ask(method, path, &[Say::Busy(503, None), Say::Ok]).await;
        assert_eq!((answer.is_ok(), asked), (true, 2));
    }
}

#[tokio::test]
async fn the_server_says_how_long_to_wait() {
    let began = Instant::now();
    let (answer, _) = ask("GET", "/a", &[Say::Busy(429, Some(1)), Say::Ok]).await;
    answer.unwrap();
    assert!(Duration::from_secs(1) <= began.elapsed());
    // Longer than we would wait: it is the answer.
    let (answer, asked) = ask("GET", "/a", &[Say::Busy(503, Some(3600))]).await;
    let error = failed(answer.unwrap_err(), "could not look");
    assert!(matches!(error, TargetError::Unreachable { .. }), "{error}");
    assert_eq!(asked, 1);
}

#[tokio::test]
async fn a_change_is_sent_again_only_when_it_was_not_made() {
    for method in ["PATCH", "POST", "PUT", "DELETE"] {
        let (answer, asked) = ask(method, "/a", &[Say::Busy(429, None), Say::Ok]).await;
        assert_eq!((answer.is_ok(), asked), (true, 2));
    }
    async fn unknown(say: Say) {
        let (answer, asked) = ask("PATCH", "/a", &[say]).await;
        let error = changed_failed(answer.unwrap_err(), "could not change it");
        assert!(
            matches!(error, TargetError::OutcomeUnknown { .. }),
            "{error:?}"
        );
        assert_eq!(asked, 1);
    }
    unknown(Say::Busy(503, None)).await;
    unknown(Say::Busy(504, Some(1))).await;
    unknown(Say::Error(500, "etcdserver: request timed out")).await;
    unknown(Say::Nothing).await;
    unknown(Say::Half).await;
}

#[tokio::test]
async fn what_surely_changed_nothing_is_said_so() {
    async fn check(say: Say, expected: fn(&TargetError) -> bool) {
        let (answer, _) = ask("PATCH", "/a", &[say]).await;
        let error = changed_failed(answer.unwrap_err(), "could not change it");
        assert!(expected(&error), "{error:?}");
    }
    check(Say::Error(403, "no"), |it| {
        matches!(it, TargetError::Refused { .. })
    })
    .await;
    check(
        Say::Error(401, "no"),
        |it| matches!(it, TargetError::Refused { next, .. } if next.contains("expired")),
    )
    .await;
    check(Say::Error(422, "no"), |it| {
        matches!(it, TargetError::Failed(_))
    })
    .await;
    check(Say::Error(500, "failed calling webhook x"), |it| {
        matches!(it, TargetError::Unreachable { .. })
    })
    .await;
    // Nobody listens: it was never sent.
    crate::net::install_tls_provider();
    let config = Config::new("http://127.0.0.1:1".parse().unwrap());
    let client = patient(Client::try_from(config).unwrap(), "shop");
    let request = Request::patch("/a").body(Vec::new()).unwrap();
    let error = client.request::<Value>(request).await.unwrap_err();
    let error = changed_failed(error, "could not change it");
    assert!(
        matches!(&error, TargetError::Unreachable { what } if what.contains("refused")),
        "{error:?}"
    );
}
