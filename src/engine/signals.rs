//! INT, TERM and HUP: as PID 1 of a container nobody else handles them. A cancelled job gets INT, 7.5 s later TERM,
//! 2.5 s later KILL (GitHub's documentation of cancellation; actions/runner#1309 saw HUP).
//! The first one asks every step to end at its next safe point; after the grace the step is dropped as it is.

use super::operation::Operation;
use crate::model::event::EventKind;
use futures_util::future::{pending, select_all};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A change that was begun may use this long to finish after the first signal: the outputs are written within 5 s.
const GRACE: Duration = Duration::from_secs(4);

/// Waits for the first signal, asks the operation to stop, and returns when the grace is over.
/// Without a signal it never returns.
pub(super) async fn listen(operation: &Operation) {
    let kinds = [
        ("INT", SignalKind::interrupt()),
        ("TERM", SignalKind::terminate()),
        ("HUP", SignalKind::hangup()),
    ];
    let mut streams = Vec::new();
    for (name, kind) in kinds {
        match signal(kind) {
            Ok(stream) => streams.push((name, stream)),
            Err(error) => operation.warn(format!("cannot listen to SIG{name}: {error}")),
        }
    }
    if streams.is_empty() {
        pending::<()>().await;
    }
    let name = first(&mut streams).await;
    operation.tell(EventKind::Interrupted {
        signal: name.to_owned(),
    });
    operation.stop.cancel();
    tokio::time::sleep(GRACE).await;
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
