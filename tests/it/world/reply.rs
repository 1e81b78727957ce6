//! Answers as they go out: the body in chunks with its true length, and the faults that strike on the wire.

use super::faults::Fault;
use super::line::Line;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use std::io::{self, SeekFrom};
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

const CHUNK: usize = 1 << 17;

/// A body: in memory, or a stretch of a file.
#[derive(Debug, Clone)]
pub enum Payload {
    Bytes(Bytes),
    File {
        path: PathBuf,
        start: u64,
        length: u64,
    },
}

impl Payload {
    fn length(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { length, .. } => *length,
        }
    }
}

/// An answer before anything goes wrong with it.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub payload: Payload,
}

impl Reply {
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Self {
            status,
            headers,
            payload: Payload::Bytes(body.into()),
        }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// What a fault of kind [`Fault::Answer`] says.
    pub fn of_fault(fault: &Fault) -> Option<Self> {
        match fault {
            Fault::Answer {
                status,
                headers,
                body,
            } => {
                let payload = Payload::Bytes(Bytes::from(body.clone()));
                Some(Self {
                    status: *status,
                    headers: headers.clone(),
                    payload,
                })
            }
            _goes_with_the_real_answer => None,
        }
    }
}

/// How a body ends before its end.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Closed,
    Reset,
    Silent,
}

/// Sends the reply, with what the fault does to it on the wire.
pub async fn send(mut reply: Reply, fault: Option<&Fault>, line: &Line) -> Response {
    let (mut cut, mut tamper) = (None, None);
    match fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Drop) => line.close(),
        Some(Fault::Truncate(at)) => cut = Some((*at, Ending::Closed)),
        Some(Fault::Reset(at)) => cut = Some((*at, Ending::Reset)),
        Some(Fault::Stall(at)) => cut = Some((*at, Ending::Silent)),
        Some(Fault::Tamper(at)) => tamper = Some(*at),
        Some(Fault::Without(header)) => reply.headers.retain(|(name, _)| name != header),
        Some(Fault::Answer { .. } | Fault::IgnoreRange | Fault::BodyInstead | Fault::Nothing)
        | None => (),
    }
    let length = reply.payload.length();
    let mut response = Response::builder().status(reply.status);
    for (name, value) in &reply.headers {
        response = response.header(name, value);
    }
    if reply.status != 304 {
        response = response.header("content-length", length);
    }
    let sending = Sending {
        payload: reply.payload,
        file: None,
        sent: 0,
        cut,
        tamper,
        line: line.clone(),
    };
    let chunks = stream::unfold(sending, |mut sending| async {
        let chunk = sending.chunk().await.transpose()?;
        Some((chunk, sending))
    });
    response
        .body(Body::from_stream(chunks))
        .expect("the double's headers are valid")
}

/// A body on its way.
#[derive(Debug)]
struct Sending {
    payload: Payload,
    file: Option<File>,
    sent: usize,
    cut: Option<(usize, Ending)>,
    tamper: Option<usize>,
    line: Line,
}

impl Sending {
    /// The next chunk, `None` at the end.
    async fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        let left = match self.cut {
            Some((at, ending)) if at <= self.sent => return self.end(ending).await,
            Some((at, _)) => at - self.sent,
            None => CHUNK,
        };
        let mut chunk = self.read(left.min(CHUNK)).await?;
        if chunk.is_empty() {
            return Ok(None);
        }
        if let Some(at) = self
            .tamper
            .and_then(|at| at.checked_sub(self.sent))
            .filter(|at| *at < chunk.len())
        {
            let mut bytes = chunk.to_vec();
            for byte in bytes.iter_mut().skip(at).take(1) {
                *byte ^= 0x20;
            }
            chunk = bytes.into();
        }
        self.sent += chunk.len();
        Ok(Some(chunk))
    }

    async fn read(&mut self, max: usize) -> io::Result<Bytes> {
        match &mut self.payload {
            Payload::Bytes(bytes) => Ok(bytes.split_to(max.min(bytes.len()))),
            Payload::File {
                path,
                start,
                length,
            } => {
                if self.file.is_none() {
                    let mut file = File::open(path).await?;
                    file.seek(SeekFrom::Start(*start)).await?;
                    self.file = Some(file);
                }
                let file = self.file.as_mut().expect("it was just opened");
                let mut buffer = Vec::with_capacity(max);
                let count = (*length).min(max as u64);
                file.take(count).read_to_end(&mut buffer).await?;
                *length -= buffer.len() as u64;
                Ok(buffer.into())
            }
        }
    }

    async fn end(&self, ending: Ending) -> io::Result<Option<Bytes>> {
        // One turn of the executor: what was given out so far is flushed before the connection ends.
        tokio::task::yield_now().await;
        match ending {
            Ending::Closed => (),
            Ending::Reset => self.line.reset(),
            Ending::Silent => std::future::pending().await,
        }
        Err(io::Error::other("the fault ends the body here"))
    }
}
