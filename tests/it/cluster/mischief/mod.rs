//! A proxy in front of the API server which does what real ones do on a bad day, on demand: it answers the n-th request
//! that matches with an error, loses an answer, delays, cuts or expires watches, or lets somebody else write first.
//! It terminates TLS with the cluster's certificate, writes down every request, and passes web sockets through.
//!
//! It belongs to one test and ends with it. Requests of other tests do not pass through it.

mod line;

use super::certificates;
use super::client;
use super::files::{Files, User, write_secret};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{HOST, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use kube::Client;
use std::fmt;
use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trick {
    /// 409 Conflict; nothing reaches the server.
    Conflict,
    /// 403 Forbidden; nothing reaches the server.
    Forbidden,
    /// 429 with `Retry-After` in seconds; nothing reaches the server.
    TooManyRequests { retry_after_s: u32 },
    /// 503; nothing reaches the server.
    Unavailable,
    /// A watch starts with the event ERROR 410 Expired, and ends.
    Gone,
    /// The connection ends without an answer; nothing reaches the server.
    Refuse,
    /// The server does what it was asked; the connection ends without an answer.
    LoseReply,
    /// The request is held for this long before it goes on.
    Delay(Duration),
}

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub path: String,
    pub query: String,
    pub body: Bytes,
}

impl Seen {
    /// Whether it could have changed something: no dry run, and no question about one's own rights.
    pub fn is_mutation(&self) -> bool {
        let is_reading = [Method::GET, Method::HEAD, Method::OPTIONS].contains(&self.method);
        let is_question = self.path.starts_with("/apis/authorization.k8s.io/")
            || self.path.starts_with("/apis/authentication.k8s.io/");
        !is_reading && !is_question && !self.query.contains("dryRun=All")
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}?{}", self.method, self.path, self.query)
    }
}

type Body = BoxBody<Bytes, io::Error>;

/// What a matching request meets.
enum Plan {
    Play(Trick),
    Hook(BoxFuture<'static, ()>),
}

struct Rule {
    method: Method,
    part: String,
    /// Matching requests still to come, this one included.
    left: u32,
    plan: Plan,
}

#[derive(Debug, Clone, Copy)]
enum Order {
    Drop,
    Expire,
}

struct State {
    upstream: String,
    connector: TlsConnector,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    orders: broadcast::Sender<Order>,
}

/// The running proxy; ends when it is dropped.
pub struct Mischief {
    url: String,
    files: Arc<Files>,
    dir: TempDir,
    state: Arc<State>,
    server: JoinHandle<()>,
}

impl fmt::Debug for Mischief {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mischief")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

impl Drop for Mischief {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Mischief {
    pub(super) async fn start(files: Arc<Files>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let upstream = files.server();
        let state = Arc::new(State {
            upstream: upstream.trim_start_matches("https://").to_owned(),
            connector: certificates::client_config(&files).into(),
            rules: Mutex::default(),
            seen: Mutex::default(),
            orders: broadcast::channel(16).0,
        });
        let acceptor = TlsAcceptor::from(certificates::server_config(&files));
        let shared = Arc::clone(&state);
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                connections.spawn(serve(connection, acceptor.clone(), Arc::clone(&shared)));
            }
        });
        Self {
            url: format!("https://{address}"),
            files,
            dir: TempDir::new().expect("a scratch directory"),
            state,
            server,
        }
    }

    /// `https://127.0.0.1:PORT`, with a certificate of the cluster's authority.
    pub fn server(&self) -> String {
        self.url.clone()
    }

    /// A kubeconfig that leads through the proxy.
    pub fn kubeconfig(&self, user: User) -> PathBuf {
        let path = self.dir.path().join(format!("{}.kubeconfig", user.name()));
        let text = self.files.kubeconfig_text(&self.url, user).to_string();
        write_secret(&path, &text);
        path
    }

    pub async fn client(&self, user: User) -> Client {
        client::of(&self.kubeconfig(user)).await
    }

    /// The n-th request from now on (1 is the next) with this method whose path and query contain `part` meets this.
    pub fn play(&self, method: &str, part: &str, nth: u32, trick: Trick) {
        self.add(method, part, nth, Plan::Play(trick));
    }

    /// This is done to its end before that request goes on: a second writer, say.
    pub fn before(
        &self,
        method: &str,
        part: &str,
        nth: u32,
        hook: impl Future<Output = ()> + Send + 'static,
    ) {
        self.add(method, part, nth, Plan::Hook(Box::pin(hook)));
    }

    fn add(&self, method: &str, part: &str, nth: u32, plan: Plan) {
        assert!(0 < nth, "the first request is number 1");
        self.state.rules().push(Rule {
            method: method.parse().expect("a method of HTTP"),
            part: part.to_owned(),
            left: nth,
            plan,
        });
    }

    /// Tricks that no request has met yet.
    pub fn left(&self) -> usize {
        self.state.rules().len()
    }

    /// Cuts the connections of all watches that are open now. How many there were.
    pub fn drop_watches(&self) -> usize {
        self.state.orders.send(Order::Drop).unwrap_or(0)
    }

    /// All watches that are open now get the event ERROR 410 Expired, and end. How many there were.
    pub fn expire_watches(&self) -> usize {
        self.state.orders.send(Order::Expire).unwrap_or(0)
    }

    /// All requests so far, oldest first.
    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen().clone()
    }

    /// Those which could have changed something.
    pub fn mutations(&self) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(Seen::is_mutation);
        seen
    }
}

impl State {
    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn seen(&self) -> MutexGuard<'_, Vec<Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this request meets, in the order in which it was asked for. Every rule counts it.
    fn plans(&self, seen: &Seen) -> Vec<Plan> {
        let address = format!("{}?{}", seen.path, seen.query);
        let mut rules = self.rules();
        for rule in rules.iter_mut() {
            if rule.method == seen.method && address.contains(&rule.part) {
                rule.left -= 1;
            }
        }
        let due = rules.extract_if(.., |rule| rule.left == 0);
        due.map(|rule| rule.plan).collect()
    }
}

async fn serve(connection: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) {
    let Ok(connection) = acceptor.accept(connection).await else {
        return;
    };
    let answer = service_fn(move |request| answer(request, Arc::clone(&state)));
    let serving = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(connection), answer)
        .with_upgrades();
    // Clients hang up, and lost answers end connections: both on purpose.
    drop(serving.await);
}

/// An error ends the connection without an answer.
async fn answer(request: Request<Incoming>, state: Arc<State>) -> io::Result<Response<Body>> {
    let (mut parts, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let seen = Seen {
        method: parts.method.clone(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        body: body.clone(),
    };
    state.seen().push(seen.clone());
    let mut loses_reply = false;
    for plan in state.plans(&seen) {
        match plan {
            Plan::Hook(hook) => hook.await,
            Plan::Play(Trick::Delay(time)) => sleep(time).await,
            Plan::Play(Trick::LoseReply) => loses_reply = true,
            Plan::Play(trick) => return line::refusal(trick),
        }
    }
    // An upgrade is not consumed with the body: it rides on the parts.
    let upgrade = parts.headers.contains_key(UPGRADE);
    let down = parts.extensions.remove::<hyper::upgrade::OnUpgrade>();
    let host = HeaderValue::from_str(&state.upstream).map_err(io::Error::other)?;
    parts.headers.insert(HOST, host);
    let response = line::ask(&state, Request::from_parts(parts, Full::new(body))).await?;
    if loses_reply {
        response
            .into_body()
            .collect()
            .await
            .map_err(io::Error::other)?;
        return Err(io::Error::other("the answer is lost on purpose"));
    }
    if upgrade && response.status() == StatusCode::SWITCHING_PROTOCOLS {
        return Ok(line::switched(down, response));
    }
    let is_watch = seen.query.contains("watch=true") || seen.query.contains("watch=1");
    Ok(response.map(|body| {
        let body = body.map_err(io::Error::other);
        if is_watch {
            line::watched(body, &state)
        } else {
            body.boxed()
        }
    }))
}
