//! Every word on a payload, weighed.

use super::*;
use crate::model::ids::{CommitSha, RunId};
use crate::model::payload::{Shape, Verified};
use crate::model::release::Pin;
use crate::model::state::Revision;

fn pin(path: &str, byte: u8) -> PayloadPin {
    PayloadPin {
        path: path.to_owned(),
        shape: Shape::File,
        size_bytes: 5,
        sha256: Digest::from_bytes([byte; 32]),
    }
}

fn manifest(payloads: &[(&str, Option<PayloadPin>)]) -> Release {
    Release {
        schema: MANIFEST_SCHEMA,
        repository: Some("o/r".parse().unwrap()),
        run: Some(RunId(7)),
        attempt: Some(1),
        commit: Some(CommitSha("a".repeat(40))),
        environment: Some("prod".to_owned()),
        slots: payloads
            .iter()
            .map(|(slot, payload)| {
                let pin = Pin {
                    revision: Revision("r".to_owned()),
                    payload: payload.clone(),
                    images: vec![],
                    recorded: None,
                };
                (Slot((*slot).to_owned()), pin)
            })
            .collect(),
        baseline: None,
        tool: "test".to_owned(),
    }
}

fn run() -> Run {
    Run {
        id: RunId(7),
        attempt: Some(1),
        number: 1,
        title: None,
        event: "push".to_owned(),
        status: None,
        conclusion: None,
        branch: None,
        sha: CommitSha("a".repeat(40)),
        path: String::new(),
        started_at: None,
        created_at: None,
        repository_id: None,
        head_repository_id: None,
        url: String::new(),
    }
}

#[track_caller]
fn check(change: impl Fn(&mut Release), expected: Result<usize, &str>) {
    let mut manifest = manifest(&[("api", Some(pin("api.wasm", 1))), ("web", None)]);
    change(&mut manifest);
    let repository = "O/R".parse().unwrap(); // GitHub's names do not mind case
    let found = release(&manifest, Some(&repository), Some(&run()), "prod");
    assert_eq!(
        found
            .map(|warnings| warnings.len())
            .map_err(|bad| bad.to_string()),
        expected.map_err(str::to_owned)
    );
}

#[test]
fn manifests() {
    check(|_| (), Ok(0));
    check(|m| m.attempt = Some(2), Ok(1));
    check(
        |m| {
            (m.repository, m.run, m.commit, m.attempt, m.environment) =
                (None, None, None, None, None);
        },
        Ok(0),
    );
    check(
        |m| m.schema = 2,
        Err("found lastgood.json of schema 2, expected 1: a newer lastgood wrote it"),
    );
    check(|m| m.slots.clear(), Err("lastgood.json names no slot"));
    check(
        |m| m.run = Some(RunId(8)),
        Err("lastgood.json is of run 8, expected 7"),
    );
    check(
        |m| m.environment = Some("dev".to_owned()),
        Err("lastgood.json is of environment dev, expected prod"),
    );
    check(
        |m| m.repository = Some("evil/r".parse().unwrap()),
        Err("lastgood.json is of repository evil/r, expected O/R"),
    );
    let other = "lastgood.json is of commit bbb, expected aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    check(|m| m.commit = Some(CommitSha("bbb".to_owned())), Err(other));
}

#[test]
fn paths_stay_inside() {
    for path in [
        "../x", "/etc/x", "a//b", "a/./b", "a/../b", "", "a\\b", "a/",
    ] {
        let manifest = manifest(&[("api", Some(pin(path, 1)))]);
        let found = release(&manifest, None, None, "prod");
        assert!(matches!(found, Err(BadRelease::Path { .. })), "{path:?}");
    }
    for path in [".", "a", "a/b.c/d", "..a", ".hidden/x"] {
        let manifest = manifest(&[("api", Some(pin(path, 1)))]);
        assert_eq!(
            release(&manifest, None, None, "prod"),
            Ok(vec![]),
            "{path:?}"
        );
    }
    let twice = manifest(&[("a", Some(pin("x", 1))), ("b", Some(pin("x", 2)))]);
    assert!(matches!(
        release(&twice, None, None, "prod"),
        Err(BadRelease::Ambiguous { .. })
    ));
}

#[test]
fn payloads_are_demanded_once() {
    let release = manifest(&[
        ("a", Some(pin("x", 1))),
        ("b", Some(pin("x", 1))),
        ("c", Some(pin("y", 2))),
        ("d", None),
    ]);
    let paths = |slots: &[&str]| -> Vec<&str> {
        let slots: Vec<Slot> = slots.iter().map(|slot| Slot((*slot).to_owned())).collect();
        demanded(&release, &slots)
            .iter()
            .map(|pin| pin.path.as_str())
            .collect()
    };
    assert_eq!(paths(&["a", "b", "c", "d"]), ["x", "y"]);
    assert_eq!(paths(&["b"]), ["x"]);
    assert_eq!(paths(&["d", "other"]), [""; 0]);
}

#[test]
fn the_strongest_word_decides() {
    let measured = Measured {
        path: "app".into(),
        shape: Shape::File,
        size_bytes: 5,
        digest: Digest::from_bytes([1; 32]),
    };
    let (right, wrong) = (pin("app", 1), pin("app", 2));
    let check =
        |operator: Option<u8>, manifest, artifact_verified, holds: Result<Promise, &str>| {
            let words = Words {
                operator: operator.map(|byte| Digest::from_bytes([byte; 32])),
                manifest,
                artifact_verified,
            };
            let found = expected(&measured, "app", words)
                .map_err(|bad| bad.hint())
                .and_then(|expected| {
                    Verified::check(measured.clone(), &expected).map_err(|_mismatch| "mismatch")
                })
                .map(|verified| verified.promised_by());
            assert_eq!(found, holds);
        };
    check(Some(1), None, false, Ok(Promise::Operator));
    check(Some(2), None, true, Err("mismatch"));
    check(Some(1), Some(&right), true, Ok(Promise::Operator));
    check(None, Some(&right), true, Ok(Promise::Manifest));
    check(None, Some(&wrong), true, Err("mismatch"));
    check(None, None, true, Ok(Promise::ArtifactDigest));
    let contradiction = "find out which of the two is right before anything else";
    check(Some(1), Some(&wrong), true, Err(contradiction));
    check(Some(2), Some(&right), true, Err(contradiction));
    let unpromised = "give --expected-sha256, or add lastgood record to the deploy workflow";
    check(None, None, false, Err(unpromised));
}

#[test]
fn one_digest_vouches_for_one_payload() {
    let digest = Some(Digest::from_bytes([1; 32]));
    assert!(one_word_for_one(digest, 1).is_ok());
    assert!(one_word_for_one(None, 5).is_ok());
    assert_eq!(
        one_word_for_one(digest, 2),
        Err(BadRelease::OneForMany { count: 2 })
    );
}
