//! INT, TERM and HUP: as PID 1 of a container nobody else handles them. A cancelled job gets INT, 7.5 s later TERM,
//! 2.5 s later KILL (GitHub's documentation of cancellation; actions/runner#1309 saw HUP).
//! The first one asks every step to end at its next safe point; what does not end in time is dropped as it is.

use super::operation::{Operation, stopped};
use super::prepare::observe;
use super::restore::remember_after;
use crate::model::event::EventKind;
use crate::model::outcome::Failure;
use futures_util::future::{join_all, pending, select_all};
use std::io;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep, timeout};

/// A change that was begun may use this long to finish after the first signal: the outputs are written within 5 s.
const GRACE: Duration = Duration::from_millis(3500);

/// A step that changes nothing (a request to GitHub, an observation) is waited for no longer than this.
const GRACE_OF_READERS: Duration = Duration::from_millis(500);

/// How often it is looked whether a change is under way.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What programs that are ended get to clean up.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// What targets get to leave something at work where a change was dropped in the middle.
const STAND_UP: Duration = Duration::from_secs(2);

/// Longest last observation of a command that was asked to stop.
const LAST_LOOK: Duration = Duration::from_millis(500);

/// Signals that are caught from now on instead of ending the process.
#[derive(Debug)]
pub(super) struct Signals {
    streams: Vec<(&'static str, Signal)>,
    uncaught: Vec<(&'static str, io::Error)>,
}

impl Signals {
    pub(super) fn catch() -> Self {
        let mut caught = Self {
            streams: Vec::new(),
            uncaught: Vec::new(),
        };
        let kinds = [
            ("INT", SignalKind::interrupt()),
            ("TERM", SignalKind::terminate()),
            ("HUP", SignalKind::hangup()),
        ];
        for (name, kind) in kinds {
            match signal(kind) {
                Ok(stream) => caught.streams.push((name, stream)),
                Err(error) => caught.uncaught.push((name, error)),
            }
        }
        caught
    }

    /// Waits for the first signal, asks the operation to stop, and returns when its time is over.
    /// Without a signal it never returns.
    pub(super) async fn listen(mut self, operation: &Operation) {
        for (name, error) in &self.uncaught {
            operation.warn(format!("cannot listen to SIG{name}: {error}"));
        }
        if self.streams.is_empty() {
            pending::<()>().await;
        }
        let name = first(&mut self.streams).await;
        operation.tell(EventKind::Interrupted {
            signal: name.to_owned(),
        });
        operation.stop.cancel();
        let asked = Instant::now();
        loop {
            sleep(LOOK_EVERY).await;
            // No change begins after the stop: one that is not under way now never will be.
            let grace = if 0 < operation.facts().changing {
                GRACE
            } else {
                GRACE_OF_READERS
            };
            if grace <= asked.elapsed() {
                return;
            }
        }
    }
}

/// The end of a command that was asked to stop and did not in time: its steps are dropped, its programs are being ended.
/// What the target holds now is observed once more, unless that takes too long as well.
pub(super) async fn given_up(operation: &Operation) -> Failure {
    if operation.facts().changing == 0 {
        return stopped("asked to stop before anything else was changed");
    }
    // Programs got TERM when their step was dropped; KILL follows when the process ends.
    sleep(LAST_WORDS).await;
    stand_up(operation).await;
    let look = async {
        for target in &operation.targets {
            if let Ok(state) = observe(operation, target.as_ref()).await {
                remember_after(operation, state);
            }
        }
    };
    if timeout(LAST_LOOK, look).await.is_err() {
        operation.warn("stopped before it was observed what the target holds now");
    }
    stopped("asked to stop, and the change under way did not end in time: it may be half done")
}

/// What was dropped in the middle of a change leaves something at work. Side by side: together they have the time of one.
pub(super) async fn stand_up(operation: &Operation) {
    let standing = operation.targets.iter().map(|target| async {
        let name = target.name();
        match timeout(STAND_UP, target.stand_up()).await {
            Ok(Ok(())) => (),
            Ok(Err(error)) => operation.warn(format!("{name}: {error}")),
            Err(_elapsed) => operation.warn(format!(
                "{name}: the change that was dropped could not be put back in time"
            )),
        }
    });
    join_all(standing).await;
}

async fn first(streams: &mut [(&'static str, Signal)]) -> &'static str {
    let waits = streams.iter_mut().map(|(name, stream)| {
        Box::pin(async move {
            stream.recv().await;
            *name
        })
    });
    select_all(waits).await.0
}
