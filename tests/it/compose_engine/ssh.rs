//! The host behind `ssh://`: which key it shows, and what carries connections to its engine.

use super::asked::Given;
use super::double;
use super::sshd::{Docker, Setup, Sshd, keygen};
use lastgood::targets::TargetError;
use std::fs;
use std::path::Path;

/// A command that is let in, and knows the host.
fn given(sshd: &Sshd) -> Given {
    let key = sshd.allow("id", &["-t", "ed25519"]);
    Given::new(&sshd.dir)
        .variable("INPUT_DOCKER-HOST", sshd.host())
        .variable("INPUT_SSH-KEY", fs::read_to_string(key).unwrap())
        .variable("INPUT_SSH-KNOWN-HOSTS", sshd.known("ed25519"))
}

#[tokio::test]
async fn the_docker_client_of_the_host_carries_connections() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let setup = Setup {
        docker: Docker::Real(&engine.socket),
        ..Setup::default()
    };
    let Some(sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    given(&sshd).is_let_in().await;
}

/// The host allows three channels in a session, and fifteen questions are open at the same time.
#[tokio::test]
async fn many_questions_at_once_take_as_many_sessions_as_they_need() {
    const AT_ONCE: usize = 15;
    let dir = tempfile::tempdir().unwrap();
    let engine = double::together(dir.path(), AT_ONCE);
    let setup = Setup {
        docker: Docker::Real(&engine.socket),
        config: "MaxSessions 3",
        ..Setup::default()
    };
    let Some(sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    let target = given(&sshd).open();
    target.guard().await.unwrap();
    let looks = (0..AT_ONCE).map(|_| target.observe());
    for look in futures_util::future::join_all(looks).await {
        // There is no such project: what counts is that the engine was asked.
        if let Err(error) = look {
            let unreachable = matches!(error, TargetError::Unreachable { .. });
            assert!(!unreachable, "{error}");
        }
    }
}

#[tokio::test]
async fn a_host_without_docker_client_is_reached_by_its_socket() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let Some(sshd) = Sshd::start(dir.path(), &Setup::default()) else {
        return;
    };
    let host = format!("{}{}", sshd.host(), engine.socket.display());
    let given = given(&sshd);
    given.set("host", host).is_let_in().await;
}

#[tokio::test]
async fn a_host_with_neither_is_refused_with_both_reasons() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path(), &Setup::default()) else {
        return;
    };
    let host = format!("{}{}/no.sock", sshd.host(), dir.path().display());
    given(&sshd)
        .set("host", host)
        .is_refused(&["has no docker client", "cannot open", "usermod -aG docker"])
        .await;
}

#[tokio::test]
async fn a_host_that_forwards_nothing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let setup = Setup {
        config: "AllowStreamLocalForwarding no",
        ..Setup::default()
    };
    let Some(sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    let host = format!("{}{}", sshd.host(), engine.socket.display());
    given(&sshd)
        .set("host", host)
        .is_refused(&["AllowStreamLocalForwarding"])
        .await;
}

#[tokio::test]
async fn what_the_docker_client_complains_of_is_said() {
    let cases = [
        (
            "echo 'permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock' >&2; exit 1",
            "usermod -aG docker",
            true,
        ),
        (
            "echo 'Cannot connect to the Docker daemon. Is the docker daemon running?' >&2; exit 1",
            "Is the docker daemon running?",
            false,
        ),
        ("echo hello; exit 0", "", false),
        ("exit 0", "without an answer", false),
    ];
    for (script, says, is_refused) in cases {
        let dir = tempfile::tempdir().unwrap();
        let setup = Setup {
            docker: Docker::Script(script),
            ..Setup::default()
        };
        let Some(sshd) = Sshd::start(dir.path(), &setup) else {
            return;
        };
        let given = given(&sshd);
        if is_refused {
            given.is_refused(&[says]).await;
        } else {
            given.is_unreachable(&[says]).await;
        }
    }
}

#[tokio::test]
async fn a_host_that_nobody_knows_is_refused_with_the_line_that_makes_it_known() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let setup = Setup {
        docker: Docker::Real(&engine.socket),
        ..Setup::default()
    };
    let Some(sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    let unknown = given(&sshd).variable("INPUT_SSH-KNOWN-HOSTS", "");
    let unknown = unknown.variable("GITHUB_ACTIONS", "true");
    let said = unknown
        .is_refused(&[
            "is not known",
            "SHA256:",
            "ssh_host_ed25519_key.pub",
            "the input ssh-known-hosts: ",
        ])
        .await;
    given_again(&sshd, dir.path())
        .variable("HOME", dir.path().to_str().unwrap())
        .is_refused(&["put this line into ~/.ssh/known_hosts: "])
        .await;
    let other = line_of_another_host(&sshd);
    unknown_by_setting(&sshd, dir.path(), &other)
        .is_refused(&["put this line into the setting ssh-known-hosts: "])
        .await;
    let start = format!("[127.0.0.1]:{} ssh-ed25519 ", sshd.port);
    let line = said.get(said.find(&start).unwrap()..).unwrap();
    let line = line.lines().next().unwrap();
    unknown
        .variable("INPUT_SSH-KNOWN-HOSTS", line)
        .is_let_in()
        .await;
    // The key alone, since it is asked for this one host.
    let bare = line.split_once(' ').unwrap().1;
    given_again(&sshd, dir.path())
        .set("ssh-known-hosts", serde_json::json!([bare]))
        .is_let_in()
        .await;
}

fn line_of_another_host(sshd: &Sshd) -> String {
    let line = sshd.known("ed25519");
    let (_, key) = line.split_once(' ').unwrap();
    format!("db-1 {key}")
}

/// The setting counts, whatever the input says.
fn unknown_by_setting(sshd: &Sshd, dir: &Path, line: &str) -> Given {
    given_again(sshd, dir)
        .set("ssh-known-hosts", serde_json::json!([line]))
        .variable("INPUT_SSH-KNOWN-HOSTS", sshd.known("ed25519"))
}

fn given_again(sshd: &Sshd, dir: &Path) -> Given {
    Given::new(dir)
        .set("host", sshd.host())
        .set("ssh-key", "id")
}

#[tokio::test]
async fn a_changed_host_key_is_refused_loudly() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path(), &Setup::default()) else {
        return;
    };
    let other = dir.path().join("other");
    keygen(&["-t", "ed25519", "-N", "", "-f", other.to_str().unwrap()]);
    let public = fs::read_to_string(other.with_extension("pub")).unwrap();
    let line = format!("[127.0.0.1]:{} {public}", sshd.port);
    given(&sshd)
        .variable("INPUT_SSH-KNOWN-HOSTS", line)
        .is_refused(&["HAS CHANGED", "the input ssh-known-hosts, line 1"])
        .await;
    let marked = |mark: &str| format!("{mark} {}", sshd.known("ed25519"));
    given_again(&sshd, dir.path())
        .variable("INPUT_SSH-KNOWN-HOSTS", marked("@revoked"))
        .is_refused(&["is revoked"])
        .await;
    given_again(&sshd, dir.path())
        .variable("INPUT_SSH-KNOWN-HOSTS", marked("@cert-authority"))
        .is_refused(&["only an authority is known"])
        .await;
}

/// The host has several keys and would show another one than the one that is known.
#[tokio::test]
async fn a_host_is_asked_for_the_key_that_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let setup = Setup {
        docker: Docker::Real(&engine.socket),
        host_keys: &["ed25519", "ecdsa", "rsa"],
        ..Setup::default()
    };
    let Some(sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    let given = given(&sshd).variable("INPUT_SSH-KNOWN-HOSTS", sshd.known("rsa"));
    given.is_let_in().await;
    let given = given.variable("INPUT_SSH-KNOWN-HOSTS", sshd.known("ecdsa"));
    given.is_let_in().await;
}

#[tokio::test]
async fn a_host_without_the_kind_of_key_that_is_known_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path(), &Setup::default()) else {
        return;
    };
    let rsa = dir.path().join("host_rsa");
    keygen(&[
        "-t",
        "rsa",
        "-b",
        "2048",
        "-N",
        "",
        "-f",
        rsa.to_str().unwrap(),
    ]);
    given(&sshd)
        .variable("INPUT_SSH-KNOWN-HOSTS", sshd.known("rsa"))
        .is_refused(&["shows host keys of the kinds ssh-ed25519 alone"])
        .await;
}

#[tokio::test]
async fn hashed_hosts_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let setup = Setup {
        docker: Docker::Real(&engine.socket),
        ..Setup::default()
    };
    let Some(sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    let given = given(&sshd).variable("INPUT_SSH-KNOWN-HOSTS", "");
    let home = dir.path().join("home");
    let file = home.join(".ssh/known_hosts");
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, sshd.known("ed25519")).unwrap();
    keygen(&["-H", "-f", file.to_str().unwrap()]);
    let hashed = fs::read_to_string(&file).unwrap();
    assert!(hashed.starts_with("|1|"), "{hashed}");
    fs::write(&file, format!("nonsense\n{hashed}")).unwrap();
    given
        .variable("HOME", home.to_str().unwrap())
        .is_let_in()
        .await;
}

#[tokio::test]
async fn a_session_that_ends_in_the_middle_is_a_connection_that_broke() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("started");
    let script = format!(
        "printf 'HTTP/1.1 200 OK\\r\\n\\r\\n'; : > {}; while :; do read -r line || exit 0; done",
        mark.display()
    );
    let setup = Setup {
        docker: Docker::Script(&script),
        ..Setup::default()
    };
    let Some(mut sshd) = Sshd::start(dir.path(), &setup) else {
        return;
    };
    let given = given(&sshd);
    let killing = async {
        while !mark.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        sshd.kill();
    };
    let (said, ()) = tokio::join!(given.is_unreachable(&["127.0.0.1"]), killing);
    assert!(said.contains("ssh session ended"), "{said}");
}
