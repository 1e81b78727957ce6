//! The events that a kubelet writes about a pod which is not well, each counted as it comes again.

use super::behaviour::{Behaviour, Moment, State};
use super::pod::{Container, Role, Story};
use super::status;
use k8s_openapi::api::core::v1::Event;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// A probe fails this often, then the kubelet of the tests loses interest.
const FAILURES_MAX: u32 = 30;

const PROBE_EVERY: Duration = Duration::from_secs(1);

/// How often each event was written, and when first.
#[derive(Debug, Default)]
pub struct Told {
    counts: BTreeMap<String, (u32, String)>,
}

impl Told {
    /// Writes what is to be written at this age. The answer is the age at which a probe fails again.
    pub async fn tell(
        &mut self,
        story: &Story,
        client: &Client,
        containers: &[Container],
        moments: &[Moment],
        age: Duration,
    ) -> Option<Duration> {
        let mut again = None;
        for (container, moment) in containers.iter().zip(moments) {
            let is_probed = container.image.behaviour == Behaviour::Unready
                && matches!(container.role, Role::Service | Role::Sidecar);
            let (reason, text, count) = match moment.state {
                State::Running { .. } if is_probed => {
                    let seconds = u32::try_from(age.as_secs()).unwrap_or(FAILURES_MAX);
                    let count = 1 + seconds.min(FAILURES_MAX);
                    again = (count < FAILURES_MAX).then(|| PROBE_EVERY * count);
                    let text = "Readiness probe failed: HTTP probe failed with statuscode: 503";
                    ("Unhealthy", text.to_owned(), count)
                }
                State::Waiting("CrashLoopBackOff") => {
                    let text = "Back-off restarting failed container".to_owned();
                    ("BackOff", text, moment.restarts)
                }
                State::Waiting(reason) => ("Failed", status::message(reason, container), 1),
                State::Running { .. } | State::Ended(..) => continue,
            };
            self.write(story, client, &container.name, (reason, &text, count))
                .await;
        }
        again
    }

    async fn write(
        &mut self,
        story: &Story,
        client: &Client,
        container: &str,
        (reason, text, count): (&str, &str, u32),
    ) {
        let now = status::now();
        let name = format!("{}.{container}.{}", story.name, reason.to_lowercase());
        let told = self.counts.entry(format!("{name} {text}"));
        let (before, first) = told.or_insert((0, now.clone()));
        if *before == count {
            return;
        }
        *before = count;
        let event = event(story, &name, (reason, text, count), (first, &now));
        let events = Api::<Event>::namespaced(client.clone(), &story.space);
        let params = PatchParams::apply("kubelet").force();
        match events.patch(&name, &params, &Patch::Apply(event)).await {
            Ok(_) => (),
            // The namespace is being deleted, or gone.
            Err(kube::Error::Api(status)) if status.code == 403 || status.code == 404 => (),
            Err(error) => eprintln!("event {name}: {error}"),
        }
    }
}

fn event(
    story: &Story,
    name: &str,
    (reason, text, count): (&str, &str, u32),
    (first, last): (&str, &str),
) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Event", "metadata": {"name": name},
        "involvedObject": {"apiVersion": "v1", "kind": "Pod", "namespace": story.space, "name": story.name, "uid": story.uid},
        "type": "Warning", "reason": reason, "message": text, "count": count,
        "firstTimestamp": first, "lastTimestamp": last,
        "source": {"component": "kubelet", "host": story.node},
    })
}
