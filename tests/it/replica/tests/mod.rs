//! The double held to account by ic-agent, with all its checks on, and by requests made by hand. The official client does
//! the same in `replica_icp`.

mod code;
mod doors;
mod faults;
mod lifecycle;
mod snapshots;

use super::{Options, Replica, modules};
use candid::{CandidType, Principal};
use ic_agent::agent::{EnvelopeContent, RejectResponse};
use ic_agent::identity::{BasicIdentity, Identity};
use ic_agent::{Agent, AgentError};
use ic_management_canister_types as types;
use serde::de::DeserializeOwned;
use std::sync::Arc;

const CYCLES: u128 = 100_000_000_000_000;
const MANAGEMENT: Principal = Principal::management_canister();

/// A replica with one canister, and an agent that controls it.
struct Bench {
    replica: Replica,
    agent: Agent,
    id: Principal,
}

impl Bench {
    async fn empty() -> Self {
        Self::with(Options::default()).await
    }

    async fn with(options: Options) -> Self {
        let replica = Replica::start_with(options).await;
        let owner = owner();
        let principal = owner.sender().unwrap();
        let agent = agent(&replica, Arc::new(owner));
        let id = replica.create(&[principal], CYCLES);
        Self { replica, agent, id }
    }

    async fn good() -> Self {
        let bench = Self::empty().await;
        bench.replica.install(bench.id, &modules::good_v1());
        bench
    }

    /// Calls a method of the management canister about the canister.
    async fn manage<T: CandidType>(&self, method: &str, arg: &T) -> Result<Vec<u8>, AgentError> {
        self.agent
            .update(&MANAGEMENT, method)
            .with_effective_canister_id(self.id)
            .with_arg(candid::encode_one(arg).unwrap())
            .call_and_wait()
            .await
    }

    /// A method that takes the canister's id alone.
    async fn about<T: DeserializeOwned + CandidType>(&self, method: &str) -> Result<T, AgentError> {
        let reply = self.manage(method, &self.record()).await?;
        Ok(candid::decode_one(&reply).unwrap())
    }

    /// The same, without a result.
    async fn tell(&self, method: &str) -> Result<(), AgentError> {
        self.manage(method, &self.record()).await.map(|_| ())
    }

    fn record(&self) -> types::CanisterIdRecord {
        types::CanisterIdRecord {
            canister_id: self.id,
        }
    }

    async fn install(
        &self,
        mode: types::CanisterInstallMode,
        wasm: &[u8],
    ) -> Result<(), AgentError> {
        let arg = types::InstallCodeArgs {
            mode,
            canister_id: self.id,
            wasm_module: wasm.to_vec(),
            arg: Vec::new(),
            sender_canister_version: None,
        };
        self.manage("install_code", &arg).await.map(|_| ())
    }

    async fn upgrade(&self, wasm: &[u8]) -> Result<(), AgentError> {
        self.install(types::CanisterInstallMode::Upgrade(None), wasm)
            .await
    }

    async fn ask(&self, method: &str) -> Result<Vec<u8>, AgentError> {
        self.agent
            .query(&self.id, method)
            .with_arg(super::EMPTY)
            .call()
            .await
    }

    async fn bump(&self) -> Result<(), AgentError> {
        let call = self.agent.update(&self.id, "bump").with_arg(super::EMPTY);
        call.call_and_wait().await.map(|_| ())
    }

    async fn certified_hash(&self) -> String {
        let hash = self
            .agent
            .read_state_canister_module_hash(self.id)
            .await
            .unwrap();
        format!("sha256:{}", super::hex(&hash))
    }
}

fn owner() -> BasicIdentity {
    BasicIdentity::from_raw_key(&[7; 32])
}

fn agent(replica: &Replica, identity: Arc<dyn Identity>) -> Agent {
    let agent = Agent::builder()
        .with_url(replica.url())
        .with_arc_identity(identity)
        .with_verify_query_signatures(true)
        .build()
        .unwrap();
    agent.set_root_key(replica.root_key());
    agent
}

/// `IC0503`, and whether it is certified.
#[track_caller]
fn code<T>(result: Result<T, AgentError>) -> (String, bool) {
    let (reject, certified) = reject(result);
    (reject.error_code.unwrap(), certified)
}

#[track_caller]
fn reject<T>(result: Result<T, AgentError>) -> (RejectResponse, bool) {
    match result.map(|_| ()) {
        Err(AgentError::CertifiedReject { reject, .. }) => (reject, true),
        Err(AgentError::UncertifiedReject { reject, .. }) => (reject, false),
        other => panic!("expected a reject, found {other:?}"),
    }
}

fn certified(error: &str) -> (String, bool) {
    (error.to_owned(), true)
}

fn uncertified(error: &str) -> (String, bool) {
    (error.to_owned(), false)
}

/// An envelope signed by hand.
fn signed(
    content: &EnvelopeContent,
    identity: &dyn Identity,
) -> ic_transport_types::Envelope<'static> {
    let signature = identity.sign(content).unwrap();
    ic_transport_types::Envelope {
        content: std::borrow::Cow::Owned(content.clone()),
        sender_pubkey: signature.public_key,
        sender_sig: signature.signature,
        sender_delegation: None,
    }
}
