//! The verb with its own options, and what it needs of the rest: a verb that looks up no run needs no repository.

use super::{Inputs, Scope};
use crate::cli::args::{Deploy, NumberedArg, Parts, ProbeArg, Rollback, Verb as Typed, Watch};
use crate::cli::usage;
use crate::config::file::{self, OnUnhealthy};
use crate::engine::request::{Choice, Deployed, Numbered, RunContext, Verb};
use crate::model::outcome::Failure;
use crate::model::state::{Revision, Slot};
use crate::targets::REGISTRY;
use std::path::{Path, PathBuf};

/// What must be there for a verb to be possible at all.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent needs, not states"
)]
pub(super) struct Needs {
    /// It is about one environment.
    pub environment: bool,
    /// It looks up runs: a repository and a workflow.
    pub runs: bool,
    /// It fetches an artifact: a token, even from a public repository.
    pub artifact: bool,
    pub targets: bool,
    /// At least one probe that decides: nothing else could tell whether the release is well.
    pub verdict: bool,
    /// It reads the probes, when there are any.
    pub probes: bool,
}

const NOTHING: Needs = Needs {
    environment: false,
    runs: false,
    artifact: false,
    targets: false,
    verdict: false,
    probes: false,
};

pub(super) fn needs(inputs: &Inputs<'_>) -> Needs {
    let parts = inputs.cli.verb.parts();
    let written = written(inputs);
    let may_roll_back = || {
        let written = written.and_then(|environment| environment.policy.as_ref()?.on_unhealthy);
        parts.policy.on_unhealthy.or(written) != Some(OnUnhealthy::Fail)
    };
    let can_tell = can_tell(&parts, written);
    match &inputs.cli.verb {
        Typed::Rollback(rollback) => {
            back(parts.choice.artifact.is_none() && rollback.to_revision.is_empty())
        }
        Typed::Ready(_) => back(parts.choice.artifact.is_none()),
        Typed::Deploy(_) => {
            let runs = may_roll_back();
            Needs {
                environment: true,
                runs,
                artifact: runs || parts.choice.artifact.is_none(),
                targets: true,
                verdict: !can_tell,
                probes: true,
            }
        }
        Typed::Watch(Watch { replay: None, .. }) => {
            let runs = may_roll_back();
            Needs {
                environment: true,
                runs,
                artifact: runs,
                targets: runs || can_tell || leads_through(&parts, written),
                verdict: !can_tell,
                probes: true,
            }
        }
        Typed::List(_) => Needs {
            environment: true,
            runs: true,
            ..NOTHING
        },
        Typed::Record(_) => Needs {
            environment: true,
            targets: true,
            ..NOTHING
        },
        Typed::Watch(Watch {
            replay: Some(_), ..
        })
        | Typed::History(_)
        | Typed::Report(_)
        | Typed::Completions(_)
        | Typed::Schema => NOTHING,
    }
}

/// What going back needs, when the release is (`runs`) or is not looked up.
const fn back(runs: bool) -> Needs {
    Needs {
        environment: true,
        runs,
        artifact: runs,
        targets: true,
        verdict: false,
        probes: true,
    }
}

/// The environment of the config file, when there is exactly one that can be meant.
fn written<'a>(inputs: &Inputs<'a>) -> Option<&'a file::Environment> {
    let name = inputs.cli.common.environment.as_deref();
    let (_, environment) = inputs.document?.environment(name).ok()?;
    Some(environment)
}

/// Whether one of the targets can tell by itself if what is in place is well: then no probe is needed.
fn can_tell(parts: &Parts, written: Option<&file::Environment>) -> bool {
    let attends = |kind: &str| {
        REGISTRY
            .iter()
            .any(|entry| entry.attends && entry.kind == kind)
    };
    let typed = &parts.targets.target;
    if !typed.is_empty() {
        return typed.iter().any(|target| attends(&target.kind));
    }
    let targets = written.and_then(|environment| environment.targets.as_ref());
    targets
        .into_iter()
        .flatten()
        .any(|target| attends(&target.kind))
}

/// Whether a probe goes through a target, or asks one.
fn leads_through(parts: &Parts, written: Option<&file::Environment>) -> bool {
    let typed = &parts.health.probe;
    if !typed.is_empty() {
        return typed.iter().any(ProbeArg::is_query);
    }
    let probes = written.and_then(|environment| environment.health.as_ref()?.probes.as_ref());
    probes
        .into_iter()
        .flatten()
        .any(|probe| probe.via.is_some() || probe.query.is_some())
}

fn numbered(typed: &[NumberedArg]) -> Choice {
    let one = |typed: &NumberedArg| Numbered {
        slot: typed.slot.clone().map(Slot),
        number: typed.number.to_string(),
    };
    Choice::Numbered(typed.iter().map(one).collect())
}

pub(super) fn resolve(scope: &Scope<'_>, context: &RunContext) -> Result<Verb, Failure> {
    let here = |path: &Path| -> PathBuf { scope.inputs.env.dir.join(path) };
    let slots = || -> Vec<Slot> { scope.parts.changes.slot.iter().cloned().map(Slot).collect() };
    let choice = &scope.parts.choice;
    let chosen = || match (&choice.artifact, choice.run_id) {
        (Some(path), _) => Choice::File(here(path)),
        (None, Some(run)) => Choice::Run(run),
        (None, None) => Choice::Newest,
    };
    let expected_sha256 = choice.expected_sha256;
    Ok(match &scope.inputs.cli.verb {
        Typed::Rollback(Rollback {
            to_revision,
            emergency,
            ..
        }) => Verb::Rollback {
            from: if to_revision.is_empty() {
                chosen()
            } else {
                numbered(to_revision)
            },
            expected_sha256,
            slots: slots(),
            emergency: *emergency,
        },
        Typed::Deploy(Deploy { .. }) => Verb::Deploy {
            release: match (&choice.artifact, choice.run_id.or(context.run_id)) {
                (Some(path), _) => Deployed::Path(here(path)),
                (None, Some(run)) => Deployed::Run(run),
                (None, None) => {
                    return Err(usage::failure(
                        format!(
                            "nothing to deploy: this is no workflow run, and neither {} nor {} is given",
                            scope.option("artifact"),
                            scope.option("run-id")
                        ),
                        "name a file or directory: lastgood deploy --artifact ./dist",
                    ));
                }
            },
            expected_sha256,
            slots: slots(),
        },
        Typed::Watch(watch) => match &watch.replay {
            Some(log) => Verb::Replay { probes: here(log) },
            None => Verb::Watch { slots: slots() },
        },
        Typed::List(_) => Verb::List,
        Typed::Ready(_) => Verb::Ready {
            from: chosen(),
            expected_sha256,
        },
        Typed::Record(record) => Verb::Record {
            dir: here(&record.path),
            revisions: record
                .revision
                .iter()
                .map(|told| (Slot(told.slot.clone()), Revision(told.revision.clone())))
                .collect(),
        },
        Typed::History(history) => Verb::History {
            limit: history.limit,
        },
        Typed::Report(report) => Verb::Report {
            // A path, or the name of an operation: the engine looks for both.
            journal: report.journal.clone(),
        },
        Typed::Completions(_) | Typed::Schema => {
            return Err(usage::failure(
                "this verb prints and is no request",
                "see lastgood --help",
            ));
        }
    })
}
