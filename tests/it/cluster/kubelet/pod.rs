//! The life of one pod as its status tells it: which containers it has, what each does, and a patch whenever something
//! else is to be seen.

use super::Kubelet;
use super::behaviour::{Behaviour, Moment, State, job, service, task};
use super::images::Image;
use super::{events, status};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// What a pod is made of.
#[derive(Debug, Clone)]
pub struct Story {
    pub name: String,
    pub space: String,
    pub uid: String,
    pub node: String,
    owner: Option<(String, String)>,
    containers: Vec<(Role, String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Init,
    /// An init container that goes on: `restartPolicy: Always` (servers from 1.28 on know it).
    Sidecar,
    Service,
    Job,
}

/// One container with its image.
#[derive(Debug, Clone)]
pub struct Container {
    pub role: Role,
    pub name: String,
    pub image: Image,
}

impl Container {
    pub fn moment(&self, age: Duration) -> Moment {
        match self.role {
            Role::Init => task(self.image.behaviour, age),
            Role::Sidecar | Role::Service => service(self.image.behaviour, age),
            Role::Job => job(self.image.behaviour, age),
        }
    }
}

impl Story {
    /// `None` for a pod without a node.
    pub fn of(pod: &Pod) -> Option<Self> {
        let spec = pod.spec.as_ref()?;
        let node = spec.node_name.clone()?;
        let owners = pod.metadata.owner_references.iter().flatten();
        let owner = owners
            .map(|owner| (owner.kind.clone(), owner.uid.clone()))
            .next();
        let is_job = owner.as_ref().is_some_and(|(kind, _)| kind == "Job");
        let main = if is_job { Role::Job } else { Role::Service };
        let mut containers = Vec::new();
        for init in spec.init_containers.iter().flatten() {
            let is_sidecar = init.restart_policy.as_deref() == Some("Always");
            let role = if is_sidecar {
                Role::Sidecar
            } else {
                Role::Init
            };
            containers.push((
                role,
                init.name.clone(),
                init.image.clone().unwrap_or_default(),
            ));
        }
        for container in &spec.containers {
            let image = container.image.clone().unwrap_or_default();
            containers.push((main, container.name.clone(), image));
        }
        Some(Self {
            name: pod.metadata.name.clone()?,
            space: pod.metadata.namespace.clone()?,
            uid: pod.metadata.uid.clone()?,
            node,
            owner,
            containers,
        })
    }

    pub fn images(&self) -> Vec<String> {
        self.containers
            .iter()
            .map(|(_, _, image)| image.clone())
            .collect()
    }

    /// Patches the status until nothing changes any more.
    pub(super) async fn tell(self, kubelet: Kubelet, number: u32) {
        let began = Instant::now();
        let mut setting = status::Setting::new(number);
        let containers = self.containers(&kubelet).await;
        let pods = Api::<Pod>::namespaced(kubelet.client.clone(), &self.space);
        let mut last = Value::Null;
        let mut told = events::Told::default();
        loop {
            let age = began.elapsed();
            let moments: Vec<_> = containers
                .iter()
                .map(|container| container.moment(age))
                .collect();
            let status = status::of(&containers, &moments, &mut setting);
            if status != last {
                let patch = Patch::Strategic(json!({"status": status}));
                if !patched(&pods, &self.name, &patch).await {
                    return;
                }
                last = status;
            }
            let again = told
                .tell(&self, &kubelet.client, &containers, &moments, age)
                .await;
            let untils = moments.iter().filter_map(|moment| moment.until);
            let Some(until) = untils.chain(again).min() else {
                return;
            };
            sleep(until.saturating_sub(began.elapsed())).await;
        }
    }

    async fn containers(&self, kubelet: &Kubelet) -> Vec<Container> {
        let table = kubelet.images.table(&self.space).await;
        let owner = self.owner.as_ref().map_or(&self.uid, |(_, uid)| uid);
        let mut containers = Vec::new();
        for (role, name, image) in &self.containers {
            let mut image = kubelet.images.resolve(image, &table);
            if image.behaviour == Behaviour::OneBad && kubelet.images.is_first(owner, &self.uid) {
                image.behaviour = Behaviour::Crash;
            }
            containers.push(Container {
                role: *role,
                name: name.clone(),
                image,
            });
        }
        containers
    }
}

/// `false`: the pod is gone.
async fn patched(pods: &Api<Pod>, name: &str, patch: &Patch<Value>) -> bool {
    for _ in 0..20 {
        match pods
            .patch_status(name, &PatchParams::default(), patch)
            .await
        {
            Ok(_) => return true,
            Err(kube::Error::Api(error)) if error.code == 404 || error.code == 422 => return false,
            Err(error) => eprintln!("the status of {name}: {error}"),
        }
        sleep(Duration::from_millis(200)).await;
    }
    false
}

/// Whether an init container stands in the way.
pub fn is_waiting_for_init(containers: &[Container], moments: &[Moment]) -> bool {
    let mut both = containers.iter().zip(moments);
    both.any(|(container, moment)| match container.role {
        Role::Init => !matches!(moment.state, State::Ended(0, _)),
        Role::Sidecar => !matches!(moment.state, State::Running { .. }),
        Role::Service | Role::Job => false,
    })
}

/// The next address; the API server refuses endpoints on loopback.
pub fn address(number: u32) -> String {
    let [_, a, b, c] = number.wrapping_add(256).to_be_bytes();
    format!("10.{}.{b}.{c}", 1 + a % 200)
}
