//! `report`: the incident report of a journal, rendered again.

use crate::engine::Finished;
use crate::engine::request::Request;
use crate::model::outcome::{Failure, Outcome};
use crate::report::{answer, history, incident, journal};
use std::path::{Path, PathBuf};

pub(in crate::engine) fn run(request: &Request, named: Option<&Path>) -> Result<Finished, Failure> {
    let path = path(request, named)?;
    let events = journal::read(&path).map_err(|error| {
        Failure::new(Outcome::Usage, error)
            .hint("`lastgood history` lists the operations of the state directory")
    })?;
    let stdout = if request.output.json {
        format!("{:#}\n", answer::json(&events))
    } else {
        incident::render(&events)
    };
    Ok(Finished {
        outcome: Outcome::Healthy,
        stdout,
    })
}

/// A journal file, an operation's directory, an operation id, or the newest operation.
fn path(request: &Request, named: Option<&Path>) -> Result<PathBuf, Failure> {
    let state_dir = &request.state_dir;
    let Some(named) = named else {
        return history::newest(state_dir).ok_or_else(|| {
            Failure::msg(
                Outcome::Usage,
                format!("found no journal in {}", state_dir.display()),
            )
            .hint("give --state-dir, or the path of a journal.jsonl")
        });
    };
    let given = request.process.dir.join(named);
    let candidates = [
        given.clone(),
        given.join("journal.jsonl"),
        state_dir.join(named).join("journal.jsonl"),
    ];
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .ok_or_else(|| {
            Failure::msg(
                Outcome::Usage,
                format!("found no journal {}", named.display()),
            )
            .hint("give an operation id of `lastgood history`, or the path of a journal.jsonl")
        })
}
