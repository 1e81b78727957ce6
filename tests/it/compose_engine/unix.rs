//! Sockets of this machine, and what may answer there.

use super::asked::Given;
use super::double;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixListener;

#[tokio::test]
async fn an_engine_is_asked_who_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let given = Given::new(dir.path()).variable("INPUT_DOCKER-HOST", engine.at());
    given.is_let_in().await;
    let other = given.set("engine", "web-2");
    other
        .is_refused(&["is web-1 (ID 7TRN:IPZB), expected web-2", &engine.at()])
        .await;
    other.set("engine", "7TRN:IPZB").is_let_in().await;
}

#[tokio::test]
async fn no_socket_nobody_behind_it_and_no_permission_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let given = Given::new(dir.path()).set("host", format!("unix://{}", socket.display()));
    given
        .is_unreachable(&["there is no socket at", "docker-host"])
        .await;
    drop(UnixListener::bind(&socket).unwrap());
    given.is_unreachable(&["nothing listens at"]).await;
    // Root may open everything: the refusal is made by another user's eyes where that is possible.
    if !rustix::process::getuid().is_root() {
        let mode = |bits: u32| {
            fs::set_permissions(dir.path(), fs::Permissions::from_mode(bits)).unwrap();
        };
        mode(0o000);
        let said = given.open().guard().await.unwrap_err().to_string();
        mode(0o700);
        assert!(said.contains("permission denied"), "{said}");
    }
}

#[tokio::test]
async fn an_engine_that_is_too_old_or_none_at_all_is_refused_in_words() {
    fn cases() -> [(&'static str, &'static str); 5] {
        [
            (
                r#"{"ApiVersion": "1.30"}"#,
                "speaks API 1.30, expected 1.41 or newer",
            ),
            (
                r#"{"ApiVersion": "9.1", "MinAPIVersion": "9.0"}"#,
                "speaks API 9.0 or newer",
            ),
            (r#"{"ApiVersion": "new"}"#, "speaks API \"new\""),
            ("{}", "names no version"),
            ("<html>hello</html>", "no Docker engine"),
        ]
    }
    for (version, says) in cases() {
        let dir = tempfile::tempdir().unwrap();
        let engine = double::answering(dir.path(), version);
        let given = Given::new(dir.path()).set("host", engine.at());
        given.is_refused(&[says, &engine.at()]).await;
    }
}

#[tokio::test]
async fn who_answers_in_place_of_an_engine_that_is_away_is_not_taken_for_it() {
    for (status, is_away) in [
        (429, true),
        (502, true),
        (503, true),
        (504, true),
        (404, false),
        (500, false),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let engine = double::failing(dir.path(), status);
        let given = Given::new(dir.path()).set("host", engine.at());
        let says = format!("HTTP {status}");
        if is_away {
            given.is_unreachable(&[&says, &engine.at()]).await;
        } else {
            given.is_refused(&[&says, "no Docker engine"]).await;
        }
    }
}

#[tokio::test]
async fn what_speaks_no_http_breaks_the_connection() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await.unwrap();
        }
    });
    let given = Given::new(dir.path()).set("host", format!("unix://{}", socket.display()));
    given.is_unreachable(&["docker.sock"]).await;
    task.abort();
}

/// By a clock that runs as fast as nobody is busy.
#[tokio::test(start_paused = true)]
async fn silence_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let task = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            held.push(stream);
        }
    });
    let given = Given::new(dir.path()).set("host", format!("unix://{}", socket.display()));
    let bounded = tokio::time::timeout(
        Duration::from_secs(100),
        given.is_unreachable(&["no answer within 90s"]),
    );
    bounded.await.expect("it gives up by itself");
    task.abort();
}

#[tokio::test]
async fn a_plain_connection_to_another_host_is_no_way() {
    let dir = tempfile::tempdir().unwrap();
    let given = Given::new(dir.path()).variable("DOCKER_HOST", "tcp://10.255.255.1:2375");
    given
        .is_usage(&[
            "the variable DOCKER_HOST",
            "become root",
            "ssh://USER@HOST",
            "tls-dir",
            "https://HOST:PORT",
        ])
        .await;
}
