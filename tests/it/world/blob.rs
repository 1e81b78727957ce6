//! The blob store that artifacts are downloaded from: an origin of its own that is opened by signed URLs only. It behaves
//! as Azure's does where a client could stumble: it refuses a bearer token, it honours `bytes=a-b` and `bytes=a-` but
//! answers a suffix range with the whole blob (Azure's "Specifying the range header for Blob service operations" lists
//! the first two forms only).

use super::faults::{Fault, Route};
use super::line::Line;
use super::log::{Seen, Server};
use super::reply::{Payload, Reply, send};
use super::spec::Content;
use super::state::{Shared, State};
use super::things::Artifact;
use axum::extract::Request;
use axum::response::Response;
use bytes::Bytes;
use jiff::SignedDuration;
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// GitHub's signed URLs open the blob for one minute.
const URL_VALID: SignedDuration = SignedDuration::from_secs(60);

/// A fresh URL that opens an artifact's blob for a minute. Every one has a signature of its own.
pub fn signed_url(state: &mut State, artifact: u64) -> String {
    let expires = state.now() + URL_VALID;
    let secret = format!("{artifact} {expires} {}", state.next_id());
    let signature = super::digest::hex(&Sha256::digest(secret.as_bytes()));
    state.signed.insert(
        signature.clone(),
        super::state::Signed { artifact, expires },
    );
    let expires = expires
        .strftime("%Y-%m-%dT%H:%M:%SZ")
        .to_string()
        .replace(':', "%3A");
    format!(
        "{}/actions-results/artifact-{artifact}/blob?se={expires}&sig={signature}&sp=r&spr=http&sr=b&sv=2025-11-05",
        state.blob_origin
    )
}

/// Answers one request to the blob store.
pub async fn answer(shared: Arc<Shared>, line: Line, request: Request) -> Response {
    let (parts, _body) = request.into_parts();
    let mut seen = Seen::new(Server::Blob, line.number, &parts, Bytes::new());
    seen.route = Some(Route::Blob);
    let (reply, fault) = decide(&shared, seen);
    send(reply, fault.as_ref(), &line).await
}

fn decide(shared: &Shared, mut seen: Seen) -> (Reply, Option<Fault>) {
    let mut state = shared.state();
    let fault = state.faults.next(Route::Blob);
    let reply = match fault.as_ref().and_then(Reply::of_fault) {
        Some(reply) => reply,
        None => reply(&mut state, &seen, matches!(fault, Some(Fault::IgnoreRange))),
    };
    seen.status = reply.status;
    let doubled = seen.doubled();
    state.violations.extend(doubled);
    state.log.push(seen);
    (reply, fault)
}

fn reply(state: &mut State, seen: &Seen, ignore_range: bool) -> Reply {
    if seen.header("authorization").is_some() {
        let what = format!(
            "the blob store was sent an Authorization header: {} {}",
            seen.method, seen.path
        );
        state.violations.push(what);
        return refusal(
            400,
            "InvalidAuthenticationInfo",
            "Authentication information is not given in the correct format.",
        );
    }
    if seen.method != "GET" && seen.method != "HEAD" {
        return refusal(
            405,
            "UnsupportedHttpVerb",
            "The resource doesn't support the specified Http Verb.",
        );
    }
    let Some(signed) = seen
        .query
        .get("sig")
        .and_then(|signature| state.signed.get(signature))
    else {
        return refusal(
            403,
            "AuthenticationFailed",
            "Server failed to authenticate the request. Signature did not match.",
        );
    };
    if signed.expires < state.now() {
        return refusal(403, "AuthenticationFailed", "Uri expired");
    }
    match state.artifact(signed.artifact) {
        Some(artifact) if !artifact.spec.expired => blob(artifact, seen, ignore_range),
        _gone => refusal(404, "BlobNotFound", "The specified blob does not exist."),
    }
}

fn refusal(status: u16, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    Reply::new(status, "application/xml", body).with("x-ms-error-code", code)
}

/// The blob, or the stretch of it that was asked for.
pub fn blob(artifact: &Artifact, seen: &Seen, ignore_range: bool) -> Reply {
    let size = match &artifact.spec.content {
        Content::Bytes(bytes) => bytes.len() as u64,
        Content::File(_) => artifact.size,
    };
    let unchanged = seen
        .header("if-range")
        .is_none_or(|wanted| wanted == artifact.etag);
    let wanted = seen.header("range").filter(|_| unchanged && !ignore_range);
    let range = match wanted.and_then(|range| stretch(range, size)) {
        None => None,
        Some(Ok(range)) => Some(range),
        Some(Err(())) => {
            let reply = refusal(
                416,
                "InvalidRange",
                "The range specified is invalid for the current size of the resource.",
            );
            return reply.with("content-range", format!("bytes */{size}"));
        }
    };
    let (start, length) = range.unwrap_or((0, size));
    let payload = match &artifact.spec.content {
        Content::Bytes(bytes) => {
            let at = |place: u64| usize::try_from(place).expect("a blob in memory is small");
            Payload::Bytes(bytes.slice(at(start)..at(start + length)))
        }
        Content::File(path) => Payload::File {
            path: path.clone(),
            start,
            length,
        },
    };
    let name = if artifact.spec.content_type == "application/zip" {
        format!("{}.zip", artifact.spec.name)
    } else {
        artifact.spec.name.clone()
    };
    let mut reply = Reply::new(200, &artifact.spec.content_type, "")
        .with(
            "content-disposition",
            format!("attachment; filename=\"{name}\""),
        )
        .with("accept-ranges", "bytes")
        .with("etag", artifact.etag.clone())
        .with("x-ms-blob-type", "BlockBlob");
    if range.is_some() {
        reply.status = 206;
        reply = reply.with(
            "content-range",
            format!("bytes {start}-{}/{size}", start + length - 1),
        );
    }
    reply.payload = payload;
    reply
}

/// Start and length of a range; `None` for what the store ignores, an error for one outside the blob.
fn stretch(range: &str, size: u64) -> Option<Result<(u64, u64), ()>> {
    let (start, end) = range.strip_prefix("bytes=")?.split_once('-')?;
    let start: u64 = start.parse().ok()?;
    let last = if end.is_empty() {
        u64::MAX
    } else {
        end.parse().ok()?
    };
    if last < start {
        return None;
    }
    Some(if start < size {
        Ok((start, last.min(size - 1) - start + 1))
    } else {
        Err(())
    })
}
