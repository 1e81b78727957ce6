//! Which version of the API is spoken: the newest that both sides know.

use super::dial::Dial;
use super::error::refused;
use super::{Body, EngineError, send, within};
use crate::targets::TargetError;
use bollard::{API_DEFAULT_VERSION, ClientVersion};
use http::{HeaderValue, Method};
use hyper_util::client::legacy::Client;
use serde_json::Value;
use std::time::Duration;

/// Longest wait for the first answer; handshakes and keys of ssh are in it.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(90);

/// The oldest API that is spoken: that of engine 20.10.
const OLDEST: (usize, usize) = (1, 41);

/// Asks which version the engine speaks. `at`: where it is and who says so. It is asked without naming one: an engine refuses those that it does not know.
pub(super) async fn agree(
    wire: &Client<Dial, Body>,
    agent: &HeaderValue,
    at: &str,
) -> Result<ClientVersion, TargetError> {
    let asking = send(wire, agent, Method::GET, "/version", None, None);
    let answer = match within(FIRST_ANSWER_MAX, asking).await {
        Ok(answer) => answer,
        Err(EngineError::Unreadable { what }) => return Err(no_engine(at, &what)),
        Err(EngineError::Status {
            status: status @ (429 | 502 | 503 | 504),
            message,
        }) => {
            return Err(TargetError::Unreachable {
                what: format!(
                    "{at}: what answers in place of the engine says {message:?} (HTTP {status})"
                ),
            });
        }
        Err(EngineError::Status { status, message }) => {
            return Err(no_engine(
                at,
                &format!("it says {message:?} (HTTP {status})"),
            ));
        }
        Err(error) => return Err(error.reading(at)),
    };
    let said = answer.get("ApiVersion").and_then(Value::as_str);
    let Some(spoken) = said.and_then(parse) else {
        let what = match said {
            Some(said) => format!("it speaks API {said:?}"),
            None => "it names no version of the API".to_owned(),
        };
        return Err(no_engine(at, &what));
    };
    let ours = (
        API_DEFAULT_VERSION.major_version,
        API_DEFAULT_VERSION.minor_version,
    );
    if spoken < OLDEST {
        let (major, minor) = OLDEST;
        return Err(refused(
            format!(
                "the engine at {at} speaks API {}, expected {major}.{minor} or newer",
                said.unwrap_or_default()
            ),
            "update Docker on that host to 20.10 or newer",
        ));
    }
    let least = answer.get("MinAPIVersion").and_then(Value::as_str);
    if let Some(least) = least.and_then(parse).filter(|least| ours < *least) {
        return Err(refused(
            format!(
                "the engine at {at} speaks API {}.{} or newer, and this version of lastgood up to {API_DEFAULT_VERSION}",
                least.0, least.1
            ),
            "use a newer version of lastgood",
        ));
    }
    let (major_version, minor_version) = spoken.min(ours);
    Ok(ClientVersion {
        major_version,
        minor_version,
    })
}

fn no_engine(at: &str, what: &str) -> TargetError {
    refused(
        format!("what answers at {at} is no Docker engine that can be understood: {what}"),
        "check the address: `docker --host ADDRESS version` must show a server",
    )
}

fn parse(text: &str) -> Option<(usize, usize)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
