//! New connections to an engine: whatever carries bytes both ways is a connection.

use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tower_service::Service;

/// What carries the bytes of a connection.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// Where to connect to.
#[derive(Debug)]
enum Way {
    Unix(PathBuf),
}

/// Makes connections to one engine.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    at: Arc<str>,
    way: Arc<Way>,
}

impl Dial {
    /// Reads where the engine is. Nothing is contacted.
    pub(super) fn new(settings: &Settings, base: &Base) -> Result<Self, TargetError> {
        let host = settings.host.clone();
        let host = host.or_else(|| base.environment.get("DOCKER_HOST").cloned());
        let at = host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
        let way = match at.strip_prefix("unix://") {
            Some(path) => Way::Unix(Path::new(path).to_owned()),
            None => {
                return Err(TargetError::Refused {
                    what: format!("found host {at:?}, expected unix:///path/to/docker.sock"),
                    allow: None,
                    next: "mend `host`".to_owned(),
                });
            }
        };
        Ok(Self {
            at: at.into(),
            way: Arc::new(way),
        })
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }
}

impl Service<Uri> for Dial {
    type Response = Carried;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Carried>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let way = Arc::clone(&self.way);
        Box::pin(async move {
            let bytes: Box<dyn Bytes> = match way.as_ref() {
                Way::Unix(path) => Box::new(UnixStream::connect(path).await?),
            };
            Ok(Carried(TokioIo::new(bytes)))
        })
    }
}

/// A connection, whatever carries it.
pub(super) struct Carried(TokioIo<Box<dyn Bytes>>);

impl Connection for Carried {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Carried {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl hyper::rt::Write for Carried {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
