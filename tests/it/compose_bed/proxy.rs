//! What lies between the product and an engine, and has a bad moment: at one call that changes something it refuses, or has no leader
//! afterwards, or cuts the connection before or after the engine has heard of it, or while the engine is at work, or says so to whoever
//! then kills the caller; or it cuts every stream of events.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
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
    /// The engine hears of it, and the connection breaks while it is at work.
    CutDuring,
    /// The engine hears of it, and what lies between answers that it took too long.
    GaveUp,
    /// The engine hears of it, and answers that it failed.
    Failed,
    /// There is no such container any more, from then on.
    Absent,
    /// The engine does it, and the next looks at containers are answered by what lies between.
    BadLooks,
    /// Whatever is to be removed is refused.
    NoRemovals,
    /// Only [`Proxy::reached`] is told, before the engine hears of it: it never does.
    StopBefore,
    /// The same, after the engine has done it.
    StopAfter,
    /// The engine does it, and then answers the next questions as a manager of a swarm does while none leads.
    Election,
    /// Calls are carried; every stream of events ends as soon as it is open.
    NoEvents,
}

/// Which call it happens to: the nth that changes something, or the first whose line has this text.
#[derive(Debug)]
enum Which {
    Nth(usize),
    With(&'static str, AtomicBool),
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
    which: Which,
    mischief: Mischief,
    calls: AtomicUsize,
    bad_looks: AtomicUsize,
    cut: AtomicUsize,
    unanswered: AtomicUsize,
    reached: Notify,
}

impl Proxy {
    /// Listens, and lets the call number `at` (from 1, of those that change something) go wrong.
    pub fn start(engine: &Path, at: usize, mischief: Mischief) -> Self {
        Self::new(engine, Which::Nth(at), mischief)
    }

    /// The same for the first call whose line has this text.
    pub fn with(engine: &Path, text: &'static str, mischief: Mischief) -> Self {
        Self::new(engine, Which::With(text, AtomicBool::new(false)), mischief)
    }

    fn new(engine: &Path, which: Which, mischief: Mischief) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let shared = Arc::new(Shared {
            engine: engine.to_owned(),
            which,
            mischief,
            calls: AtomicUsize::new(0),
            bad_looks: AtomicUsize::new(0),
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
const FORBIDDEN: &[u8] =
    b"HTTP/1.1 403 Forbidden\r\nconnection: close\r\ncontent-length: 12\r\n\r\nnot allowed\n";
const ABSENT: &[u8] = b"HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 32\r\n\r\n{\"message\":\"No such container\"}\n";
const BAD_GATEWAY: &[u8] =
    b"HTTP/1.1 502 Bad Gateway\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const GAVE_UP: &[u8] =
    b"HTTP/1.1 504 Gateway Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
/// More than one look, and over long before a deadline.
const BAD_LOOKS: usize = 3;
const STREAM: &[u8] =
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";

impl Shared {
    /// Whether this call, which changes something, is the one.
    fn is_at(&self, request: &[u8]) -> bool {
        let nth = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        match &self.which {
            Which::Nth(at) => nth == *at,
            Which::With(text, was) => {
                line(request).contains(text) && !was.swap(true, Ordering::SeqCst)
            }
        }
    }

    /// Whether it has come to that call.
    fn is_past(&self) -> bool {
        match &self.which {
            Which::Nth(at) => *at <= self.calls.load(Ordering::SeqCst),
            Which::With(_, was) => was.load(Ordering::SeqCst),
        }
    }

    /// What is answered in place of the engine, which never hears of it.
    fn in_its_place(&self, request: &[u8], is_at: bool) -> Option<&'static [u8]> {
        let left = self.bad_looks.load(Ordering::SeqCst);
        let set = |left: usize| self.bad_looks.store(left, Ordering::SeqCst);
        let line = line(request);
        let is_look = line.starts_with("GET ") && line.contains("/containers/");
        match self.mischief {
            Mischief::Refused if is_at => Some(REFUSAL),
            Mischief::NoRemovals if line.starts_with("DELETE ") => Some(FORBIDDEN),
            Mischief::Absent if is_at => {
                set(usize::MAX);
                Some(ABSENT)
            }
            Mischief::Absent if is_look && 0 < left => Some(ABSENT),
            Mischief::BadLooks if is_at => {
                set(BAD_LOOKS);
                None
            }
            Mischief::BadLooks if is_look && 0 < left => {
                set(left - 1);
                Some(BAD_GATEWAY)
            }
            _ => None,
        }
    }

    /// One request for each connection: the engine is asked to close it.
    async fn carry(&self, mut client: UnixStream) -> Option<()> {
        let request = request(&mut client).await?;
        let is_change = !request.starts_with(b"GET ");
        let is_at = is_change && self.is_at(&request);
        if let Some(answer) = self.in_its_place(&request, is_at) {
            return say(&mut client, answer).await;
        }
        match self.mischief {
            Mischief::CutBefore if is_at => return None,
            Mischief::StopBefore if is_at => {
                self.reached.notify_one();
                // The caller dies of it, and only then is this connection closed.
                client.read_u8().await.ok();
                return None;
            }
            Mischief::Election if !is_change && self.is_past() => {
                let asked = self.unanswered.fetch_add(1, Ordering::SeqCst);
                if let Some(answer) = ELECTION.get(asked) {
                    return say(&mut client, answer).await;
                }
            }
            Mischief::NoEvents if is_events(&request) => {
                self.cut.fetch_add(1, Ordering::SeqCst);
                return client.write_all(STREAM).await.ok();
            }
            _ => (),
        }
        let mut server = UnixStream::connect(&self.engine).await.ok()?;
        server.write_all(&request).await.ok()?;
        let early = match self.mischief {
            Mischief::CutDuring => Some(&b""[..]),
            Mischief::GaveUp => Some(GAVE_UP),
            Mischief::Failed => Some(REFUSAL),
            _ => None,
        };
        if let Some(early) = early.filter(|_| is_at) {
            say(&mut client, early).await;
            drop(client);
            // To the engine its caller is still there.
            return server.read_to_end(&mut Vec::new()).await.ok().map(drop);
        }
        let is_lost = matches!(self.mischief, Mischief::CutAfter | Mischief::StopAfter);
        if is_at && is_lost {
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

async fn say(client: &mut UnixStream, answer: &[u8]) -> Option<()> {
    client.write_all(answer).await.ok()?;
    client.shutdown().await.ok()
}

/// The first line of a request.
fn line(request: &[u8]) -> String {
    let first = request.split(|&byte| byte == b'\r').next();
    String::from_utf8_lossy(first.unwrap_or_default()).into_owned()
}

fn is_events(request: &[u8]) -> bool {
    line(request).contains("/events?")
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
