//! Who may change a canister when we may not: both sides, and how to become one of them. Whether we may is found out elsewhere.

use super::refusal::Doing;
use super::site::Site;
use crate::targets::TargetError;
use candid::Principal;

/// The controllers, for people.
pub(super) fn named(controllers: &[Principal]) -> String {
    let texts: Vec<String> = controllers.iter().map(Principal::to_text).collect();
    match texts.as_slice() {
        [] => "nobody".to_owned(),
        [_, ..] => texts.join(", "),
    }
}

/// We are no controller of a canister that must be changed.
pub(super) fn refused(site: &Site<'_>, doing: Doing, controllers: &[Principal]) -> TargetError {
    let us = site.network.principal;
    let whose = if us == Principal::anonymous() {
        format!("no identity was given, and nobody ({us})")
    } else {
        us.to_text()
    };
    TargetError::Refused {
        what: format!(
            "{}: could not {}: {whose} is no controller of it; its controllers are {} (IC0512)",
            site.slot,
            doing.1,
            named(controllers)
        ),
        allow: None,
        next: add_us(site),
    }
}

/// The next action of whoever is no controller.
pub(super) fn add_us(site: &Site<'_>) -> String {
    let us = site.network.principal;
    if us == Principal::anonymous() {
        return "give the identity of a controller: the input `identity`, or the variable DFX_IDENTITY_PEM"
            .to_owned();
    }
    let id = site.id;
    format!(
        "let a controller run `icp canister settings update --add-controller {us} {id}` or \
         `dfx canister update-settings --add-controller {us} {id}`, or use the identity of a controller"
    )
}
