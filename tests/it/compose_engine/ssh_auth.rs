//! Who we are to the host behind `ssh://`: keys of every kind, from every place, and those that are not let in.

use super::asked::Given;
use super::double::{self, Double};
use super::sshd::{Agent, Docker, Setup, Sshd};
use std::fs;
use tempfile::TempDir;

/// A server that asks the double.
fn start() -> Option<(TempDir, Double, Sshd)> {
    let dir = tempfile::tempdir().unwrap();
    let engine = double::start(dir.path());
    let setup = Setup {
        docker: Docker::Real(&engine.socket),
        ..Setup::default()
    };
    let sshd = Sshd::start(dir.path(), &setup)?;
    Some((dir, engine, sshd))
}

/// A command that knows the host and has no key yet.
fn given(sshd: &Sshd) -> Given {
    Given::new(&sshd.dir)
        .set("host", sshd.host())
        .variable("INPUT_SSH-KNOWN-HOSTS", sshd.known("ed25519"))
}

#[tokio::test]
async fn each_kind_of_key_in_each_form_is_let_in() {
    let Some((_dir, _engine, sshd)) = start() else {
        return;
    };
    let forms: [(&str, &[&str]); 7] = [
        ("ed", &["-t", "ed25519"]),
        ("p256", &["-t", "ecdsa", "-b", "256"]),
        ("p384", &["-t", "ecdsa", "-b", "384"]),
        ("rsa", &["-t", "rsa", "-b", "2048"]),
        ("rsa-pem", &["-t", "rsa", "-b", "2048", "-m", "PEM"]),
        ("rsa-pkcs8", &["-t", "rsa", "-b", "2048", "-m", "PKCS8"]),
        ("p256-pkcs8", &["-t", "ecdsa", "-b", "256", "-m", "PKCS8"]),
    ];
    for (name, options) in forms {
        let key = sshd.allow(name, options);
        eprintln!("{name}");
        given(&sshd)
            .variable("INPUT_SSH-KEY", key.file_name().unwrap().to_str().unwrap())
            .is_let_in()
            .await;
        given(&sshd)
            .set("ssh-key-from", "KEY")
            .variable(
                "KEY",
                fs::read_to_string(&key).unwrap().replace('\n', "\\n"),
            )
            .is_let_in()
            .await;
    }
}

#[tokio::test]
async fn an_encrypted_key_needs_its_password() {
    let Some((_dir, _engine, sshd)) = start() else {
        return;
    };
    sshd.allow("id", &["-t", "ed25519", "-N", "hunter22"]);
    let given = || given(&sshd).set("ssh-key", "id");
    given()
        .is_usage(&["it is encrypted", "ssh-key-password-from"])
        .await;
    let with = |password: &str| {
        given()
            .set("ssh-key-password-from", "PASSWORD")
            .variable("PASSWORD", password)
    };
    let said = with("hunter21")
        .is_usage(&["the password does not fit"])
        .await;
    assert!(!said.contains("hunter"), "{said}");
    with("hunter22\n").is_let_in().await;
}

#[tokio::test]
async fn an_agent_and_the_usual_files_are_asked() {
    let Some((dir, _engine, sshd)) = start() else {
        return;
    };
    for kind in ["ed25519", "rsa"] {
        let key = sshd.allow(kind, &["-t", kind]);
        let place = tempfile::tempdir().unwrap();
        let agent = Agent::start(place.path(), &key);
        given(&sshd)
            .variable("SSH_AUTH_SOCK", agent.socket.to_str().unwrap())
            .is_let_in()
            .await;
    }
    let home = dir.path().join("home");
    fs::create_dir_all(home.join(".ssh")).unwrap();
    fs::copy(dir.path().join("ed25519"), home.join(".ssh/id_ed25519")).unwrap();
    let given = given(&sshd).variable("HOME", home.to_str().unwrap());
    let given = given.variable("SSH_AUTH_SOCK", "/no/agent.sock");
    given.is_let_in().await;
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_named_with_what_would_let_it_in() {
    let Some((_dir, _engine, sshd)) = start() else {
        return;
    };
    let key = sshd.key("id", &["-t", "ed25519", "-C", "me@here"]);
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let public = public.split(" me@here").next().unwrap();
    let refused = given(&sshd).set("ssh-key", "id");
    refused
        .is_refused(&["does not let", "SHA256:", "authorized_keys", public])
        .await;
    given(&sshd)
        .is_refused(&[
            "found no ssh key for",
            "~/.ssh/id_ed25519",
            "the setting ssh-key",
        ])
        .await;
    given(&sshd)
        .variable("GITHUB_ACTIONS", "true")
        .is_refused(&["found no ssh key for", "give the input ssh-key"])
        .await;
    given(&sshd)
        .variable("INPUT_SSH-KEY", "some words\nand others")
        .is_usage(&["the input ssh-key: found no private key", "-----BEGIN"])
        .await;
    let said = given(&sshd)
        .variable("INPUT_SSH-KEY", "keys/id_missing")
        .is_usage(&["the input ssh-key: found one line", "there is no such file"])
        .await;
    // It may be a key that lost its dashes.
    assert!(!said.contains("id_missing"), "{said}");
    given(&sshd)
        .variable("INPUT_SSH-KEY", public)
        .is_usage(&["the input ssh-key: found a public key"])
        .await;
    given(&sshd)
        .set("ssh-key-from", "KEY")
        .is_usage(&["the variable KEY is not set"])
        .await;
    given(&sshd)
        .variable("INPUT_SSH-KNOWN-HOSTS", "web-1 ssh-ed25519")
        .is_usage(&["the input ssh-known-hosts, line 1"])
        .await;
    given(&sshd)
        .set("ssh-key", "gone")
        .is_usage(&["the setting ssh-key", "could not be read"])
        .await;
    let host = format!("ssh://127.0.0.1:{}", sshd.port);
    given(&sshd)
        .set("host", host)
        .is_usage(&["found no user", "ssh://USER@127.0.0.1"])
        .await;
}
