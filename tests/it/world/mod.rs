//! A small world on loopback for tests and the demo: a stateful double of GitHub ([`github`]) with its blob store
//! ([`blob`]), a demo web service ([`service`]), and zips as upload-artifact writes them ([`zip`]).
//!
//! Everything answers over real sockets on `127.0.0.1:0`; the product is pointed at it by `GITHUB_API_URL`, as it would be
//! at a GitHub Enterprise Server. State can be changed while it runs. No test harness and no schema in here: the tests
//! hang their check of every answer in by [`World::check_with`].

pub mod blob;
pub mod digest;
pub mod faults;
pub mod github;
pub mod handles;
pub mod line;
pub mod log;
pub mod reply;
pub mod service;
pub mod spec;
pub mod state;
pub mod things;
pub mod zip;

pub use faults::{Fault, Route};
pub use handles::{ArtifactHandle, RepoHandle, RunHandle};
pub use log::{Seen, Server};
pub use spec::{ArtifactSpec, Content, DeploymentSpec, Digest, JobSpec, RunSpec};

use line::Lines;
use serde_json::Value;
use state::{Shared, State};
use std::sync::{Arc, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Judges one JSON answer of the double: operation id of GitHub's `OpenAPI` description (or `error`), status, body.
pub type Check = dyn Fn(&str, u16, &Value) -> Result<(), String> + Send + Sync;

/// The running world. Dropping it stops its servers, and fails the test when something happened that GitHub, or a user
/// of GitHub, would not forgive (see [`World::violations`]).
#[derive(Debug)]
pub struct World {
    shared: Arc<Shared>,
    servers: Vec<JoinHandle<()>>,
}

impl World {
    /// Starts the API and the blob store, each on a port of its own, with one token that may do everything.
    pub async fn start() -> Self {
        let api = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let blobs = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let origin = |listener: &TcpListener| {
            let address = listener
                .local_addr()
                .expect("a bound listener has an address");
            format!("http://{address}")
        };
        let shared = Arc::new(Shared::new(State::new(origin(&api), origin(&blobs))));
        let servers = vec![
            tokio::spawn(line::serve(
                Lines::new(api),
                Arc::clone(&shared),
                github::answer,
            )),
            tokio::spawn(line::serve(
                Lines::new(blobs),
                Arc::clone(&shared),
                blob::answer,
            )),
        ];
        Self { shared, servers }
    }

    /// What `GITHUB_API_URL` is on github.com: no path.
    pub fn api_url(&self) -> String {
        self.state().api_origin.clone()
    }

    /// What `GITHUB_API_URL` is on an Enterprise Server: the same API below `/api/v3`.
    pub fn enterprise_url(&self) -> String {
        format!("{}/api/v3", self.state().api_origin)
    }

    /// Where artifacts really lie: another origin than the API.
    pub fn blob_url(&self) -> String {
        self.state().blob_origin.clone()
    }

    /// The token that may do everything.
    pub fn token(&self) -> String {
        state::TOKEN.to_owned()
    }

    /// A new token that may only do this, in the words of a `permissions:` block: `actions: read`, `issues: write`.
    pub fn token_with(&self, permissions: &[&str]) -> String {
        self.state().add_token(permissions)
    }

    /// The repository `owner/name`, made when it is not there yet.
    pub fn repo(&self, full_name: &str) -> RepoHandle {
        RepoHandle::new(Arc::clone(&self.shared), full_name)
    }

    /// Calls `check` for every JSON answer from now on; what it refuses becomes a violation and a 500.
    pub fn check_with(&self, check: Box<Check>) {
        self.state().check = Some(Arc::from(check));
    }

    /// The next request to `route` meets this fault. Faults queue up, and each is used up in turn.
    pub fn fault(&self, route: Route, fault: Fault) {
        self.fault_times(route, 1, fault);
    }

    /// The next `times` requests to `route` meet this fault.
    pub fn fault_times(&self, route: Route, times: u32, fault: Fault) {
        self.state().faults.push(route, fault, Some(times));
    }

    /// Every request to `route` meets this fault until [`World::heal`].
    pub fn fault_always(&self, route: Route, fault: Fault) {
        self.state().faults.push(route, fault, None);
    }

    /// Forgets the faults of `route`.
    pub fn heal(&self, route: Route) {
        self.state().faults.clear(route);
    }

    /// How many of the hour's requests are left; the one after the last is refused with GitHub's own 403.
    pub fn set_requests_left(&self, left: u64) {
        let mut state = self.state();
        state.rate_used = state.rate_limit.saturating_sub(left);
    }

    /// Moves the double's clock on: signed URLs grow old without anybody waiting.
    pub fn pass(&self, time: Duration) {
        self.state().clock_ahead += time;
    }

    /// Every request so far, oldest first.
    pub fn requests(&self) -> Vec<Seen> {
        self.state().log.clone()
    }

    /// The requests to the API so far, without those to the blob store: what counts against the rate limit.
    pub fn api_requests(&self) -> Vec<Seen> {
        self.requests()
            .into_iter()
            .filter(|seen| seen.server == Server::Api)
            .collect()
    }

    /// How many requests went to `route`.
    pub fn count(&self, route: Route) -> usize {
        self.state()
            .log
            .iter()
            .filter(|seen| seen.route == Some(route))
            .count()
    }

    /// Forgets the requests so far; the state stays.
    pub fn forget_requests(&self) {
        self.state().log.clear();
    }

    /// What must never happen: a token sent to the blob store, a header sent twice, an answer of the double that GitHub
    /// would not give. Taking them is forgiving them: [`World`]'s drop fails on the rest.
    pub fn violations(&self) -> Vec<String> {
        std::mem::take(&mut self.state().violations)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.shared.state()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for server in &self.servers {
            server.abort();
        }
        let violations = self.violations();
        if !std::thread::panicking() {
            assert!(violations.is_empty(), "the world saw: {violations:#?}");
        }
    }
}
