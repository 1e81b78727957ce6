//! A channel of an ssh session as a stream of bytes. What the remote program says beside its answer, and how it ends, becomes the
//! error that ends the stream.

use bytes::Bytes;
use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// Bytes that wait for a reader. A channel that is not read must not stop the others of its session, so what has come is taken;
/// past this the reader is not coming.
const WAITING_BYTES_MAX: usize = 64 << 20;

/// How much of what a program complains is kept.
const COMPLAINT_BYTES_MAX: usize = 4 << 10;

/// How long a program has, after its last byte, to say how it ended.
const LAST_WORDS_MAX: Duration = Duration::from_secs(2);

/// Why a channel ended without having been asked to.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Ended {
    /// The program on the other side.
    #[error("{}", program_words(*status, complaint))]
    Program {
        status: Option<u32>,
        complaint: String,
    },
    #[error("the ssh session ended")]
    Session,
    #[error("{WAITING_BYTES_MAX} bytes came and nobody read them")]
    Unread,
}

fn program_words(status: Option<u32>, complaint: &str) -> String {
    let status = match status {
        Some(status) => format!("ended with status {status}"),
        None => "ended".to_owned(),
    };
    match complaint.trim() {
        "" => format!("the program on that host {status}"),
        said => format!("the program on that host {status}: {said}"),
    }
}

/// Counts a channel as open for as long as it lives.
#[derive(Debug)]
pub(super) struct Count(pub(super) Arc<AtomicUsize>);

impl Count {
    pub(super) fn new(of: &Arc<AtomicUsize>) -> Self {
        of.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(of))
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Both directions of a channel.
pub(in crate::targets::compose::engine) struct Piped {
    write: Pin<Box<dyn AsyncWrite + Send>>,
    read: UnboundedReceiver<Result<Bytes, Ended>>,
    /// Of what was received last, what is not yet read.
    rest: Bytes,
    waiting: Arc<AtomicUsize>,
}

impl Piped {
    /// Starts to carry what comes.
    pub(super) fn new(channel: Channel<Msg>, count: Count) -> Self {
        let (read, write) = channel.split();
        let (send, receive) = unbounded_channel();
        let waiting = Arc::new(AtomicUsize::new(0));
        let writer = write.make_writer();
        let weight = Arc::clone(&waiting);
        // Ends with the channel, or when nobody listens any more.
        drop(tokio::spawn(async move {
            let gone = send.clone();
            tokio::select! {
                () = carry(read, &send, &weight) => (),
                () = gone.closed() => (),
            }
            // Err: the session has ended, and the channel with it.
            drop(write.close().await);
            drop(count);
        }));
        Self {
            write: Box::pin(writer),
            read: receive,
            rest: Bytes::new(),
            waiting,
        }
    }
}

async fn carry(
    mut read: ChannelReadHalf,
    send: &UnboundedSender<Result<Bytes, Ended>>,
    waiting: &AtomicUsize,
) {
    let mut complaint = Vec::new();
    let mut status = None;
    let mut is_at_end = false;
    let ended = loop {
        let next = if is_at_end {
            match tokio::time::timeout(LAST_WORDS_MAX, read.wait()).await {
                Ok(next) => next,
                Err(_elapsed) => return,
            }
        } else {
            read.wait().await
        };
        match next {
            Some(ChannelMsg::Data { data }) => {
                let before = waiting.fetch_add(data.len(), Ordering::SeqCst);
                if WAITING_BYTES_MAX < before {
                    break Ended::Unread;
                }
                if send.send(Ok(data)).is_err() {
                    return;
                }
            }
            Some(ChannelMsg::ExtendedData { data, ext: _ }) => {
                let room = COMPLAINT_BYTES_MAX.saturating_sub(complaint.len());
                complaint.extend(data.iter().take(room));
            }
            Some(ChannelMsg::ExitStatus { exit_status }) => status = Some(exit_status),
            Some(ChannelMsg::Failure) => {
                complaint.extend_from_slice(b"the host refuses to start it");
                break ended(status, &complaint);
            }
            // After its last byte a program still says how it ended; a socket says nothing, and waits for us to close.
            Some(ChannelMsg::Eof) => is_at_end = true,
            Some(ChannelMsg::Close) if status == Some(0) => return,
            Some(ChannelMsg::Close) if status.is_none() && complaint.is_empty() => return,
            Some(ChannelMsg::Close) => break ended(status, &complaint),
            None if is_at_end => return,
            // No Close came before: the session is gone.
            None => break Ended::Session,
            Some(_) => (),
        }
    };
    // Err: nobody listens any more.
    drop(send.send(Err(ended)));
}

fn ended(status: Option<u32>, complaint: &[u8]) -> Ended {
    let words = String::from_utf8_lossy(complaint);
    Ended::Program {
        status,
        complaint: words.split_whitespace().collect::<Vec<_>>().join(" "),
    }
}

impl AsyncRead for Piped {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.rest.is_empty() {
            match ready!(self.read.poll_recv(cx)) {
                Some(Ok(data)) => self.rest = data,
                Some(Err(ended)) => return Poll::Ready(Err(io::Error::other(ended))),
                None => return Poll::Ready(Ok(())),
            }
        }
        let size = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest.split_to(size));
        self.waiting.fetch_sub(size, Ordering::SeqCst);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Piped {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.write.as_mut().poll_shutdown(cx)
    }
}
