//! `history`: what the journals of the state directory say of the past.

use crate::engine::Finished;
use crate::engine::request::Request;
use crate::model::outcome::Outcome;
use crate::report::history;

pub(in crate::engine) fn run(request: &Request, limit: usize) -> Finished {
    let past = history::read(&request.state_dir);
    let stdout = if request.output.json {
        past.to_json()
    } else {
        past.to_text(limit)
    };
    Finished {
        outcome: Outcome::Healthy,
        stdout,
    }
}
