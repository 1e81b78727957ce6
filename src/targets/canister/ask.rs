//! A query of a canister as a probe: asked with verified signatures, and classed. What counts against the release and what
//! says that the probe is wrong is told in `docs/verdict.md`.

use super::call::CallError;
use super::certified::{self, Section};
use super::interface::short;
use super::reader::{self, Prepared};
use super::reply;
use super::site::Site;
use crate::model::body::BodyMatch;
use crate::model::probe::{Answer, Ask, Class, Question};
use crate::net;
use crate::targets::TargetError;
use candid::Principal;
use ic_agent::agent::{RejectCode, RejectResponse};
use ic_agent::agent_error::TransportError;
use ic_agent::{Agent, AgentError};
use std::sync::Arc;

/// The custom section of a module that holds its interface.
const INTERFACE: &str = "candid:service";

/// Looks whether the canister answers this question, by the interface it publishes, and makes what asks it.
///
/// # Errors
/// `Refused` when it cannot be asked as it stands, `Unreachable` when the interface could not be read.
pub(super) async fn open(site: &Site<'_>, question: &Question) -> Result<Ask, TargetError> {
    let slot = site.slot;
    let section = certified::metadata(site.network, site.id, INTERFACE).await;
    let interface = match section.map_err(|error| no_interface(&error, site))? {
        Section::Text(text) => Some(text),
        // What we may not read is not published to us.
        Section::Absent | Section::Private => None,
    };
    let prepared = reader::prepare(interface, question)
        .await
        .map_err(|refusal| TargetError::Refused {
            what: format!("cannot ask {slot}: {}", refusal.what),
            allow: None,
            next: refusal.next,
        })?;
    let agent = site.network.for_probes();
    let asker = Arc::new(Asker {
        agent: agent.map_err(|error| no_interface(&error, site))?,
        canister: site.id,
        method: question.method.clone(),
        expect: question.expect.clone(),
        prepared,
    });
    Ok(Ask::new(move || {
        let asker = Arc::clone(&asker);
        Box::pin(async move { asker.ask().await })
    }))
}

fn no_interface(error: &CallError, site: &Site<'_>) -> TargetError {
    let what = format!(
        "the Candid interface of {} could not be read: {error}",
        site.slot
    );
    let refused = |next: &str| TargetError::Refused {
        what: what.clone(),
        allow: None,
        next: next.to_owned(),
    };
    match error {
        CallError::Rejected { .. } | CallError::Unreachable(_) | CallError::Unknown { .. } => {
            TargetError::Unreachable { what }
        }
        CallError::Untrusted(_) => refused("check `network` and `root-key` of the target"),
        CallError::Unreadable(_) => refused("look at the metadata candid:service of the module"),
    }
}

#[derive(Debug)]
struct Asker {
    agent: Agent,
    canister: Principal,
    method: String,
    expect: Option<BodyMatch>,
    prepared: Prepared,
}

impl Asker {
    async fn ask(&self) -> Answer {
        let asked = self
            .agent
            .query(&self.canister, self.method.as_str())
            .with_arg(self.prepared.arguments.clone())
            // Else a boundary node may answer from what it answered before.
            .with_nonce_generation()
            .call_with_verification()
            .await;
        match asked {
            Ok(reply) => Answer {
                answered: true,
                class: self.replied(reply).await,
            },
            Err(error) => failed(&error, self.prepared.inferred),
        }
    }

    async fn replied(&self, reply: Vec<u8>) -> Class {
        if reply::BYTES_MAX < reply.len() {
            let why = "the reply is larger than 2 MiB: ask for less".to_owned();
            return Class::Config { why };
        }
        // Without an interface nothing says what a reply should be.
        if self.expect.is_none() && self.prepared.inferred {
            return Class::Ok;
        }
        match self.prepared.reader.line(reply).await {
            Ok(line)
                if self
                    .expect
                    .as_ref()
                    .is_none_or(|expected| expected.holds(line.as_bytes())) =>
            {
                Class::Ok
            }
            Ok(_) => Class::Fail {
                why: "reply does not match".to_owned(),
            },
            Err(why) => Class::Fail { why },
        }
    }
}

/// What no reply counts as.
fn failed(error: &AgentError, inferred: bool) -> Answer {
    let (answered, class) = match error {
        AgentError::CertifiedReject { reject, .. }
        | AgentError::UncertifiedReject { reject, .. } => (true, rejected(reject, inferred)),
        AgentError::HttpError(answer) => {
            let why = format!("HTTP {}", answer.status);
            let class = match answer.status {
                // What a boundary node answers itself: the request is wrong (no such canister, a clock that is off),
                // or comes too often. No canister can make it say so.
                400 | 401 | 403 | 404 | 407 | 413 | 429 => Class::Config { why },
                _ => Class::Fail { why },
            };
            (true, class)
        }
        AgentError::SigningError(_) => (
            false,
            Class::Config {
                why: "the query could not be signed".to_owned(),
            },
        ),
        other => (
            false,
            Class::Fail {
                why: trouble(other),
            },
        ),
    };
    Answer { answered, class }
}

fn rejected(reject: &RejectResponse, inferred: bool) -> Class {
    let code = match &reject.error_code {
        Some(code) => short(code),
        None => format!("reject code {}", reject.reject_code as u8),
    };
    let words = message(&reject.reject_message);
    let why = if words.is_empty() {
        code.clone()
    } else {
        format!("{code}: {words}")
    };
    let is_wrong = match reject.error_code.as_deref() {
        // No such canister, no such query method.
        Some("IC0301" | "IC0536") => true,
        // It could not read what was guessed for it. By its own interface it must.
        Some("IC0502" | "IC0503" | "IC0504") if inferred => {
            is_about_arguments(&reject.reject_message)
        }
        Some(_) => false,
        None => reject.reject_code == RejectCode::DestinationInvalid,
    };
    match (is_wrong, inferred) {
        (true, true) => Class::Config {
            why: format!("{why} (the canister publishes no interface to check against)"),
        },
        (true, false) => Class::Config { why },
        (false, _) => Class::Fail { why },
    }
}

/// The words of the Rust and Motoko libraries for arguments of other types.
fn is_about_arguments(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "failed to decode call arguments",
        "fail to decode argument",
        "failed to decode argument",
        "idl error",
    ]
    .iter()
    .any(|words| message.contains(words))
}

/// The first line, without the id of the canister that everybody knows: reports count equal texts.
fn message(text: &str) -> String {
    let words = short(text);
    match words
        .strip_prefix("Error from Canister ")
        .and_then(|rest| rest.split_once(": "))
    {
        Some((_, rest)) => rest.trim().to_owned(),
        None => words.trim().to_owned(),
    }
}

/// In words, without addresses.
fn trouble(error: &AgentError) -> String {
    match error {
        AgentError::TransportError(TransportError::Reqwest(error)) => {
            format!("no answer: {}", short(&net::trouble(error).1))
        }
        AgentError::TimeoutWaitingForResponse() => "no answer: timed out".to_owned(),
        AgentError::CertificateVerificationFailed()
        | AgentError::CertificateNotAuthorized()
        | AgentError::CertificateHasTooManyDelegations
        | AgentError::DerKeyLengthMismatch { .. }
        | AgentError::DerPrefixMismatch { .. } => {
            "the answer's certificate does not prove it (is it the right network and root key?)"
                .to_owned()
        }
        AgentError::CertificateOutdated(_) => {
            "the answer is too old (is the clock of this machine right?)".to_owned()
        }
        AgentError::QuerySignatureVerificationFailed
        | AgentError::MissingSignature
        | AgentError::MalformedSignature
        | AgentError::MalformedPublicKey
        | AgentError::TooManySignatures { .. } => {
            "the answer's signature does not prove it".to_owned()
        }
        AgentError::InvalidCborData(_) | AgentError::InvalidHttpResponse(_) => {
            "the answer is not that of a replica".to_owned()
        }
        AgentError::ResponseSizeExceededLimit() => "the answer is too large".to_owned(),
        AgentError::HttpError(answer) => format!("HTTP {}", answer.status),
        other => short(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ic_agent::agent_error::HttpErrorPayload;

    fn reject(code: Option<&str>, kind: RejectCode, message: &str) -> AgentError {
        AgentError::UncertifiedReject {
            reject: RejectResponse {
                reject_code: kind,
                reject_message: message.to_owned(),
                error_code: code.map(str::to_owned),
            },
            operation: None,
        }
    }

    #[track_caller]
    fn check(error: &AgentError, inferred: bool, answered: bool, expected: &str) {
        let answer = failed(error, inferred);
        let class = match answer.class {
            Class::Ok => "ok".to_owned(),
            Class::Fail { why } => format!("fail: {why}"),
            Class::Config { why } => format!("config: {why}"),
        };
        assert_eq!((class.as_str(), answer.answered), (expected, answered));
    }

    #[test]
    fn a_reject_counts_against_the_release_unless_the_question_is_wrong() {
        let trap = "Error from Canister rrkah-fqaaa-aaaaa-aaaaq-cai: Canister called `ic0.trap` with message: 'oops'.\nConsider";
        let canister = RejectCode::CanisterError;
        for code in ["IC0502", "IC0503", "IC0522", "IC0207", "IC0537", "IC9999"] {
            let error = reject(Some(code), canister, trap);
            let expected =
                format!("fail: {code}: Canister called `ic0.trap` with message: 'oops'.");
            check(&error, false, true, &expected);
        }
        for code in ["IC0508", "IC0509"] {
            let error = reject(Some(code), canister, "Canister is stopped");
            check(
                &error,
                false,
                true,
                &format!("fail: {code}: Canister is stopped"),
            );
        }
        for code in ["IC0301", "IC0536"] {
            let error = reject(Some(code), RejectCode::DestinationInvalid, "not found");
            check(&error, false, true, &format!("config: {code}: not found"));
        }
        let error = reject(None, RejectCode::DestinationInvalid, "");
        check(&error, false, true, "config: reject code 3");
        let error = reject(None, RejectCode::CanisterReject, "no\u{1b}[31m");
        check(&error, false, true, "fail: reject code 4: no[31m");
        let long = "x".repeat(10_000);
        let expected = format!("fail: IC0503: {}", "x".repeat(160));
        check(
            &reject(Some("IC0503"), canister, &long),
            false,
            true,
            &expected,
        );
    }

    /// Also without `expect`: a canister that answers garbage is not well.
    #[tokio::test]
    async fn a_reply_is_what_the_interface_says() {
        let question = Question {
            method: "count".to_owned(),
            arguments: "()".to_owned(),
            expect: None,
        };
        let asker = async |interface: Option<&str>| {
            let prepared = reader::prepare(interface.map(str::to_owned), &question);
            let agent = Agent::builder().with_url("http://127.0.0.1:1").build();
            Asker {
                agent: agent.unwrap(),
                canister: Principal::anonymous(),
                method: question.method.clone(),
                expect: None,
                prepared: prepared.await.unwrap(),
            }
        };
        let typed = asker(Some("service : { count : () -> (nat) query }")).await;
        let good = candid::encode_one(candid::Nat::from(3_u8)).unwrap();
        assert!(matches!(typed.replied(good).await, Class::Ok));
        assert!(matches!(
            typed.replied(b"garbled".to_vec()).await,
            Class::Fail { .. }
        ));
        let large = vec![0; reply::BYTES_MAX + 1];
        assert!(matches!(
            typed.replied(large.clone()).await,
            Class::Config { .. }
        ));
        let untyped = asker(None).await;
        assert!(matches!(
            untyped.replied(b"garbled".to_vec()).await,
            Class::Ok
        ));
        assert!(matches!(untyped.replied(large).await, Class::Config { .. }));
    }

    #[test]
    fn arguments_that_were_guessed_may_be_wrong() {
        for message in [
            "trapped explicitly: failed to decode call arguments: Custom(..)",
            "IDL error: unexpected IDL type when parsing Nat",
        ] {
            let error = reject(Some("IC0503"), RejectCode::CanisterError, message);
            check(&error, false, true, &format!("fail: IC0503: {message}"));
            check(
                &error,
                true,
                true,
                &format!(
                    "config: IC0503: {message} (the canister publishes no interface to check against)"
                ),
            );
        }
    }

    #[test]
    fn a_boundary_node_that_refuses_says_nothing_of_the_release() {
        let http = |status| {
            AgentError::HttpError(HttpErrorPayload {
                status,
                content_type: None,
                content: Vec::new(),
            })
        };
        for status in [400, 401, 403, 404, 407, 413, 429] {
            check(
                &http(status),
                false,
                true,
                &format!("config: HTTP {status}"),
            );
        }
        for status in [418, 500, 502, 503] {
            check(&http(status), false, true, &format!("fail: HTTP {status}"));
        }
    }

    #[test]
    fn what_proves_nothing_is_no_answer() {
        check(
            &AgentError::QuerySignatureVerificationFailed,
            false,
            false,
            "fail: the answer's signature does not prove it",
        );
        check(
            &AgentError::CertificateVerificationFailed(),
            false,
            false,
            "fail: the answer's certificate does not prove it (is it the right network and root key?)",
        );
        check(
            &AgentError::TimeoutWaitingForResponse(),
            false,
            false,
            "fail: no answer: timed out",
        );
    }
}
