//! A registry that answers what a test says, and keeps every request for the test to read.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use std::sync::{Arc, Mutex};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query.
    pub(super) target: String,
    pub(super) authorization: Option<String>,
    pub(super) body: String,
}

type Script = Arc<dyn Fn(&Asked, usize) -> Option<Response> + Send + Sync>;

#[derive(Clone)]
struct Shared {
    script: Script,
    log: Arc<Mutex<Vec<Asked>>>,
}

pub(super) struct Double {
    /// `127.0.0.1:port`.
    pub(super) host: String,
    log: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Double {
    /// `script` gets each request and how many there were before it; `None` never answers.
    pub(super) async fn start(
        script: impl Fn(&Asked, usize) -> Option<Response> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let log = Arc::default();
        let shared = Shared {
            script: Arc::new(script),
            log: Arc::clone(&log),
        };
        let app = Router::new().fallback(answer).with_state(shared);
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { host, log, task }
    }

    pub(super) fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// `METHOD target` of each request.
    pub(super) fn lines(&self) -> Vec<String> {
        let line = |asked: &Asked| format!("{} {}", asked.method, asked.target);
        self.asked().iter().map(line).collect()
    }
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(State(shared): State<Shared>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header = |name: &str| Some(parts.headers.get(name)?.to_str().unwrap().to_owned());
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let asked = Asked {
        method: parts.method.to_string(),
        target: parts.uri.to_string(),
        authorization: header("authorization"),
        body: String::from_utf8(body.to_vec()).unwrap(),
    };
    let before = {
        let mut log = shared.log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    match (shared.script)(&asked, before) {
        Some(response) => response,
        None => std::future::pending().await,
    }
}

/// An answer of a status, headers and a body.
pub(super) fn reply(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut builder = Response::builder().status(status);
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    builder.body(body.into()).unwrap()
}

/// A manifest as a good registry sends it.
pub(super) fn good(media_type: &str, bytes: &[u8]) -> Response {
    let digest = super::digest(bytes).to_string();
    let headers = [
        ("content-type", media_type),
        ("docker-content-digest", digest.as_str()),
    ];
    reply(200, &headers, bytes.to_vec())
}

pub(super) fn refusal(status: u16, headers: &[(&str, &str)], code: &str) -> Response {
    let body = format!(r#"{{"errors":[{{"code":"{code}","message":"told so"}}]}}"#);
    reply(status, headers, body)
}
