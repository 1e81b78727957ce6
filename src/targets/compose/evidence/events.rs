//! What the engine tells of a project's containers in the last quarter of an hour, by its own clock.

use crate::targets::compose::engine::{Engine, EngineError};
use crate::targets::compose::logs::clock;
use crate::targets::compose::project::PROJECT;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::stream::StreamExt as _;
use jiff::Timestamp;
use std::fmt::Write as _;

/// How far back, in seconds.
const BACK_S: i64 = 900;

/// Of the attributes, these say something; the others are the labels of the container.
const TOLD: [&str; 4] = ["name", "image", "exitCode", "signal"];

/// What is asked for: the ends, and what explains them. Programs that are run in a container say nothing.
const ACTIONS: [&str; 8] = [
    "create",
    "destroy",
    "die",
    "health_status",
    "kill",
    "oom",
    "start",
    "stop",
];

/// An engine keeps no more.
const EVENTS_MAX: usize = 500;

/// One line each, the oldest first.
pub(super) async fn recent(engine: &Engine, project: &str) -> Result<String, String> {
    let read = async {
        let now = clock(engine).await?;
        let filters = [
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![format!("{PROJECT}={project}")]),
            (
                "event".to_owned(),
                ACTIONS.iter().map(|action| (*action).to_owned()).collect(),
            ),
        ];
        let options = EventsOptions {
            since: Some((now.as_second() - BACK_S).to_string()),
            // The engine ends the answer there; what happened in this very second is the most telling.
            until: Some(format!(
                "{}.{:09}",
                now.as_second(),
                now.subsec_nanosecond()
            )),
            filters: Some(filters.into_iter().collect()),
        };
        let mut text =
            "the last 15 minutes; an engine keeps its last 256 events, health checks included\n"
                .to_owned();
        let mut events = engine.api().events(Some(options)).take(EVENTS_MAX).boxed();
        while let Some(event) = events.next().await {
            line(&mut text, &event?);
        }
        Ok::<_, EngineError>(text)
    };
    read.await.map_err(|error| error.to_string())
}

fn line(text: &mut String, event: &EventMessage) {
    let at = event
        .time
        .and_then(|time| Timestamp::from_second(time).ok())
        .map_or_else(|| "no time".to_owned(), |at| at.to_string());
    let attributes = event
        .actor
        .as_ref()
        .and_then(|actor| actor.attributes.as_ref());
    let told: Vec<String> = TOLD
        .iter()
        .filter_map(|name| Some(format!("{name}={}", attributes?.get(*name)?)))
        .collect();
    let action = event.action.as_deref().unwrap_or("no action");
    writeln!(text, "{at}  {action}  {}", told.join(" ")).expect("a string takes all");
}
