//! One ssh session: the connection, whether the host is the one it should be, and who we are to it. What is carried over it does not
//! belong here.

use super::super::dial;
use super::super::error::Unconnected;
use super::Place;
use super::keys::{Key, Keys};
use super::known_hosts::{Distrust, Known, bare, fingerprint};
use crate::net::Names;
use russh::client::{self, AuthResult, Config, Handle, Handler};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, HashAlg, PrivateKeyWithHashAlg, PublicKey, PublicKeyOrCertificate};
use russh::{AlgorithmKind, Preferred, SshId};
use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

/// Longest way from the connection to the host's key being accepted.
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

/// Longest time for offering our keys.
const AUTH_MAX: Duration = Duration::from_secs(30);

/// A silent host is asked whether it is still there, and this often before it counts as gone: a minute.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVES_MAX: usize = 4;

/// A server ends a session after so many keys that it does not know (sshd's `MaxAuthTries` is 6).
const OFFERS_MAX: usize = 6;

/// Checks the key that the host shows.
pub(super) struct Checker {
    known: Arc<Known>,
    host: String,
}

/// What ends a session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Host(Unconnected),
    #[error(transparent)]
    Ssh(#[from] russh::Error),
}

impl Handler for Checker {
    type Error = Trouble;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Trouble> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = shown else {
            return Err(Trouble::Host(Unconnected::refused(
                format!("{} shows a certificate as its host key", self.host),
                format!("put its plain host key into {}", self.known.place),
            )));
        };
        match self.known.judge(key) {
            Ok(()) => Ok(true),
            Err(distrust) => Err(Trouble::Host(told(&self.host, key, distrust, &self.known))),
        }
    }
}

fn told(host: &str, key: &PublicKey, distrust: Distrust, known: &Known) -> Unconnected {
    let shown = format!("{} {}", key.algorithm(), fingerprint(key));
    match distrust {
        Distrust::Unknown { line } => {
            let looked = match known.looked.as_slice() {
                [] => "no known_hosts file".to_owned(),
                looked => looked.join(" and "),
            };
            Unconnected::refused(
                format!(
                    "the host key of {host} is not known: it shows {shown}, and it is not in {looked}"
                ),
                format!(
                    "compare that fingerprint on the host itself (`ssh-keygen -lf /etc/ssh/ssh_host_{}_key.pub`); if it is the same, put \
                     this line into {}: {line}",
                    kind(key),
                    known.place
                ),
            )
        }
        Distrust::Changed { at } => Unconnected::refused(
            format!(
                "THE HOST KEY OF {host} HAS CHANGED: it shows {shown}, which is not the one of {at}. Somebody may be in between"
            ),
            format!(
                "ask whoever runs {host} whether it was set up anew; only then put in place of {at}: {}",
                known.line(key)
            ),
        ),
        Distrust::Revoked { at } => Unconnected::refused(
            format!("the host key of {host} is revoked: it shows {shown}, and {at} revokes it"),
            format!("give {host} a new host key"),
        ),
        Distrust::Authority { at } => Unconnected::refused(
            format!(
                "of {host} only an authority is known ({at}), and certificates of hosts are not read: it shows {shown}"
            ),
            format!(
                "put its plain host key into {}: {}",
                known.place,
                known.line(key)
            ),
        ),
    }
}

/// As the host's files are named.
fn kind(key: &PublicKey) -> &'static str {
    match key.algorithm() {
        Algorithm::Ecdsa { .. } => "ecdsa",
        Algorithm::Rsa { .. } => "rsa",
        // Foreign; the others are not offered.
        _ => "ed25519",
    }
}

/// An authenticated session.
pub(super) async fn open(
    names: &Names,
    place: &Place,
    known: &Arc<Known>,
    keys: &Keys,
) -> Result<Handle<Checker>, Unconnected> {
    let tcp = dial::tcp(names, &place.host, place.port).await?;
    let checker = Checker {
        known: Arc::clone(known),
        host: place.host.clone(),
    };
    let connecting = client::connect_stream(config(known), tcp, checker);
    let mut handle = match tokio::time::timeout(HANDSHAKE_MAX, connecting).await {
        Ok(Ok(handle)) => handle,
        Ok(Err(Trouble::Host(refusal))) => return Err(refusal),
        Ok(Err(Trouble::Ssh(error))) => return Err(broken_off(place, known, &error)),
        Err(_elapsed) => {
            return Err(Unconnected::failed(format!(
                "no ssh handshake with {} within {HANDSHAKE_MAX:?}",
                place.host
            )));
        }
    };
    match tokio::time::timeout(AUTH_MAX, authenticate(&mut handle, place, keys)).await {
        Ok(Ok(())) => Ok(handle),
        Ok(Err(error)) => Err(error),
        Err(_elapsed) => Err(Unconnected::failed(format!(
            "{} did not say within {AUTH_MAX:?} whether it knows our key",
            place.host
        ))),
    }
}

fn config(known: &Known) -> Arc<Config> {
    let mut preferred = Preferred::DEFAULT;
    let kinds = known.kinds();
    // SHA-1 signatures are not accepted; the order is the library's.
    let is_offered = |kind: &Algorithm| match kind {
        Algorithm::Rsa { hash: None } => false,
        Algorithm::Rsa { hash: Some(_) } => {
            kinds.is_empty() || kinds.contains(&Algorithm::Rsa { hash: None })
        }
        kind => kinds.is_empty() || kinds.contains(kind),
    };
    let key: Vec<Algorithm> = preferred
        .key
        .iter()
        .filter(|k| is_offered(k))
        .cloned()
        .collect();
    preferred.key = Cow::Owned(key);
    Arc::new(Config {
        client_id: SshId::Standard(Cow::Borrowed(concat!(
            "SSH-2.0-lastgood_",
            env!("CARGO_PKG_VERSION")
        ))),
        preferred,
        keepalive_interval: Some(KEEPALIVE),
        keepalive_max: KEEPALIVES_MAX,
        nodelay: true,
        ..Config::default()
    })
}

fn broken_off(place: &Place, known: &Known, error: &russh::Error) -> Unconnected {
    match error {
        russh::Error::NoCommonAlgo {
            kind: AlgorithmKind::Key,
            theirs,
            ..
        } => Unconnected::refused(
            format!(
                "{} shows host keys of the kinds {} alone, and other kinds are known of it ({})",
                place.host,
                theirs.join(", "),
                known.looked.join(" and ")
            ),
            format!(
                "put a line for it into {}, from `ssh-keyscan {}` compared on the host itself",
                known.place, place.host
            ),
        ),
        error => Unconnected::failed(format!(
            "the ssh handshake with {} broke off: {error}",
            place.host
        )),
    }
}

/// What was offered and not taken.
#[derive(Default)]
struct Offered {
    keys: Vec<String>,
    /// What would let the first of them in.
    line: Option<String>,
    needs_more: bool,
}

async fn authenticate(
    handle: &mut Handle<Checker>,
    place: &Place,
    keys: &Keys,
) -> Result<(), Unconnected> {
    let broken = |error: &dyn std::fmt::Display| {
        Unconnected::failed(format!(
            "{} ended the session while our keys were offered: {error}",
            place.host
        ))
    };
    let hash = rsa_hash(handle).await.map_err(|error| broken(&error))?;
    let mut offered = Offered::default();
    let mut left_out = keys.left_out.clone();
    if let Some(path) = &keys.agent {
        match AgentClient::connect_uds(path).await {
            Err(error) => left_out.push(format!("the agent at {} ({error})", path.display())),
            Ok(mut agent) => {
                let held = agent.request_identities().await;
                let held = held.map_err(|error| {
                    Unconnected::failed(format!("the agent at {}: {error}", path.display()))
                })?;
                for identity in held.into_iter().take(OFFERS_MAX) {
                    let AgentIdentity::PublicKey { key, comment: _ } = identity else {
                        continue;
                    };
                    let hash = hash.filter(|_| key.algorithm().is_rsa());
                    let answer = handle
                        .authenticate_publickey_with(&place.user, key.clone(), hash, &mut agent)
                        .await
                        .map_err(|error| broken(&error))?;
                    if taken(&answer, &key, "the agent", &mut offered) {
                        return Ok(());
                    }
                }
            }
        }
    }
    for Key { key, from } in &keys.found {
        if OFFERS_MAX <= offered.keys.len() {
            break;
        }
        let signer = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
        let answer = handle
            .authenticate_publickey(&place.user, signer)
            .await
            .map_err(|error| broken(&error))?;
        if taken(&answer, key.public_key(), from, &mut offered) {
            return Ok(());
        }
    }
    Err(not_let_in(place, &offered, &left_out, keys.next))
}

/// SHA-1 is never used, also when a host knows nothing better: then the offer is refused.
async fn rsa_hash(handle: &Handle<Checker>) -> Result<Option<HashAlg>, russh::Error> {
    let best = handle.best_supported_rsa_hash().await?;
    Ok(best.flatten().or(Some(HashAlg::Sha512)))
}

fn taken(answer: &AuthResult, key: &PublicKey, from: &str, offered: &mut Offered) -> bool {
    match answer {
        AuthResult::Success => true,
        AuthResult::Failure {
            remaining_methods: _,
            partial_success,
        } => {
            let words = format!("{} {} of {from}", key.algorithm(), fingerprint(key));
            offered.keys.push(words);
            offered.line.get_or_insert_with(|| bare(key));
            offered.needs_more |= *partial_success;
            false
        }
    }
}

/// `none`: what to do when there was nothing to offer.
fn not_let_in(place: &Place, offered: &Offered, left_out: &[String], none: &str) -> Unconnected {
    let (user, host) = (&place.user, &place.host);
    let besides = match left_out {
        [] => String::new(),
        left_out => format!("; left out: {}", left_out.join(", ")),
    };
    if offered.needs_more {
        return Unconnected::refused(
            format!("{host} takes the key of {user}, and asks for more than a key{besides}"),
            format!(
                "let {user} in by key alone: `AuthenticationMethods publickey` in that host's sshd_config"
            ),
        );
    }
    match &offered.line {
        None => Unconnected::refused(format!("found no ssh key for {user}@{host}{besides}"), none),
        Some(line) => Unconnected::refused(
            format!(
                "{host} does not let {user} in: offered {}{besides}",
                offered.keys.join(", ")
            ),
            format!("add this line to ~/.ssh/authorized_keys of {user} on {host}: {line}"),
        ),
    }
}
