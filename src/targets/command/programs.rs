//! Running the user's programs, and what their exit codes mean: 0 done, 75 try again, anything else failed.

use super::Command;
use super::protocol::{Ask, TRY_AGAIN};
use crate::model::payload::Verified;
use crate::targets::process::{self, Ended, Program, RunError};
use crate::targets::{Finding, TargetError, Time};
use anyhow::anyhow;

impl Command {
    pub(super) fn programs(&self) -> Vec<(&'static str, &[String])> {
        let optional = [
            ("start", &self.settings.start),
            ("check", &self.settings.check),
        ];
        [
            ("observe", &self.settings.observe),
            ("apply", &self.settings.apply),
        ]
        .into_iter()
        .chain(
            optional
                .into_iter()
                .filter_map(|(key, argv)| Some((key, argv.as_ref()?))),
        )
        .map(|(key, argv)| (key, argv.as_slice()))
        .collect()
    }

    pub(super) async fn observed(&self) -> Result<Vec<u8>, TargetError> {
        let ask = Ask::about("observe", &self.name, &self.slots);
        let deadline = self.settings.observe_deadline;
        let ended = match self.run(&self.settings.observe, deadline, &ask).await {
            // Nothing was submitted: it simply did not answer.
            Err(TargetError::OutcomeUnknown { what }) => {
                return Err(TargetError::Unreachable { what });
            }
            other => other?,
        };
        ended.stdout.whole().ok_or_else(|| {
            anyhow!("observe printed more than 64 KiB, expected one JSON document").into()
        })
    }

    /// Runs a program and reads its exit code: 0, 75 (try again), others (failed).
    pub(super) async fn run(
        &self,
        argv: &[String],
        deadline: Time,
        ask: &Ask<'_>,
    ) -> Result<Ended, TargetError> {
        let program = Program {
            argv: argv.to_vec(),
            deadline: deadline.0,
            ..self.template.clone()
        };
        let verb = ask.verb;
        let ended = match process::run(&program, ask.line()).await {
            Ok(ended) => ended,
            Err(error @ RunError::NotStarted { .. }) => {
                return Err(anyhow!("{verb}: {error}").into());
            }
            Err(error) => {
                return Err(TargetError::OutcomeUnknown {
                    what: format!("{verb}: {error}"),
                });
            }
        };
        let how = || format!("{verb}: {}", ended.describe(self.secrets()));
        match ended.status.code() {
            Some(0) => Ok(ended),
            Some(TRY_AGAIN) => Err(TargetError::Unreachable { what: how() }),
            Some(_) | None => Err(anyhow!("{}", how()).into()),
        }
    }

    pub(super) fn found(&self, key: &str, argv: &[String]) -> Finding {
        let check = format!("{key} program");
        let argv0 = argv.first().map_or("", String::as_str);
        match process::locate(argv0, &self.template.cwd, &self.template.env) {
            Ok(path) => Finding::ok(&check, path.display().to_string()),
            Err(why) => Finding::bad(
                &check,
                why,
                format!("install the program, or correct `{key}`"),
            ),
        }
    }

    pub(super) async fn checked(&self, argv: &[String], payload: Option<&Verified>) -> Finding {
        let ask = Ask::about("check", &self.name, &self.slots).with(payload);
        match self.run(argv, self.settings.check_deadline, &ask).await {
            Ok(_ended) => Finding::ok("check program agrees", "exit code 0"),
            Err(error) => Finding::bad(
                "check program agrees",
                error.to_string(),
                "mend what the `check` program says",
            ),
        }
    }
}
