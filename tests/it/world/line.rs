//! The connections of the double: a listener whose connections can be cut from inside a handler, so that a client meets
//! what networks do (closed without an answer, reset in the middle). No knowledge of GitHub.

use axum::Router;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{Request, State};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const WHOLE: u8 = 0;
const CLOSED: u8 = 1;
const RESET: u8 = 2;

/// One connection as a handler sees it.
#[derive(Debug, Clone)]
pub struct Line {
    /// Counts from 1 in the order of acceptance; tells whether connections are reused.
    pub number: u64,
    cut: Arc<AtomicU8>,
}

impl Line {
    /// Nothing more is sent or received; the client sees the connection end.
    pub fn close(&self) {
        self.cut.store(CLOSED, Ordering::SeqCst);
    }

    /// The same with a TCP reset, as a dying middlebox does.
    pub fn reset(&self) {
        self.cut.store(RESET, Ordering::SeqCst);
    }
}

impl Connected<IncomingStream<'_, Lines>> for Line {
    fn connect_info(stream: IncomingStream<'_, Lines>) -> Self {
        stream.io().line.clone()
    }
}

/// Accepts connections that can be cut.
#[derive(Debug)]
pub struct Lines {
    listener: TcpListener,
    accepted: AtomicU64,
}

impl Lines {
    pub fn new(listener: TcpListener) -> Self {
        Self {
            listener,
            accepted: AtomicU64::new(0),
        }
    }
}

impl Listener for Lines {
    type Io = CutStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CutStream, SocketAddr) {
        let (stream, peer) = Listener::accept(&mut self.listener).await;
        // Small answers must not wait for the client's delayed acknowledgement: tests and benchmarks time them.
        stream.set_nodelay(true).ok();
        let number = self.accepted.fetch_add(1, Ordering::SeqCst) + 1;
        let line = Line {
            number,
            cut: Arc::new(AtomicU8::new(WHOLE)),
        };
        (CutStream { stream, line }, peer)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// A TCP stream that fails once its [`Line`] is cut.
#[derive(Debug)]
pub struct CutStream {
    stream: TcpStream,
    line: Line,
}

impl CutStream {
    fn whole(&self) -> io::Result<()> {
        match self.line.cut.load(Ordering::SeqCst) {
            WHOLE => Ok(()),
            _cut => Err(io::ErrorKind::ConnectionReset.into()),
        }
    }
}

impl Drop for CutStream {
    fn drop(&mut self) {
        if self.line.cut.load(Ordering::SeqCst) == RESET {
            self.stream.set_zero_linger().ok();
        }
    }
}

impl AsyncRead for CutStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for CutStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.whole()?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Serves until it is aborted: every request goes to `answer`.
pub async fn serve<S, A, F>(lines: Lines, shared: Arc<S>, answer: A)
where
    S: Send + Sync + 'static,
    A: Fn(Arc<S>, Line, Request) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let handler = move |State(shared): State<Arc<S>>,
                        ConnectInfo(line): ConnectInfo<Line>,
                        request: Request| { answer(shared, line, request) };
    let app = Router::new().fallback(handler).with_state(shared);
    let app = app.into_make_service_with_connect_info::<Line>();
    axum::serve(lines, app)
        .await
        .expect("a listener on loopback does not end");
}
