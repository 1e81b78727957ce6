//! What a person will want to see of a stack before a change: what each service asks for, how its last update went, and why its tasks
//! failed. Bounded, and without the secrets that this program was given.

use super::service::Service;
use super::stack;
use crate::targets::compose::Compose;
use std::fmt::Write as _;

/// Tasks that are told of one service.
const TASKS_MAX: usize = 20;

/// Name and text of one piece for each service; what cannot be read is left out.
pub(in crate::targets::compose) async fn gather(compose: &Compose) -> Vec<(String, String)> {
    let Ok(services) = stack::read(compose).await else {
        return Vec::new();
    };
    services
        .values()
        .map(|service| {
            let name = format!("{}.txt", service.name);
            (name, compose.masked(&describe(service)))
        })
        .collect()
}

fn describe(service: &Service) -> String {
    let seen = &service.seen;
    let mut text = String::new();
    // Writing to a String cannot fail.
    let mut line = |line: String| {
        let _infallible = writeln!(text, "{line}");
    };
    line(format!(
        "service {} (version {})",
        service.name, service.version
    ));
    line(format!("image   {}", seen.image));
    line(format!("tasks   {} of {} run it", seen.up(), seen.needed()));
    if let Some(update) = &seen.update {
        line(format!("update  {:?}: {}", update.state, update.message));
    }
    for task in seen.tasks.iter().take(TASKS_MAX) {
        let trouble = task.trouble.as_deref().unwrap_or_default();
        line(format!(
            "task    {} {:?} {} {trouble}",
            task.id, task.state, task.image
        ));
    }
    let more = seen.tasks.len().saturating_sub(TASKS_MAX);
    if 0 < more {
        line(format!("        and {more} more"));
    }
    text
}
