//! A canister on a replica of its own, and the target that is opened for it.

use crate::replica::{Replica, modules};
use base64::Engine as _;
use candid::Principal;
use ic_agent::Identity as _;
use ic_agent::identity::BasicIdentity;
use indexmap::IndexMap;
use lastgood::decide::diff;
use lastgood::model::payload::{Digest, Expected, Measured, Payloads, Promise, Shape, Verified};
use lastgood::model::plan::{Hazard, Plan};
use lastgood::model::state::Slot;
use lastgood::targets::{Base, ReleaseFacts, Story, Target, TargetError, Way, open};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::sync::Mutex;
use tempfile::TempDir;

/// Enough for an upgrade on a subnet of 13 nodes.
pub(super) const PLENTY: u128 = 5_000_000_000_000;

pub(super) struct World {
    pub(super) replica: Replica,
    pub(super) id: Principal,
    pub(super) dir: TempDir,
}

/// An Ed25519 key made of this byte, as PKCS#8 PEM.
pub(super) fn pem(byte: u8) -> String {
    const PKCS8: &[u8] = &[
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let der = [PKCS8, &[byte; 32]].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let label = "PRIVATE KEY";
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

pub(super) fn principal(byte: u8) -> Principal {
    let identity = BasicIdentity::from_pem(pem(byte).as_bytes()).unwrap();
    identity.sender().unwrap()
}

/// Who the target is, unless a test says otherwise.
pub(super) const US: u8 = 7;

impl World {
    /// A canister of ours that holds v1.
    pub(super) async fn new() -> Self {
        let replica = Replica::start().await;
        let id = replica.create(&[principal(US)], PLENTY);
        replica.install(id, &modules::good_v1());
        Self {
            replica,
            id,
            dir: TempDir::new().unwrap(),
        }
    }

    pub(super) fn slot() -> Slot {
        Slot("api".to_owned())
    }

    /// The target with settings beyond those that say where.
    pub(super) fn target(&self, more: &Value) -> Box<dyn Target> {
        self.target_of(Some(US), more)
    }

    pub(super) fn target_of(&self, who: Option<u8>, more: &Value) -> Box<dyn Target> {
        let mut canister = json!({ "name": "api", "id": self.id.to_text() });
        let mut settings = json!({
            "network": self.replica.url(),
            "root-key": self.replica.root_key_hex(),
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            let into = match key.as_str() {
                "wasm" | "argument" | "reinstall" | "id" => &mut canister,
                _ => &mut settings,
            };
            into[key] = value.clone();
        }
        settings["canisters"] = json!([canister]);
        let environment = who.map(|byte| ("DFX_IDENTITY_PEM".to_owned(), pem(byte)));
        let base = Base {
            dir: self.dir.path().to_owned(),
            state_dir: self.dir.path().join("state"),
            environment: environment.into_iter().collect(),
            ..Base::default()
        };
        open("canister", "ic", settings, &base).unwrap()
    }

    /// A payload file with these bytes.
    pub(super) fn measured(&self, name: &str, bytes: &[u8]) -> Measured {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        Measured {
            path,
            shape: Shape::File,
            size_bytes: bytes.len() as u64,
            digest: Digest::from_bytes(Sha256::digest(bytes).into()),
        }
    }

    pub(super) fn payloads(&self, bytes: &[u8]) -> Payloads<Measured> {
        let measured = self.measured("api.wasm", bytes);
        Payloads::own(IndexMap::from([(Self::slot(), measured)]))
    }

    pub(super) fn verified(&self, bytes: &[u8]) -> Payloads<Verified> {
        let check = |measured: Measured| {
            let expected = Expected {
                digest: measured.digest,
                size_bytes: None,
                promised_by: Promise::Operator,
            };
            Verified::check(measured, &expected)
        };
        self.payloads(bytes).try_map(check).unwrap()
    }

    /// Observes, plans and looks once more, as every command does before it changes anything.
    pub(super) async fn plan(
        &self,
        target: &dyn Target,
        module: &[u8],
    ) -> Result<Planned, TargetError> {
        let lines = Lines::default();
        let facts = ReleaseFacts {
            story: Some(&lines),
            ..facts()
        };
        let wanted = target.wanted(&facts, &self.payloads(module)).await?;
        let plan = diff::plan(&target.observe().await?, &wanted);
        let hazards = target.hazards(&plan, &facts).await?;
        Ok(Planned {
            plan,
            hazards,
            lines: lines.0.into_inner().unwrap(),
        })
    }
}

pub(super) struct Planned {
    pub(super) plan: Plan,
    pub(super) hazards: Vec<Hazard>,
    pub(super) lines: Vec<String>,
}

impl Planned {
    pub(super) fn names(&self) -> Vec<&str> {
        let names = self.hazards.iter().map(|hazard| hazard.name.as_str());
        names.collect()
    }

    #[track_caller]
    pub(super) fn tells(&self, text: &str) {
        let told = self.lines.iter().any(|line| line.contains(text));
        assert!(told, "{text:?} in {:?}", self.lines);
    }
}

#[derive(Debug, Default)]
struct Lines(Mutex<Vec<String>>);

impl Story for Lines {
    fn progress(&self, _slot: &Slot, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

pub(super) fn facts() -> ReleaseFacts<'static> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest: None,
        environment: "test",
        way: Way::Back,
        emergency: false,
        on_state_conflict: lastgood::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: None,
    }
}

/// The text of a refusal, and its next action.
#[track_caller]
pub(super) fn refused(error: TargetError) -> (String, String) {
    match error {
        TargetError::Refused { what, next, .. } => (what, next),
        other => panic!("{other:?} is no refusal"),
    }
}
