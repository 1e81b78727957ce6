//! What is kept and what may go: evidence of a release before it is replaced, old releases after one was judged good.

use super::operation::Operation;
use crate::model::state::Revision;
use std::io::Write as _;
use std::path::PathBuf;

/// Files of one target that are named one by one; more are named by their directory.
const TOLD_MAX: usize = 3;

/// What the target says of the release that is about to be replaced. Failing to keep it is a warning.
pub(super) async fn evidence(operation: &Operation) {
    for target in &operation.targets {
        let mut kept = Vec::new();
        for (name, text) in target.evidence().await {
            match write_evidence(operation, target.name(), &name, &text) {
                Ok(path) => kept.push((name, path)),
                Err(error) => operation.warn(format!(
                    "could not keep {name} of {}: {error}",
                    target.name()
                )),
            }
        }
        if TOLD_MAX < kept.len() {
            let what = format!("{} files of evidence of {}", kept.len(), target.name());
            operation.left(&what, &operation.dir.join("evidence"));
            continue;
        }
        for (name, path) in kept {
            operation.left(&format!("{name} of {}", target.name()), &path);
        }
    }
}

/// A deploy that rolls back keeps evidence twice: the second never overwrites the first.
fn write_evidence(
    operation: &Operation,
    target: &str,
    name: &str,
    text: &str,
) -> std::io::Result<PathBuf> {
    let dir = operation.dir.join("evidence");
    std::fs::create_dir_all(&dir)?;
    for n in 1_u32.. {
        let path = dir.join(format!("{n}-{target}-{name}"));
        match std::fs::File::create_new(&path) {
            Ok(mut file) => return file.write_all(text.as_bytes()).map(|()| path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => (),
            Err(error) => return Err(error),
        }
    }
    Err(std::io::Error::other("too many files"))
}

/// Once a release was judged good, older ones may go: by count, never what is in place or what it replaced.
pub(super) async fn retire(operation: &Operation) {
    let keep: Vec<Revision> = {
        let facts = operation.facts();
        facts
            .before
            .values()
            .chain(facts.after.values())
            .filter_map(|held| held.revision.clone())
            .collect()
    };
    for target in &operation.targets {
        match target.retire(&keep).await {
            Ok(gone) if gone.is_empty() => (),
            Ok(gone) => operation.note(format!(
                "{}: removed old releases {}",
                target.name(),
                gone.join(", ")
            )),
            Err(error) => operation.warn(format!("{}: old releases stay: {error}", target.name())),
        }
    }
}
