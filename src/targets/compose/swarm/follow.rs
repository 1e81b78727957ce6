//! Follows an update until the swarm has done it, gave up or went back. How many tasks are replaced at once, and how long each is
//! watched, is the service's own; here only standing still has a limit. What a look means is `decide::swarm`'s.

use super::service::Service;
use super::stack;
use crate::decide::swarm::{self, Standing};
use crate::model::state::{Revision, Slot};
use crate::targets::compose::Compose;
use crate::targets::{Story, TargetError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(250);

/// What the scheduler says of a port of the node that another task still has (swarmkit, `manager/scheduler/filter.go`).
const HOST_PORT: &str = "host-mode port already in use";

pub(super) async fn follow(
    compose: &Compose,
    service: &Service,
    to: &Revision,
    story: Option<&dyn Story>,
) -> Result<(), TargetError> {
    // A task is watched, and the next one waits, for as long as the service says: that is no standing still.
    let still = compose.settings.healthy_deadline.0 + Duration::from_nanos(service.pace_ns());
    let mut follow = Follow {
        compose,
        service,
        story,
        best: None,
        told: String::new(),
        still,
        ends: Instant::now() + still,
    };
    loop {
        match stack::again(compose, &service.slot).await {
            Ok(Some(now)) => {
                if follow.look(&now, &to.0)? {
                    return Ok(());
                }
            }
            Ok(None) => return Err(gone(&service.slot, to)),
            // Looking again is no second change.
            Err(TargetError::Unreachable { what }) if Instant::now() < follow.ends => {
                follow.tell(&format!("{what}; looking again"));
            }
            Err(error) => return Err(error),
        }
        sleep(LOOK).await;
    }
}

struct Follow<'a> {
    compose: &'a Compose,
    service: &'a Service,
    story: Option<&'a dyn Story>,
    /// The most tasks that ran, and the fewest old ones that were left. Tasks that come and go are no progress.
    best: Option<(u64, u64)>,
    told: String,
    still: Duration,
    ends: Instant,
}

impl Follow<'_> {
    /// `true`: it is done.
    fn look(&mut self, now: &Service, digest: &str) -> Result<bool, TargetError> {
        let name = &self.service.name;
        let seen = &now.seen;
        let (up, old) = (seen.up(), seen.old());
        let is_new = self.best.is_none_or(|(most, left)| most < up || old < left);
        if is_new {
            let (most, left) = self.best.unwrap_or((up, old));
            self.best = Some((most.max(up), left.min(old)));
            self.ends = Instant::now() + self.still;
        }
        let why = self.troubles(now);
        match swarm::standing(seen, digest) {
            Standing::Done => return Ok(true),
            Standing::Going { text, up: _ } => self.tell(&text),
            // What is in place in the end is told with it.
            Standing::GoingBack { text } => self.tell(&format!("the swarm goes back: {text}")),
            Standing::Paused { text } => {
                let text = self.compose.masked(&text);
                return Err(TargetError::Unhealthy {
                    what: format!("{name}: the swarm gave up on the update: {text}{why}"),
                    advice: format!(
                        "look at `docker service ps --no-trunc {name}`; the same command again lets the swarm go on"
                    ),
                });
            }
            Standing::WentBack { text } => {
                let text = self.compose.masked(&text);
                return Err(TargetError::Unhealthy {
                    what: format!(
                        "{name}: the swarm went back to {} by itself (failure_action {}): {text}{why}",
                        seen.image,
                        self.service.failure_action()
                    ),
                    advice: format!(
                        "look at `docker service ps --no-trunc {name}`: its tasks failed"
                    ),
                });
            }
            Standing::Replaced { image } => {
                return Err(TargetError::Conflict {
                    slot: self.service.slot.clone(),
                    found: image,
                    expected: digest.to_owned(),
                });
            }
        }
        if self.ends <= Instant::now() {
            return Err(self.stands_still(now, &why));
        }
        Ok(false)
    }

    fn stands_still(&self, now: &Service, why: &str) -> TargetError {
        let name = &self.service.name;
        let seen = &now.seen;
        let message = seen.update.as_ref().map_or("", |update| &update.message);
        let message = self.compose.masked(message);
        let is_port = why.contains(HOST_PORT);
        let advice = if is_port && self.service.starts_first() {
            format!(
                "{name} publishes a port of its node (mode: host), so a new task cannot start before the old one has stopped: use `order: stop-first` or `mode: ingress`"
            )
        } else if is_port {
            format!(
                "another task still has the port of the node (mode: host): `docker service ps {name}` shows which; publish it in `mode: ingress`, or scale {name} to 0 and back"
            )
        } else {
            format!("look at `docker service ps --no-trunc {name}`, or raise healthy-deadline")
        };
        TargetError::Unhealthy {
            what: format!(
                "{name}: nothing moved for {} s: {} of {} run the image, {} still another one ({message}){why}",
                self.still.as_secs(),
                seen.up(),
                seen.needed(),
                seen.old()
            ),
            advice,
        }
    }

    /// `; its tasks: exit 3`, at most the two newest, without secrets.
    fn troubles(&self, now: &Service) -> String {
        const TOLD_MAX: usize = 2;
        let troubles = now.seen.troubles();
        if troubles.is_empty() {
            return String::new();
        }
        let told: Vec<String> = troubles
            .iter()
            .take(TOLD_MAX)
            .map(|trouble| self.compose.masked(trouble))
            .collect();
        format!("; its tasks: {}", told.join("; "))
    }

    fn tell(&mut self, text: &str) {
        let text = self.compose.masked(text);
        if self.told != text {
            if let Some(story) = self.story {
                story.progress(&self.service.slot, &text);
            }
            self.told = text;
        }
    }
}

fn gone(slot: &Slot, to: &Revision) -> TargetError {
    TargetError::Conflict {
        slot: slot.clone(),
        found: "no such service".to_owned(),
        expected: to.0.clone(),
    }
}
