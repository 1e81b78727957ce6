//! Who may read which part of the state tree, see
//! <https://docs.internetcomputer.org/references/ic-interface-spec/https-interface#http-read-state>.

use super::state::Shared;
use super::tree::Path;
use candid::Principal;
use hyper::StatusCode;

const PATHS_MAX: usize = 1000;
const LABELS_MAX: usize = 127;

/// Checks all paths; the one request whose status is asked for, when there is one. The error is status and text.
pub fn check(
    shared: &Shared,
    id: Principal,
    is_subnet: bool,
    sender: Principal,
    paths: &[Path],
) -> Result<Option<[u8; 32]>, (StatusCode, String)> {
    let bad = |text: &str| Err((StatusCode::BAD_REQUEST, text.to_owned()));
    if paths.len() > PATHS_MAX || paths.iter().any(|path| path.len() > LABELS_MAX) {
        return bad("Can only request up to 1000 paths of at most 127 labels each");
    }
    let mut asked = None;
    for path in paths {
        let labels: Vec<&[u8]> = path.iter().map(Vec::as_slice).collect();
        match labels.as_slice() {
            [b"time"] | [b"subnet" | b"api_boundary_nodes", ..] | [b"canister_ranges", _, ..] => {}
            [b"canister", canister, b"controllers" | b"module_hash"] if !is_subnet => {
                same(id, canister)?;
            }
            [b"canister", canister, b"metadata", name] if !is_subnet => {
                same(id, canister)?;
                metadata(shared, id, sender, name)?;
            }
            [b"request_status", request, ..] => {
                let Ok(request) = <[u8; 32]>::try_from(*request) else {
                    return bad("Invalid request id in paths");
                };
                if asked.is_some_and(|other| other != request) {
                    return bad("Can only request a single request ID in request_status paths");
                }
                asked = Some(request);
            }
            _ => return bad("Invalid path requested"),
        }
    }
    if let Some(request) = asked {
        own_request(shared, id, sender, request)?;
    }
    Ok(asked)
}

fn forbidden(text: impl Into<String>) -> (StatusCode, String) {
    (StatusCode::FORBIDDEN, text.into())
}

fn same(id: Principal, canister: &[u8]) -> Result<(), (StatusCode, String)> {
    if canister == id.as_slice() {
        return Ok(());
    }
    let text = format!("Effective principal id in URL {id} does not match requested canister id");
    Err((StatusCode::BAD_REQUEST, text))
}

/// Private metadata are for controllers.
fn metadata(
    shared: &Shared,
    id: Principal,
    reader: Principal,
    name: &[u8],
) -> Result<(), (StatusCode, String)> {
    let Ok(name) = std::str::from_utf8(name) else {
        return Err((
            StatusCode::BAD_REQUEST,
            "Could not parse the custom section name".to_owned(),
        ));
    };
    let mut world = shared.world();
    let Ok(canister) = world.canister(id) else {
        return Ok(());
    };
    let image = canister.image.as_ref();
    let is_private = image
        .and_then(|image| image.module.metadata.get(name))
        .is_some_and(|metadata| !metadata.public);
    if is_private && !canister.controllers.contains(&reader) {
        let text = format!(
            "Custom section {name} can only be requested by the controllers of the canister."
        );
        return Err(forbidden(text));
    }
    Ok(())
}

/// The status of a request is for its sender, at its canister.
fn own_request(
    shared: &Shared,
    id: Principal,
    sender: Principal,
    request: [u8; 32],
) -> Result<(), (StatusCode, String)> {
    let world = shared.world();
    let Some(known) = world.requests.get(&request) else {
        return Ok(());
    };
    if known.sender != sender {
        return Err(forbidden(
            "The user tries to access Request ID not signed by the caller.",
        ));
    }
    if known.canister != id {
        return Err(forbidden(
            "The user tries to access Request ID not belonging to effective canister id.",
        ));
    }
    Ok(())
}
