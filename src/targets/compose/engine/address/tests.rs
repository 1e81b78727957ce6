//! Addresses in every form, and which place that names one is taken.

use super::*;
use serde_json::{Value, json};

fn settings(change: &Value) -> Settings {
    let mut settings = json!({"project": "shop"});
    for (name, value) in change.as_object().unwrap() {
        settings[name] = value.clone();
    }
    serde_json::from_value(settings).unwrap()
}

#[track_caller]
fn check(at: &str, asks_for_tls: bool, wanted: &Way) {
    assert_eq!(parse(at, asks_for_tls).as_ref(), Ok(wanted), "{at}");
}

#[track_caller]
fn wrong(at: &str, says: &str) {
    let (what, _) = parse(at, false).unwrap_err();
    assert!(what.contains(says), "{at}: {what}");
}

fn tls(host: &str, port: u16) -> Way {
    let host = host.to_owned();
    Way::Tls { host, port }
}

fn plain(host: &str, port: u16) -> Way {
    let host = host.to_owned();
    Way::Plain { host, port }
}

fn over_ssh(user: Option<&str>, host: &str, port: Option<u16>, socket: Option<&str>) -> Way {
    Way::Ssh {
        user: user.map(str::to_owned),
        host: host.to_owned(),
        port,
        socket: socket.map(str::to_owned),
    }
}

#[test]
fn each_form_of_docker_host_is_read() {
    check(
        "unix:///run/x.sock",
        false,
        &Way::Unix("/run/x.sock".into()),
    );
    check("tcp://127.0.0.1:4243", false, &plain("127.0.0.1", 4243));
    check("tcp://localhost", false, &plain("localhost", 2375));
    check("tcp://[::1]:80", false, &plain("::1", 80));
    check("http://127.0.0.1", false, &plain("127.0.0.1", 80));
    check("tcp://web-1", true, &tls("web-1", 2376));
    check("tcp://127.0.0.1:2376/", true, &tls("127.0.0.1", 2376));
    check("https://web-1", false, &tls("web-1", 443));
    check("ssh://web-1", false, &over_ssh(None, "web-1", None, None));
    check(
        "ssh://deploy@web-1:2222/run/user/7/docker.sock",
        false,
        &over_ssh(
            Some("deploy"),
            "web-1",
            Some(2222),
            Some("/run/user/7/docker.sock"),
        ),
    );
}

#[test]
fn what_is_no_safe_way_is_refused_in_words() {
    wrong("tcp://10.0.0.7:2375", "become root");
    wrong("tcp://docker:2375", "not encrypted");
    wrong("http://10.0.0.7", "not encrypted");
    wrong("npipe:////./pipe/docker_engine", "Windows");
    wrong("fd://", "systemd");
    wrong("web-1", "with a scheme");
    wrong("ftp://web-1", "one of ssh://");
    wrong("unix://docker.sock", "absolute path");
    wrong("ssh://deploy:pw@web-1", "no password");
    wrong("ssh://", "a host after the scheme");
    wrong("ssh://web-1/a;reboot", "a path of letters");
    wrong("ssh://-oProxyCommand=x", "");
    wrong("tcp://127.0.0.1:2375/v1", "nothing after the port");
    wrong("tcp://me@127.0.0.1", "no user");
    wrong("tcp://127.0.0.1:99999", "no address");
}

fn base(variables: &[(&str, &str)]) -> Base {
    Base {
        environment: variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect(),
        ..Base::default()
    }
}

#[test]
fn the_first_place_that_says_where_is_taken() {
    #[track_caller]
    fn check(change: &Value, variables: &[(&str, &str)], at: &str, from: &str) {
        let found = find(&settings(change), &base(variables), false).unwrap();
        assert_eq!((found.at.as_str(), found.from.as_str()), (at, from));
    }
    let all = [
        ("INPUT_DOCKER-HOST", "ssh://input"),
        ("DOCKER_HOST", "ssh://variable"),
    ];
    check(
        &json!({"host": "ssh://set"}),
        &all,
        "ssh://set",
        "the setting host",
    );
    check(&json!({}), &all, "ssh://input", "the input docker-host");
    check(
        &json!({}),
        &[("INPUT_DOCKER-HOST", " "), all[1]],
        "ssh://variable",
        "the variable DOCKER_HOST",
    );
    check(
        &json!({}),
        &[],
        "unix:///var/run/docker.sock",
        "Docker's usual socket",
    );
    check(
        &json!({"context": "default"}),
        &[],
        "unix:///var/run/docker.sock",
        "Docker's usual socket",
    );
}

#[test]
fn a_password_is_in_no_message() {
    for name in ["INPUT_DOCKER-HOST", "DOCKER_HOST"] {
        for at in [
            "ssh://deploy:hunter2@web-1",
            "tcp://admin:hunter2@web-1:2376",
            "ftp://admin:hunter2@web-1",
            "admin:hunter2@web-1",
            "ssh://deploy:hunter2/#@web-1",
        ] {
            let error = find(&settings(&json!({})), &base(&[(name, at)]), false).unwrap_err();
            let failure = error.failure("shop");
            let text = format!("{failure:?} {failure} {:?}", failure.hints);
            assert!(text.contains(":***@web-1"), "{text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
}

#[test]
fn a_context_is_read_with_its_certificates() {
    let home = tempfile::tempdir().unwrap();
    let id = context::id("prod");
    let meta = home.path().join("contexts/meta").join(&id);
    std::fs::create_dir_all(&meta).unwrap();
    let write = |endpoint: &Value| {
        let text = json!({"Name": "prod", "Metadata": {}, "Endpoints": {"docker": endpoint}});
        std::fs::write(meta.join("meta.json"), text.to_string()).unwrap();
    };
    let home_text = home.path().to_str().unwrap().to_owned();
    let asked = |variables: &[(&str, &str)]| {
        let mut all = vec![("DOCKER_CONFIG", home_text.as_str())];
        all.extend(variables);
        find(&settings(&json!({})), &base(&all), false)
    };
    write(&json!({"Host": "tcp://web-1:2376", "SkipTLSVerify": false}));
    let refusal = asked(&[("DOCKER_CONTEXT", "prod")])
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("the context prod") && refusal.contains("not encrypted"),
        "{refusal}"
    );
    for skips in [false, true] {
        let host = "ssh://deploy:hunter2@web-1";
        write(&json!({"Host": host, "SkipTLSVerify": skips}));
        let failure = asked(&[("DOCKER_CONTEXT", "prod")])
            .unwrap_err()
            .failure("shop");
        let text = format!("{failure} {:?}", failure.hints);
        assert!(text.contains("***") && !text.contains("hunter2"), "{text}");
    }
    write(&json!({"Host": "tcp://web-1:2376", "SkipTLSVerify": false}));
    let keys = home.path().join("contexts/tls").join(&id).join("docker");
    std::fs::create_dir_all(&keys).unwrap();
    std::fs::write(keys.join("ca.pem"), "x").unwrap();
    let config = home.path().join("config.json");
    std::fs::write(&config, r#"{"auths": {}, "currentContext": "prod"}"#).unwrap();
    let found = asked(&[]).unwrap();
    assert_eq!(
        (found.way, found.from.as_str()),
        (tls("web-1", 2376), "the context prod")
    );
    write(&json!({"Host": "tcp://web-1:2376", "SkipTLSVerify": true}));
    let refusal = asked(&[]).unwrap_err().to_string();
    assert!(refusal.contains("SkipTLSVerify"), "{refusal}");
    let refusal = asked(&[("DOCKER_CONTEXT", "gone")])
        .unwrap_err()
        .to_string();
    assert!(
        refusal.contains("no context gone") && refusal.contains("prod"),
        "{refusal}"
    );
    std::fs::write(&config, "not JSON").unwrap();
    let refusal = asked(&[]).unwrap_err().to_string();
    assert!(refusal.contains("config.json"), "{refusal}");
}
