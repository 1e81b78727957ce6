//! The targets of a command, opened: their settings are read, and their slots are told apart. Nothing is contacted.

use super::locate::net_settings;
use super::request::Request;
use crate::decide::alike::nearest;
use crate::model::outcome::{Failure, Outcome};
use crate::model::state::Slot;
use crate::targets;
use std::collections::BTreeMap;

/// Opens the targets of the environment; what does not hold is named by file, line and key.
pub(super) fn open_targets(request: &Request) -> Result<Vec<Box<dyn targets::Target>>, Failure> {
    let base = targets::Base {
        dir: request.process.dir.clone(),
        environment: request.process.variables.clone(),
        secrets: request.secrets.clone(),
        net: net_settings(request),
        state_dir: request.state_dir.clone(),
    };
    let opened = request.environment.targets.iter().map(|target| {
        let mut settings = target.settings.clone();
        if let (Some(payload), Some(settings)) = (&target.payload, settings.as_object_mut()) {
            settings.insert("payload".to_owned(), payload.clone().into());
        }
        targets::open(&target.kind, &target.name, settings, &base).map_err(|error| {
            Failure::msg(
                Outcome::Usage,
                format!("{}: {}", target.origin.at(&error.key), error.what),
            )
        })
    });
    let opened: Vec<Box<dyn targets::Target>> = opened.collect::<Result<_, _>>()?;
    check_distinct(&opened)?;
    Ok(opened)
}

/// A slot belongs to one target: what is recorded and restored goes by its name.
pub(super) fn check_distinct(targets: &[Box<dyn targets::Target>]) -> Result<(), Failure> {
    let mut owners: BTreeMap<Slot, &str> = BTreeMap::new();
    for target in targets {
        for slot in target.slots() {
            let Some(other) = owners.insert(slot.clone(), target.name()) else {
                continue;
            };
            return Err(Failure::msg(
                Outcome::Usage,
                format!(
                    "targets {other} and {} both have the slot {slot}, expected different names",
                    target.name()
                ),
            )
            .hint("give each target an environment of its own, or make the names of their slots differ"));
        }
    }
    Ok(())
}

/// A slot that does not exist is a typing error: without this, "only this slot" would quietly mean "nothing".
pub(super) fn check_slots(
    request: &Request,
    targets: &[Box<dyn targets::Target>],
) -> Result<(), Failure> {
    let known: Vec<String> = targets
        .iter()
        .flat_map(|target| target.slots())
        .map(|slot| slot.to_string())
        .collect();
    let finds = targets.iter().any(|target| target.finds_slots());
    for slot in request.verb.slots() {
        if finds {
            break;
        }
        if !known.contains(&slot.0) {
            return Err(no_slot(slot, &known));
        }
    }
    Ok(())
}

/// A slot was asked for that no target has.
pub(super) fn no_slot(slot: &Slot, known: &[String]) -> Failure {
    let failure = Failure::msg(
        Outcome::Usage,
        format!(
            "--slot: found {slot}, expected one of: {}",
            known.join(", ")
        ),
    );
    match nearest(&slot.0, known.iter().map(String::as_str)) {
        Some(nearest) => failure.hint(format!("did you mean --slot {nearest}?")),
        None => failure.hint("slots are named by the targets of the environment"),
    }
}
