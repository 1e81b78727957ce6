//! What becomes of one request: calls, which are executed once and certified; queries, which one node signs; reads of the
//! state.

use super::access;
use super::certify::{Flaw, time_of};
use super::envelope::Checked;
use super::faults::Fault;
use super::http::{Answer, Cut, Route, after, before, encoded, plain};
use super::management::{self, Effect, Message};
use super::reject::Reject;
use super::state::{Called, Kind, Request, Shared, now};
use super::tree::Path;
use candid::Principal;
use hyper::StatusCode;
use ic_certification::Label;
use ic_transport_types::{
    EnvelopeContent, QueryResponse, RejectCode, RejectResponse, ReplyResponse, RequestId,
};
use serde::Serialize;
use serde_bytes::ByteBuf;
use std::sync::Arc;

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
            let subject = if is_management {
                management::subject(method_name, arg)
            } else {
                Some(*canister_id)
            };
            Some((method_name, *canister_id, arg, subject))
        }
        EnvelopeContent::ReadState { .. } => None,
    }
}

/// The refusal of a request that is not sent to the canister that it is about.
fn misdirected(route: &Route, subject: Option<Principal>) -> Option<Answer> {
    match subject {
        Some(subject) if subject != route.id || route.is_subnet => {
            let text = format!(
                "Specified CanisterId {subject} does not match effective canister id in URL {}",
                route.id
            );
            Some(plain(StatusCode::BAD_REQUEST, text))
        }
        _ => None,
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

pub(super) async fn call(
    shared: &Arc<Shared>,
    route: &Route,
    checked: &Checked,
) -> Result<Answer, Cut> {
    let Some((method, canister, arg, subject)) = target(checked) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "not a call"));
    };
    if let Some(refusal) = misdirected(route, subject) {
        return Ok(refusal);
    }
    let about = subject.unwrap_or(canister);
    let sender = checked.sender();
    let (logged, fault) = log(shared, Kind::Call, method, about, sender);
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let id = identifier(checked.id);
    let submission = Submission {
        method,
        canister,
        arg,
        about: route.id,
        sender,
        logged,
    };
    let submitted = submit(shared, id, &submission, fault.as_ref());
    if let Err(reject) = submitted {
        return Ok(encoded(&uncertified(&reject)));
    }
    if let Some(answer) = after(fault.as_ref()).await? {
        return Ok(answer);
    }
    let asynchronous = match fault {
        Some(Fault::Answer202) => true,
        Some(Fault::Answer202Then(status)) => {
            let mut world = shared.world();
            world.faults.once("read_state", Fault::Status(status));
            true
        }
        _ => route.version == 2,
    };
    if asynchronous || !shared.ended(id, shared.sync_call_max).await {
        return Ok(plain(StatusCode::ACCEPTED, ""));
    }
    #[derive(Serialize)]
    struct Replied {
        status: &'static str,
        certificate: ByteBuf,
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
    call: &Submission<'_>,
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
    let known = Request {
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

pub(super) async fn query(
    shared: &Arc<Shared>,
    route: &Route,
    checked: &Checked,
) -> Result<Answer, Cut> {
    let Some((method, canister, arg, subject)) = target(checked) else {
        return Ok(plain(StatusCode::BAD_REQUEST, "not a query"));
    };
    if let Some(refusal) = misdirected(route, subject) {
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

pub(super) async fn read_state(
    shared: &Arc<Shared>,
    route: &Route,
    checked: &Checked,
) -> Result<Answer, Cut> {
    let EnvelopeContent::ReadState { paths, .. } = &checked.content else {
        return Ok(plain(StatusCode::BAD_REQUEST, "not a read_state"));
    };
    let sender = checked.sender();
    let method = if route.is_subnet {
        "subnet_read_state"
    } else {
        "read_state"
    };
    let (logged, fault) = log(shared, Kind::ReadState, method, route.id, sender);
    if let Some(answer) = before(fault.as_ref()).await? {
        return Ok(answer);
    }
    let bytes =
        |path: &Vec<Label>| -> Path { path.iter().map(|part| part.as_bytes().to_vec()).collect() };
    let paths: Vec<Path> = paths.iter().map(bytes).collect();
    let request = match access::check(shared, route.id, route.is_subnet, sender, &paths) {
        Ok(request) => request,
        Err((code, text)) => return Ok(plain(code, text)),
    };
    shared.world().log[logged].effect = Some(Ok(()));
    let certificate = certificate(shared, &paths, request, sender, Fault::flaw(fault.as_ref()));
    #[derive(Serialize)]
    struct State {
        certificate: ByteBuf,
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
) -> ByteBuf {
    let mut paths = paths.to_vec();
    paths.push(vec![b"time".to_vec()]);
    let world = shared.world();
    let ahead = u64::try_from(world.faults.ahead.as_nanos()).unwrap_or(0);
    let time = time_of(flaw, now()).saturating_add(ahead);
    let state = world.tree(&shared.keys, time, request, reader);
    drop(world);
    ByteBuf::from(shared.keys.certificate(&state, &paths, flaw))
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
