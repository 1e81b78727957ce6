//! Who asks: the identity that calls are signed with, from a private key in PEM. Where the key comes from, which key it is, and
//! what is refused. No byte of a key or password reaches a message.

mod key;
mod pem;
mod source;

use super::settings::Settings;
use crate::targets::{Base, TargetError};
use candid::Principal;
use ic_agent::Identity;
use ic_agent::identity::AnonymousIdentity;
use std::fmt;
use std::sync::Arc;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Nobody said who: what is public can be observed, nothing can be changed.
    Anonymous,
    Known(Known),
}

/// An identity with a key.
#[derive(Clone)]
pub(super) struct Known {
    pub(super) identity: Arc<dyn Identity>,
    pub(super) principal: Principal,
    /// The kind of its key: `secp256k1`, `P-256` or `Ed25519`.
    pub(super) curve: &'static str,
    /// Where the key was found, in words.
    pub(super) from: String,
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Known")
            .field("identity", &format_args!("***"))
            .field("principal", &format_args!("{}", self.principal))
            .field("curve", &self.curve)
            .field("from", &self.from)
            .finish()
    }
}

impl Caller {
    /// What calls are signed with.
    pub(super) fn identity(&self) -> Arc<dyn Identity> {
        match self {
            Self::Anonymous => Arc::new(AnonymousIdentity),
            Self::Known(known) => Arc::clone(&known.identity),
        }
    }

    pub(super) fn principal(&self) -> Principal {
        match self {
            Self::Anonymous => Principal::anonymous(),
            Self::Known(known) => known.principal,
        }
    }

    /// The identity that a change is made with.
    ///
    /// # Errors
    /// `Refused` without a key.
    pub(super) fn for_change(&self) -> Result<&Known, TargetError> {
        match self {
            Self::Known(known) => Ok(known),
            Self::Anonymous => Err(refused(
                "found no identity, and only a controller can change a canister",
                "give the input `identity` (a secret with the PEM text), or set DFX_IDENTITY_PEM; GitHub passes no secrets to \
                 runs that a fork started",
            )),
        }
    }
}

/// Reads the identity: what the settings name, else the action's input, else `DFX_IDENTITY_PEM`, else nobody. The first that is
/// given is taken, also when it then does not work: nothing is done under another name.
///
/// # Errors
/// `Refused`: a key that cannot be used, or one of another principal than the settings name.
pub(super) fn caller(settings: &Settings, base: &Base) -> Result<Caller, TargetError> {
    let Some(found) = source::find(settings, base)? else {
        return match &settings.principal {
            Some(wanted) => Err(refused(
                format!("found no identity, expected the one of {wanted}"),
                "give its private key: the input `identity` (a secret with the PEM text), or set DFX_IDENTITY_PEM",
            )),
            None => Ok(Caller::Anonymous),
        };
    };
    let password = source::password(settings, base)?;
    let read =
        pem::blocks(found.text.expose()).and_then(|blocks| key::read(&blocks, password.as_ref()));
    let key =
        read.map_err(|Unusable { what, next }| refused(format!("{}: {what}", found.from), next))?;
    if let Some(wanted) = &settings.principal
        && Principal::from_text(wanted).ok() != Some(key.principal)
    {
        return Err(refused(
            format!("{} is {}, expected {wanted}", found.from, key.principal),
            "give the key of the principal that the settings name, or correct `principal`",
        ));
    }
    Ok(Caller::Known(Known {
        identity: key.identity,
        principal: key.principal,
        curve: key.curve,
        from: found.from,
    }))
}

/// Why a text is no key that can be used: what was found and expected, and the one next action. Holds nothing of the text.
#[derive(Debug)]
struct Unusable {
    what: String,
    next: String,
}

impl Unusable {
    fn new(what: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            next: next.into(),
        }
    }
}

fn refused(what: impl Into<String>, next: impl Into<String>) -> TargetError {
    TargetError::Refused {
        what: what.into(),
        allow: None,
        next: next.into(),
    }
}

#[cfg(test)]
mod tests;
