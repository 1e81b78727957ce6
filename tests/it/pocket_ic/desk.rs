//! A desk at a real network: one canister, the program with its config and its keys, and an agent that looks by itself. What is
//! expected is said by the tests.

use super::server::{Instance, answering};
use crate::replica::hex;
use crate::rig::Running;
use candid::{CandidType, Principal};
use ic_agent::identity::BasicIdentity;
use ic_agent::{Agent, AgentError};
use ic_management_canister_types::{
    CanisterIdRecord, ProvisionalCreateCanisterWithCyclesArgs as Create, Snapshot,
};
use std::collections::BTreeMap;
use std::fs;
use tempfile::TempDir;

/// Ed25519 keys, PKCS#8; the owner's is 32 times the byte 7.
const OWNER: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH\n-----END PRIVATE KEY-----\n";
const STRANGER: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI\n-----END PRIVATE KEY-----\n";
const OWNER_KEY: [u8; 32] = [7; 32];

/// No arguments, in Candid.
const EMPTY: &[u8] = b"DIDL\0\0";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Owner,
    Stranger,
}

pub(super) struct Desk {
    dir: TempDir,
    agent: Agent,
    canister: Principal,
}

/// What a command came to.
pub(super) struct Ended {
    code: Option<i32>,
    said: String,
}

impl Ended {
    #[track_caller]
    pub(super) fn succeeds(&self) {
        assert_eq!(self.code, Some(0), "{}", self.said);
    }

    /// What it said.
    #[track_caller]
    pub(super) fn fails(self) -> String {
        assert!(
            self.code.is_some_and(|code| code != 0),
            "it ended with {:?}: {}",
            self.code,
            self.said
        );
        self.said
    }
}

impl Desk {
    /// Creates the canister, and writes the config.
    pub(super) async fn new(instance: &Instance) -> Self {
        answering(&instance.url).await;
        let agent = Agent::builder()
            .with_url(&instance.url)
            .with_identity(BasicIdentity::from_raw_key(&OWNER_KEY))
            .build()
            .unwrap();
        agent.fetch_root_key().await.expect("it tells its root key");
        let create = Create {
            amount: None,
            settings: None,
            specified_id: None,
            sender_canister_version: None,
        };
        let method = "provisional_create_canister_with_cycles";
        let reply = call(&agent, method, instance.created_at, &create).await;
        let created: CanisterIdRecord = candid::decode_one(&reply).unwrap();
        let canister = created.canister_id;
        let desk = Self {
            dir: TempDir::new().unwrap(),
            agent,
            canister,
        };
        let root_key = hex(&desk.agent.read_root_key());
        let config = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{ workflow: deploy.yml, branch: main }}\n    targets:\n      - {{ name: shop, kind: canister, network: \"{}\", root-key: \"{root_key}\", stable: 0s, snapshots: 9, canisters: [{{ name: app, id: {canister} }}] }}\n",
            instance.url
        );
        fs::create_dir_all(desk.dir.path().join(".github")).unwrap();
        fs::write(desk.dir.path().join(".github/lastgood.yml"), config).unwrap();
        desk
    }

    /// `lastgood rollback` to this module, by the owner.
    pub(super) async fn put(&self, module: &[u8]) -> Ended {
        self.put_as(Who::Owner, "wasm", module).await
    }

    pub(super) async fn put_as(&self, who: Who, extension: &str, module: &[u8]) -> Ended {
        let release = self.dir.path().join("release");
        if release.exists() {
            fs::remove_dir_all(&release).unwrap();
        }
        fs::create_dir(&release).unwrap();
        fs::write(release.join(format!("app.{extension}")), module).unwrap();
        self.run_as(who, &["rollback", "--artifact", "release"])
            .await
    }

    pub(super) async fn run(&self, arguments: &[&str]) -> Ended {
        self.run_as(Who::Owner, arguments).await
    }

    async fn run_as(&self, who: Who, arguments: &[&str]) -> Ended {
        let pem = match who {
            Who::Owner => OWNER,
            Who::Stranger => STRANGER,
        };
        let environment = BTreeMap::from([("DFX_IDENTITY_PEM".to_owned(), pem.to_owned())]);
        let running = Running::start(arguments, self.dir.path(), &environment);
        let ended = running.end().await;
        Ended {
            code: ended.code,
            said: ended.stderr + &ended.stdout,
        }
    }

    /// Calls a method of the management canister that takes the canister's id alone.
    pub(super) async fn manage(&self, method: &str) -> Vec<u8> {
        let about = CanisterIdRecord {
            canister_id: self.canister,
        };
        call(&self.agent, method, self.canister, &about).await
    }

    /// `sha256:…`, as it is certified.
    pub(super) async fn hash(&self) -> String {
        let hash = self
            .agent
            .read_state_canister_module_hash(self.canister)
            .await
            .unwrap();
        format!("sha256:{}", hex(&hash))
    }

    /// Ids, in hex.
    pub(super) async fn snapshots(&self) -> Vec<String> {
        let reply = self.manage("list_canister_snapshots").await;
        let listed: Vec<Snapshot> = candid::decode_one(&reply).unwrap();
        listed.iter().map(|one| hex(&one.id)).collect()
    }

    pub(super) async fn query(&self, method: &str) -> Result<Vec<u8>, AgentError> {
        let query = self.agent.query(&self.canister, method);
        query.with_arg(EMPTY).call().await
    }

    pub(super) async fn version(&self) -> String {
        let reply = self.query("version").await.expect("version answers");
        candid::decode_one(&reply).unwrap()
    }

    pub(super) async fn count(&self) -> u64 {
        let reply = self.query("count").await.expect("count answers");
        candid::decode_one(&reply).unwrap()
    }

    pub(super) async fn bump(&self) {
        let call = self.agent.update(&self.canister, "bump");
        call.with_arg(EMPTY).call_and_wait().await.unwrap();
    }
}

async fn call<T: CandidType>(agent: &Agent, method: &str, about: Principal, of: &T) -> Vec<u8> {
    agent
        .update(&Principal::management_canister(), method)
        .with_effective_canister_id(about)
        .with_arg(candid::encode_one(of).unwrap())
        .call_and_wait()
        .await
        .unwrap_or_else(|error| panic!("{method}: {error}"))
}
