//! Targets from outside: what their pages say is held against what they do.

#![expect(
    clippy::disallowed_methods,
    reason = "the pages' commands are run as a person would"
)]

use lastgood::model::state::{Revision, Slot};
use lastgood::targets::{Base, Entry, REGISTRY, Target, open};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

fn page(kind: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/targets/{kind}.md"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The fenced blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str())
        .skip(1)
        .map(|rest| rest.split("\n```").next().unwrap())
        .collect()
}

fn base(dir: &Path) -> Base {
    Base {
        net: lastgood::net::Settings::default(),
        state_dir: dir.join("state"),
        dir: dir.to_owned(),
        environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        secrets: Vec::new(),
    }
}

#[test]
fn every_kind_has_a_page_with_every_key() {
    for entry in REGISTRY {
        let page = page(entry.kind);
        for key in entry.keys() {
            assert!(
                page.contains(&format!("\n| `{key}` |")),
                "{}.md lacks {key}",
                entry.kind
            );
        }
    }
}

/// Of a host that there is not.
const HOST_KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ";

/// What the schema says and what the settings take is the same.
#[test]
fn the_example_of_each_page_opens_and_fits_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let ids = json!({ "user_service": { "ic": "rrkah-fqaaa-aaaaa-aaaaq-cai" } });
    fs::write(dir.path().join("canister_ids.json"), ids.to_string()).unwrap();
    for entry in REGISTRY {
        let page = page(entry.kind);
        // Keys of hosts are left out of pages, and a line without one is a mistake.
        let example = blocks(&page, "yaml")[0].replace("AAAA…", HOST_KEY);
        let example: Value = serde_saphyr::from_str(&example).unwrap();
        let mut settings = example["targets"][0].clone();
        let map = settings.as_object_mut().unwrap();
        let name = map.remove("name").unwrap();
        assert_eq!(map.remove("kind").unwrap(), entry.kind);
        check_schema(entry, &settings, true);
        let target = open(
            entry.kind,
            name.as_str().unwrap(),
            settings.clone(),
            &base(dir.path()),
        )
        .unwrap();
        assert_eq!(target.kind(), entry.kind);
        // A cluster has many objects, a network many canisters, a project many services: those are named one by one.
        let named = ["slots", "canisters", "services"].map(|key| settings[key][0].as_str());
        let slot = named.into_iter().flatten().next().or(name.as_str());
        let slot = slot.unwrap();
        assert_eq!(target.slots(), [Slot(slot.to_owned())]);
        settings["no-such-key"] = json!(1);
        check_schema(entry, &settings, false);
        open(entry.kind, "x", settings, &Base::default()).unwrap_err();
    }
}

#[track_caller]
fn check_schema(entry: &Entry, settings: &Value, expected: bool) {
    let schema = (entry.schema)();
    assert_eq!(
        jsonschema::is_valid(schema.as_value(), settings),
        expected,
        "{settings}"
    );
}

async fn revision(target: &dyn Target) -> String {
    let state = target.observe().await.unwrap();
    let Revision(text) = state[0].revision.clone().unwrap();
    text
}

/// The command of the page gives the revision that the target observes, odd names included.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn the_digest_by_hand_is_the_revision() {
    let dir = tempfile::tempdir().unwrap();
    let release = dir.path().join("releases/by-hand");
    fs::create_dir_all(release.join("empty")).unwrap();
    fs::create_dir_all(release.join("a")).unwrap();
    symlink("releases/by-hand", dir.path().join("current")).unwrap();
    let target = open("directory", "shop", json!({"path": "."}), &base(dir.path())).unwrap();
    let page = page("directory");
    let command = *blocks(&page, "sh").first().unwrap();
    let command = command.replace("/srv/shop", dir.path().to_str().unwrap());
    let by_hand = || {
        let output = Command::new("sh").args(["-c", &command]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = String::from_utf8(output.stdout).unwrap();
        format!(
            "sha256:{}",
            text.trim_end().trim_end_matches(" -").trim_end()
        )
    };
    assert_eq!(revision(&*target).await, by_hand(), "of nothing at all");
    let names = [
        "b",
        "a-b",
        "a/z",
        "a.b",
        "Ärger",
        "with blank",
        "-n",
        "back\\slash",
        "new\nline",
        ".hidden",
    ];
    for name in names {
        fs::write(release.join(name), name).unwrap();
        assert_eq!(revision(&*target).await, by_hand(), "after {name:?}");
    }
}

/// The example programs of the page, with a directory for `/opt/api` and a stand-in for systemd.
#[tokio::test]
async fn the_example_programs_of_the_page_work() {
    let dir = tempfile::tempdir().unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("systemctl"), "#!/bin/sh\ntest -e /tmp || exit 1\n").unwrap();
    let made = Command::new("chmod")
        .arg("755")
        .arg(bin.join("systemctl"))
        .status();
    assert!(made.unwrap().success());
    let page = page("command");
    let [apply, observe] = blocks(&page, "sh")[..] else {
        panic!("the page has two programs");
    };
    for (name, text) in [("apply", apply), ("observe", observe)] {
        let text = text.replace("/opt/api", dir.path().to_str().unwrap());
        fs::write(dir.path().join(name), text).unwrap();
    }
    let mut base = base(dir.path());
    base.environment.insert(
        "PATH".to_owned(),
        format!("{}:/usr/bin:/bin", bin.display()),
    );
    let settings = json!({"observe": ["sh", "observe"], "apply": ["sh", "apply"], "payload": "*"});
    let target = open("command", "api", settings, &base).unwrap();
    assert_eq!(target.observe().await.unwrap()[0].revision, None);

    // `apply` as lastgood runs it: one line on standard input.
    fs::write(dir.path().join("payload"), "new binary").unwrap();
    let line = format!(
        r#"{{"protocol":1,"verb":"apply","target":"api","slot":"api","from":null,"to":"v2","run":1,"commit":null,"environment":"x","payload":{{"path":"{}/payload","shape":"file","sha256":"0","size":10}}}}"#,
        dir.path().display()
    );
    fs::write(dir.path().join("line"), format!("{line}\n")).unwrap();
    let status = Command::new("sh")
        .arg(dir.path().join("apply"))
        .stdin(fs::File::open(dir.path().join("line")).unwrap())
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .status()
        .unwrap();
    assert!(status.success());
    assert_eq!(revision(&*target).await, "v2");
    assert_eq!(
        fs::read_to_string(dir.path().join("api")).unwrap(),
        "new binary"
    );
}

#[tokio::test]
async fn ready_finds_what_is_missing_without_writing() {
    let dir = tempfile::tempdir().unwrap();
    let settings = json!({"path": "site", "restart": ["no-such-program"]});
    let target = open("directory", "site", settings, &base(dir.path())).unwrap();
    let findings = target
        .preflight(&lastgood::model::payload::Payloads::none())
        .await;
    let [finding] = &findings[..] else {
        panic!("{findings:?}");
    };
    assert!(
        !finding.ok && finding.detail.ends_with("site is not a directory"),
        "{finding:?}"
    );
    assert!(
        finding
            .next
            .as_ref()
            .unwrap()
            .starts_with("create it once: mkdir -p ")
    );

    fs::create_dir(dir.path().join("site")).unwrap();
    let findings = target
        .preflight(&lastgood::model::payload::Payloads::none())
        .await;
    let bad: Vec<&str> = findings
        .iter()
        .filter(|finding| !finding.ok)
        .map(|finding| finding.check.as_str())
        .collect();
    assert_eq!(bad, ["restart program"]);
    assert_eq!(fs::read_dir(dir.path().join("site")).unwrap().count(), 0);
    assert!(
        target
            .lease_path()
            .unwrap()
            .starts_with(dir.path().join("site"))
    );
}
