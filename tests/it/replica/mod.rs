//! A double of an Internet Computer replica, on loopback, stopped on drop: the HTTPS interface with certificates and
//! signed queries, the management canister, and canisters whose WebAssembly really runs.
//!
//! ```ignore
//! #[tokio::test]
//! async fn a_trap_changes_nothing() {
//!     let replica = Replica::start().await;
//!     let id = replica.create(&[controller], 100_000_000_000_000);   // empty
//!     replica.install(id, &modules::good_v1());                      // a set-up: panics when it is rejected
//!     replica.faults(|faults| faults.once("install_code", Fault::DropAfter));
//!     // … the program under test, at replica.url() with replica.root_key_hex() …
//!     assert_eq!(replica.seen(id).module_hash, Some(modules::hash(&modules::good_v1())));
//!     assert!(!replica.methods().contains(&"stop_canister".to_owned()));
//! }
//! ```
//!
//! | what | where |
//! |---|---|
//! | wire: routes, envelopes, access | [`http`], [`requests`], [`envelope`], [`access`] |
//! | state tree, certificates, keys | [`tree`], [`certify`], [`state`] |
//! | methods of `aaaaa-aa` | [`management`] |
//! | execution by wasmi, `ic0` | [`execution`], [`canister`] |
//! | cycles, faults, test modules | [`cycles`], [`faults`], [`modules`] |
//!
//! It runs on a thread of its own, so that a test may block. What differs from a real replica: there is one node, calls
//! take effect at once and in the order of arrival, canisters do not call each other, timers and heartbeats do not run,
//! instructions cost nothing, requests are remembered for ever, and of globals only exported ones outlive an execution.

pub mod access;
pub mod canister;
pub mod certify;
pub mod cycles;
pub mod envelope;
pub mod execution;
pub mod faults;
pub mod http;
pub mod management;
pub mod modules;
pub mod reject;
pub mod requests;
pub mod state;
#[cfg(test)]
mod tests;
pub mod tree;

pub use canister::Canister;
pub use cycles::Prices;
pub use faults::{Fault, Faults, StatusAnswer};
pub use reject::Reject;
pub use state::{Called, Kind};

use candid::Principal;
use canister::Status;
use certify::Keys;
use ic_management_canister_types::{CanisterInstallMode, UpgradeFlags};
use state::{Shared, now};
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;

/// How a replica is started.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Certificates are signed by a subnet to which the root delegates, as for all canisters of users on mainnet.
    pub delegated: bool,
    /// How long a call is waited for before it is answered with 202; 10 s on mainnet.
    pub sync_call_max: Duration,
    /// How long a stop may wait before it is rejected with IC0206; 5 minutes on mainnet.
    pub stop_max: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            delegated: false,
            sync_call_max: Duration::from_secs(10),
            stop_max: Duration::from_mins(5),
        }
    }
}

/// The running replica.
#[derive(Debug)]
pub struct Replica {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// A canister as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `sha256:…` of the module as uploaded.
    pub module_hash: Option<String>,
    pub status: SeenStatus,
    pub controllers: Vec<Principal>,
    pub version: u64,
    pub heap_bytes: usize,
    pub stable_bytes: usize,
    /// Oldest first.
    pub snapshots: Vec<SeenSnapshot>,
    pub chunks: usize,
    pub cycles: u128,
    /// The lines that are still kept.
    pub logs: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenStatus {
    Running,
    Stopping,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenSnapshot {
    /// Hex, as `icp` prints it.
    pub id: String,
    /// `sha256:…` of the module in it.
    pub module_hash: String,
    /// Nanoseconds since 1970.
    pub taken_at: u64,
}

impl Replica {
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    pub async fn start_with(options: Options) -> Self {
        let keys = Keys::new(options.delegated);
        let shared = Arc::new(Shared::new(keys, options.sync_call_max, options.stop_max));
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, address) = oneshot::channel();
        let serving = Arc::clone(&shared);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime can be made");
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
                let listener = listener.expect("loopback has a free port");
                let address = listener
                    .local_addr()
                    .expect("a bound listener has an address");
                ready.send(address).expect("the test waits for the address");
                tokio::select! {
                    () = http::serve(listener, serving) => (),
                    _ = stopped => (),
                }
            });
            runtime.shutdown_background();
        });
        Self {
            address: address.await.expect("the replica starts"),
            shared,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// DER.
    pub fn root_key(&self) -> Vec<u8> {
        self.shared.keys.root_key()
    }

    pub fn root_key_hex(&self) -> String {
        hex(&self.root_key())
    }

    /// An empty canister, running.
    pub fn create(&self, controllers: &[Principal], cycles: u128) -> Principal {
        self.shared.world().create(controllers.to_vec(), cycles)
    }

    /// Installs directly: into an empty canister, else as an upgrade that keeps the heap when the module asks for it.
    pub fn install(&self, id: Principal, wasm: &[u8]) {
        self.try_install(id, wasm)
            .expect("the module can be installed");
    }

    /// The same, with its reject.
    pub fn try_install(&self, id: Principal, wasm: &[u8]) -> Result<(), Reject> {
        use ic_management_canister_types::WasmMemoryPersistence::Keep;
        let mut world = self.shared.world();
        let canister = world.canister(id)?;
        let sender = canister.controllers.first().copied();
        let keeps =
            |raw: &[u8]| execution::Module::parse(raw).is_ok_and(|module| module.keeps_heap());
        let mode = match &canister.image {
            None => CanisterInstallMode::Install,
            Some(_) => CanisterInstallMode::Upgrade(Some(UpgradeFlags {
                skip_pre_upgrade: None,
                wasm_memory_persistence: keeps(wasm).then_some(Keep),
            })),
        };
        let by = (sender.unwrap_or_else(Principal::anonymous), now());
        let done = management::install(&mut world, id, mode, wasm, &[], by);
        drop(world);
        self.shared.touch();
        done
    }

    /// The canister as it is now.
    pub fn seen(&self, id: Principal) -> Seen {
        let mut world = self.shared.world();
        let canister = world.canister(id).expect("the canister exists");
        let image = canister.image.as_ref();
        let snapshots = canister.snapshots.iter().map(|one| SeenSnapshot {
            id: hex(&one.id),
            module_hash: format!("sha256:{}", hex(&one.image.module.hash)),
            taken_at: one.taken_at,
        });
        let logs = canister.logs.iter();
        Seen {
            module_hash: image.map(|image| format!("sha256:{}", hex(&image.module.hash))),
            status: match canister.status {
                Status::Running => SeenStatus::Running,
                Status::Stopping(_) => SeenStatus::Stopping,
                Status::Stopped => SeenStatus::Stopped,
            },
            controllers: canister.controllers.clone(),
            version: canister.version,
            heap_bytes: image.map_or(0, |image| image.heap.memory.len()),
            stable_bytes: image.map_or(0, |image| image.stable.len()),
            snapshots: snapshots.collect(),
            chunks: canister.chunks.len(),
            cycles: canister.cycles,
            logs: logs
                .map(|record| String::from_utf8_lossy(&record.content).into_owned())
                .collect(),
        }
    }

    /// Calls an update method directly.
    pub fn update(&self, id: Principal, method: &str) -> Result<Vec<u8>, Reject> {
        let mut world = self.shared.world();
        world
            .canister(id)?
            .update(Principal::anonymous(), method, EMPTY, now())
    }

    /// Asks a query method directly, without lag.
    pub fn query(&self, id: Principal, method: &str) -> Result<Vec<u8>, Reject> {
        let mut world = self.shared.world();
        world
            .canister(id)?
            .query(Principal::anonymous(), method, EMPTY, now())
    }

    /// What `version` of one of the [`modules`] answers.
    pub fn version(&self, id: Principal) -> String {
        let reply = self.query(id, "version").expect("version answers");
        candid::decode_one(&reply).expect("version answers a text")
    }

    /// What `count` of one of the [`modules`] answers: the counter in the heap.
    pub fn count(&self, id: Principal) -> u64 {
        let reply = self.query(id, "count").expect("count answers");
        candid::decode_one(&reply).expect("count answers a nat64")
    }

    /// The counter in the heap of one of the [`modules`], also while it is stopped.
    pub fn count_stopped(&self, id: Principal) -> u64 {
        self.change(id, |canister| {
            let memory = canister.image.as_ref().map(|image| &image.heap.memory);
            let bytes = memory.and_then(|memory| memory.first_chunk::<8>());
            u64::from_le_bytes(*bytes.expect("the module has a memory"))
        })
    }

    /// Takes a snapshot directly; its id.
    pub fn take_snapshot(&self, id: Principal) -> Vec<u8> {
        let mut world = self.shared.world();
        management::take(&mut world, id, None, now())
            .expect("a snapshot can be taken")
            .id
    }

    /// Stops directly, at once: open calls are not waited for.
    pub fn stop(&self, id: Principal) {
        self.change(id, |canister| canister.status = Status::Stopped);
    }

    pub fn start_canister(&self, id: Principal) {
        let mut world = self.shared.world();
        management::start(&mut world, id).expect("the canister exists");
        drop(world);
        self.shared.touch();
    }

    /// Changes anything about a canister: cycles, controllers, logs.
    pub fn change<T>(&self, id: Principal, change: impl FnOnce(&mut Canister) -> T) -> T {
        let mut world = self.shared.world();
        let changed = change(world.canister(id).expect("the canister exists"));
        drop(world);
        self.shared.touch();
        changed
    }

    pub fn set_prices(&self, prices: Prices) {
        self.shared.world().prices = prices;
    }

    /// From now on the canister has an open call: it does not stop until [`Replica::release`].
    pub fn hold_stopping(&self, id: Principal) {
        self.change(id, |canister| canister.held = true);
    }

    /// The open call is answered; stops that waited succeed.
    pub fn release(&self, id: Principal) {
        self.shared.world().release(id);
        self.shared.touch();
    }

    /// Sets up or clears faults.
    pub fn faults<T>(&self, change: impl FnOnce(&mut Faults) -> T) -> T {
        change(&mut self.shared.world().faults)
    }

    /// Every request so far, in the order of arrival.
    pub fn calls(&self) -> Vec<Called> {
        self.shared.world().log.clone()
    }

    /// The methods of all calls so far, without queries and reads of state.
    pub fn methods(&self) -> Vec<String> {
        let calls = self
            .calls()
            .into_iter()
            .filter(|called| called.kind == Kind::Call);
        calls.map(|called| called.method).collect()
    }

    /// Forgets the requests so far; the state stays.
    pub fn forget_calls(&self) {
        let mut world = self.shared.world();
        world.log.clear();
        for request in world.requests.values_mut() {
            request.logged = usize::MAX;
        }
    }
}

/// No arguments, in Candid.
const EMPTY: &[u8] = b"DIDL\0\0";

impl Drop for Replica {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // An error means that it has ended already: joining says how.
            stop.send(()).unwrap_or_default();
        }
        if let Some(thread) = self.thread.take() {
            let ended = thread.join();
            if !std::thread::panicking() {
                ended.expect("the replica did not panic");
            }
        }
    }
}

/// Lower case, without a prefix.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes text");
        text
    })
}
