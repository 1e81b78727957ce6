//! A canister on a replica of its own, and changes of it as the engine makes them: observe, plan, permit, apply.

use crate::replica::{Replica, Seen, SeenStatus, modules};
use base64::Engine as _;
use candid::Principal;
use ic_agent::Identity as _;
use ic_agent::identity::BasicIdentity;
use lastgood::decide::diff;
use lastgood::decide::guard::{self, Permission};
use lastgood::model::payload::{Digest, Expected, Measured, Promise, Shape, Verified};
use lastgood::model::plan::{OnStateConflict, Permitted};
use lastgood::model::state::{Revision, Slot};
use lastgood::targets::{Base, ReleaseFacts, Story, Target, TargetError, Way, open};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::sync::Mutex;
use std::time::Duration;
use tempfile::TempDir;

/// Longest that any wait of these tests may take.
const WAIT_MAX: Duration = Duration::from_mins(1);

/// Calls that change something, as far as they are told here.
const CHANGES: [(&str, &str); 9] = [
    ("stop_canister", "stop"),
    ("start_canister", "start"),
    ("take_canister_snapshot", "take"),
    ("load_canister_snapshot", "load"),
    ("delete_canister_snapshot", "delete"),
    ("install_code", "install"),
    ("install_chunked_code", "install-chunked"),
    ("upload_chunk", "upload"),
    ("clear_chunk_store", "clear"),
];

pub(super) struct World {
    pub(super) replica: Replica,
    pub(super) id: Principal,
    dir: TempDir,
    settings: Value,
    allow: Vec<String>,
    pub(super) policy: OnStateConflict,
    told: Told,
}

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Story for Told {
    fn progress(&self, _slot: &Slot, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

/// An Ed25519 key made of this byte, as PKCS#8 PEM.
fn pem(byte: u8) -> String {
    const PKCS8: &[u8] = &[
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    let der = [PKCS8, &[byte; 32]].concat();
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let label = "PRIVATE KEY";
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}

fn principal(byte: u8) -> Principal {
    let identity = BasicIdentity::from_pem(pem(byte).as_bytes()).unwrap();
    identity.sender().unwrap()
}

impl World {
    /// An empty canister of ours.
    pub(super) async fn empty() -> Self {
        let replica = Replica::start().await;
        let id = replica.create(&[principal(7)], 100_000_000_000_000);
        Self {
            replica,
            id,
            dir: tempfile::tempdir().unwrap(),
            settings: json!({ "stop-deadline": "10s" }),
            allow: Vec::new(),
            policy: OnStateConflict::Stop,
            told: Told::default(),
        }
    }

    /// One that holds this module.
    pub(super) async fn holding(module: &[u8]) -> Self {
        let world = Self::empty().await;
        world.replica.install(world.id, module);
        world
    }

    pub(super) fn set(&mut self, key: &str, value: Value) {
        self.settings[key] = value;
    }

    pub(super) fn allow(&mut self, hazard: &str) {
        self.allow.push(hazard.to_owned());
    }

    /// Somebody else controls it.
    pub(super) fn disown(&self) {
        self.replica.change(self.id, |canister| {
            canister.controllers = vec![principal(8)];
        });
    }

    /// The target, as another run of the program would open it.
    pub(super) fn target(&self) -> Box<dyn Target> {
        let mut settings = self.settings.clone();
        settings["network"] = json!(self.replica.url());
        settings["root-key"] = json!(self.replica.root_key_hex());
        settings["canisters"] = json!([{ "name": "api", "id": self.id.to_text() }]);
        let base = Base {
            dir: self.dir.path().to_owned(),
            environment: [("DFX_IDENTITY_PEM".to_owned(), pem(7))].into(),
            state_dir: self.dir.path().join("state"),
            ..Base::default()
        };
        open("canister", "ic", settings, &base).unwrap()
    }

    fn facts(&self, way: Way) -> ReleaseFacts<'_> {
        ReleaseFacts {
            run: None,
            commit: None,
            manifest: None,
            environment: "test",
            way,
            emergency: false,
            on_state_conflict: self.policy,
            allowed: &self.allow,
            story: Some(&self.told),
        }
    }

    /// What would be done, permitted.
    pub(super) async fn plan(
        &self,
        target: &dyn Target,
        module: &[u8],
        way: Way,
    ) -> Result<Permitted, TargetError> {
        let slot = Slot("api".to_owned());
        let wanted = [(slot, Revision(modules::hash(module)))].into();
        let mut plan = diff::plan(&target.observe().await?, &wanted);
        plan.hazards = target.hazards(&plan, &self.facts(way)).await?;
        let permission = Permission {
            allow: self.allow.clone(),
        };
        guard::permit(plan, &permission).map_err(|refusal| TargetError::Refused {
            what: refusal.to_string(),
            allow: None,
            next: refusal.hints().join(", "),
        })
    }

    pub(super) async fn carry_out(
        &self,
        target: &dyn Target,
        plan: &Permitted,
        module: &[u8],
        way: Way,
    ) -> Result<(), TargetError> {
        let path = self.dir.path().join("api.wasm");
        fs::write(&path, module).unwrap();
        let measured = Measured {
            path,
            shape: Shape::File,
            size_bytes: module.len() as u64,
            digest: Digest::from_bytes(Sha256::digest(module).into()),
        };
        let expected = Expected {
            digest: measured.digest,
            size_bytes: None,
            promised_by: Promise::Operator,
        };
        let payload = Verified::check(measured, &expected).unwrap();
        for change in plan.changes() {
            let facts = self.facts(way);
            target.apply(change, Some(&payload), &facts).await?;
        }
        Ok(())
    }

    /// One whole change, in a run of its own; only its calls are remembered.
    pub(super) async fn put(&self, module: &[u8], way: Way) -> Result<(), TargetError> {
        let target = self.target();
        let plan = self.plan(&*target, module, way).await?;
        self.replica.forget_calls();
        self.told.0.lock().unwrap().clear();
        self.carry_out(&*target, &plan, module, way).await
    }

    pub(super) async fn forward(&self, module: &[u8]) -> Result<(), TargetError> {
        self.put(module, Way::Forward).await
    }

    pub(super) async fn back(&self, module: &[u8]) -> Result<(), TargetError> {
        self.put(module, Way::Back).await
    }

    /// The changes that were asked for, in order, whatever they came to.
    pub(super) fn changes(&self) -> String {
        let methods = self.replica.methods();
        let changes = methods.iter().filter_map(|method| {
            let (_, short) = CHANGES.iter().find(|(long, _)| long == method)?;
            Some(*short)
        });
        changes.collect::<Vec<_>>().join(" ")
    }

    pub(super) fn seen(&self) -> Seen {
        self.replica.seen(self.id)
    }

    #[track_caller]
    pub(super) fn runs(&self, module: &[u8]) {
        let seen = self.seen();
        assert_eq!(seen.module_hash, Some(modules::hash(module)));
        assert_eq!(seen.status, SeenStatus::Running);
    }

    pub(super) fn told(&self) -> Vec<String> {
        self.told.0.lock().unwrap().clone()
    }

    #[track_caller]
    pub(super) fn tells(&self, text: &str) {
        let told = self.told();
        assert!(
            told.iter().any(|line| line.contains(text)),
            "{text:?} in {told:#?}"
        );
    }

    /// Waits until a method was called.
    pub(super) async fn called(&self, method: &str) {
        let asked = async {
            while !self.replica.methods().iter().any(|called| called == method) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(WAIT_MAX, asked)
            .await
            .unwrap_or_else(|_| panic!("{method} was never called"));
    }
}

/// An error says all of this, in its text or as its next action.
#[track_caller]
pub(super) fn says(found: Result<(), TargetError>, texts: &[&str]) {
    let failure = found.expect_err("it must fail").failure("ic");
    let text = format!("{failure:#} [{}]", failure.hints.join(" | "));
    for expected in texts {
        assert!(text.contains(expected), "{expected:?} in {text}");
    }
    for word in ["rollback", "rolled back", "reinstall"] {
        assert!(!text.contains(word), "{word:?} in {text}");
    }
}
