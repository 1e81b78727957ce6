//! What the network certifies of a canister in its state tree: it is signed by the subnet, and anybody may read it. What is told
//! to controllers alone is in `management`.

use super::call::{self, CallError};
use super::network::Network;
use crate::model::payload::Digest;
use candid::Principal;
use ic_agent::hash_tree::{self, LookupResult};
use ic_agent::{AgentError, Certificate};

/// One step of a path in the state tree.
type Label = hash_tree::Label<Vec<u8>>;

/// The certified facts of one canister at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Certified {
    /// sha256 of the module as it was uploaded (of the gzip bytes when it was gzipped). `None`: the canister is empty.
    pub(super) module_hash: Option<Digest>,
    /// The network's own clock: nanoseconds since 1970.
    pub(super) time_ns: u64,
}

/// Reads the hash and the time in one request. `None`: there is no such canister on this network.
pub(super) async fn read(network: &Network, id: Principal) -> Result<Option<Certified>, CallError> {
    let of = |field: &str| {
        vec![
            "canister".into(),
            Label::from_bytes(id.as_slice()),
            field.into(),
        ]
    };
    let paths = vec![of("module_hash"), of("controllers"), vec!["time".into()]];
    let certificate = call::read(network.agent.read_state_raw(paths, id)).await?;
    // An empty canister has controllers all the same.
    if lookup(&certificate, &of("controllers"))?.is_none() {
        return Ok(None);
    }
    let module_hash = lookup(&certificate, &of("module_hash"))?
        .map(call::digest)
        .transpose()?;
    Ok(Some(Certified {
        module_hash,
        time_ns: time(&certificate)?,
    }))
}

/// Who may change a canister.
pub(super) async fn controllers(
    network: &Network,
    id: Principal,
) -> Result<Vec<Principal>, CallError> {
    call::read(network.agent.read_state_canister_controllers(id)).await
}

/// A metadata section of the installed module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Section {
    /// The module has no such section, or the canister is empty.
    Absent,
    /// It is there, and only a controller may read it: the interface specification answers everybody else with 403.
    Private,
    Text(String),
}

/// Reads a metadata section of the installed module, as text.
pub(super) async fn metadata(
    network: &Network,
    id: Principal,
    section: &str,
) -> Result<Section, CallError> {
    let path: Vec<Label> = vec![
        "canister".into(),
        Label::from_bytes(id.as_slice()),
        "metadata".into(),
        section.into(),
    ];
    let asking = async {
        match network.agent.read_state_raw(vec![path.clone()], id).await {
            Err(AgentError::HttpError(answer)) if answer.status == 403 => Ok(None),
            answer => answer.map(Some),
        }
    };
    let Some(certificate) = call::read(asking).await? else {
        return Ok(Section::Private);
    };
    let Some(bytes) = lookup(&certificate, &path)? else {
        return Ok(Section::Absent);
    };
    let text = String::from_utf8(bytes.to_vec()).map_err(|_not_text| {
        CallError::Unreadable(format!("the metadata section {section} is no text"))
    })?;
    Ok(Section::Text(text))
}

/// Nothing there is told apart from "not said": what is not said is an error.
fn lookup<'a>(certificate: &'a Certificate, path: &[Label]) -> Result<Option<&'a [u8]>, CallError> {
    let name = || {
        path.last()
            .map(|label| String::from_utf8_lossy(label.as_bytes()).into_owned())
            .unwrap_or_default()
    };
    match certificate.tree.lookup_path(path) {
        LookupResult::Found(bytes) => Ok(Some(bytes)),
        LookupResult::Absent => Ok(None),
        LookupResult::Unknown | LookupResult::Error => Err(CallError::Unreadable(format!(
            "the certified answer says nothing of {}",
            name()
        ))),
    }
}

/// The network's own clock when it signed: nanoseconds since 1970.
pub(super) fn time(certificate: &Certificate) -> Result<u64, CallError> {
    let path: [Label; 1] = ["time".into()];
    let bytes = lookup(certificate, &path)?
        .ok_or_else(|| CallError::Unreadable("the certified answer has no time".to_owned()))?;
    // Unsigned LEB128, seven bits a byte, the lowest first.
    let mut time: u64 = 0;
    for (index, byte) in bytes.iter().take(10).enumerate() {
        let shift = 7 * u32::try_from(index).unwrap_or(u32::MAX);
        time |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
    }
    Ok(time)
}
