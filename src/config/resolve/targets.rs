//! What holds the release. The kinds read their own settings later; here they are only told apart.

use super::Scope;
use crate::cli::args::TargetArg;
use crate::cli::usage;
use crate::config::document::Document;
use crate::config::file::Target;
use crate::engine::request::{Origin, TargetSettings};
use crate::model::outcome::Failure;
use crate::model::secret::without_passwords;
use std::collections::BTreeMap;

pub(super) fn resolve(scope: &Scope<'_>) -> Result<Vec<TargetSettings>, Failure> {
    if !scope.needs.targets {
        return Ok(Vec::new());
    }
    let typed = &scope.parts.targets.target;
    let mut targets = match scope.written {
        _ if !typed.is_empty() => typed.iter().map(from_argument).collect(),
        Some((document, environment)) => environment
            .targets
            .iter()
            .flatten()
            .enumerate()
            .map(|(index, target)| from_file(scope, document, index, target))
            .collect::<Result<Vec<_>, _>>()?,
        None => Vec::new(),
    };
    if targets.is_empty() {
        return Err(none(scope));
    }
    for (index, target) in targets.iter().enumerate() {
        let earlier = targets.iter().take(index);
        if earlier.clone().any(|other| other.name == target.name) {
            return Err(usage::failure(
                format!(
                    "{}: there are two targets called {}",
                    target.origin.at(""),
                    target.name
                ),
                "give each its own name",
            ));
        }
    }
    targets.sort_by_key(|target| target.group);
    Ok(targets)
}

fn none(scope: &Scope<'_>) -> Failure {
    match scope.written {
        Some((document, _)) => document
            .found(&scope.path(&["targets"]), "no target", "at least one")
            .into(),
        None => usage::failure(
            format!(
                "no target: there is no config file {}, and {} is not given",
                crate::config::defaults::CONFIG_FILE,
                scope.option("target")
            ),
            match scope.inputs.spelling {
                usage::Spelling::Flag => "name it: --target directory:/srv/web",
                usage::Spelling::Input => "name it: `target: directory:/srv/web`",
            },
        ),
    }
}

fn from_argument(typed: &TargetArg) -> TargetSettings {
    TargetSettings {
        name: typed.name.clone().unwrap_or_else(|| typed.kind.clone()),
        kind: typed.kind.clone(),
        group: 0,
        payload: None,
        settings: typed.settings.clone().into(),
        origin: Origin {
            name: format!("target {}", without_passwords(&typed.text)),
            key: String::new(),
            places: BTreeMap::new(),
        },
    }
}

fn from_file(
    scope: &Scope<'_>,
    document: &Document,
    index: usize,
    target: &Target,
) -> Result<TargetSettings, Failure> {
    let item = format!("[{index}]");
    let name = target.name.clone().unwrap_or_else(|| target.kind.clone());
    let empty = [
        ("name", Some(&name)),
        ("kind", Some(&target.kind)),
        ("payload", target.payload.as_ref()),
    ];
    for (key, value) in empty {
        if value.is_some_and(|value| value.trim().is_empty()) {
            return Err(scope
                .wrong_text(&["targets", &item, key], "", "a text that is not empty")
                .into());
        }
    }
    let key = scope.wrong(&["targets", &item], "", "").key();
    Ok(TargetSettings {
        name,
        kind: target.kind.clone(),
        group: scope.bounded(&["targets", &item, "group"], target.group, 0..=100, 0)?,
        payload: target.payload.clone(),
        settings: target.settings.clone().into(),
        origin: document.origin(&key),
    })
}
