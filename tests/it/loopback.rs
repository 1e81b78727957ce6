//! A raw HTTP/1.1 server on loopback that answers exactly what a test says, faults included: cut, reset and silent
//! connections, wrong lengths, missing headers. It knows nothing of GitHub. Every request is kept for the test to read.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request as it came in.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    /// Path and query.
    pub(crate) target: String,
    /// Names in lower case, in order, repeated ones included.
    pub(crate) headers: Vec<(String, String)>,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.headers.iter().filter(|(key, _)| key == name).count()
    }

    /// Start and end (inclusive) of a `Range: bytes=` header.
    pub(crate) fn range(&self) -> Option<(usize, Option<usize>)> {
        let (start, end) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        Some((start.parse().ok()?, end.parse().ok()))
    }
}

/// What to answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// Send only so many bytes of the body, then do this.
    fault: Option<(usize, Fault)>,
    length: bool,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// Close as if all were sent.
    Cut,
    /// Reset the connection.
    Reset,
    /// Send nothing more, and keep the connection.
    Silence,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
            fault: None,
            length: true,
        }
    }

    pub(crate) fn json(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self::new(status, body).with("content-type", "application/json; charset=utf-8")
    }

    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(crate) fn fault(mut self, after: usize, fault: Fault) -> Self {
        self.fault = Some((after, fault));
        self
    }

    /// Without Content-Length: the end of the connection ends the body.
    pub(crate) fn without_length(mut self) -> Self {
        self.length = false;
        self
    }

    /// `body` as a storage server gives it: 206 for a range, 200 for all of it.
    pub(crate) fn blob(asked: &Asked, body: &[u8]) -> Self {
        let Some((start, end)) = asked.range() else {
            return Self::new(200, body).with("accept-ranges", "bytes");
        };
        let end = end.map_or(body.len(), |end| (end + 1).min(body.len()));
        let Some(part) = body.get(start..end) else {
            return Self::new(416, "").with("content-range", format!("bytes */{}", body.len()));
        };
        Self::new(206, part).with(
            "content-range",
            format!("bytes {start}-{}/{}", end - 1, body.len()),
        )
    }
}

/// The server; dropping it stops it.
pub(crate) struct Loopback {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: JoinHandle<()>,
}

impl Drop for Loopback {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Loopback {
    /// `answer` is given the request and how many came before it.
    pub(crate) async fn start(
        answer: impl Fn(&Asked, usize) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        let answer = Arc::new(answer);
        let task = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                connections.spawn(async move { serve(stream, &log, &*answer).await });
            }
        });
        Self { url, asked, task }
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    log: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(&Asked, usize) -> Reply + Send + Sync),
) {
    while let Some(asked) = read_request(&mut stream).await {
        let before = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            log.len() - 1
        };
        let reply = answer(&asked, before);
        if write_reply(&mut stream, &reply).await.is_none() {
            return;
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Asked> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
        assert!(head.len() < 64 << 10, "a request head without end");
    }
    let head = String::from_utf8(head).unwrap();
    let mut lines = head.lines();
    let target = lines.next()?.split(' ').nth(1)?.to_owned();
    let headers = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    Some(Asked { target, headers })
}

/// `None` when the connection must end.
async fn write_reply(stream: &mut TcpStream, reply: &Reply) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\n", reply.status);
    if reply.length {
        write!(head, "content-length: {}\r\n", reply.body.len()).unwrap();
    }
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    let Some((after, fault)) = reply.fault else {
        stream.write_all(&reply.body).await.ok()?;
        return reply.length.then_some(());
    };
    let sent = reply.body.get(..after).unwrap_or(&reply.body);
    stream.write_all(sent).await.ok()?;
    stream.flush().await.ok()?;
    match fault {
        Fault::Cut => None,
        Fault::Reset => {
            stream.set_zero_linger().ok()?;
            None
        }
        Fault::Silence => {
            // Longer than any test waits; the server's end stops it.
            tokio::time::sleep(Duration::from_mins(10)).await;
            None
        }
    }
}
