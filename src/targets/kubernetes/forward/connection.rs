//! One connection after the other, each to a ready pod through the API server.

use super::destination::{Destination, End};
use crate::targets::TargetError;
use crate::targets::kubernetes::cluster::Cluster;
use anyhow::{Context as _, anyhow};
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, Portforwarder};
use std::time::Duration;
use tokio::io::{self, AsyncWriteExt as _, DuplexStream};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};

/// Longest time until a connection is open, in all tries together.
const OPEN_MAX: Duration = Duration::from_secs(10);

/// Between two tries.
const PAUSE: Duration = Duration::from_millis(250);

/// Pods come and go while a release is rolled out; a list that is older is read again.
const AGE_MAX: Duration = Duration::from_secs(2);

/// Once the prober has ended its side, the pod has this long to end its own.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// The pods of one destination, taken in turn.
#[derive(Debug)]
pub(super) struct Ring {
    cluster: Cluster,
    destination: Destination,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    ends: Vec<End>,
    read_at: Option<Instant>,
    next: usize,
}

/// An open port of a pod. Its task ends with it.
struct Forwarded {
    forwarder: Portforwarder,
    stream: Option<DuplexStream>,
    port: u16,
}

impl Drop for Forwarded {
    fn drop(&mut self) {
        self.forwarder.abort();
    }
}

impl Ring {
    pub(super) fn new(cluster: Cluster, destination: Destination) -> Self {
        Self {
            cluster,
            destination,
            state: Mutex::default(),
        }
    }

    /// Carries one connection to its end. What cannot be carried is reset.
    pub(super) async fn carry(&self, mut stream: TcpStream) {
        let carried = match timeout(OPEN_MAX, self.open()).await {
            Ok(Ok(forwarded)) => exchange(&mut stream, forwarded).await,
            Ok(Err(error)) => Err(error),
            Err(_elapsed) => Err(anyhow!("not open within {} s", OPEN_MAX.as_secs())),
        };
        if let Err(error) = carried {
            let error = format!("{error:#}");
            tracing::warn!(%error, to = ?self.destination, "a port could not be forwarded");
            // Not an orderly end: nobody may take it for an answer.
            if let Err(error) = stream.set_zero_linger() {
                tracing::debug!(%error, "a connection ends in order instead of with a reset");
            }
        }
    }

    /// A port of a ready pod. A pod that is gone by now is passed over once; that no pod is ready is told at once; and while the API
    /// server does not answer it is tried again, because that says nothing about the service.
    async fn open(&self) -> anyhow::Result<Forwarded> {
        let mut was_passed_over = false;
        loop {
            let error = match self.end().await {
                Ok(Some(end)) => match self.connect(&end).await {
                    Ok(forwarded) => return Ok(forwarded),
                    Err(error) if was_passed_over => return Err(error),
                    Err(error) => {
                        was_passed_over = true;
                        error
                    }
                },
                Ok(None) => return Err(anyhow!("no pod is ready")),
                Err(TargetError::Unreachable { what }) => anyhow!(what),
                Err(error) => return Err(error.into()),
            };
            let error = format!("{error:#}");
            tracing::debug!(%error, to = ?self.destination, "a port is asked for again");
            self.state.lock().await.read_at = None;
            sleep(PAUSE).await;
        }
    }

    async fn connect(&self, end: &End) -> anyhow::Result<Forwarded> {
        let client = self.cluster.client.clone();
        let pods: Api<api::Pod> = Api::namespaced(client, &self.destination.namespace);
        let mut forwarder = pods
            .portforward(&end.pod, &[end.port])
            .await
            .with_context(|| format!("could not reach port {} of pod {}", end.port, end.pod))?;
        Ok(Forwarded {
            stream: forwarder.take_stream(end.port),
            port: end.port,
            forwarder,
        })
    }

    /// The next pod in turn; `None` when none is ready.
    async fn end(&self) -> Result<Option<End>, TargetError> {
        let mut state = self.state.lock().await;
        let is_old = state.read_at.is_none_or(|at| AGE_MAX <= at.elapsed());
        if is_old || state.ends.is_empty() {
            state.ends = self.destination.route(&self.cluster).await?;
            state.read_at = Some(Instant::now());
        }
        let count = state.ends.len();
        if count == 0 {
            return Ok(None);
        }
        state.next = (state.next + 1) % count;
        Ok(state.ends.get(state.next).cloned())
    }
}

/// Until the pod has ended its side. A prober that ended its own still gets the answer: closing towards the pod would end both
/// directions, so that is left out.
async fn exchange(stream: &mut TcpStream, mut forwarded: Forwarded) -> anyhow::Result<()> {
    let port = forwarded.port;
    let (Some(pod), Some(trouble)) = (
        forwarded.stream.take(),
        forwarded.forwarder.take_error(port),
    ) else {
        return Err(anyhow!("the port was not forwarded"));
    };
    talk(stream, pod, trouble).await?;
    // The prober may be gone already.
    if let Err(error) = stream.shutdown().await {
        tracing::debug!(%error, "the prober did not wait for the end");
    }
    Ok(())
}

async fn talk(
    stream: &mut TcpStream,
    pod: DuplexStream,
    trouble: impl Future<Output = Option<String>>,
) -> anyhow::Result<()> {
    let (mut from_pod, mut to_pod) = io::split(pod);
    let (mut from_prober, mut to_prober) = stream.split();
    let mut asking = std::pin::pin!(io::copy(&mut from_prober, &mut to_pod));
    let mut answering = std::pin::pin!(io::copy(&mut from_pod, &mut to_prober));
    let mut trouble = std::pin::pin!(trouble);
    let mut ends = std::pin::pin!(sleep(LAST_WORDS));
    let mut is_asked = false;
    let mut is_open = true;
    loop {
        tokio::select! {
            biased;
            // Resolves with nothing when the forwarding is over; then the rest of the answer is still to be had.
            why = &mut trouble, if is_open => match why {
                Some(why) => return Err(anyhow!("the pod did not take the connection: {}", why.trim())),
                None => is_open = false,
            },
            answered = &mut answering => {
                answered.context("the answer broke off")?;
                return Ok(());
            }
            asked = &mut asking, if !is_asked => {
                asked.context("the question broke off")?;
                is_asked = true;
                ends.as_mut().reset(Instant::now() + LAST_WORDS);
            }
            () = &mut ends, if is_asked => return Ok(()),
        }
    }
}
