//! What a person will want to see of the containers before a change: how they are, their logs, what happened to them, how they were
//! made. Bounded in size and time, masked, never the values of their environment. What it means is for whoever reads it.

mod describe;
mod events;
mod inspect;

use super::engine::Engine;
use super::project::{self, Project, Replica};
use super::{Compose, logs};
use crate::targets::TargetError;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// For everything together: evidence never holds up a rollback for longer.
const GATHER_MAX: Duration = Duration::from_secs(10);

/// Of one file, and of all.
const FILE_BYTES_MAX: usize = 256 * 1024;
const ALL_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Lines of the log of a container that is not well, and of one that is.
const LINES_UNWELL: usize = 50;
const LINES_WELL: usize = 10;

/// Containers of a service whose logs and settings are kept, those that are not well first.
const CONTAINERS_MAX: usize = 10;

/// One file: its name, and its text or why it could not be had.
type Part<'a> = BoxFuture<'a, (String, Result<String, String>)>;

/// Names and texts of files: `web.describe.txt`, `web.shop-web-1.log`, `web.shop-web-1.inspect.json`, `events.txt`. What could not be
/// had says so in its own file.
pub(super) async fn gather(compose: &Compose) -> Vec<(String, String)> {
    let Some(name) = compose.settings.project.as_deref() else {
        return Vec::new();
    };
    let ends = Instant::now() + GATHER_MAX;
    let reading = async {
        let engine = compose.engine().await?;
        let project = project::read(compose, engine, name).await?;
        Ok((engine, project))
    };
    let read: Result<_, TargetError> = timeout_at(ends, reading).await.unwrap_or_else(|_elapsed| {
        Err(TargetError::Unreachable {
            what: "the engine does not answer".to_owned(),
        })
    });
    let parts = match &read {
        Ok((engine, project)) => parts(engine, name, project),
        Err(error) => {
            let why = error.to_string();
            vec![async { ("containers.txt".to_owned(), Err(why)) }.boxed()]
        }
    };
    finish(
        compose,
        join_all(parts.into_iter().map(|part| until(ends, part))).await,
    )
}

/// The most telling first: what there is no room for is left out at the end.
fn parts<'a>(engine: &'a Engine, name: &'a str, project: &'a Project) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'_>> = Vec::new();
    for (service, of) in project {
        let file = format!("{service}.describe.txt");
        parts.push(async move { (file, Ok(describe::service(service, of))) }.boxed());
    }
    let events = events::recent(engine, name);
    parts.push(events.map(|text| ("events.txt".to_owned(), text)).boxed());
    let mut unwell = Vec::new();
    let mut others = Vec::new();
    let mut made = Vec::new();
    for (service, of) in project {
        let mut replicas: Vec<&Replica> = of.replicas.iter().chain(&of.aside).collect();
        replicas.sort_by_key(|replica| !describe::is_unwell(replica));
        for replica in replicas.into_iter().take(CONTAINERS_MAX) {
            let is_unwell = describe::is_unwell(replica);
            let lines = if is_unwell { LINES_UNWELL } else { LINES_WELL };
            let log = log(engine, service, replica, lines);
            if is_unwell { &mut unwell } else { &mut others }.push(log.boxed());
            let file = format!("{service}.{}.inspect.json", replica.name);
            made.push(async move { (file, Ok(inspect::shown(&replica.raw))) }.boxed());
        }
    }
    parts.extend(unwell.into_iter().chain(others).chain(made));
    parts
}

async fn log(
    engine: &Engine,
    service: &str,
    replica: &Replica,
    lines: usize,
) -> (String, Result<String, String>) {
    let mut options = logs::tail(lines);
    options.timestamps = true;
    let text = logs::read(engine, &replica.id, options, FILE_BYTES_MAX).await;
    (format!("{service}.{}.log", replica.name), text)
}

/// A part that is not there in time says so under a name of its own kind.
async fn until(ends: Instant, part: Part<'_>) -> (String, Result<String, String>) {
    timeout_at(ends, part).await.unwrap_or_else(|_elapsed| {
        let why = format!("no answer within {} s", GATHER_MAX.as_secs());
        ("missing.txt".to_owned(), Err(why))
    })
}

fn finish(
    compose: &Compose,
    parts: Vec<(String, Result<String, String>)>,
) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    let mut room = ALL_BYTES_MAX;
    let mut left_out = String::new();
    for (name, text) in parts {
        let text = text.unwrap_or_else(|why| format!("[not to be had: {why}]\n"));
        // Masked before it is cut: half a secret is not found any more.
        let text = bounded(compose.masked(&text));
        match room.checked_sub(text.len()) {
            Some(left) => {
                room = left;
                all.push((name, text));
            }
            None => left_out.extend([&name, ": no room left\n"]),
        }
    }
    if !left_out.is_empty() {
        all.push(("left-out.txt".to_owned(), bounded(left_out)));
    }
    all
}

/// The end of a text says most, so that is kept; of a line without an end, its start.
fn bounded(text: String) -> String {
    let mut text: String = if text
        .lines()
        .any(|line| logs::start(line).len() < line.len())
    {
        let line = |line| format!("{}\n", logs::start(line));
        text.lines().map(line).collect()
    } else {
        text
    };
    if text.len() <= FILE_BYTES_MAX {
        return text;
    }
    let note_room = 64;
    let mut from = text.len() - FILE_BYTES_MAX + note_room;
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let kept = text.split_off(from);
    format!("[{from} bytes left out]\n{kept}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_text_is_kept_and_the_start_of_a_long_line() {
        let text = bounded(format!("{}end", "line é\n".repeat(100_000)));
        assert!(text.len() <= FILE_BYTES_MAX);
        assert!(text.starts_with('[') && text.ends_with("end"));
        assert_eq!(bounded("short\n".to_owned()), "short\n");
        let text = bounded(format!("a\n{}\nb", "x".repeat(100_000)));
        assert!(text.len() < 20_000 && text.starts_with("a\n") && text.ends_with("b\n"));
    }
}
