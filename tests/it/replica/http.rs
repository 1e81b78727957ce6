//! The HTTP side: connections, routes, and what becomes of one request. A request that meets a fault may end without an
//! answer; then its connection is closed.

use super::certify::{Flaw, cbor, time_of};
use super::envelope::{self, Checked};
use super::faults::Fault;
use super::management::{self, Effect, Message};
use super::reject::Reject;
use super::state::{Called, Kind, Request as Known, Shared, now};
use super::tree::Path;
use bytes::Bytes;
use candid::Principal;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use ic_transport_types::{
    EnvelopeContent, QueryResponse, RejectCode, RejectResponse, ReplyResponse, RequestId,
};
use serde::Serialize;
use std::fmt;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};

/// The largest ingress message of an application subnet; `install_code` with more is refused with 413.
const MESSAGE_BYTES_MAX: usize = 2 << 20;
/// More is not even read.
const BODY_BYTES_MAX: usize = 8 << 20;

type Answer = Response<Full<Bytes>>;

/// The connection ends without an answer.
#[derive(Debug)]
pub struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the connection is cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// Serves until its task ends.
pub async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, Arc::clone(&shared)));
    }
}

async fn connection(stream: TcpStream, shared: Arc<Shared>) {
    // A client that goes away, and a cut on purpose: neither is an error of the double.
    drop(stream.set_nodelay(true));
    let service = hyper::service::service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(shared, request).await }
    });
    let served =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    drop(served.await);
}

/// What a URL asks for.
struct Route {
    version: u32,
    /// The effective canister id, or the subnet of a `subnet/…` URL.
    id: Principal,
    is_subnet: bool,
    verb: String,
}

fn route(path: &str) -> Option<Route> {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let ["api", version, scope, id, verb] = parts.as_slice() else {
        return None;
    };
    Some(Route {
        version: version.strip_prefix('v')?.parse().ok()?,
        is_subnet: match *scope {
            "canister" => false,
            "subnet" => true,
            _ => return None,
        },
        id: Principal::from_text(id).ok()?,
        verb: (*verb).to_owned(),
    })
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let path = request.uri().path().to_owned();
    if request.method() == Method::GET && path == "/api/v2/status" {
        return status(&shared).await;
    }
    let Some(route) = route(&path) else {
        return Ok(plain(
            StatusCode::NOT_FOUND,
            format!("no such path: {path}"),
        ));
    };
    if request.method() != Method::POST {
        return Ok(plain(StatusCode::METHOD_NOT_ALLOWED, "POST is expected"));
    }
    let body = match Limited::new(request.into_body(), BODY_BYTES_MAX)
        .collect()
        .await
    {
        Ok(body) => body.to_bytes(),
        Err(error) => return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, error.to_string())),
    };
    let checked = match envelope::check(&body, now()) {
        Ok(checked) => checked,
        Err(why) => return Ok(plain(StatusCode::BAD_REQUEST, why)),
    };
    let size = body.len();
    match (&checked.content, route.verb.as_str()) {
        (EnvelopeContent::Call { .. }, "call") if (2..=4).contains(&route.version) => {
            if size > MESSAGE_BYTES_MAX {
                let text = format!(
                    "Request {} is too large. Message byte size {size} is larger than the max allowed {MESSAGE_BYTES_MAX}.",
                    checked.id
                );
                return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, text));
            }
            call(&shared, &route, &checked).await
        }
        (EnvelopeContent::Query { .. }, "query") if (2..=3).contains(&route.version) => {
            query(&shared, &route, &checked).await
        }
        (EnvelopeContent::ReadState { .. }, "read_state") if (2..=3).contains(&route.version) => {
            read_state(&shared, &route, &checked).await
        }
        (_, verb) => {
            let text = format!(
                "this kind of request is not for {verb} of version {}",
                route.version
            );
            Ok(plain(StatusCode::BAD_REQUEST, text))
        }
    }
}

async fn status(shared: &Shared) -> Result<Answer, Cut> {
    #[derive(Serialize)]
    struct Status {
        root_key: serde_bytes::ByteBuf,
        replica_health_status: &'static str,
        impl_version: &'static str,
        certified_height: u64,
    }
    let fault = shared.world().faults.take("status", None);
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let status = Status {
        root_key: serde_bytes::ByteBuf::from(shared.keys.root_key()),
        replica_health_status: "healthy",
        impl_version: "double",
        certified_height: 1,
    };
    after(fault.as_ref()).await?;
    Ok(encoded(&status))
}

/// What a fault does before the effect: a pause, the end, or an answer without effect.
async fn before(fault: Option<&Fault>) -> Result<Option<Answer>, Cut> {
    match fault {
        Some(Fault::Delay(time)) => tokio::time::sleep(*time).await,
        Some(Fault::DropBefore) => return Err(Cut),
        Some(Fault::Hang) => std::future::pending().await,
        Some(Fault::Lost) => return Ok(Some(plain(StatusCode::ACCEPTED, ""))),
        Some(Fault::Status(code)) => {
            let code = StatusCode::from_u16(*code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            return Ok(Some(plain(code, format!("told to answer {code}"))));
        }
        _ => {}
    }
    Ok(None)
}

/// What a fault does after the effect.
async fn after(fault: Option<&Fault>) -> Result<Option<Answer>, Cut> {
    match fault {
        Some(Fault::DropAfter) => Err(Cut),
        Some(Fault::DelayAnswer(time)) => {
            tokio::time::sleep(*time).await;
            Ok(None)
        }
        Some(Fault::Garbage) => Ok(Some(plain(StatusCode::OK, "this is not CBOR"))),
        _ => Ok(None),
    }
}

/// Method, target and argument of a call or query, and the canister that it is about.
fn target(checked: &Checked) -> Option<(&str, Principal, &[u8], Option<Principal>)> {
    match &checked.content {
        EnvelopeContent::Call {
            canister_id,
            method_name,
            arg,
            ..
        }
        | EnvelopeContent::Query {
            canister_id,
            method_name,
            arg,
            ..
        } => {
            let is_management = *canister_id == Principal::management_canister();
            let subject = match is_management {
                true => management::subject(method_name, arg),
                false => Some(*canister_id),
            };
            Some((method_name, *canister_id, arg, subject))
        }
        EnvelopeContent::ReadState { .. } => None,
    }
}

/// A request has to be sent to the canister that it is about.
fn effective(route: &Route, subject: Option<Principal>) -> Result<(), Answer> {
    match subject {
        Some(subject) if subject != route.id || route.is_subnet => {
            let text = format!(
                "Specified CanisterId {subject} does not match effective canister id in URL {}",
                route.id
            );
            Err(plain(StatusCode::BAD_REQUEST, text))
        }
        _ => Ok(()),
    }
}

fn log(
    shared: &Shared,
    kind: Kind,
    method: &str,
    canister: Principal,
    sender: Principal,
) -> (usize, Option<Fault>) {
    let mut world = shared.world();
    world.log.push(Called {
        kind,
        method: method.to_owned(),
        canister,
        sender,
        effect: None,
    });
    let fault = world.faults.take(method, Some(canister));
    (world.log.len() - 1, fault)
}

async fn call(shared: &Arc<Shared>, route: &Route, checked: &Checked) -> Result<Answer, Cut> {
    let Some((method, canister, arg, subject)) = target(checked) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "not a call"));
    };
    if let Err(refusal) = effective(route, subject) {
        return Ok(refusal);
    }
    let about = subject.unwrap_or(canister);
    let sender = checked.sender();
    let (logged, fault) = log(shared, Kind::Call, method, about, sender);
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let id = identifier(checked.id);
    let submitted = submit(
        shared,
        id,
        Submission {
            method,
            canister,
            arg,
            about: route.id,
            sender,
            logged,
        },
        fault.as_ref(),
    );
    if let Err(reject) = submitted {
        return Ok(encoded(&uncertified(&reject)));
    }
    if let Some(answer) = after(fault.as_ref()).await? {
        return Ok(answer);
    }
    let asynchronous = route.version == 2 || fault == Some(Fault::Answer202);
    if asynchronous || !shared.ended(id, shared.sync_call_max).await {
        return Ok(plain(StatusCode::ACCEPTED, ""));
    }
    #[derive(Serialize)]
    struct Replied {
        status: &'static str,
        certificate: serde_bytes::ByteBuf,
    }
    let paths = [vec![b"request_status".to_vec(), id.to_vec()]];
    let certificate = certificate(
        shared,
        &paths,
        Some(id),
        sender,
        Fault::flaw(fault.as_ref()),
    );
    Ok(encoded(&Replied {
        status: "replied",
        certificate,
    }))
}

/// A call as it is executed.
struct Submission<'a> {
    method: &'a str,
    canister: Principal,
    arg: &'a [u8],
    /// The effective canister id.
    about: Principal,
    sender: Principal,
    logged: usize,
}

/// Executes a call once, however often it arrives; the error is a refusal at the door.
fn submit(
    shared: &Arc<Shared>,
    id: [u8; 32],
    call: Submission<'_>,
    fault: Option<&Fault>,
) -> Result<(), Reject> {
    let mut world = shared.world();
    if world.requests.contains_key(&id) {
        return Ok(());
    }
    let refused = match fault {
        Some(Fault::Refuse(reject)) => Err(reject.clone()),
        _ if call.canister == Principal::management_canister() => {
            management::admit(&world, call.sender, call.method, call.arg)
        }
        _ => world.canister(call.canister).map(|_| ()),
    };
    if let Err(reject) = refused {
        world.log[call.logged].effect = Some(Err(reject.error.clone()));
        return Err(reject);
    }
    let known = Known {
        sender: call.sender,
        canister: call.about,
        outcome: None,
        logged: call.logged,
    };
    world.requests.insert(id, known);
    let time = now();
    let outcome = match fault {
        Some(Fault::Reject(reject)) => Err(reject.clone()),
        _ if call.canister == Principal::management_canister() => {
            let message = Message {
                sender: call.sender,
                method: call.method,
                arg: call.arg,
                request: id,
                now: time,
            };
            management::call(&mut world, message)
        }
        _ => world
            .canister(call.canister)
            .and_then(|canister| canister.update(call.sender, call.method, call.arg, time))
            .map(Effect::Done),
    };
    match outcome {
        Ok(Effect::Done(reply)) => world.finish(id, Ok(reply)),
        Err(reject) => world.finish(id, Err(reject)),
        Ok(Effect::Pending) => {
            drop(tokio::spawn(time_out(Arc::clone(shared), id)));
        }
    }
    drop(world);
    shared.touch();
    Ok(())
}

/// A stop that takes too long is rejected; the canister goes on stopping.
async fn time_out(shared: Arc<Shared>, id: [u8; 32]) {
    if !shared.ended(id, shared.stop_max).await {
        let timed_out = Reject::new(206, "Stop canister request timed out");
        shared.world().finish(id, Err(timed_out));
        shared.touch();
    }
}

async fn query(shared: &Arc<Shared>, route: &Route, checked: &Checked) -> Result<Answer, Cut> {
    let Some((method, canister, arg, subject)) = target(checked) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "not a query"));
    };
    if let Err(refusal) = effective(route, subject) {
        return Ok(refusal);
    }
    let sender = checked.sender();
    let (logged, fault) = log(
        shared,
        Kind::Query,
        method,
        subject.unwrap_or(canister),
        sender,
    );
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let time = now();
    let result = match &fault {
        Some(Fault::Reject(reject) | Fault::Refuse(reject)) => Err(reject.clone()),
        _ if canister == Principal::management_canister() => {
            let message = Message {
                sender,
                method,
                arg,
                request: identifier(checked.id),
                now: time,
            };
            management::query(&mut shared.world(), message)
        }
        _ => ask(shared, canister, sender, method, arg, time),
    };
    let effect = result
        .as_ref()
        .map(|_| ())
        .map_err(|reject| reject.error.clone());
    shared.world().log[logged].effect = Some(effect);
    let mut response = match result {
        Ok(arg) => QueryResponse::Replied {
            reply: ReplyResponse { arg },
            signatures: Vec::new(),
        },
        Err(reject) => QueryResponse::Rejected {
            reject: wire(&reject),
            signatures: Vec::new(),
        },
    };
    shared.keys.sign_query(
        &mut response,
        checked.id,
        now(),
        Fault::flaw(fault.as_ref()),
    );
    match after(fault.as_ref()).await? {
        Some(answer) => Ok(answer),
        None => Ok(encoded(&response)),
    }
}

/// A query of a canister, by a replica that may lag behind its start.
fn ask(
    shared: &Shared,
    id: Principal,
    sender: Principal,
    method: &str,
    arg: &[u8],
    now: u64,
) -> Result<Vec<u8>, Reject> {
    let mut world = shared.world();
    let lag = world.faults.lag;
    let canister = world.canister(id)?;
    if canister
        .started
        .is_some_and(|started| started.elapsed() < lag)
    {
        let text =
            format!("Canister {id} is stopped and therefore does not have a CallContextManager");
        return Err(Reject::new(508, text));
    }
    canister.query(sender, method, arg, now)
}

async fn read_state(shared: &Arc<Shared>, route: &Route, checked: &Checked) -> Result<Answer, Cut> {
    let EnvelopeContent::ReadState { paths, .. } = &checked.content else {
        return Ok(plain(StatusCode::BAD_REQUEST, "not a read_state"));
    };
    let sender = checked.sender();
    let method = match route.is_subnet {
        true => "subnet_read_state",
        false => "read_state",
    };
    let (logged, fault) = log(shared, Kind::ReadState, method, route.id, sender);
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let bytes = |path: &Vec<ic_certification::Label>| -> Path {
        path.iter().map(|part| part.as_bytes().to_vec()).collect()
    };
    let paths: Vec<Path> = paths.iter().map(bytes).collect();
    let request = match super::access::check(shared, route.id, route.is_subnet, sender, &paths) {
        Ok(request) => request,
        Err((code, text)) => return Ok(plain(code, text)),
    };
    shared.world().log[logged].effect = Some(Ok(()));
    let certificate = certificate(shared, &paths, request, sender, Fault::flaw(fault.as_ref()));
    #[derive(Serialize)]
    struct State {
        certificate: serde_bytes::ByteBuf,
    }
    match after(fault.as_ref()).await? {
        Some(answer) => Ok(answer),
        None => Ok(encoded(&State { certificate })),
    }
}

/// The time is in every certificate.
fn certificate(
    shared: &Shared,
    paths: &[Path],
    request: Option<[u8; 32]>,
    reader: Principal,
    flaw: Flaw,
) -> serde_bytes::ByteBuf {
    let mut paths = paths.to_vec();
    paths.push(vec![b"time".to_vec()]);
    let state = shared
        .world()
        .tree(&shared.keys, time_of(flaw, now()), request, reader);
    serde_bytes::ByteBuf::from(shared.keys.certificate(&state, &paths, flaw))
}

fn identifier(id: RequestId) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(id.as_slice());
    bytes
}

fn wire(reject: &Reject) -> RejectResponse {
    RejectResponse {
        reject_code: RejectCode::try_from(u64::from(reject.code)).unwrap_or(RejectCode::SysFatal),
        reject_message: reject.message.clone(),
        error_code: Some(reject.error.clone()),
    }
}

#[derive(Serialize)]
struct Uncertified {
    status: &'static str,
    reject_code: u8,
    reject_message: String,
    error_code: String,
}

fn uncertified(reject: &Reject) -> Uncertified {
    Uncertified {
        status: "non_replicated_rejection",
        reject_code: reject.code,
        reject_message: reject.message.clone(),
        error_code: reject.error.clone(),
    }
}

fn encoded<T: Serialize>(value: &T) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(cbor(value))));
    let kind = hyper::header::HeaderValue::from_static("application/cbor");
    answer
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, kind);
    answer
}

fn plain(code: StatusCode, text: impl Into<String>) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(text.into())));
    *answer.status_mut() = code;
    answer
}
