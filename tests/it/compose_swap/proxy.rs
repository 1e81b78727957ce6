//! What lies between the product and an engine, and has a bad moment: at one call that changes something it refuses, or cuts the connection
//! before or after the engine has heard of it, or says so to whoever then kills the caller.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// What happens to one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mischief {
    Refused,
    /// The engine never hears of it.
    CutBefore,
    /// The engine does it, and the answer is lost.
    CutAfter,
    /// Only [`Proxy::reached`] is told, before the engine hears of it: it never does.
    StopBefore,
    /// The same, after the engine has done it.
    StopAfter,
}

#[derive(Debug)]
pub(super) struct Proxy {
    dir: TempDir,
    calls: Arc<AtomicUsize>,
    reached: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens, and lets the call number `at` (from 1, of those that change something) go wrong.
    pub(super) fn start(engine: &Path, at: usize, mischief: Mischief) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let reached = Arc::new(Notify::new());
        let (count, notify, engine) = (Arc::clone(&calls), Arc::clone(&reached), engine.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (count, notify) = (Arc::clone(&count), Arc::clone(&notify));
                let engine = engine.clone();
                tokio::spawn(async move {
                    carry(client, &engine, &count, at, mischief, &notify).await;
                });
            }
        });
        Self {
            dir,
            calls,
            reached,
            task,
        }
    }

    pub(super) fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// How many calls were to change something so far.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    /// Until the call that goes wrong has come so far.
    pub(super) async fn reached(&self) {
        self.reached.notified().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One request for each connection: the engine is asked to close it.
async fn carry(
    mut client: UnixStream,
    engine: &Path,
    count: &AtomicUsize,
    at: usize,
    mischief: Mischief,
    reached: &Notify,
) -> Option<()> {
    let request = request(&mut client).await?;
    let is_change = !request.starts_with(b"GET ");
    let is_at = is_change && count.fetch_add(1, Ordering::SeqCst) + 1 == at;
    if is_at {
        match mischief {
            Mischief::Refused => {
                let answer = b"HTTP/1.1 500 Internal Server Error\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: 27\r\n\r\n{\"message\":\"a bad moment\"}\n";
                client.write_all(answer).await.ok()?;
                return client.shutdown().await.ok();
            }
            Mischief::CutBefore => return None,
            Mischief::StopBefore => {
                reached.notify_one();
                // The caller dies of it, and only then is this connection closed.
                client.read_u8().await.ok();
                return None;
            }
            Mischief::CutAfter | Mischief::StopAfter => (),
        }
    }
    let mut server = UnixStream::connect(engine).await.ok()?;
    server.write_all(&request).await.ok()?;
    if is_at {
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await.ok()?;
        if mischief == Mischief::StopAfter {
            reached.notify_one();
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
    Some(
        [
            format!("{first}\r\nConnection: close\r\n{rest}").into_bytes(),
            body,
        ]
        .concat(),
    )
}
