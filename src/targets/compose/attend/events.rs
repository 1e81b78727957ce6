//! What the engine tells of containers as it happens, so that nobody waits for the next look. A stream that breaks is opened again where
//! it broke, and looks go on without it: nothing depends on it alone.

use crate::decide::compose::{Happened, Incident};
use crate::targets::compose::engine::Engine;
use crate::targets::compose::project::PROJECT;
use bollard::errors::Error;
use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::stream::{BoxStream, StreamExt as _};
use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// What is asked for: the comings and goings of containers, not the programs that are run in them.
const ACTIONS: [&str; 11] = [
    "create",
    "destroy",
    "die",
    "health_status",
    "kill",
    "oom",
    "pause",
    "rename",
    "start",
    "stop",
    "unpause",
];

/// Signals that end a program which does not say otherwise: SIGINT, SIGQUIT, SIGKILL, SIGTERM.
const ENDING: [&str; 4] = ["2", "3", "9", "15"];

/// Before a broken stream is opened again.
const AGAIN: Duration = Duration::from_secs(1);

/// A stream of events, and what of it is not judged yet.
pub(super) struct Events {
    project: String,
    stream: Option<BoxStream<'static, Result<EventMessage, Error>>>,
    not_before: Instant,
    /// The time of the last event by the engine's clock, in nanoseconds.
    last: Option<i64>,
    /// Containers that somebody sent a signal to end, and that have not been started since.
    by_hand: BTreeSet<String>,
    happened: Vec<Happened>,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("project", &self.project)
            .field("last", &self.last)
            .finish_non_exhaustive()
    }
}

impl Events {
    pub(super) fn of(project: &str) -> Self {
        Self {
            project: project.to_owned(),
            stream: None,
            not_before: Instant::now(),
            last: None,
            by_hand: BTreeSet::new(),
            happened: Vec::new(),
        }
    }

    /// Waits for the next event, for ever when there is none. Nothing is lost when the waiting is given up.
    pub(super) async fn next(&mut self, engine: &Engine) {
        loop {
            let stream = if let Some(stream) = &mut self.stream {
                stream
            } else {
                sleep_until(self.not_before).await;
                let asked = self.asked();
                self.stream.insert(engine.api().events(Some(asked)).boxed())
            };
            match stream.next().await {
                Some(Ok(event)) => {
                    if self.take(&event) {
                        return;
                    }
                }
                broken => {
                    if let Some(Err(error)) = broken {
                        tracing::debug!(%error, "the stream of events broke");
                    }
                    self.stream = None;
                    self.not_before = Instant::now() + AGAIN;
                }
            }
        }
    }

    /// What happened since this was last asked.
    pub(super) fn drain(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    fn asked(&self) -> EventsOptions {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let label = format!("{PROJECT}={}", self.project);
        let filters = [
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![label]),
            ("event".to_owned(), words(&ACTIONS)),
        ];
        EventsOptions {
            since: self
                .last
                .map(|last| format!("{}.{:09}", last / 1_000_000_000, last % 1_000_000_000)),
            until: None,
            filters: Some(filters.into_iter().collect()),
        }
    }

    /// Whether it is new.
    fn take(&mut self, event: &EventMessage) -> bool {
        // A stream that is opened again begins with the last one.
        if event.time_nano.is_some() && event.time_nano <= self.last {
            return false;
        }
        self.last = event.time_nano.or(self.last);
        let Some((id, attributes)) = event
            .actor
            .as_ref()
            .and_then(|actor| Some((actor.id.clone()?, actor.attributes.as_ref())))
        else {
            return false;
        };
        let attribute = |name: &str| attributes.and_then(|all| all.get(name)).map(String::as_str);
        let incident = match event.action.as_deref().unwrap_or_default() {
            "kill" => {
                if attribute("signal").is_some_and(|signal| ENDING.contains(&signal)) {
                    self.by_hand.insert(id.clone());
                }
                None
            }
            "start" | "destroy" => {
                self.by_hand.remove(&id);
                None
            }
            "oom" => Some(Incident::OutOfMemory),
            "die" => attribute("exitCode")
                .and_then(|code| code.parse().ok())
                .map(|code| Incident::Ended {
                    code,
                    by_hand: self.by_hand.contains(&id),
                }),
            _ => None,
        };
        if let Some(incident) = incident {
            let container = id;
            self.happened.push(Happened {
                container,
                incident,
            });
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn take(events: &mut Events, at: i64, action: &str, attributes: &serde_json::Value) -> bool {
        let event = json!({"Type": "container", "Action": action, "timeNano": at,
            "Actor": {"ID": "c1", "Attributes": attributes}});
        events.take(&serde_json::from_value(event).unwrap())
    }

    fn ended(code: i64, by_hand: bool) -> Vec<Happened> {
        vec![Happened {
            container: "c1".to_owned(),
            incident: Incident::Ended { code, by_hand },
        }]
    }

    #[test]
    fn a_stop_by_hand_is_told_from_a_crash() {
        let mut events = Events::of("shop");
        assert!(take(&mut events, 1, "die", &json!({"exitCode": "3"})));
        assert_eq!(events.drain(), ended(3, false));
        take(&mut events, 2, "start", &json!({}));
        take(&mut events, 3, "kill", &json!({"signal": "15"}));
        take(&mut events, 4, "die", &json!({"exitCode": "0"}));
        assert_eq!(events.drain(), ended(0, true));
        take(&mut events, 5, "start", &json!({}));
        // A signal that means something else to the program.
        take(&mut events, 6, "kill", &json!({"signal": "1"}));
        take(&mut events, 7, "die", &json!({"exitCode": "1"}));
        assert_eq!(events.drain(), ended(1, false));
    }

    #[test]
    fn what_is_told_again_after_a_break_counts_once() {
        let mut events = Events::of("shop");
        assert_eq!(events.asked().since, None);
        assert!(take(
            &mut events,
            1_700_000_000_000_000_005,
            "oom",
            &json!({})
        ));
        assert_eq!(events.asked().since.unwrap(), "1700000000.000000005");
        assert!(!take(
            &mut events,
            1_700_000_000_000_000_005,
            "oom",
            &json!({})
        ));
        assert_eq!(events.drain().len(), 1);
    }
}
