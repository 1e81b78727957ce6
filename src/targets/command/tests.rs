//! The command target with real programs: shell scripts of the kind users write.

use super::*;
use crate::model::ids::{CommitSha, RunId};
use crate::targets::Way;
use crate::targets::contract::{self, World, facts, verified};
use crate::tree;
use serde_json::json;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A service of two slots that lives in files: `<slot>.rev`, `<slot>.stopped`.
const OBSERVE: &str = r#"
printf '{"slots": {'
comma=
for slot in api web; do
  phase=running; test -e $slot.stopped && phase=stopped
  revision=null; test -e $slot.rev && revision="\"$(cat $slot.rev)\""
  printf '%s"%s": {"revision": %s, "phase": "%s"}' "$comma" $slot "$revision" $phase
  comma=,
done
printf '}}'
"#;

const APPLY: &str = r#"
read -r line
slot=$(echo "$line" | sed 's/.*"slot":"\([^"]*\)".*/\1/')
to=$(echo "$line" | sed 's/.*"to":"\([^"]*\)".*/\1/')
payload=$(echo "$line" | sed 's/.*"payload":{"path":"\([^"]*\)".*/\1/')
sha=$(echo "$line" | sed 's/.*"sha256":"\([^"]*\)".*/\1/')
echo "$line" >> log
if test -e broken-$slot; then echo "cannot reach it" >&2; exit $(cat broken-$slot); fi
test "$(sha256sum < "$payload" | cut -d' ' -f1)" = "$sha" || exit 9
echo "$to" > $slot.rev
if test -e slow-$slot; then sleep 600; fi
"#;

const START: &str = r#"
read -r line
slot=$(echo "$line" | sed 's/.*"slot":"\([^"]*\)".*/\1/')
rm -f $slot.stopped
"#;

struct Shop {
    dir: TempDir,
}

impl Shop {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [("observe", OBSERVE), ("apply", APPLY), ("start", START)] {
            fs::write(dir.path().join(name), text).unwrap();
        }
        for release in ["1", "2"] {
            fs::write(dir.path().join(release), format!("binary {release}")).unwrap();
        }
        Self { dir }
    }

    fn at(&self) -> &Path {
        self.dir.path()
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.at().join(name), text).unwrap();
    }

    fn open(&self, more: &serde_json::Value) -> Box<dyn Target> {
        let mut settings = json!({
            "observe": ["sh", "observe"],
            "apply": ["sh", "apply"],
            "start": ["sh", "start"],
            "slots": ["api", "web"],
            "payload": "*.bin",
        });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let base = Base {
            net: crate::net::Settings::default(),
            state_dir: self.at().join("state"),
            dir: self.at().to_owned(),
            environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            secrets: vec![crate::model::secret::Secret::new("hunter2")],
        };
        crate::targets::open("command", "shop", settings, &base).unwrap()
    }

    /// Asks for release 1 in slot `api`, as a plan made from what is there now.
    async fn apply(&self, target: &dyn Target) -> Result<(), TargetError> {
        let payload = verified(self.payload(1).unwrap());
        let slot = Slot("api".to_owned());
        let before = self.open(&json!({})).observe().await.unwrap();
        let from = before.get(&slot).and_then(|held| held.revision.clone());
        let to = Revision(payload.digest().to_string());
        let plan = Plan {
            before,
            changes: vec![Change::Install { slot, from, to }],
            hazards: Vec::new(),
        };
        let permitted = contract::permitted(plan);
        let change = permitted.changes().next().unwrap();
        target.apply(change, Some(&payload), &facts(1)).await
    }
}

impl World for Shop {
    fn target(&self) -> Box<dyn Target> {
        self.open(&json!({}))
    }

    fn payload(&self, release: u64) -> Option<Measured> {
        Some(tree::measure(&self.at().join(release.to_string())).unwrap())
    }

    fn break_change(&self, index: usize) {
        self.write(["broken-api", "broken-web"][index], "1");
    }

    fn mend(&self) {
        for name in ["broken-api", "broken-web"] {
            let path = self.at().join(name);
            if path.exists() {
                fs::remove_file(path).unwrap();
            }
        }
    }

    fn meddle(&self) {
        self.write("api.rev", "by-hand");
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    contract::check(Shop::new).await;
}

#[tokio::test]
async fn a_stopped_slot_is_started() {
    let shop = Shop::new();
    contract::put(&shop, 1).await;
    shop.write("web.stopped", "");
    contract::put(&shop, 1).await;
    shop.write("web.stopped", "");
    let target = shop.open(&json!({"start": null}));
    let revision = Revision(shop.payload(1).unwrap().digest.to_string());
    let change = Change::Start {
        slot: Slot("web".to_owned()),
        revision,
    };
    let plan = Plan {
        before: State::new(),
        changes: vec![change],
        hazards: Vec::new(),
    };
    let permitted = contract::permitted(plan);
    let change = permitted.changes().next().unwrap();
    let error = target.apply(change, None, &facts(1)).await.unwrap_err();
    assert!(matches!(error, TargetError::Refused { .. }), "{error:?}");
}

#[tokio::test]
async fn the_program_is_told_everything_on_one_line() {
    let shop = Shop::new();
    shop.apply(&*shop.target()).await.unwrap();
    let log = fs::read_to_string(shop.at().join("log")).unwrap();
    let told: serde_json::Value = serde_json::from_str(log.trim_end()).unwrap();
    let payload = shop.payload(1).unwrap();
    assert_eq!(
        told,
        json!({
            "protocol": 1, "verb": "apply", "target": "shop", "slot": "api",
            "from": null, "to": payload.digest.to_string(),
            "run": 1, "commit": null, "environment": "test",
            "payload": {
                "path": payload.path, "shape": "file", "sha256": payload.digest.hex(), "size": 8,
            },
        })
    );
}

#[tokio::test]
async fn exit_codes_tell_failed_from_try_again() {
    let shop = Shop::new();
    shop.write("broken-api", "75");
    let error = shop.apply(&*shop.target()).await.unwrap_err();
    assert!(
        matches!(error, TargetError::Unreachable { .. }),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "apply: exit code 75: cannot reach it");
    shop.write("broken-api", "1");
    let error = shop.apply(&*shop.target()).await.unwrap_err();
    assert!(matches!(error, TargetError::Failed(_)), "{error:?}");
}

#[tokio::test]
async fn a_deadline_during_apply_is_resolved_by_observing() {
    let shop = Shop::new();
    shop.write("slow-api", "");
    let target = shop.open(&json!({"apply-deadline": "1s"}));
    // It hangs after the change took: observing says so.
    shop.apply(&*target).await.unwrap();
    // It hangs before: unknown, and the slot's state is named.
    let shop = Shop::new();
    shop.write("api.rev", "old");
    shop.write("apply", "sleep 600");
    let error = shop.apply(&*target_of(&shop)).await.unwrap_err();
    let TargetError::OutcomeUnknown { what } = &error else {
        panic!("{error:?}");
    };
    assert!(
        what.ends_with("was stopped; the slot now holds old"),
        "{what}"
    );
}

fn target_of(shop: &Shop) -> Box<dyn Target> {
    shop.open(&json!({"apply-deadline": "1s", "observe-deadline": "5s"}))
}

#[tokio::test]
async fn observing_that_hangs_lies_or_leaks_is_an_error_without_secrets() {
    let shop = Shop::new();
    for (script, expected) in [
        ("sleep 600", "observe: sh did not end within 1 s"),
        ("echo hunter2", "observe: expected {"),
        ("echo hunter2 >&2; exit 3", "observe: exit code 3: ***"),
        ("yes x | head -c 100000", "more than 64 KiB"),
        ("printf '\\377'", "observe: expected {"),
        ("kill -9 $$", "observe: ended by signal 9"),
    ] {
        let target = shop.open(&json!({
            "observe": ["sh", "-c", script], "observe-deadline": "1s",
        }));
        let error = target.observe().await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
        let evidence = target.evidence().await;
        assert!(!format!("{evidence:?}").contains("hunter2"));
    }
}

#[tokio::test]
async fn revisions_come_from_the_manifest_or_as_the_settings_say() {
    let shop = Shop::new();
    let payload = shop.payload(1).unwrap();
    let commit = CommitSha("0123456789abcdef0123456789abcdef01234567".to_owned());
    let known = ReleaseFacts {
        run: Some(RunId(41)),
        commit: Some(&commit),
        manifest: None,
        environment: "test",
        way: Way::Back,
        emergency: false,
        on_state_conflict: crate::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: None,
    };
    for (from, expected) in [
        (None, payload.digest.to_string()),
        (Some("digest"), payload.digest.to_string()),
        (Some("commit"), commit.0.clone()),
        (Some("run-id"), "41".to_owned()),
    ] {
        let target = shop.open(&json!({"revision": from}));
        let wanted = target
            .wanted(&known, &Payloads::shared(Some(payload.clone())))
            .await
            .unwrap();
        assert_eq!(
            wanted.get(&Slot("web".to_owned())),
            Some(&Revision(expected))
        );
    }
    let nameless = ReleaseFacts {
        commit: None,
        ..known
    };
    let target = shop.open(&json!({"payload": null}));
    let error = target
        .wanted(&nameless, &Payloads::none())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("has no commit"), "{error}");
}

#[tokio::test]
async fn preflight_finds_what_is_missing() {
    let shop = Shop::new();
    let target = shop.open(&json!({
        "apply": ["./no-such-program"], "check": ["sh", "-c", "echo disk full >&2; exit 1"],
    }));
    let findings = target.preflight(&Payloads::none()).await;
    let bad: Vec<(&str, &str)> = findings
        .iter()
        .filter(|finding| !finding.ok)
        .map(|finding| (finding.check.as_str(), finding.detail.as_str()))
        .collect();
    let [(program, missing), (agrees, said)] = bad[..] else {
        panic!("{findings:?}");
    };
    assert_eq!((program, agrees), ("apply program", "check program agrees"));
    assert!(
        missing.ends_with("no-such-program does not exist"),
        "{missing}"
    );
    assert_eq!(said, "check: exit code 1: disk full");
}
