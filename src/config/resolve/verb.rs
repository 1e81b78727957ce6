//! The verb with its own options, and what it needs of the rest: a verb that looks up no run needs no repository.

use super::{Inputs, Scope};
use crate::cli::args::{Deploy, Rollback, Verb as Typed, Watch};
use crate::cli::usage;
use crate::config::file::OnUnhealthy;
use crate::engine::request::{Choice, Deployed, RunContext, Verb};
use crate::model::outcome::Failure;
use crate::model::state::{Revision, Slot};
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
    /// At least one probe that decides.
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
    let is_local = parts.choice.artifact.is_some();
    let may_roll_back = || {
        let written = inputs
            .document
            .and_then(|document| {
                document
                    .environment(inputs.cli.common.environment.as_deref())
                    .ok()
            })
            .and_then(|(_, environment)| environment.policy.as_ref()?.on_unhealthy);
        parts.policy.on_unhealthy.or(written) != Some(OnUnhealthy::Fail)
    };
    match &inputs.cli.verb {
        Typed::Rollback(_) | Typed::Ready(_) => Needs {
            environment: true,
            runs: !is_local,
            artifact: !is_local,
            targets: true,
            verdict: false,
            probes: true,
        },
        Typed::Deploy(_) => {
            let runs = may_roll_back();
            Needs {
                environment: true,
                runs,
                artifact: runs || !is_local,
                targets: true,
                verdict: true,
                probes: true,
            }
        }
        Typed::Watch(Watch { replay: None, .. }) => {
            let runs = may_roll_back();
            Needs {
                environment: true,
                runs,
                artifact: runs,
                targets: runs,
                verdict: true,
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
        Typed::Rollback(Rollback { .. }) => Verb::Rollback {
            from: chosen(),
            expected_sha256,
            slots: slots(),
            emergency: false,
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
