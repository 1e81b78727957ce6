//! The schedule: when each probe is due, how many may be under way, and when a second is complete. The clock is
//! monotonic; a step of the wall clock changes nothing.

use super::ask::{self, Answer};
use super::settings::Signal;
use crate::model::probe::{Aim, Probe};
use reqwest::Client;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use url::Url;

/// Probes of one signal under way at once. A service that lets more pile up does not answer in time, and this machine
/// must not run out of sockets over it. Counted for each signal, so that one that hangs never fails another.
pub const IN_FLIGHT_MAX: usize = 50;

/// A probe that this machine could not send within this time of its due time is left out: its own stall says nothing of
/// the service.
pub const LATE_MAX: Duration = Duration::from_millis(500);

/// What the prober tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Tick {
    Probe(Probe),
    /// Every probe due in this second (from 0) was told. Seconds come in order. A second during which this machine
    /// stalled may have had fewer probes than planned, or none.
    SecondDone(u64),
}

/// Probes signals on an open-loop schedule: a slow answer never delays the next probe.
#[derive(Debug)]
pub struct Prober;

impl Prober {
    /// Starts probing now and until `cancel`, or until nobody listens: `rate` probes per second to each signal (1 to
    /// 50, spread evenly) and one per second to the control URL, each HTTP request on a connection of its own, and each
    /// probe with `deadline` from its sending. `http` must neither pool connections nor follow redirects.
    ///
    /// When the listener is slow, probing slows down with it and leaves probes out; it never reports that as failures.
    pub fn start(
        http: Client,
        signals: Vec<Signal>,
        control: Option<Url>,
        rate: u32,
        deadline: Duration,
        tx: mpsc::Sender<Tick>,
        cancel: CancellationToken,
    ) -> JoinHandle<()> {
        let desk = Desk {
            http,
            in_flight: vec![0; signals.len()],
            signals: signals.into_iter().map(Arc::new).collect(),
            control: control.map(Arc::new),
            deadline,
            began: Instant::now(),
            tx,
            under_way: JoinSet::new(),
            open: VecDeque::new(),
            done: 0,
        };
        tokio::spawn(async move {
            let rate = rate.clamp(1, 50);
            tokio::select! {
                () = cancel.cancelled() => (),
                Closed = desk.run(rate) => (),
            }
        })
    }
}

/// Nobody listens any more.
#[derive(Debug)]
struct Closed;

/// To whom a probe goes.
#[derive(Debug, Clone, Copy)]
enum Whom {
    Control,
    /// Index of the signal.
    Signal(usize),
}

struct Desk {
    http: Client,
    signals: Vec<Arc<Signal>>,
    control: Option<Arc<Url>>,
    deadline: Duration,
    began: Instant,
    tx: mpsc::Sender<Tick>,
    /// Dropped with the desk, which ends every request.
    under_way: JoinSet<(Whom, Probe)>,
    /// Of each signal, by its index.
    in_flight: Vec<usize>,
    /// Probes still under way in each second that was scheduled and is not done, the oldest first.
    open: VecDeque<usize>,
    /// Seconds that are done.
    done: u64,
}

impl Desk {
    /// Never ends by itself.
    async fn run(mut self, rate: u32) -> Closed {
        let offsets = self.offsets(rate);
        for second in 0.. {
            // The second itself counts as one, so that it cannot be done before it was scheduled.
            self.open.push_back(1);
            for (offset_ms, whom) in &offsets {
                if let Err(closed) = self.until(second * 1000 + offset_ms).await {
                    return closed;
                }
                if let Err(closed) = self.send(second * 1000 + offset_ms, *whom).await {
                    return closed;
                }
            }
            if let Err(closed) = self.settle(second).await {
                return closed;
            }
        }
        Closed
    }

    /// The probes of a second: milliseconds from its start, and to whom.
    fn offsets(&self, rate: u32) -> Vec<(u64, Whom)> {
        let signals = self.signals.len() as u64;
        let total = u64::from(rate) * signals;
        let control = self.control.is_some().then_some((0, Whom::Control));
        let service = (0..total).map(|index| {
            let signal = usize::try_from(index % signals).expect("an index of a Vec");
            (index * 1000 / total, Whom::Signal(signal))
        });
        control.into_iter().chain(service).collect()
    }

    /// Waits for a due time, and tells what comes in meanwhile.
    async fn until(&mut self, due_ms: u64) -> Result<(), Closed> {
        let due = self.began + Duration::from_millis(due_ms);
        loop {
            tokio::select! {
                biased;
                () = sleep_until(due) => return Ok(()),
                Some(joined) = self.under_way.join_next() => match joined {
                    Ok((whom, probe)) => {
                        if let Some(count) = self.in_flight_of(whom) {
                            *count -= 1;
                        }
                        self.tell(probe).await?;
                    }
                    // Nobody aborts a probe but by dropping the desk: it panicked, and so do we.
                    Err(join) => std::panic::resume_unwind(join.into_panic()),
                },
            }
        }
    }

    /// Sends one probe, unless it is too late for it or too many are under way.
    async fn send(&mut self, due_ms: u64, whom: Whom) -> Result<(), Closed> {
        let due = self.began + Duration::from_millis(due_ms);
        if due + LATE_MAX < Instant::now() {
            tracing::debug!(due_ms, "a probe was left out: this machine stalled");
            return Ok(());
        }
        *self
            .open
            .back_mut()
            .expect("the second being scheduled is open") += 1;
        if let Some(count) = self.in_flight_of(whom) {
            if IN_FLIGHT_MAX <= *count {
                let why = format!("{IN_FLIGHT_MAX} probes in flight: no answer in time");
                let answer = Answer::missing(why);
                let subject = self.subject(whom);
                return self
                    .tell(told(due_ms, subject, self.deadline, self.deadline, answer))
                    .await;
            }
            *count += 1;
        }
        let (http, deadline) = (self.http.clone(), self.deadline);
        let subject = self.subject(whom);
        match whom {
            Whom::Control => {
                let url = self
                    .control
                    .clone()
                    .expect("scheduled only when there is one");
                self.under_way.spawn(async move {
                    let answer = ask::control(&http, &url, deadline).await;
                    (whom, told(due_ms, subject, due.elapsed(), deadline, answer))
                });
            }
            Whom::Signal(index) => {
                let signal = Arc::clone(self.signals.get(index).expect("an index of this Vec"));
                self.under_way.spawn(async move {
                    let answer = ask::service(&http, &signal, deadline).await;
                    (whom, told(due_ms, subject, due.elapsed(), deadline, answer))
                });
            }
        }
        Ok(())
    }

    fn subject(&self, whom: Whom) -> (String, Aim) {
        match whom {
            Whom::Control => ("control".to_owned(), Aim::Control),
            Whom::Signal(index) => {
                let signal = self.signals.get(index).expect("an index of this Vec");
                (signal.name.clone(), Aim::Service)
            }
        }
    }

    fn in_flight_of(&mut self, whom: Whom) -> Option<&mut usize> {
        match whom {
            // One per second and with a deadline of seconds: they cannot pile up.
            Whom::Control => None,
            Whom::Signal(index) => self.in_flight.get_mut(index),
        }
    }

    async fn tell(&mut self, probe: Probe) -> Result<(), Closed> {
        let second = probe.due_ms / 1000;
        self.tx
            .send(Tick::Probe(probe))
            .await
            .map_err(|_closed| Closed)?;
        self.settle(second).await
    }

    /// One of a second's probes was told, or its schedule ended.
    async fn settle(&mut self, second: u64) -> Result<(), Closed> {
        let index = usize::try_from(second - self.done).expect("few seconds are open");
        *self
            .open
            .get_mut(index)
            .expect("a second with something left is open") -= 1;
        while self.open.front() == Some(&0) {
            self.open.pop_front();
            self.tx
                .send(Tick::SecondDone(self.done))
                .await
                .map_err(|_closed| Closed)?;
            self.done += 1;
        }
        Ok(())
    }
}

fn told(
    due_ms: u64,
    (signal, aim): (String, Aim),
    took: Duration,
    deadline: Duration,
    answer: Answer,
) -> Probe {
    // Without an answer there is no latency: the deadline stands for it.
    let latency = if answer.answered { took } else { deadline };
    Probe {
        signal,
        aim,
        due_ms,
        latency_ms: (latency.as_secs_f64() * 1e6).round() / 1e3,
        status: answer.status,
        class: answer.class,
    }
}
