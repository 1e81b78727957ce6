//! The directory target against real directories.

use super::*;
use crate::model::payload::{Payloads, Shape};
use crate::model::release::{MANIFEST_NAME, MANIFEST_SCHEMA, Pin, Release};
use crate::targets::contract::{self, World, carry_out, facts, put, verified};
use crate::tree;
use serde_json::json;
use std::fs;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

mod killed;

/// A root, payloads for releases, and a restart program that can be told to fail.
struct Yard {
    dir: TempDir,
}

impl Yard {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("the site's root")).unwrap();
        for release in ["1", "2", "3"] {
            let payload = dir.path().join(release);
            fs::create_dir_all(payload.join("css")).unwrap();
            fs::write(payload.join("index.html"), format!("release {release}")).unwrap();
            fs::write(payload.join("css/site.css"), "body {}").unwrap();
            fs::write(payload.join(MANIFEST_NAME), "{}").unwrap();
        }
        Self { dir }
    }

    fn root(&self) -> PathBuf {
        // With a blank and a quote, as somebody will have it.
        self.dir.path().join("the site's root")
    }

    /// Everything in a directory of the root, hidden or not.
    fn names(&self, dir: &str) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.root().join(dir))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    fn served(&self) -> String {
        fs::read_to_string(self.root().join("current/index.html")).unwrap()
    }

    fn restarts(&self) -> usize {
        let log = fs::read_to_string(self.dir.path().join("restarts"));
        log.map_or(0, |text| text.lines().count())
    }

    fn open(&self, more: &serde_json::Value) -> Box<dyn Target> {
        let log = self.dir.path().display();
        let script = format!(
            "test ! -e {log}/broken && cat index.html >> {log}/restarts && echo >> {log}/restarts"
        );
        let mut settings =
            json!({"path": "the site's root", "restart": ["sh", "-c", script], "keep": 1});
        let settings_map = settings.as_object_mut().unwrap();
        settings_map.extend(more.as_object().unwrap().clone());
        let base = Base {
            net: crate::net::Settings::default(),
            state_dir: self.dir.path().join("state"),
            dir: self.dir.path().to_owned(),
            environment: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
            secrets: Vec::new(),
        };
        crate::targets::open("directory", "web", settings, &base).unwrap()
    }

    async fn seen(&self) -> Held {
        let state = self.target().observe().await.unwrap();
        state.get(&Slot("web".to_owned())).unwrap().clone()
    }

    async fn put_and_check(&self, release: u64) {
        put(self, release).await;
        assert_eq!(self.served(), format!("release {release}"));
        assert_eq!(self.names(""), ["current", "releases"]);
        let hidden = self
            .names("releases")
            .into_iter()
            .find(|name| name.starts_with('.'));
        assert_eq!(hidden, None);
    }
}

impl World for Yard {
    fn target(&self) -> Box<dyn Target> {
        self.open(&json!({}))
    }

    fn payload(&self, release: u64) -> Option<Measured> {
        let path = self.dir.path().join(release.to_string());
        Some(tree::measure_release(&path, &[MANIFEST_NAME]).unwrap())
    }

    fn break_change(&self, _index: usize) {
        fs::write(self.dir.path().join("broken"), "").unwrap();
    }

    fn mend(&self) {
        fs::remove_file(self.dir.path().join("broken")).unwrap();
    }

    fn meddle(&self) {
        fs::write(self.root().join("current/index.html"), "tampered").unwrap();
    }
}

#[tokio::test]
async fn keeps_the_contract() {
    contract::check(Yard::new).await;
}

#[tokio::test]
async fn an_empty_root_is_an_empty_slot() {
    let yard = Yard::new();
    assert_eq!(yard.seen().await.revision, None);
    yard.put_and_check(1).await;
    let payload = yard.payload(1).unwrap();
    assert_eq!(
        yard.seen().await.revision,
        Some(disk::revision(payload.digest))
    );
    let link = fs::read_link(yard.root().join("current")).unwrap();
    assert_eq!(
        link,
        Path::new(&format!("releases/{}-1", payload.digest.short()))
    );
    assert!(!yard.root().join("current").join(MANIFEST_NAME).exists());
    assert_eq!(yard.restarts(), 1);
}

#[tokio::test]
async fn a_restart_that_failed_is_a_stopped_slot_and_is_made_up_for() {
    let yard = Yard::new();
    yard.put_and_check(1).await;
    yard.break_change(0);
    let plan = Plan {
        before: State::new(),
        changes: vec![Change::Install {
            slot: Slot("web".to_owned()),
            from: yard.seen().await.revision,
            to: disk::revision(yard.payload(2).unwrap().digest),
        }],
        hazards: Vec::new(),
    };
    let error = carry_out(&yard, &plan, 2).await.unwrap_err().to_string();
    assert!(
        error.contains("running again restarts it: restart: exit code 1"),
        "{error}"
    );
    assert_eq!(yard.served(), "release 2");
    assert_eq!(yard.seen().await.phase, Phase::Stopped);
    yard.mend();
    yard.put_and_check(2).await;
    assert_eq!(yard.restarts(), 2);
    assert_eq!(yard.seen().await.phase, Phase::Running);
}

#[tokio::test]
async fn what_is_not_a_link_is_refused_with_the_way_to_adopt_it() {
    let yard = Yard::new();
    fs::create_dir(yard.root().join("current")).unwrap();
    fs::write(yard.root().join("current/index.html"), "by hand").unwrap();
    let error = yard.target().observe().await.unwrap_err();
    let TargetError::Refused {
        what,
        allow: None,
        next,
    } = error
    else {
        panic!("{error:?}");
    };
    assert!(what.ends_with("current is a directory, expected a link to a release directory"));
    let steps = next.strip_prefix("adopt it once: ").unwrap();
    let root = yard.root();
    // The advice works as printed.
    let program = Program {
        argv: ["sh", "-c", steps].map(str::to_owned).to_vec(),
        cwd: root.clone(),
        env: BTreeMap::new(),
        deadline: Duration::from_secs(10),
        secrets: Vec::new(),
    };
    let ended = process::run(&program, Vec::new()).await.unwrap();
    assert!(ended.status.success(), "{}", ended.describe(&[]));
    assert!(yard.seen().await.revision.is_some());
    assert_eq!(yard.served(), "by hand");
    yard.put_and_check(1).await;
}

#[tokio::test]
async fn a_missing_root_is_refused() {
    let yard = Yard::new();
    let error = yard
        .open(&json!({"path": "nowhere"}))
        .observe()
        .await
        .unwrap_err();
    assert!(
        error.to_string().ends_with("nowhere is not a directory"),
        "{error}"
    );
}

#[tokio::test]
async fn old_releases_go_by_count_and_the_named_ones_stay() {
    let yard = Yard::new();
    for release in [1, 2, 3] {
        yard.put_and_check(release).await;
    }
    let good = disk::revision(yard.payload(1).unwrap().digest);
    let target = yard.open(&json!({"keep": 0}));
    let removed = target.retire(std::slice::from_ref(&good)).await.unwrap();
    assert_eq!(
        removed,
        [format!("{}-2", yard.payload(2).unwrap().digest.short())]
    );
    let removed = target.retire(&[]).await.unwrap();
    assert_eq!(removed, [format!("{}-1", good.short())]);
    assert_eq!(target.retire(&[]).await.unwrap(), Vec::<String>::new());
    assert_eq!(yard.served(), "release 3");
    // Gone from disk and no payload: said, not guessed.
    let change = Change::Install {
        slot: Slot("web".to_owned()),
        from: yard.seen().await.revision,
        to: good,
    };
    let plan = Plan {
        before: State::new(),
        changes: vec![change],
        hazards: Vec::new(),
    };
    let permitted = contract::permitted(plan);
    let change = permitted.changes().next().unwrap();
    let error = target.apply(change, None, &facts(1)).await.unwrap_err();
    assert!(matches!(error, TargetError::BadRelease { .. }), "{error:?}");
}

#[tokio::test]
async fn the_release_put_in_place_last_is_kept_longest() {
    let yard = Yard::new();
    for release in [1, 2, 1, 3] {
        yard.put_and_check(release).await;
    }
    let removed = yard.target().retire(&[]).await.unwrap();
    assert_eq!(
        removed,
        [format!("{}-2", yard.payload(2).unwrap().digest.short())]
    );
}

#[tokio::test]
async fn an_archive_is_unpacked_and_the_manifest_is_held_against_it() {
    let yard = Yard::new();
    let archive = yard.dir.path().join("site.tar.gz");
    let file = fs::File::create(&archive).unwrap();
    let gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
    let mut tar = tar::Builder::new(gzip);
    tar.append_dir_all(".", yard.dir.path().join("2")).unwrap();
    tar.into_inner().unwrap().finish().unwrap();
    let measured = tree::measure(&archive).unwrap();
    assert_eq!(measured.shape, Shape::File);

    let target = yard.open(&json!({"payload": "*.tar.gz"}));
    let wanted = target
        .wanted(&facts(2), &Payloads::shared(Some(measured.clone())))
        .await
        .unwrap();
    let slot = Slot("web".to_owned());
    let expected = disk::revision(yard.payload(2).unwrap().digest);
    assert_eq!(wanted.get(&slot), Some(&expected));

    let findings = target
        .preflight(&Payloads::shared(Some(verified(measured.clone()))))
        .await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:?}");
    let change = Change::Install {
        slot: slot.clone(),
        from: None,
        to: expected.clone(),
    };
    let plan = Plan {
        before: State::new(),
        changes: vec![change],
        hazards: Vec::new(),
    };
    let permitted = contract::permitted(plan);
    let payload = verified(measured.clone());
    let change = permitted.changes().next().unwrap();
    target
        .apply(change, Some(&payload), &facts(2))
        .await
        .unwrap();
    assert_eq!(yard.served(), "release 2");

    let manifest = |revision: &Revision| Release {
        schema: MANIFEST_SCHEMA,
        repository: None,
        run: None,
        attempt: None,
        commit: None,
        environment: None,
        slots: [(
            slot.clone(),
            Pin {
                revision: revision.clone(),
                payload: None,
                images: Vec::new(),
                recorded: None,
            },
        )]
        .into(),
        baseline: None,
        tool: String::new(),
    };
    let right = manifest(&expected);
    let known = ReleaseFacts {
        manifest: Some(&right),
        ..facts(2)
    };
    assert_eq!(
        target
            .wanted(&known, &Payloads::none())
            .await
            .unwrap()
            .get(&slot),
        Some(&expected)
    );
    let other = manifest(&disk::revision(yard.payload(1).unwrap().digest));
    let lied = ReleaseFacts {
        manifest: Some(&other),
        ..facts(2)
    };
    let error = target
        .wanted(&lied, &Payloads::shared(Some(measured.clone())))
        .await
        .unwrap_err();
    assert!(matches!(error, TargetError::BadRelease { .. }), "{error:?}");
}
