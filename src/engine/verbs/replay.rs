//! `watch --replay`: the verdicts of a probe log, computed again from the log alone.

use crate::decide::judge;
use crate::engine::Finished;
use crate::engine::request::Request;
use crate::model::outcome::{Failure, Outcome};
use crate::model::probe::{LogLine, Stage};
use crate::model::verdict::{Call, Verdict};
use crate::report::words;
use anyhow::Context as _;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

pub(in crate::engine) fn run(request: &Request, log: &Path) -> Result<Finished, Failure> {
    let lines = read(&request.process.dir.join(log))?;
    Ok(answer(request, &judge::replay(lines)))
}

fn read(path: &Path) -> Result<Vec<LogLine>, Failure> {
    let usage = |cause: anyhow::Error| {
        Failure::new(Outcome::Usage, cause)
            .hint("give the probes.jsonl of an operation's directory")
    };
    let file = File::open(path)
        .with_context(|| format!("could not read {}", path.display()))
        .map_err(usage)?;
    let mut lines = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let context = || {
            format!(
                "{}:{}: expected a line of a probe log",
                path.display(),
                number + 1
            )
        };
        let line = line.with_context(context).map_err(usage)?;
        lines.push(
            serde_json::from_str(&line)
                .with_context(context)
                .map_err(usage)?,
        );
    }
    if !matches!(lines.first(), Some(LogLine::Rules(_))) {
        return Err(usage(anyhow::anyhow!(
            "{}:1: found no rules, expected the rules of a stage first",
            path.display()
        )));
    }
    Ok(lines)
}

fn answer(request: &Request, verdicts: &[(Stage, Verdict)]) -> Finished {
    let outcome = match verdicts.last().map(|(_, verdict)| verdict.call) {
        Some(Call::Healthy) => Outcome::Healthy,
        Some(Call::Unhealthy | Call::AlreadyUnhealthy) => Outcome::Unhealthy,
        Some(Call::Inconclusive) | None => Outcome::Inconclusive,
    };
    let stdout = if request.output.json {
        let verdicts: Vec<_> = verdicts
            .iter()
            .map(|(stage, verdict)| serde_json::json!({ "stage": stage, "verdict": verdict }))
            .collect();
        let answer = serde_json::json!({ "outcome": outcome, "exit_code": outcome.exit_code(), "verdicts": verdicts });
        format!("{answer:#}\n")
    } else {
        verdicts
            .iter()
            .fold(String::new(), |mut text, (stage, verdict)| {
                write!(text, "{}", words::verdict(*stage, verdict))
                    .expect("writing to a string does not fail");
                text
            })
    };
    Finished { outcome, stdout }
}
