//! What one target gets of a release that is here: the revisions its slots should hold, and its payloads as proofs. Where the
//! bytes come from is `fetch`'s; whose word counts is `decide::verify`'s.

use super::fetch::{InHand, bad_release};
use super::numbered;
use super::operation::Operation;
use crate::artifact::{FetchError, Fetched};
use crate::decide::verify::{self, Words};
use crate::model::outcome::{Failure, Outcome};
use crate::model::payload::{Expected, Measured, Payloads, Verified};
use crate::model::release::PayloadPin;
use crate::model::state::{Slot, Wanted};
use crate::targets::Target;

/// What one target gets of a release.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) wanted: Wanted,
    pub(super) payloads: Payloads<Verified>,
}

/// A payload, and what it was promised to be.
#[derive(Debug, Clone)]
struct Promised {
    measured: Measured,
    expected: Expected,
    /// In the artifact.
    path: String,
}

/// How many payloads a target takes from an artifact.
pub(super) fn count(operation: &Operation, target: &dyn Target) -> usize {
    match owning(operation, target).len() {
        0 => usize::from(target.payload().is_some()),
        several => several,
    }
}

/// The slots that have a payload of their own and are asked for, with the names it may have.
fn owning(operation: &Operation, target: &dyn Target) -> Vec<(Slot, Vec<String>)> {
    let asked = operation.request.verb.slots();
    target
        .slots()
        .into_iter()
        .filter(|slot| asked.is_empty() || asked.contains(slot))
        .map(|slot| (slot.clone(), target.own_payload(&slot)))
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

impl InHand {
    /// The revisions this target should hold, and its payloads as proofs.
    pub(super) async fn share(
        &self,
        operation: &Operation,
        target: &dyn Target,
    ) -> Result<Share, Failure> {
        if !self.numbered.is_empty() {
            return numbered::share(&operation.targets, target, &self.numbered).await;
        }
        let facts = self.facts(operation);
        let promised = match &self.fetched {
            Some(fetched) if target.needs_payload(&facts) => {
                self.promised(operation, target, fetched)?
            }
            Some(_) | None => Payloads::none(),
        };
        let measured = promised
            .clone()
            .try_map(|payload| Ok::<_, Failure>(payload.measured))?;
        let wanted = target
            .wanted(&facts, &measured)
            .await
            .map_err(|error| error.failure(target.name()))?;
        let payloads = promised.try_map(|payload| self.verified(payload))?;
        Ok(Share { wanted, payloads })
    }

    fn promised(
        &self,
        operation: &Operation,
        target: &dyn Target,
        fetched: &Fetched,
    ) -> Result<Payloads<Promised>, Failure> {
        let owning = owning(operation, target);
        if !owning.is_empty() {
            // Of all targets: a file of any name must not land in a second one.
            let all = operation.targets.iter();
            let only = all
                .map(|target| count(operation, target.as_ref()))
                .sum::<usize>()
                == 1;
            let own = owning.into_iter().map(|(slot, names)| {
                let pin = self.pin(std::slice::from_ref(&slot));
                let names = pin.map_or(names, |pin| vec![pin.path.clone()]);
                // A file that the operator names is this slot's, whatever it is called.
                let by_hand = (self.named_by_hand && only).then(|| fetched.only_file());
                let measured = match (fetched.one_payload(&names), by_hand.flatten()) {
                    (Err(FetchError::NoPayload { .. }), Some(file)) => Ok(file),
                    (found, _) => found,
                };
                let is_unclear = matches!(
                    measured,
                    Err(FetchError::NoPayload { .. } | FetchError::SeveralPayloads { .. })
                );
                let promised = self.held_to(operation, measured, &names.join(" or "), pin);
                let promised = promised.map_err(|mut failure| {
                    if is_unclear {
                        failure.hints = vec![format!(
                            "upload one file for {slot}, or name it in the settings of target {} (of a canister: `wasm`); or choose another release: --run-id",
                            target.name()
                        )];
                    }
                    failure
                })?;
                Ok((slot, promised))
            });
            return Ok(Payloads::own(own.collect::<Result<_, Failure>>()?));
        }
        let Some(path) = target.payload() else {
            return Ok(Payloads::none());
        };
        let pin = self.pin(&target.slots());
        let path = pin.map_or(path, |pin| pin.path.clone());
        let promised = self.held_to(operation, fetched.payload(&path), &path, pin)?;
        Ok(Payloads::shared(Some(promised)))
    }

    /// What the manifest promises of the payload of these slots.
    fn pin(&self, slots: &[Slot]) -> Option<&PayloadPin> {
        let manifest = self.manifest.as_ref()?;
        verify::demanded(manifest, slots).into_iter().next()
    }

    fn held_to(
        &self,
        operation: &Operation,
        measured: Result<Measured, FetchError>,
        path: &str,
        pin: Option<&PayloadPin>,
    ) -> Result<Promised, Failure> {
        let measured = measured.map_err(|error| error.failure(&self.name))?;
        let words = Words {
            operator: operation.request.verb.expected_sha256(),
            manifest: pin,
            artifact_verified: self.is_promised() || self.taken_as_is,
        };
        let expected = verify::expected(&measured, path, words).map_err(bad_release)?;
        Ok(Promised {
            measured,
            expected,
            path: path.to_owned(),
        })
    }

    fn is_promised(&self) -> bool {
        let fetched = self.fetched.as_ref();
        fetched.is_some_and(|fetched| fetched.promised_by.is_some())
    }

    fn verified(&self, payload: Promised) -> Result<Verified, Failure> {
        let path = payload.path;
        Verified::check(payload.measured, &payload.expected).map_err(|mut mismatch| {
            mismatch.what = match path.as_str() {
                "." => format!("digest of everything in {}", self.name),
                path => format!("digest of {path} in {}", self.name),
            };
            Failure::new(Outcome::ArtifactRefused, mismatch)
                .hint("find out which of the two is right before anything is deployed")
        })
    }
}
