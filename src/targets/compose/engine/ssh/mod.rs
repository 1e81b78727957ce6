//! An engine behind ssh: sessions are kept, and each connection to the engine is one channel, carried by `docker system dial-stdio` on
//! that host, or by the engine's socket when there is no docker client. No ssh program is started here.

mod keys;
mod known_hosts;
mod piped;
mod reach;
mod session;

pub(in crate::targets::compose) use known_hosts::unreadable;

use super::address::variable;
use super::error::{Unconnected, usage};
use crate::net::Names;
use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use keys::Keys;
use known_hosts::{Known, Source};
use piped::Piped;
use reach::{Carrier, Reached};
use russh::client::Handle;
use session::Checker;
use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;

const PORT: u16 = 22;

/// The input of the action: the runner keeps its hyphens.
const KNOWN_HOSTS_INPUT: &str = "INPUT_SSH-KNOWN-HOSTS";

/// A `known_hosts` file of thousands of hosts has this many bytes.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Channels of one session: sshd allows 10 (`MaxSessions`).
const CHANNELS_MAX: usize = 10;

/// Sessions side by side. Sixteen changes at once, their logs and the events fit into them several times.
const SESSIONS_MAX: usize = 8;

/// Longest wait until a channel is open.
const OPEN_MAX: Duration = Duration::from_secs(20);

/// Who to be on which host.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) user: String,
    pub(super) host: String,
    pub(super) port: u16,
    /// The socket of the engine there, when it is not the usual one.
    pub(super) socket: Option<String>,
}

/// The way to an engine behind ssh.
pub(super) struct Ssh {
    place: Place,
    known: Arc<Known>,
    keys: Keys,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    sessions: Vec<Session>,
    /// What carries connections, once one came to be.
    carrier: Option<Carrier>,
}

#[derive(Clone)]
struct Session {
    handle: Arc<Handle<Checker>>,
    channels: Arc<AtomicUsize>,
    /// Fewer than usual where a host allows fewer.
    channels_max: Arc<AtomicUsize>,
}

impl fmt::Debug for Ssh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ssh")
            .field("place", &self.place)
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl Ssh {
    /// Reads what is known of the host, and the keys. Nothing is contacted.
    pub(super) fn new(
        user: Option<&str>,
        host: &str,
        port: Option<u16>,
        socket: Option<&str>,
        settings: &Settings,
        base: &Base,
    ) -> Result<Self, TargetError> {
        let user = user
            .or_else(|| variable(base, "USER"))
            .or_else(|| variable(base, "LOGNAME"));
        let Some(user) = user else {
            return Err(usage(
                format!("found no user in ssh://{host}, and neither USER nor LOGNAME is set"),
                format!("write ssh://USER@{host}"),
            ));
        };
        let place = Place {
            user: user.to_owned(),
            host: host.to_owned(),
            port: port.unwrap_or(PORT),
            socket: socket.map(str::to_owned),
        };
        let sources = sources(settings, base);
        let known = Known::of(&sources, counts(settings, base), host, place.port)
            .map_err(|wrong| usage(wrong, "give lines as `ssh-keyscan HOST` prints them"))?;
        Ok(Self {
            place,
            known: Arc::new(known),
            keys: keys::find(settings, base)?,
            state: Mutex::default(),
        })
    }

    /// A new connection to the engine.
    pub(super) async fn connect(&self, names: &Names) -> Result<Piped, Unconnected> {
        // One at a time: the first finds out what carries the others.
        let mut state = self.state.lock().await;
        let session = self.session(names, &mut state).await?;
        let opening = reach::open(
            &session.handle,
            &session.channels,
            &self.place,
            state.carrier,
        );
        let Ok(opened) = tokio::time::timeout(OPEN_MAX, opening).await else {
            return Err(Unconnected::failed(format!(
                "{} opened no channel to its engine within {OPEN_MAX:?}",
                self.place.host
            )));
        };
        match opened? {
            Reached::Open(piped, carrier) => {
                state.carrier = Some(carrier);
                Ok(piped)
            }
            Reached::Full => {
                let open = session.channels.load(Ordering::SeqCst);
                session.channels_max.store(open, Ordering::SeqCst);
                let session = self.session(names, &mut state).await?;
                let opening = reach::open(
                    &session.handle,
                    &session.channels,
                    &self.place,
                    state.carrier,
                );
                match tokio::time::timeout(OPEN_MAX, opening).await {
                    Ok(Ok(Reached::Open(piped, carrier))) => {
                        state.carrier = Some(carrier);
                        Ok(piped)
                    }
                    Ok(Err(error)) => Err(error),
                    Ok(Ok(Reached::Full)) | Err(_) => Err(self.is_full()),
                }
            }
        }
    }

    /// A session with room for a channel: one that is there, else a new one.
    async fn session(&self, names: &Names, state: &mut State) -> Result<Session, Unconnected> {
        state.sessions.retain(|session| !session.handle.is_closed());
        let has_room = |session: &&Session| {
            let max = session.channels_max.load(Ordering::SeqCst);
            session.channels.load(Ordering::SeqCst) < max
        };
        if let Some(session) = state.sessions.iter().find(has_room) {
            return Ok(session.clone());
        }
        if SESSIONS_MAX <= state.sessions.len() {
            return Err(self.is_full());
        }
        let handle = session::open(names, &self.place, &self.known, &self.keys).await?;
        let session = Session {
            handle: Arc::new(handle),
            channels: Arc::default(),
            channels_max: Arc::new(AtomicUsize::new(CHANNELS_MAX)),
        };
        state.sessions.push(session.clone());
        Ok(session)
    }

    fn is_full(&self) -> Unconnected {
        Unconnected::failed(format!(
            "{} opens no more channels in {SESSIONS_MAX} sessions (MaxSessions in its sshd_config)",
            self.place.host
        ))
    }
}

/// Whether the inputs of an action are at hand: also those that were not given are variables then.
fn is_action(base: &Base) -> bool {
    let mut names = base.environment.keys();
    variable(base, "GITHUB_ACTIONS") == Some("true") && names.any(|name| name.starts_with("INPUT_"))
}

/// Where a line about the host counts.
fn counts(settings: &Settings, base: &Base) -> &'static str {
    if !settings.ssh_known_hosts.is_empty() {
        "the setting ssh-known-hosts"
    } else if variable(base, KNOWN_HOSTS_INPUT).is_some() || is_action(base) {
        "the input ssh-known-hosts"
    } else if variable(base, "HOME").is_some() {
        "~/.ssh/known_hosts"
    } else {
        "the setting ssh-known-hosts"
    }
}

/// The lines that are given, else those of the input, else those of the usual files.
fn sources(settings: &Settings, base: &Base) -> Vec<Source> {
    let given = |from: &str, text: String| {
        vec![Source {
            from: from.to_owned(),
            text,
            is_strict: true,
        }]
    };
    if !settings.ssh_known_hosts.is_empty() {
        return given(
            "the setting ssh-known-hosts",
            settings.ssh_known_hosts.join("\n"),
        );
    }
    if let Some(input) = variable(base, KNOWN_HOSTS_INPUT) {
        return given("the input ssh-known-hosts", input.replace("\\n", "\n"));
    }
    let home = variable(base, "HOME").map(|home| Path::new(home).join(".ssh/known_hosts"));
    let everybody = Path::new("/etc/ssh/ssh_known_hosts").to_owned();
    let files = home.into_iter().chain([everybody]);
    files
        .filter(|file| fs::metadata(file).is_ok_and(|found| found.len() <= FILE_BYTES_MAX))
        .filter_map(|file| {
            Some(Source {
                from: file.display().to_string(),
                text: fs::read_to_string(&file).ok()?,
                is_strict: false,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_line_is_asked_for_where_it_counts() {
        #[track_caller]
        fn check(lines: &[&str], variables: &[(&str, &str)], place: &str) {
            let settings = json!({"project": "shop", "ssh-known-hosts": lines});
            let variables = variables.iter();
            let base = Base {
                environment: variables
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect(),
                ..Base::default()
            };
            let settings = serde_json::from_value(settings).unwrap();
            assert_eq!(counts(&settings, &base), place);
        }
        let input = (KNOWN_HOSTS_INPUT, "web-1 ssh-ed25519 AAAA");
        let home = ("HOME", "/root");
        let step = ("GITHUB_ACTIONS", "true");
        check(&["web-1 x"], &[input, home], "the setting ssh-known-hosts");
        check(&[], &[input, home], "the input ssh-known-hosts");
        check(
            &[],
            &[step, ("INPUT_VERB", "ready"), home],
            "the input ssh-known-hosts",
        );
        check(&[], &[step, home], "~/.ssh/known_hosts");
        check(&[], &[(KNOWN_HOSTS_INPUT, ""), home], "~/.ssh/known_hosts");
        check(&[], &[], "the setting ssh-known-hosts");
    }
}
