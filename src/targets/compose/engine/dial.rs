//! New connections to an engine: whatever carries bytes both ways is a connection. What is asked over them does not belong here.

use super::address::{self, Address, Way};
use super::error::Unconnected;
use super::ssh::Ssh;
use super::tls;
use crate::net::Names;
use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use http::Uri;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tower_service::Service;

/// Longest wait for a TCP connection, with looking the name up, over all of its addresses.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// What carries the bytes of a connection.
trait Bytes: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Bytes for T {}

/// What is needed to connect.
#[derive(Debug)]
enum Door {
    Unix(PathBuf),
    Plain {
        host: String,
        port: u16,
    },
    Tls {
        host: String,
        port: u16,
        config: Arc<ClientConfig>,
    },
    Ssh(Box<Ssh>),
}

/// Makes connections to one engine.
#[derive(Debug, Clone)]
pub(super) struct Dial {
    at: Arc<str>,
    from: Arc<str>,
    door: Arc<Door>,
    names: Arc<Names>,
}

impl Dial {
    /// Reads where the engine is, and what is needed to get there. Nothing is contacted.
    pub(super) fn new(settings: &Settings, base: &Base) -> Result<Self, TargetError> {
        let Address {
            at,
            from,
            way,
            context,
        } = address::find(settings, base, tls::is_asked_for(settings, base))?;
        let door = match way {
            Way::Unix(path) => Door::Unix(path),
            Way::Plain { host, port } => Door::Plain { host, port },
            Way::Tls { host, port } => Door::Tls {
                host,
                port,
                config: tls::config(settings, base, context.as_ref())?,
            },
            Way::Ssh {
                user,
                host,
                port,
                socket,
            } => Door::Ssh(Box::new(Ssh::new(
                user.as_deref(),
                &host,
                port,
                socket.as_deref(),
                settings,
                base,
            )?)),
        };
        Ok(Self {
            at: at.into(),
            from: from.into(),
            door: Arc::new(door),
            names: Arc::default(),
        })
    }

    pub(super) fn at(&self) -> &str {
        &self.at
    }

    /// Who says that it is there, in words.
    pub(super) fn from(&self) -> &str {
        &self.from
    }
}

impl Service<Uri> for Dial {
    type Response = Carried;
    type Error = Unconnected;
    type Future = Pin<Box<dyn Future<Output = Result<Carried, Unconnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unconnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let door = Arc::clone(&self.door);
        let names = Arc::clone(&self.names);
        Box::pin(async move {
            let bytes: Box<dyn Bytes> = match door.as_ref() {
                Door::Unix(path) => Box::new(unix(path).await?),
                Door::Plain { host, port } => Box::new(tcp(&names, host, *port).await?),
                Door::Tls { host, port, config } => {
                    let tcp = tcp(&names, host, *port).await?;
                    Box::new(tls::connect(tcp, host, Arc::clone(config)).await?)
                }
                Door::Ssh(ssh) => Box::new(ssh.connect(&names).await?),
            };
            Ok(Carried(TokioIo::new(bytes)))
        })
    }
}

async fn unix(path: &Path) -> Result<UnixStream, Unconnected> {
    let at = path.display();
    UnixStream::connect(path)
        .await
        .map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Unconnected::refused(
                format!("this command may not open {at}: permission denied"),
                format!("run it as a member of the group that owns {at} (usually docker), or as root"),
            ),
            io::ErrorKind::NotFound => Unconnected::failed(format!(
                "there is no socket at {at}: start Docker there, or say where the engine is (the input docker-host, or the setting host)"
            )),
            io::ErrorKind::ConnectionRefused => Unconnected::failed(format!(
                "nothing listens at {at}: start Docker there"
            )),
            _ => Unconnected::failed(format!("{at}: {error}")),
        })
}

/// A TCP connection.
pub(super) async fn tcp(names: &Names, host: &str, port: u16) -> Result<TcpStream, Unconnected> {
    let connecting = names.connect(host, port, CONNECT_MAX);
    let stream = connecting.await.map_err(Unconnected::failed)?;
    // Err: it only gets slower.
    drop(stream.set_nodelay(true));
    Ok(stream)
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
