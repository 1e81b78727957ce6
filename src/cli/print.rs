//! The few things that are printed without a request: help, completions, and why there is no request.

use super::args::{self, Help};
use super::env::Env;
use crate::model::outcome::{Failure, Outcome};
use crate::report::beginning;
use clap_complete::Shell;
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

/// Text for stdout. A reader that went away (`| head`) is no failure.
pub(super) fn text(text: &str) -> ExitCode {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            error_line(&format!("error: could not write to stdout: {error}"));
            ExitCode::from(Outcome::Error.exit_code())
        }
    }
}

/// One line of the story. When not even stderr can be written, there is nobody left to tell.
pub(super) fn error_line(line: &str) {
    writeln!(io::stderr().lock(), "{line}").ok();
}

/// The completions of a shell.
pub(super) fn completions(shell: Shell) -> Result<String, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        shell,
        &mut args::command(Help::Short),
        "lastgood",
        &mut script,
    );
    String::from_utf8(script).map_err(|error| anyhow::Error::from(error).into())
}

/// Why nothing was done: the message on stderr, for a workflow also as annotation and outputs, for `--json` on stdout.
pub(super) fn failure(failure: &Failure, env: &Env, json: bool) -> ExitCode {
    let outcome = failure.kind;
    for line in beginning::lines(failure) {
        error_line(&line);
    }
    if json {
        text(&beginning::answer(failure));
    }
    if env.in_actions() {
        if !json {
            text(&beginning::annotation(failure));
        }
        if let Some(file) = env.get("GITHUB_OUTPUT")
            && let Err(error) = outputs(Path::new(file), outcome)
        {
            error_line(&format!(
                "warning: could not write the outputs to {file}: {error}"
            ));
        }
    }
    ExitCode::from(outcome.exit_code())
}

/// The outputs that a later step looks at. Both are words of ours, so the plain form is safe.
fn outputs(file: &Path, outcome: Outcome) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(file)?;
    let (word, code) = (outcome.word(), outcome.exit_code());
    file.write_all(format!("outcome={word}\nexit-code={code}\nchanged=false\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_completions() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish, Shell::PowerShell] {
            assert!(completions(shell).unwrap().contains("rollback"), "{shell}");
        }
    }
}
