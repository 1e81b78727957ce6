//! One request to the network, and what it came to, told apart where a caller acts differently. Which request is made, and
//! what an answer means for a rollback, is not known here.

use super::certified;
use super::network::Network;
use crate::model::payload::Digest;
use crate::net::{self, Trouble};
use candid::{CandidType, Principal};
use ic_agent::agent::agent_error::TransportError;
use ic_agent::agent::{CallResponse, RejectResponse, RequestStatusResponse};
use ic_agent::{AgentError, RequestId};
use serde::de::DeserializeOwned;
use std::time::Duration;
use tokio::time::timeout;

/// Longest wait for an answer that changes nothing.
pub(super) const READ_MAX: Duration = Duration::from_secs(30);

/// What the network says no with. Codes are those of the execution environment (`IC0503`), which its documentation calls
/// subject to change: they may be missing or new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reject {
    /// `IC0503`, when there is one.
    pub(super) code: Option<String>,
    /// 1 to 6, as the interface specification numbers them (`CanisterError` is 5).
    pub(super) class: u8,
    pub(super) message: String,
}

impl Reject {
    pub(super) fn is(&self, code: &str) -> bool {
        self.code.as_deref() == Some(code)
    }
}

impl From<RejectResponse> for Reject {
    fn from(reject: RejectResponse) -> Self {
        Self {
            code: reject.error_code,
            class: reject.reject_code as u8,
            message: reject.reject_message,
        }
    }
}

/// A change that was submitted and whose answer was lost: enough to find out what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Submitted {
    pub(super) request: RequestId,
    /// Nanoseconds since 1970 by the network's clock: from then on it can no longer begin.
    pub(super) expires_ns: u64,
}

/// Why a request did not come to a reply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum CallError {
    /// The network refused it. Certified or not: a refused change changed nothing.
    #[error("{}: {}", .reject.code.as_deref().unwrap_or("rejected"), .reject.message)]
    Rejected {
        /// Whether the subnet signed it; an answer of a single node may differ from another node's.
        certified: bool,
        reject: Reject,
    },
    /// It was not accepted by anybody: nothing was changed.
    #[error("{0}")]
    Unreachable(String),
    /// It was submitted, and nobody knows what became of it: never send it again.
    #[error("{why}")]
    Unknown { why: String, submitted: Submitted },
    /// The answer is not signed by the network that the settings name.
    #[error("{0}")]
    Untrusted(String),
    /// The answer cannot be read.
    #[error("{0}")]
    Unreadable(String),
}

impl CallError {
    /// The rejection, when it is one.
    pub(super) const fn reject(&self) -> Option<&Reject> {
        match self {
            Self::Rejected {
                certified: _,
                reject,
            } => Some(reject),
            Self::Unreachable(_)
            | Self::Unknown { .. }
            | Self::Untrusted(_)
            | Self::Unreadable(_) => None,
        }
    }
}

/// The method of the management canister and whom it is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Method<'a> {
    pub(super) name: &'a str,
    pub(super) about: Principal,
}

/// Asks the management canister to do something, and waits for the certified answer, at most `wait`.
pub(super) async fn change<A: CandidType, R: DeserializeOwned + CandidType>(
    network: &Network,
    method: Method<'_>,
    argument: A,
    wait: Duration,
) -> Result<R, CallError> {
    let argument = candid::encode_one(argument)
        .map_err(|error| CallError::Unreadable(format!("{}: {error}", method.name)))?;
    let bytes = submit(network, method, argument, wait).await?;
    decode(method.name, &bytes)
}

/// The same for a method that changes nothing: an answer that was lost is one that did not come.
pub(super) async fn look<A: CandidType, R: DeserializeOwned + CandidType>(
    network: &Network,
    method: Method<'_>,
    argument: A,
    wait: Duration,
) -> Result<R, CallError> {
    let answer = change(network, method, argument, wait).await;
    answer.map_err(|error| match error {
        CallError::Unknown { why, submitted: _ } => CallError::Unreachable(why),
        other => other,
    })
}

/// The same for a method that replies with nothing.
pub(super) async fn command<A: CandidType>(
    network: &Network,
    method: Method<'_>,
    argument: A,
    wait: Duration,
) -> Result<(), CallError> {
    let argument = candid::encode_one(argument)
        .map_err(|error| CallError::Unreadable(format!("{}: {error}", method.name)))?;
    submit(network, method, argument, wait).await.map(drop)
}

/// Asks the management canister as a query: one node answers, and signs for itself alone.
pub(super) async fn ask<A: CandidType, R: DeserializeOwned + CandidType>(
    network: &Network,
    method: Method<'_>,
    argument: A,
) -> Result<R, CallError> {
    let argument = candid::encode_one(argument)
        .map_err(|error| CallError::Unreadable(format!("{}: {error}", method.name)))?;
    let bytes = query(
        network,
        Principal::management_canister(),
        method.about,
        method.name,
        argument,
    )
    .await?;
    decode(method.name, &bytes)
}

/// A query to a canister, its signature verified.
pub(super) async fn query(
    network: &Network,
    canister: Principal,
    effective: Principal,
    method: &str,
    argument: Vec<u8>,
) -> Result<Vec<u8>, CallError> {
    let asking = network
        .agent
        .query(&canister, method)
        .with_effective_canister_id(effective)
        .with_arg(argument)
        .call();
    read(asking).await
}

/// Any request that changes nothing, bounded in time.
pub(super) async fn read<T>(
    asking: impl Future<Output = Result<T, AgentError>>,
) -> Result<T, CallError> {
    match timeout(READ_MAX, asking).await {
        Ok(answer) => answer.map_err(|error| not_sent(&error)),
        Err(_elapsed) => Err(CallError::Unreachable(format!(
            "no answer within {} s",
            READ_MAX.as_secs()
        ))),
    }
}

fn decode<R: DeserializeOwned + CandidType>(method: &str, bytes: &[u8]) -> Result<R, CallError> {
    candid::decode_one(bytes)
        .map_err(|error| CallError::Unreadable(format!("the reply of {method}: {error}")))
}

async fn submit(
    network: &Network,
    method: Method<'_>,
    argument: Vec<u8>,
    wait: Duration,
) -> Result<Vec<u8>, CallError> {
    let management = Principal::management_canister();
    let signed = network
        .agent
        .update(&management, method.name)
        .with_effective_canister_id(method.about)
        .with_arg(argument)
        .sign()
        .map_err(|error| not_sent(&error))?;
    let submitted = Submitted {
        request: signed.request_id,
        expires_ns: signed.ingress_expiry,
    };
    let unknown = &|why: String| CallError::Unknown {
        why: format!("{}: {why}", method.name),
        submitted: submitted.clone(),
    };
    let calling = async {
        let sending = network
            .agent
            .update_signed(method.about, signed.signed_update);
        let answer = sending
            .await
            .map_err(|error| may_have_arrived(&error, unknown))?;
        match answer {
            CallResponse::Response(reply) => Ok(reply),
            CallResponse::Poll(request) => {
                let answer = network.agent.wait(&request, method.about).await;
                let (reply, _certificate) = answer.map_err(|error| accepted(&error, unknown))?;
                Ok(reply)
            }
        }
    };
    match timeout(wait, calling).await {
        Ok(answer) => answer,
        Err(_elapsed) => Err(unknown(format!("no answer within {} s", wait.as_secs()))),
    }
}

/// What the network knows of a change whose answer was lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    /// Nothing: it never arrived, has not been taken up yet, or was forgotten since.
    Unheard,
    /// It was taken up and is not done.
    UnderWay,
    Replied(Vec<u8>),
    /// It changed nothing.
    Rejected(Reject),
    /// It is over, and what it came to was forgotten since.
    Forgotten,
}

/// What became of a change whose answer was lost, and when the network said so by its own clock, in nanoseconds since 1970.
pub(super) async fn outcome(
    network: &Network,
    about: Principal,
    submitted: &Submitted,
) -> Result<(Fate, u64), CallError> {
    let asking = network.agent.request_status_raw(&submitted.request, about);
    let (status, certificate) = read(asking).await?;
    let fate = match status {
        RequestStatusResponse::Unknown => Fate::Unheard,
        RequestStatusResponse::Received | RequestStatusResponse::Processing => Fate::UnderWay,
        RequestStatusResponse::Replied(reply) => Fate::Replied(reply.arg),
        RequestStatusResponse::Rejected(reject) => Fate::Rejected(reject.into()),
        RequestStatusResponse::Done => Fate::Forgotten,
    };
    Ok((fate, certified::time(&certificate)?))
}

/// The error of asking for the answer of a change that was accepted: only what the network certifies says what became of it.
fn accepted(error: &AgentError, unknown: impl Fn(String) -> CallError) -> CallError {
    match error {
        AgentError::CertifiedReject { .. } => not_sent(error),
        _ => unknown(words(error)),
    }
}

/// The error of a change: where it may have been accepted, it says so.
fn may_have_arrived(error: &AgentError, unknown: impl Fn(String) -> CallError) -> CallError {
    match error {
        AgentError::TransportError(TransportError::Reqwest(reqwest)) if reqwest.is_connect() => {
            not_sent(error)
        }
        AgentError::CertifiedReject { .. }
        | AgentError::UncertifiedReject { .. }
        | AgentError::SigningError(_) => not_sent(error),
        // A gateway that gives up has passed it on, perhaps; with another status it was turned away at the door.
        AgentError::HttpError(payload) if !matches!(payload.status, 408 | 500 | 502 | 504) => {
            not_sent(error)
        }
        // An answer that was cut off, or cannot be read or trusted, says nothing of what was done.
        _ => unknown(words(error)),
    }
}

/// The error of a request that changes nothing, or that was not accepted.
fn not_sent(error: &AgentError) -> CallError {
    match error {
        AgentError::CertifiedReject {
            reject,
            operation: _,
        } => CallError::Rejected {
            certified: true,
            reject: reject.clone().into(),
        },
        AgentError::UncertifiedReject {
            reject,
            operation: _,
        } => CallError::Rejected {
            certified: false,
            reject: reject.clone().into(),
        },
        AgentError::CertificateVerificationFailed()
        | AgentError::CertificateNotAuthorized()
        | AgentError::CertificateOutdated(_)
        | AgentError::CertificateHasTooManyDelegations
        | AgentError::QuerySignatureVerificationFailed
        | AgentError::MissingSignature
        | AgentError::MalformedSignature
        | AgentError::MalformedPublicKey
        | AgentError::TooManySignatures { .. }
        | AgentError::DerKeyLengthMismatch { .. }
        | AgentError::DerPrefixMismatch { .. } => CallError::Untrusted(words(error)),
        AgentError::TransportError(_)
        | AgentError::HttpError(_)
        | AgentError::TimeoutWaitingForResponse() => CallError::Unreachable(words(error)),
        _ => CallError::Unreadable(words(error)),
    }
}

/// What went wrong, without a URL and bounded in length.
fn words(error: &AgentError) -> String {
    const CHARS_MAX: usize = 300;
    let text = match error {
        AgentError::TransportError(TransportError::Reqwest(reqwest)) => {
            match net::trouble(reqwest) {
                (Trouble::Certificate, text) => {
                    format!("the certificate of the address is not trusted: {text}")
                }
                (Trouble::Name, _) => "the host name was not found".to_owned(),
                (Trouble::Other, text) => text,
            }
        }
        AgentError::TransportError(TransportError::Generic(_)) => {
            "the answer was cut off".to_owned()
        }
        AgentError::HttpError(payload) => {
            let text = String::from_utf8_lossy(&payload.content);
            let line = text.lines().next().unwrap_or_default();
            format!("HTTP {} {line}", payload.status).trim().to_owned()
        }
        AgentError::CertificateVerificationFailed() => {
            "the answer is not signed with the root key of this network".to_owned()
        }
        AgentError::CertificateOutdated(_) => {
            "the answer is too old; the clock of this machine may be wrong".to_owned()
        }
        other => other.to_string(),
    };
    text.chars().take(CHARS_MAX).collect()
}

/// The sha256 that a network tells as bytes.
pub(super) fn digest(bytes: &[u8]) -> Result<Digest, CallError> {
    let bytes: [u8; 32] = bytes.try_into().map_err(|_length| {
        CallError::Unreadable(format!(
            "found a module hash of {} bytes, expected 32",
            bytes.len()
        ))
    })?;
    Ok(Digest::from_bytes(bytes))
}
