//! A web service to break and to put right: it serves whatever release lies in `<root>/current/`, and behaves as that
//! release's `service.json` says. It reads the release anew for every request, as a server does that follows a link.

use super::faults::Fault;
use super::line::{Line, Lines};
use super::reply::{Reply, send};
use axum::extract::Request;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// `service.json` of a release.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    pub version: String,
    /// Share of requests that fail, 0 to 1. They are spread evenly: nothing is random.
    pub error_rate: f64,
    /// Status of those that fail.
    pub error_status: u16,
    pub latency_ms: u64,
    /// Ends connections instead of answering an error.
    pub drops: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            version: "unnamed".to_owned(),
            error_rate: 0.0,
            error_status: 500,
            latency_ms: 0,
            drops: false,
        }
    }
}

impl Behaviour {
    /// A release that works.
    pub fn good(version: &str) -> Self {
        Self {
            version: version.to_owned(),
            ..Self::default()
        }
    }

    /// A release that fails this share of requests.
    pub fn failing(version: &str, error_rate: f64) -> Self {
        Self {
            version: version.to_owned(),
            error_rate,
            ..Self::default()
        }
    }

    /// The text of `service.json`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a behaviour is plain data")
    }
}

/// What the service was asked, and how often it failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    pub requests: u64,
    pub errors: u64,
    /// Requests to `/control`, which are not counted above.
    pub control: u64,
}

#[derive(Debug, Default)]
struct Inner {
    counters: Counters,
    /// Since the release in place last changed: the errors of a release do not depend on the one before.
    of_release: u64,
    version: String,
    override_with: Option<Behaviour>,
}

/// The running service. Dropping it stops it.
#[derive(Debug)]
pub struct Service {
    origin: String,
    inner: Arc<Mutex<Inner>>,
    server: JoinHandle<()>,
}

impl Service {
    /// Serves `<root>/current/`, which may appear later; until then every answer is a 503.
    pub async fn start(root: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .expect("loopback has a free port");
        let address = listener
            .local_addr()
            .expect("a bound listener has an address");
        let inner = Arc::new(Mutex::new(Inner::default()));
        let shared = Arc::new(Site {
            current: root.join("current"),
            inner: Arc::clone(&inner),
        });
        let server = tokio::spawn(super::line::serve(Lines::new(listener), shared, answer));
        Self {
            origin: format!("http://{address}"),
            inner,
            server,
        }
    }

    pub fn url(&self) -> String {
        self.origin.clone()
    }

    /// What a probe asks.
    pub fn health_url(&self) -> String {
        format!("{}/health", self.origin)
    }

    /// Always answers 204, whatever the release does: tells the runner's own network from the service.
    pub fn control_url(&self) -> String {
        format!("{}/control", self.origin)
    }

    pub fn counters(&self) -> Counters {
        self.inner().counters
    }

    /// Behaves like this instead of like its release: a dependency that is down, a machine that is overloaded.
    pub fn override_with(&self, behaviour: Option<Behaviour>) {
        self.inner().override_with = behaviour;
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[derive(Debug)]
struct Site {
    current: PathBuf,
    inner: Arc<Mutex<Inner>>,
}

async fn answer(site: Arc<Site>, line: Line, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let behaviour = site.behaviour();
    let (reply, fault) = site.reply(&path, behaviour.as_ref().map_err(String::as_str));
    if let Ok(behaviour) = &behaviour
        && path != "/control"
    {
        tokio::time::sleep(Duration::from_millis(behaviour.latency_ms)).await;
    }
    send(reply, fault.as_ref(), &line).await
}

impl Site {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn behaviour(&self) -> Result<Behaviour, String> {
        if let Some(behaviour) = &self.inner().override_with {
            return Ok(behaviour.clone());
        }
        let text = std::fs::read_to_string(self.current.join("service.json"))
            .map_err(|error| error.to_string())?;
        serde_json::from_str(&text).map_err(|error| error.to_string())
    }

    fn reply(&self, path: &str, behaviour: Result<&Behaviour, &str>) -> (Reply, Option<Fault>) {
        let mut inner = self.inner();
        if path == "/control" {
            inner.counters.control += 1;
            return (Reply::new(204, "text/plain", ""), None);
        }
        inner.counters.requests += 1;
        let behaviour = match behaviour {
            Ok(behaviour) => behaviour,
            Err(why) => {
                inner.counters.errors += 1;
                return (
                    Reply::new(503, "text/plain", format!("no release in place: {why}\n")),
                    None,
                );
            }
        };
        if inner.version != behaviour.version {
            inner.version.clone_from(&behaviour.version);
            inner.of_release = 0;
        }
        inner.of_release += 1;
        if fails(inner.of_release, behaviour.error_rate) {
            inner.counters.errors += 1;
            let fault = behaviour.drops.then_some(Fault::Drop);
            return (
                Reply::new(behaviour.error_status, "text/plain", "broken\n"),
                fault,
            );
        }
        match path {
            "/health" => {
                let body = json!({"status": "ok", "version": behaviour.version}).to_string();
                (Reply::new(200, "application/json", body), None)
            }
            "/" => (
                Reply::new(
                    200,
                    "text/html; charset=utf-8",
                    self.page(&behaviour.version),
                ),
                None,
            ),
            _unknown => (Reply::new(404, "text/plain", "not found\n"), None),
        }
    }

    fn page(&self, version: &str) -> String {
        let page = std::fs::read_to_string(self.current.join("index.html"));
        page.unwrap_or_else(|_none| {
            format!("<!DOCTYPE html><title>demo</title><p>version {version}\n")
        })
    }
}

/// Whether the nth request (from 1) is one of the evenly spread failing ones.
#[expect(
    clippy::cast_precision_loss,
    reason = "a demo does not live for 2^52 requests"
)]
fn fails(nth: u64, rate: f64) -> bool {
    ((nth as f64) * rate).floor() > (((nth - 1) as f64) * rate).floor()
}
