//! What is asked of the engine, when, and how long each takes: a socket before that of the engine, which writes it down.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;

type Noted = Arc<Mutex<Vec<(Instant, Duration, String)>>>;

pub(crate) struct Door {
    dir: TempDir,
    noted: Noted,
    task: JoinHandle<()>,
}

impl Door {
    pub(crate) fn open(engine: &Path) -> anyhow::Result<Self> {
        let dir = TempDir::new()?;
        let listener = UnixListener::bind(dir.path().join("socket"))?;
        let noted = Noted::default();
        let (shared, engine) = (Arc::clone(&noted), engine.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (noted, engine) = (Arc::clone(&shared), engine.clone());
                // A connection that breaks is the business of who made it.
                tokio::spawn(async move { carry(client, &engine, &noted).await.ok() });
            }
        });
        Ok(Self { dir, noted, task })
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}/socket", self.dir.path().display())
    }

    /// Prints every call, those that began first first.
    pub(crate) fn print(self) {
        self.task.abort();
        let Ok(mut noted) = self.noted.lock() else {
            return;
        };
        noted.sort();
        let Some((began, _, _)) = noted.first().cloned() else {
            return;
        };
        for (at, took, line) in noted.iter() {
            let at = at.duration_since(began).as_millis();
            println!("{at:>7} {:>6}  {line}", took.as_millis());
        }
    }
}

/// One request for each connection: the engine is asked to close it.
async fn carry(mut client: UnixStream, engine: &Path, noted: &Noted) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let began = Instant::now();
    let text = String::from_utf8_lossy(&head).into_owned();
    let (first, rest) = text.split_once("\r\n").unwrap_or_default();
    let mut server = UnixStream::connect(engine).await?;
    let head = format!("{first}\r\nConnection: close\r\n{rest}");
    server.write_all(head.as_bytes()).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server)
        .await
        .ok();
    let line: String = first.chars().take(150).collect();
    if let Ok(mut noted) = noted.lock() {
        noted.push((began, began.elapsed(), line));
    }
    Ok(())
}
