//! What lies between the product and an engine, and has a bad moment: at one call that changes something it refuses, or has no leader afterwards, or cuts the connection
//! before or after the engine has heard of it, or says so to whoever then kills the caller; or it cuts every stream of events.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mischief {
    Refused,
    /// The engine never hears of it.
    CutBefore,
    /// The engine does it, and the answer is lost.
    CutAfter,
    /// Only [`Proxy::reached`] is told, before the engine hears of it: it never does.
    StopBefore,
    /// The same, after the engine has done it.
    StopAfter,
    /// The engine does it, and then answers the next questions as a manager of a swarm does while none leads.
    Election,
    /// Calls are carried; every stream of events ends as soon as it is open.
    NoEvents,
}

#[derive(Debug)]
pub struct Proxy {
    dir: TempDir,
    shared: Arc<Shared>,
    /// Dropped with everything that it carries.
    _tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Shared {
    engine: PathBuf,
    at: usize,
    mischief: Mischief,
    calls: AtomicUsize,
    cut: AtomicUsize,
    unanswered: AtomicUsize,
    reached: Notify,
}

impl Proxy {
    /// Listens, and lets the call number `at` (from 1, of those that change something) go wrong.
    pub fn start(engine: &Path, at: usize, mischief: Mischief) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let shared = Arc::new(Shared {
            engine: engine.to_owned(),
            at,
            mischief,
            calls: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
            reached: Notify::new(),
        });
        let all = Arc::clone(&shared);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let shared = Arc::clone(&all);
                carried.spawn(async move {
                    shared.carry(client).await;
                });
            }
        });
        Self {
            dir,
            shared,
            _tasks: tasks,
        }
    }

    /// As `DOCKER_HOST` has it.
    pub fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("socket").display())
    }

    /// How many calls were to change something so far.
    pub fn calls(&self) -> usize {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// How many streams of events were cut so far.
    pub fn cut(&self) -> usize {
        self.shared.cut.load(Ordering::SeqCst)
    }

    /// How many questions found nobody who leads.
    pub fn unanswered(&self) -> usize {
        self.shared.unanswered.load(Ordering::SeqCst)
    }

    /// Until the call that goes wrong has come so far.
    pub async fn reached(&self) {
        self.shared.reached.notified().await;
    }
}

const REFUSAL: &[u8] = b"HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{\"message\":\"a bad moment\"}\n";
/// What it answers without a leader, in turn.
const ELECTION: [&[u8]; 4] = [NOT_READY, REFUSAL, NOT_READY, NOT_READY];
const NOT_READY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 48\r\n\r\n{\"message\":\"This node is not a swarm manager.\"}\n";
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

impl Shared {
    /// One request for each connection: the engine is asked to close it.
    async fn carry(&self, mut client: UnixStream) -> Option<()> {
        let request = request(&mut client).await?;
        let is_change = !request.starts_with(b"GET ");
        let is_at = is_change && self.calls.fetch_add(1, Ordering::SeqCst) + 1 == self.at;
        match self.mischief {
            Mischief::Refused if is_at => {
                client.write_all(REFUSAL).await.ok()?;
                return client.shutdown().await.ok();
            }
            Mischief::CutBefore if is_at => return None,
            Mischief::StopBefore if is_at => {
                self.reached.notify_one();
                // The caller dies of it, and only then is this connection closed.
                client.read_u8().await.ok();
                return None;
            }
            Mischief::Election if !is_change && self.at <= self.calls.load(Ordering::SeqCst) => {
                let asked = self.unanswered.fetch_add(1, Ordering::SeqCst);
                if let Some(answer) = ELECTION.get(asked) {
                    client.write_all(answer).await.ok()?;
                    return client.shutdown().await.ok();
                }
            }
            Mischief::NoEvents if is_events(&request) => {
                self.cut.fetch_add(1, Ordering::SeqCst);
                return client.write_all(STREAM).await.ok();
            }
            Mischief::Refused
            | Mischief::CutBefore
            | Mischief::CutAfter
            | Mischief::StopBefore
            | Mischief::StopAfter
            | Mischief::Election
            | Mischief::NoEvents => (),
        }
        let mut server = UnixStream::connect(&self.engine).await.ok()?;
        server.write_all(&request).await.ok()?;
        if is_at && !matches!(self.mischief, Mischief::NoEvents | Mischief::Election) {
            let mut answer = Vec::new();
            server.read_to_end(&mut answer).await.ok()?;
            if self.mischief == Mischief::StopAfter {
                self.reached.notify_one();
                client.read_u8().await.ok();
            }
            return None;
        }
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, _to_server) = server.split();
        let mut nothing = [0_u8; 1];
        tokio::select! {
            _ = tokio::io::copy(&mut from_server, &mut to_client) => to_client.shutdown().await.ok(),
            // A client that goes away ends a stream, and only that.
            _ = from_client.read(&mut nothing) => None,
        }
    }
}

fn is_events(request: &[u8]) -> bool {
    let first = request.split(|&byte| byte == b'\r').next();
    first.is_some_and(|line| String::from_utf8_lossy(line).contains("/events?"))
}

async fn request(client: &mut UnixStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length")
            .then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).await.ok()?;
    let (first, rest) = text.split_once("\r\n")?;
    let head = format!("{first}\r\nConnection: close\r\n{rest}");
    Some([head.into_bytes(), body].concat())
}
