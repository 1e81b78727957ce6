//! Ways in, kubeconfigs and what is refused of them; no cluster is needed.

mod requests;

use super::way::{self, Account, Way};
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tempfile::TempDir;

const SECRET: &str = "hunter2secret";

/// A certificate and its key, in PEM.
fn certificate() -> (String, String) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    (made.cert.pem(), made.signing_key.serialize_pem())
}

fn settings(more: &str) -> Settings {
    serde_saphyr::from_str(&format!(
        "{{namespace: shop, slots: [deployment/web], {more}}}"
    ))
    .unwrap()
}

fn base(dir: &TempDir, environment: &[(&str, &str)]) -> Base {
    Base {
        dir: dir.path().to_owned(),
        environment: environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Base::default()
    }
}

/// A kubeconfig with these lines of a cluster and of a user.
fn kubeconfig(cluster: &str, user: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: prod
contexts:
- {{name: prod, context: {{cluster: c, user: u}}}}
- {{name: lost, context: {{cluster: gone, user: u}}}}
- {{name: nobody, context: {{cluster: c, user: gone}}}}
clusters:
- name: c
  cluster: {{{cluster}}}
users:
- name: u
  user: {{{user}}}
"
    )
}

async fn opened(settings: &Settings, base: &Base) -> Result<Cluster, TargetError> {
    Cluster::open(settings, base).await
}

#[track_caller]
fn assert_refused(result: Result<Cluster, TargetError>, says: &str, advises: &str) {
    match result {
        Err(TargetError::Refused { what, next, .. }) => {
            assert!(what.contains(says), "{what}, expected {says}");
            assert!(next.contains(advises), "{next}, expected {advises}");
            assert!(
                !what.contains(SECRET) && !next.contains(SECRET),
                "{what} {next}"
            );
        }
        other => panic!("{other:?}, expected it to be refused: {says}"),
    }
}

#[tokio::test]
async fn the_ways_in_are_taken_in_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let of = |server: &str| kubeconfig(&format!("server: 'https://{server}'"), "token: t");
    for name in ["set", "input", "list", ".kube/config"] {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, of(&name.replace(['.', '/'], ""))).unwrap();
    }
    let home = dir.path().to_str().unwrap().to_owned();
    let text = of("text");
    let variable = of("variable");
    let mut environment = vec![
        ("TEXT", variable.as_str()),
        ("TOKEN", "t"),
        ("INPUT_KUBECONFIG", text.as_str()),
        ("KUBECONFIG", "list"),
        ("HOME", home.as_str()),
    ];
    async fn server(dir: &TempDir, more: &str, environment: &[(&str, &str)]) -> String {
        let opened = opened(&settings(more), &base(dir, environment)).await;
        opened.unwrap().server
    }
    let named = "context: prod";
    let from = "context: prod, kubeconfig-from: TEXT";
    assert_eq!(server(&dir, from, &environment).await, "https://variable/");
    let file = "context: prod, kubeconfig: set";
    assert_eq!(server(&dir, file, &environment).await, "https://set/");
    let token = "token-from: TOKEN, server: 'https://given:6443'";
    assert_eq!(
        server(&dir, token, &environment).await,
        "https://given:6443/"
    );
    assert_eq!(server(&dir, named, &environment).await, "https://text/");
    environment[2].1 = "input";
    assert_eq!(server(&dir, named, &environment).await, "https://input/");
    environment[2].1 = "";
    assert_eq!(server(&dir, named, &environment).await, "https://list/");
    environment[3].1 = " ";
    assert_eq!(
        server(&dir, named, &environment).await,
        "https://kubeconfig/"
    );
}

#[tokio::test]
async fn a_way_that_does_not_work_is_not_skipped() {
    let dir = tempfile::tempdir().unwrap();
    async fn check(dir: &TempDir, more: &str, env: &[(&str, &str)], says: &str, advises: &str) {
        assert_refused(
            opened(&settings(more), &base(dir, env)).await,
            says,
            advises,
        );
    }
    let home = kubeconfig("server: 'https://x'", "token: t");
    fs::create_dir_all(dir.path().join(".kube")).unwrap();
    fs::write(dir.path().join(".kube/config"), home).unwrap();
    let home = ("HOME", dir.path().to_str().unwrap());
    let c = "context: prod";
    check(
        &dir,
        "context: prod, kubeconfig-from: NO",
        &[home],
        "the variable NO is not set",
        "set NO",
    )
    .await;
    check(
        &dir,
        "context: prod, kubeconfig: no",
        &[home],
        "could not read",
        "exists",
    )
    .await;
    check(
        &dir,
        "token-from: NO, server: 'https://x'",
        &[home],
        "the variable NO is not set",
        "set NO",
    )
    .await;
    check(
        &dir,
        c,
        &[home, ("INPUT_KUBECONFIG", "no/such/file")],
        "is not a kubeconfig",
        "kubectl config view",
    )
    .await;
    check(
        &dir,
        c,
        &[home, ("KUBECONFIG", "/no/such/file")],
        "/no/such/file",
        "exists",
    )
    .await;
    check(
        &dir,
        c,
        &[home, ("KUBECONFIG", "a:b")],
        "the list \"a:b\"",
        "kubectl config view --flatten",
    )
    .await;
    check(
        &dir,
        c,
        &[("PATH", "/bin")],
        "no way into the cluster",
        "token-from",
    )
    .await;
    check(
        &dir,
        c,
        &[("KUBERNETES_SERVICE_HOST", "10.0.0.1")],
        "service account",
        "exists",
    )
    .await;
    check(
        &dir,
        "token-from: T, server: 'https://x'",
        &[("T", "hunter2secret x")],
        "blanks",
        "the token itself",
    )
    .await;
    check(
        &dir,
        "token-from: T, server: 'https://x', ca-from: CA",
        &[("T", "t"), ("CA", SECRET)],
        "no readable certificate",
        "certificate-authority",
    )
    .await;
}

async fn check(dir: &TempDir, text: &str, more: &str, says: &str, advises: &str) {
    let base = base(
        dir,
        &[("INPUT_KUBECONFIG", text), ("PATH", "/no/such/directory")],
    );
    assert_refused(opened(&settings(more), &base).await, says, advises);
}

#[tokio::test]
async fn kubeconfigs_that_cannot_be_used_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let prod = "context: prod";
    let good = "server: 'https://x'";
    let token = format!("token: {SECRET}");
    check(
        &dir,
        "a: [\nb",
        prod,
        "is not a kubeconfig",
        "kubectl config view",
    )
    .await;
    let broken = format!("users:\n- name: u\n  user: {{token: {SECRET}\nx");
    check(
        &dir,
        &broken,
        prod,
        "is not a kubeconfig, see line",
        "kubectl config view",
    )
    .await;
    check(
        &dir,
        "kind: Config\n",
        prod,
        "has no contexts",
        "kubectl config view",
    )
    .await;
    let text = kubeconfig(good, &token);
    check(
        &dir,
        &text,
        "context: other",
        "no context \"other\"; it has prod, lost",
        "correct `context`",
    )
    .await;
    check(
        &dir,
        &text,
        "context: lost",
        "names the cluster \"gone\"",
        "--flatten",
    )
    .await;
    check(
        &dir,
        &text,
        "context: nobody",
        "names the user \"gone\"",
        "--flatten",
    )
    .await;
    let nameless = text.replace("current-context: prod\n", "");
    check(
        &dir,
        &nameless,
        "server: 'https://x'",
        "no current context",
        "`context`",
    )
    .await;
}

#[tokio::test]
async fn clusters_that_cannot_be_trusted_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let prod = "context: prod";
    let token = format!("token: {SECRET}");
    for (cluster, says, advises) in [
        (
            "server: 'https://x', insecure-skip-tls-verify: true",
            "insecure-skip-tls-verify",
            "certificate-authority-data",
        ),
        ("server: 'http://x'", "not an https address", "https://"),
        (
            "server: 'https://me:hunter2secret@x'",
            "not an https address",
            "https://",
        ),
        ("tls-server-name: x", "not an https address", "https://"),
        (
            "server: 'https://x', certificate-authority-data: '%%'",
            "not base64",
            "--raw",
        ),
        (
            "server: 'https://x', certificate-authority-data: aHVudGVyMnNlY3JldA==",
            "no readable certificate",
            "certificate authority",
        ),
        (
            "server: 'https://x', certificate-authority: none.pem",
            "none.pem",
            "exists",
        ),
        (
            "server: 'https://x', proxy-url: 'socks5://me:hunter2secret@p'",
            "the proxy",
            "http://",
        ),
    ] {
        check(&dir, &kubeconfig(cluster, &token), prod, says, advises).await;
    }
}

#[tokio::test]
async fn users_that_cannot_be_used_are_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let prod = "context: prod";
    let good = "server: 'https://x'";
    for (user, says, advises) in [
        ("client-certificate-data: aGk=", "only one of", "both"),
        (
            "client-key-data: aHVudGVyMnNlY3JldA==",
            "only one of",
            "both",
        ),
        (
            "client-certificate-data: aGk=, client-key-data: aHVudGVyMnNlY3JldA==",
            "could not set up",
            "PEM",
        ),
        (
            "client-certificate: none.crt, client-key: none.key",
            "none.crt",
            "exists",
        ),
        ("tokenFile: none", "none", "exists"),
        (
            "auth-provider: {name: gcp}",
            "dropped in 1.26",
            "gcloud auth print-access-token",
        ),
        (
            "auth-provider: {name: oidc, config: {id-token: hunter2secret}}",
            "dropped in 1.26",
            "oidc-login",
        ),
        (
            "exec: {apiVersion: v1, command: no-such-plugin}",
            "\"no-such-plugin\", and no such program",
            "kubectl create token",
        ),
        (
            "exec: {apiVersion: v1, command: /no/aws, args: [eks]}",
            "no such program",
            "aws eks get-token",
        ),
        (
            "exec: {apiVersion: v1, command: gke-gcloud-auth-plugin}",
            "no such program",
            "gcloud auth print-access-token",
        ),
        (
            "exec: {apiVersion: v1, command: sh, interactiveMode: Always}",
            "wants a terminal",
            "token-from",
        ),
        (
            "exec: {apiVersion: v1, interactiveMode: Never}",
            "no such program",
            "token-from",
        ),
    ] {
        check(&dir, &kubeconfig(good, user), prod, says, advises).await;
    }
}

#[tokio::test]
async fn files_of_a_kubeconfig_are_read_from_its_directory() {
    let dir = tempfile::tempdir().unwrap();
    let (pem, key) = certificate();
    let own = dir.path().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("ca.pem"), &pem).unwrap();
    fs::write(own.join("me.key"), &key).unwrap();
    fs::write(own.join("token"), format!("{SECRET}\n")).unwrap();
    for user in [
        "client-certificate: ca.pem, client-key: me.key",
        "tokenFile: token",
    ] {
        let text = kubeconfig("server: 'https://x', certificate-authority: ca.pem", user);
        fs::write(own.join("config"), text).unwrap();
        let settings = settings("context: prod, kubeconfig: own/config");
        let cluster = opened(&settings, &base(&dir, &[])).await.unwrap();
        assert_eq!(cluster.context.as_deref(), Some("prod"));
        assert!(!format!("{cluster:?}").contains(SECRET));
    }
}

/// Writes an auth plugin that ends with these lines.
fn plugin(dir: &TempDir, name: &str, lines: &str) {
    let path = dir.path().join(name);
    fs::write(&path, format!("#!/bin/sh\n{lines}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn an_auth_plugin_is_found_by_the_path_we_were_given() {
    let dir = tempfile::tempdir().unwrap();
    let credential = format!(
        r#"echo '{{"kind": "ExecCredential", "apiVersion": "v1", "status": {{"token": "{SECRET}"}}}}'"#
    );
    plugin(&dir, "works", &credential);
    plugin(
        &dir,
        "fails",
        &format!("echo {SECRET}; echo no session >&2; exit 3"),
    );
    plugin(&dir, "babbles", &format!("echo '{{{SECRET}'"));
    let path = dir.path().to_str().unwrap();
    let run = async |name: &str| {
        let exec = format!(
            "exec: {{apiVersion: client.authentication.k8s.io/v1, command: {name}, interactiveMode: IfAvailable, provideClusterInfo: true}}"
        );
        let text = kubeconfig("server: 'https://x'", &exec);
        let base = base(&dir, &[("INPUT_KUBECONFIG", &text), ("PATH", path)]);
        opened(&settings("context: prod"), &base).await
    };
    run("works").await.unwrap();
    run("./works").await.unwrap();
    assert_refused(
        run("fails").await,
        "ended with code 3: no session",
        "token-from",
    );
    assert_refused(run("babbles").await, "no ExecCredential", "token-from");
}

#[test]
fn a_pod_uses_its_service_account() {
    let dir = tempfile::tempdir().unwrap();
    let (pem, _) = certificate();
    fs::write(dir.path().join("ca.crt"), pem).unwrap();
    fs::write(dir.path().join("token"), SECRET).unwrap();
    #[track_caller]
    fn check(dir: &TempDir, host: &str, expected: &str) {
        let access = Account::at(host, "6443", dir.path()).access().unwrap();
        assert_eq!(access.server.to_string(), expected);
        assert!(access.ca.is_some() && access.auth.token_file.is_some());
    }
    check(&dir, "10.0.0.1", "https://10.0.0.1:6443/");
    check(&dir, "fd00::1", "https://[fd00::1]:6443/");
}

#[test]
fn roots_are_the_clusters_own_or_the_bundled_ones() {
    let (pem, _) = certificate();
    let net = crate::net::Settings {
        ca_pem: Some(pem.clone().into_bytes()),
        ..crate::net::Settings::default()
    };
    let count =
        |own: Option<&[u8]>, net: &crate::net::Settings| roots::trusted(own, net).unwrap().len();
    let bundled = count(None, &crate::net::Settings::default());
    assert!(100 < bundled);
    assert_eq!(count(None, &net), bundled + 1);
    assert_eq!(count(Some(pem.as_bytes()), &net), 1);
    assert!(roots::trusted(Some(STANDARD.encode(pem).as_bytes()), &net).is_err());
}

#[test]
fn a_proxy_is_used_except_where_it_is_not_meant() {
    #[track_caller]
    fn check(proxy: &str, no_proxy: &str, server: &str, expected: Option<&str>) {
        let net = crate::net::Settings {
            proxy: Some(proxy.to_owned()),
            no_proxy: Some(no_proxy.to_owned()),
            ..crate::net::Settings::default()
        };
        let found = proxy::between(&server.parse().unwrap(), &net).unwrap();
        assert_eq!(found.map(|uri| uri.to_string()).as_deref(), expected);
    }
    let p = "http://me:pw@p:3128";
    check(p, "", "https://10.0.0.1:6443", Some("http://me:pw@p:3128/"));
    check(p, "", "https://127.0.0.1:6443", None);
    check(p, "", "https://localhost:6443", None);
    check(p, "", "https://[::1]:6443", None);
    check(p, "10.0.0.0/8", "https://10.0.0.1:6443", None);
    check(p, ".corp", "https://api.corp", None);
    check(
        p,
        ".corp",
        "https://api.other",
        Some("http://me:pw@p:3128/"),
    );
    let net = crate::net::Settings {
        proxy: Some(format!("https://me:{SECRET}@p")),
        ..crate::net::Settings::default()
    };
    let error = proxy::between(&"https://x".parse().unwrap(), &net).unwrap_err();
    assert!(!error.to_string().contains(SECRET), "{error}");
}

#[test]
fn one_kubeconfig_file_is_read_and_no_more() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("big"), vec![b'#'; 5 << 20]).unwrap();
    let base = base(&dir, &[("KUBECONFIG", "big")]);
    let Err(error) = way::choose(&settings("context: prod"), &base) else {
        panic!("a file of 5 MiB was read");
    };
    assert!(error.to_string().contains("expected at most"), "{error}");
    let Ok(Way::Token(_)) = way::choose(
        &settings("token-from: T, server: 'https://x'"),
        &Base {
            environment: [("T".to_owned(), "t".to_owned())].into(),
            ..base
        },
    ) else {
        panic!("the settings come first");
    };
}
