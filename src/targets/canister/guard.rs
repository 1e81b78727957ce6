//! The first question of every command: are we who the settings say, and are the canisters on the network that they name? Only
//! what the network certifies is asked, which anybody may read. Nothing else is observed here.

use super::observe;
use super::site::Site;
use crate::targets::TargetError;
use candid::Principal;
use futures_util::stream::{self, StreamExt as _};

/// Canisters that are asked for at once.
const PARALLEL: usize = 8;

/// Whether the identity is the one that the setting `principal` names; before anything is contacted.
///
/// # Errors
/// `Refused`, with both principals.
pub(super) fn check_principal(us: Principal, expected: Option<&str>) -> Result<(), TargetError> {
    match expected {
        Some(expected) if Principal::from_text(expected).ok() != Some(us) => {
            let whose = if us == Principal::anonymous() {
                "no identity".to_owned()
            } else {
                format!("an identity with the principal {us}")
            };
            Err(TargetError::Refused {
                what: format!("found {whose}, expected {expected} as the setting `principal` says"),
                allow: None,
                next: "give the identity of that principal, or correct the setting".to_owned(),
            })
        }
        Some(_) | None => Ok(()),
    }
}

/// Whether every canister is on this network; its signature proves the root key. Answers one line for each.
///
/// # Errors
/// `Refused` when one is not there, or when the answer is not signed by this network; `Unreachable`.
pub(super) async fn guard(sites: &[Site<'_>]) -> Result<Vec<String>, TargetError> {
    let mut looks = Vec::new();
    for site in sites {
        looks.push(observe::certified(site));
    }
    let found: Vec<_> = stream::iter(looks).buffered(PARALLEL).collect().await;
    for certified in found {
        certified?;
    }
    Ok(sites.iter().map(line).collect())
}

/// Where a canister is, and who asks.
pub(super) fn line(site: &Site<'_>) -> String {
    let Site {
        network,
        slot,
        id,
        story: _,
    } = site;
    format!("{slot} = {id} on {} as {}", network.name, network.principal)
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: &str = "2vxsx-fae";

    #[test]
    fn another_identity_is_refused_with_both_principals() {
        check_principal(Principal::anonymous(), None).unwrap();
        check_principal(Principal::anonymous(), Some(US)).unwrap();
        let management = Principal::management_canister();
        let error = check_principal(management, Some(US)).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("aaaaa-aa") && text.contains(US), "{text}");
        let error = check_principal(Principal::anonymous(), Some("aaaaa-aa")).unwrap_err();
        assert!(error.to_string().starts_with("found no identity"));
    }
}
