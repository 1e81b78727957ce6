//! From a session to the engine behind it: the docker client of that host, else the engine's socket. The first connection is proven by
//! a question that changes nothing, since a program that cannot start says so only after its channel is open.

use super::super::address::USUAL_SOCKET;
use super::super::error::Unconnected;
use super::Place;
use super::piped::{Count, Ended, Piped};
use super::session::Checker;
use russh::client::Handle;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Carrier {
    /// `docker system dial-stdio`
    Program,
    /// `direct-streamlocal@openssh.com`
    Socket,
}

/// What came of opening a channel.
pub(super) enum Reached {
    Open(Piped, Carrier),
    /// The host opens no more channels in this session.
    Full,
}

/// Why a carrier carried nothing.
enum Failed {
    Full,
    /// The host has no docker client.
    NoProgram(String),
    Other(Unconnected),
}

/// Asked of the engine over the first connection; it has no body, so that the connection can be used further.
const QUESTION: &str = "HEAD /_ping HTTP/1.1\r\nHost: docker\r\nUser-Agent: lastgood\r\n\r\n";

/// The head of an answer has a few hundred bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Opens a channel to the engine. `carrier`: what carried the last one.
pub(super) async fn open(
    handle: &Handle<Checker>,
    channels: &Arc<AtomicUsize>,
    place: &Place,
    carrier: Option<Carrier>,
) -> Result<Reached, Unconnected> {
    let count = || Count::new(channels);
    let opened = match carrier {
        Some(Carrier::Program) => program(handle, count(), place).await,
        Some(Carrier::Socket) => socket(handle, count(), place).await,
        None => return first(handle, channels, place).await,
    };
    match opened {
        Ok(piped) => Ok(Reached::Open(piped, carrier.unwrap_or(Carrier::Program))),
        Err(Failed::Full) => Ok(Reached::Full),
        Err(Failed::NoProgram(what)) => Err(Unconnected::failed(what)),
        Err(Failed::Other(error)) => Err(error),
    }
}

async fn first(
    handle: &Handle<Checker>,
    channels: &Arc<AtomicUsize>,
    place: &Place,
) -> Result<Reached, Unconnected> {
    let opened = match program(handle, Count::new(channels), place).await {
        Ok(piped) => proven(piped, place).await,
        Err(failed) => Err(failed),
    };
    let without = match opened {
        Ok(piped) => return Ok(Reached::Open(piped, Carrier::Program)),
        Err(Failed::Full) => return Ok(Reached::Full),
        Err(Failed::Other(error)) => return Err(error),
        Err(Failed::NoProgram(what)) => what,
    };
    let opened = match socket(handle, Count::new(channels), place).await {
        Ok(piped) => proven(piped, place).await,
        Err(failed) => Err(failed),
    };
    match opened {
        Ok(piped) => Ok(Reached::Open(piped, Carrier::Socket)),
        Err(Failed::Full) => Ok(Reached::Full),
        Err(Failed::NoProgram(what)) => Err(Unconnected::failed(what)),
        Err(Failed::Other(Unconnected::Refused { what, next })) => Err(Unconnected::Refused {
            what: format!("{without}, and {what}"),
            next,
        }),
        Err(Failed::Other(Unconnected::Failed { what })) => {
            Err(Unconnected::failed(format!("{without}, and {what}")))
        }
    }
}

async fn program(handle: &Handle<Checker>, count: Count, place: &Place) -> Result<Piped, Failed> {
    let channel = handle
        .channel_open_session()
        .await
        .map_err(|error| match error {
            russh::Error::ChannelOpenFailure(_) => Failed::Full,
            error => session_lost(place, &error),
        })?;
    let command = match &place.socket {
        None => "docker system dial-stdio".to_owned(),
        // Checked when the address was read: nothing in it that a shell would take for more than a path.
        Some(path) => format!("docker --host unix://{path} system dial-stdio"),
    };
    channel
        .exec(true, command)
        .await
        .map_err(|error| session_lost(place, &error))?;
    Ok(Piped::new(channel, count))
}

async fn socket(handle: &Handle<Checker>, count: Count, place: &Place) -> Result<Piped, Failed> {
    let path = place.socket.as_deref().unwrap_or(USUAL_SOCKET);
    let (user, host) = (&place.user, &place.host);
    let channel = handle.channel_open_direct_streamlocal(path).await;
    match channel {
        Ok(channel) => Ok(Piped::new(channel, count)),
        // sshd gives one answer to all of these.
        Err(russh::Error::ChannelOpenFailure(_)) => Err(Failed::Other(Unconnected::refused(
            format!(
                "{user} cannot open {path} on {host}: no engine listens there, {user} may not ask it, or sshd_config has \
                 `AllowStreamLocalForwarding no`"
            ),
            format!(
                "start Docker on {host}; if it runs, add {user} to the group docker there: `sudo usermod -aG docker {user}`"
            ),
        ))),
        Err(error) => Err(session_lost(place, &error)),
    }
}

fn session_lost(place: &Place, error: &russh::Error) -> Failed {
    Failed::Other(Unconnected::failed(format!(
        "the ssh session with {} broke off: {error}",
        place.host
    )))
}

/// Asks the engine for a sign of life.
async fn proven(mut piped: Piped, place: &Place) -> Result<Piped, Failed> {
    match asked(&mut piped).await {
        Ok(()) => Ok(piped),
        Err(error) => {
            let ended = error
                .get_ref()
                .and_then(|inner| inner.downcast_ref::<Ended>());
            Err(match ended {
                Some(Ended::Program { status, complaint }) => of_program(*status, complaint, place),
                Some(Ended::Session | Ended::Unread) | None => {
                    Failed::Other(Unconnected::failed(format!("{}: {error}", place.host)))
                }
            })
        }
    }
}

async fn asked(piped: &mut Piped) -> io::Result<()> {
    // Err: the program has ended already, and reading says why.
    drop(piped.write_all(QUESTION.as_bytes()).await);
    drop(piped.flush().await);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if HEAD_BYTES_MAX < head.len() {
            return Err(io::Error::other("what answers there is no Docker engine"));
        }
        head.push(piped.read_u8().await.map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => {
                io::Error::other("its engine closed the connection without an answer")
            }
            _ => error,
        })?);
    }
    if head.starts_with(b"HTTP/1.") {
        return Ok(());
    }
    Err(io::Error::other("what answers there is no Docker engine"))
}

fn of_program(status: Option<u32>, complaint: &str, place: &Place) -> Failed {
    let (user, host) = (&place.user, &place.host);
    let said = match complaint {
        "" => String::new(),
        said => format!(": {said}"),
    };
    // 127: not found, 126: cannot be started. A client older than 18.09 has no such command.
    let has_none =
        matches!(status, Some(126 | 127)) || complaint.contains("is not a docker command");
    if has_none {
        return Failed::NoProgram(format!(
            "{host} has no docker client that {user} can start{said}"
        ));
    }
    if complaint.to_lowercase().contains("permission denied") {
        return Failed::Other(Unconnected::refused(
            format!("{user} may not ask the engine on {host}{said}"),
            format!("add {user} to the group docker on {host}: `sudo usermod -aG docker {user}`"),
        ));
    }
    let status = status.map_or_else(String::new, |status| format!(" with status {status}"));
    Failed::Other(Unconnected::failed(format!(
        "`docker system dial-stdio` on {host} ended{status}{said}"
    )))
}
