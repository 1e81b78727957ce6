//! What the replica knows: canisters, requests it was sent, and a log of them; and the state tree made of it.

use super::canister::{Canister, Status};
use super::certify::Keys;
use super::cycles::Prices;
use super::faults::Faults;
use super::reject::Reject;
use super::tree::Node;
use candid::Principal;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};
use tokio::sync::watch;
use tokio::time::Instant;

/// What kind of request it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Call,
    Query,
    ReadState,
}

/// A request that arrived and was well formed, whether or not it then met a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Called {
    pub kind: Kind,
    /// `install_code`, or the method of a canister; `read_state` and `subnet_read_state`.
    pub method: String,
    /// The canister that it is about: of a management call the one named in its argument.
    pub canister: Principal,
    pub sender: Principal,
    /// `None` while it has had no effect; then whether it was replied, or the error code of its reject.
    pub effect: Option<Result<(), String>>,
}

/// A call as the state tree knows it.
#[derive(Debug, Clone)]
pub struct Request {
    pub sender: Principal,
    pub canister: Principal,
    /// `None` while it is being processed.
    pub outcome: Option<Result<Vec<u8>, Reject>>,
    /// Its place in the log.
    pub logged: usize,
}

/// Everything that changes.
#[derive(Debug, Default)]
pub struct World {
    pub canisters: BTreeMap<Principal, Canister>,
    pub requests: BTreeMap<[u8; 32], Request>,
    pub log: Vec<Called>,
    pub faults: Faults,
    pub prices: Prices,
    created: u64,
    pub snapshots_taken: u64,
}

impl World {
    pub fn canister(&mut self, id: Principal) -> Result<&mut Canister, Reject> {
        self.canisters
            .get_mut(&id)
            .ok_or_else(|| Reject::not_found(id))
    }

    pub fn create(&mut self, controllers: Vec<Principal>, cycles: u128) -> Principal {
        let mut bytes = self.created.to_be_bytes().to_vec();
        bytes.extend([1, 1]);
        self.created += 1;
        let id = Principal::from_slice(&bytes);
        self.canisters
            .insert(id, Canister::new(id, controllers, cycles));
        id
    }

    /// Records how a request ended; later endings of the same request change nothing.
    pub fn finish(&mut self, id: [u8; 32], outcome: Result<Vec<u8>, Reject>) {
        let Some(request) = self.requests.get_mut(&id) else {
            return;
        };
        if request.outcome.is_some() {
            return;
        }
        let effect = outcome
            .as_ref()
            .map(|_| ())
            .map_err(|reject| reject.error.clone());
        if let Some(called) = self.log.get_mut(request.logged) {
            called.effect = Some(effect);
        }
        request.outcome = Some(outcome);
    }

    /// Answers the open calls of a canister: one that is stopping has stopped then.
    pub fn release(&mut self, id: Principal) {
        let Ok(canister) = self.canister(id) else {
            return;
        };
        canister.held = false;
        if let Status::Stopping(waiting) = std::mem::take(&mut canister.status) {
            canister.status = Status::Stopped;
            canister.version += 1;
            for request in waiting {
                self.finish(request, Ok(super::management::nothing()));
            }
        }
    }

    /// The state tree at a time, without what others must not see: of requests only this one.
    pub fn tree(
        &self,
        keys: &Keys,
        now: u64,
        request: Option<[u8; 32]>,
        reader: Principal,
    ) -> Node {
        let mut state = Node::default();
        state.put(&[b"time"], leb128(now));
        keys.describe(&mut state);
        for canister in self.canisters.values() {
            describe(&mut state, canister, reader);
        }
        // Present in every real tree, so that "no such request" can be proven.
        let mut requests = Node::default();
        if let Some((id, known)) = request.and_then(|id| Some((id, self.requests.get(&id)?))) {
            describe_request(&mut requests, id, known);
        }
        if let Node::Map(children) = &mut state {
            children.insert(b"request_status".to_vec(), requests);
        }
        state
    }
}

fn describe(state: &mut Node, canister: &Canister, reader: Principal) {
    let id = canister.id.as_slice();
    let mut put = |path: &[&[u8]], value: Vec<u8>| {
        let whole: Vec<&[u8]> = [b"canister".as_slice(), id]
            .into_iter()
            .chain(path.iter().copied())
            .collect();
        state.put(&whole, value);
    };
    put(
        &[b"controllers"],
        super::certify::cbor(&canister.controllers),
    );
    let Some(image) = &canister.image else { return };
    put(&[b"module_hash"], image.module.hash.to_vec());
    let is_controller = canister.controllers.contains(&reader);
    for (name, metadata) in &image.module.metadata {
        if metadata.public || is_controller {
            put(&[b"metadata", name.as_bytes()], metadata.content.clone());
        }
    }
}

fn describe_request(state: &mut Node, id: [u8; 32], request: &Request) {
    let mut put = |name: &[u8], value: Vec<u8>| state.put(&[&id, name], value);
    match &request.outcome {
        None => put(b"status", b"processing".to_vec()),
        Some(Ok(reply)) => {
            put(b"status", b"replied".to_vec());
            put(b"reply", reply.clone());
        }
        Some(Err(reject)) => {
            put(b"status", b"rejected".to_vec());
            put(b"reject_code", leb128(reject.code.into()));
            put(b"reject_message", reject.message.clone().into_bytes());
            put(b"error_code", reject.error.clone().into_bytes());
        }
    }
}

pub fn leb128(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes.push(low);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

/// The world and what does not change, shared by all connections.
#[derive(Debug)]
pub struct Shared {
    pub keys: Keys,
    world: Mutex<World>,
    /// Counts changes, for those who wait for one.
    changed: watch::Sender<u64>,
    /// How long a call is waited for before it is answered with 202.
    pub sync_call_max: Duration,
    /// How long a stop may take before it is rejected with IC0206.
    pub stop_max: Duration,
}

impl Shared {
    pub fn new(keys: Keys, sync_call_max: Duration, stop_max: Duration) -> Self {
        Self {
            keys,
            world: Mutex::default(),
            changed: watch::Sender::new(0),
            sync_call_max,
            stop_max,
        }
    }

    /// A panic of one request must not take the others with it.
    pub fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn touch(&self) {
        self.changed.send_modify(|count| *count += 1);
    }

    /// Waits until a request has ended; false when the time is over first.
    pub async fn ended(&self, request: [u8; 32], within: Duration) -> bool {
        let deadline = Instant::now() + within;
        let mut changes = self.changed.subscribe();
        loop {
            let known = self
                .world()
                .requests
                .get(&request)
                .map(|known| known.outcome.is_some());
            if known == Some(true) {
                return true;
            }
            let change = tokio::time::timeout_at(deadline, changes.changed()).await;
            if !matches!(change, Ok(Ok(()))) {
                return false;
            }
        }
    }
}

/// Nanoseconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "a replica has a clock of its own"
)]
pub fn now() -> u64 {
    let since = std::time::SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
