//! What lies between the product and an engine, and cuts every stream of events.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinSet;

#[derive(Debug)]
pub(super) struct Proxy {
    dir: TempDir,
    cut: Arc<AtomicUsize>,
    /// Dropped with everything that it carries.
    _tasks: JoinSet<()>,
}

impl Proxy {
    pub(super) fn cutting_events(engine: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let cut = Arc::new(AtomicUsize::new(0));
        let (count, engine) = (Arc::clone(&cut), engine.to_owned());
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut carried = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let (count, engine) = (Arc::clone(&count), engine.clone());
                carried.spawn(async move {
                    carry(client, &engine, &count).await;
                });
            }
        });
        Self {
            dir,
            cut,
            _tasks: tasks,
        }
    }

    pub(super) fn host(&self) -> String {
        format!("unix://{}", self.dir.path().join("socket").display())
    }

    /// Streams that were cut so far.
    pub(super) fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }
}

/// One request for each connection: the engine is asked to close it.
async fn carry(mut client: UnixStream, engine: &Path, cut: &AtomicUsize) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.ok()?);
    }
    let text = String::from_utf8(head).ok()?;
    let (first, rest) = text.split_once("\r\n")?;
    if first.contains("/events?") {
        cut.fetch_add(1, Ordering::SeqCst);
        let answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        return client.write_all(answer).await.ok();
    }
    let mut server = UnixStream::connect(engine).await.ok()?;
    let request = format!("{first}\r\nConnection: close\r\n{rest}");
    server.write_all(request.as_bytes()).await.ok()?;
    tokio::io::copy(&mut server, &mut client).await.ok()?;
    client.shutdown().await.ok()
}
