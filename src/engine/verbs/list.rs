//! `list`: the chosen run, and why every other one was passed over. Downloads nothing.

use crate::engine::locate::{Search, none_good};
use crate::engine::operation::Operation;
use crate::engine::{Ending, verbs};
use crate::model::outcome::{Failure, Outcome};

pub(in crate::engine) async fn run(operation: &Operation) -> Result<Ending, Failure> {
    let bad = verbs::rollback::known_bad(operation);
    let mut search = Search::begin(operation, bad).await?;
    let chosen = search.next().await?;
    let located = search.conclude(chosen);
    match &located.chosen {
        Some(good) => {
            let mut facts = operation.facts();
            facts.run = Some(good.run.id);
            facts.commit = Some(good.run.sha.to_string());
            facts.digest = good.artifact.digest;
            Ok(Ending::new(
                Outcome::Planned,
                format!(
                    "run {} ({}) is the last good release; nothing was downloaded or changed",
                    good.run.id,
                    good.run.sha.short()
                ),
            ))
        }
        None => Err(none_good(&located)),
    }
}
