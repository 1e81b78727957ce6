//! What lies between the program and the engine: it notes every call that changes something, and can hold one of them, before the
//! engine hears of it or after it was done.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A call is held as soon as it comes, or when the engine has answered it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    Before,
    After,
}

/// Which call: the nth that changes something (from 1), or the first whose line has this text.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Nth(usize),
    With(&'static str),
}

#[derive(Debug)]
pub(super) struct Door {
    dir: TempDir,
    state: Arc<State>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct State {
    hold: Option<(Which, When)>,
    calls: Mutex<Vec<String>>,
    is_held: watch::Sender<bool>,
    /// Whether a call that was held may go on.
    is_open: watch::Sender<bool>,
}

impl Door {
    /// It only notes.
    pub(super) fn open(engine: &Path) -> Self {
        Self::new(engine, None)
    }

    pub(super) fn holding(engine: &Path, which: Which, when: When) -> Self {
        Self::new(engine, Some((which, when)))
    }

    fn new(engine: &Path, hold: Option<(Which, When)>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        let state = Arc::new(State {
            hold,
            calls: Mutex::default(),
            is_held: watch::Sender::new(false),
            is_open: watch::Sender::new(false),
        });
        let (shared, engine) = (Arc::clone(&state), engine.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (state, engine) = (Arc::clone(&shared), engine.clone());
                // A connection that breaks is the business of who made it.
                tokio::spawn(async move { carry(client, &engine, &state).await.ok() });
            }
        });
        Self { dir, state, task }
    }

    /// As `DOCKER_HOST` has it.
    pub(super) fn host(&self) -> String {
        format!("unix://{}/socket", self.dir.path().display())
    }

    /// The first lines of the calls so far that change something.
    pub(super) fn calls(&self) -> Vec<String> {
        self.state.calls.lock().unwrap().clone()
    }

    /// Waits until the call is held; `false` when `ended` comes before.
    pub(super) async fn is_held(&self, ended: impl Future<Output = ()>) -> bool {
        let mut held = self.state.is_held.subscribe();
        let held = async { held.wait_for(|held| *held).await.map(drop) };
        tokio::select! {
            biased;
            held = held => held.is_ok(),
            () = ended => false,
        }
    }

    /// The same for a command that must come to it.
    pub(super) async fn held(&self) {
        let late = tokio::time::sleep(Duration::from_secs(30));
        let is_held = self.is_held(late).await;
        assert!(is_held, "the call did not come: {:#?}", self.calls());
    }

    pub(super) fn let_go(&self) {
        self.state.is_open.send_replace(true);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl State {
    /// Notes the call, and says when it is to be held.
    fn note(&self, line: &str) -> Option<When> {
        if line.starts_with("GET ") || line.starts_with("HEAD ") {
            return None;
        }
        let mut calls = self.calls.lock().unwrap();
        calls.push(line.to_owned());
        let (which, when) = self.hold?;
        let is_it = match which {
            Which::Nth(nth) => calls.len() == nth,
            Which::With(text) => {
                line.contains(text) && calls.iter().filter(|call| call.contains(text)).count() == 1
            }
        };
        is_it.then_some(when)
    }

    async fn hold(&self) {
        self.is_held.send_replace(true);
        // The sender lives as long as we do.
        drop(self.is_open.subscribe().wait_for(|open| *open).await);
    }
}

/// One request for each connection: the engine is asked to close it.
async fn carry(mut client: UnixStream, engine: &Path, state: &State) -> std::io::Result<()> {
    let request = request(&mut client).await?;
    let text = String::from_utf8_lossy(&request).into_owned();
    let hold = state.note(text.lines().next().unwrap_or_default());
    if hold == Some(When::Before) {
        // Whoever was killed in between closes it, and the engine never hears of it.
        tokio::select! {
            () = state.hold() => (),
            _ = client.read_u8() => return Ok(()),
        }
    }
    let mut server = UnixStream::connect(engine).await?;
    server.write_all(&request).await?;
    if hold == Some(When::After) {
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).await?;
        state.hold().await;
        return client.write_all(&answer).await;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, _to_server) = server.split();
    let mut nothing = [0_u8; 1];
    tokio::select! {
        copied = tokio::io::copy(&mut from_server, &mut to_client) => {
            copied?;
            to_client.shutdown().await
        }
        // A client that goes away ends a stream, and only that.
        _ = from_client.read(&mut nothing) => Ok(()),
    }
}

async fn request(client: &mut UnixStream) -> std::io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let (first, rest) = text.split_once("\r\n").unwrap_or_default();
    let length = rest.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_length = name.eq_ignore_ascii_case("content-length");
        is_length.then(|| value.trim().parse::<usize>().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).await?;
    let mut all = format!("{first}\r\nConnection: close\r\n{rest}").into_bytes();
    all.append(&mut body);
    Ok(all)
}
