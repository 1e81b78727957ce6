//! A swarm of one node, on an engine of its own: an engine that left one answers names in its Compose networks no more (engine 20.10).
//! Its bridge to the node has a name of its own too, so that engines side by side do not share one.

use super::{Alone, Engine, Image, free_port};
use serde_json::Value;
use std::ops::Deref;

/// It is left, and its engine stopped, when this is dropped.
#[derive(Debug)]
pub struct Swarm {
    engine: Alone,
}

/// The bridge that a swarm joins its containers to the node with: it has this name for the engine, whatever it is on the machine.
const TO_NODE: &str = "docker_gwbridge";

impl Swarm {
    /// `None` where no engine can run, after saying so.
    #[track_caller]
    pub fn start() -> impl Future<Output = Option<Self>> {
        let engine = Alone::start();
        async {
            let swarm = Self { engine: engine? };
            let listen = free_port();
            let device = format!("com.docker.network.bridge.name=lgw{listen}");
            let bridge = ["network", "create", "--driver", "bridge", "--opt", &device];
            swarm.docker(&[&bridge[..], &[TO_NODE]].concat()).await;
            let listen = format!("127.0.0.1:{listen}");
            let data = free_port().to_string();
            let init = ["swarm", "init", "--advertise-addr", "127.0.0.1"];
            let ports = ["--listen-addr", &listen, "--data-path-port", &data];
            swarm.docker(&[&init[..], &ports].concat()).await;
            Some(swarm)
        }
    }

    /// A service `STACK_web` as `docker stack deploy` would make it, with few and short waits; `more`: further options of
    /// `docker service create`.
    pub async fn service(&self, stack: &str, image: &str, more: &[&str]) -> String {
        let name = format!("{stack}_web");
        let labels = [
            format!("com.docker.stack.namespace={stack}"),
            format!("com.docker.stack.image={image}"),
        ];
        let mut args = vec!["service", "create", "--detach", "--no-resolve-image"];
        args.extend(["--name", &name]);
        args.extend(["--label", &labels[0], "--label", &labels[1]]);
        args.extend(["--stop-grace-period", "1s", "--restart-delay", "300ms"]);
        args.extend(["--update-monitor", "1500ms", "--rollback-monitor", "1s"]);
        args.extend(more);
        args.push(image);
        self.docker(&args).await;
        name
    }

    /// Another image for a service, as somebody else would put it in place. The swarm may be at work on the one before.
    pub async fn put(&self, service: &str, image: &str) {
        let update = ["service", "update", "--detach", "--no-resolve-image"];
        let args = [&update[..], &["--image", image, service]].concat();
        // What another update overtakes is asked for again, as a person does.
        for _ in 0..20 {
            match self.try_docker(&args).await {
                Ok(_) => return,
                Err(error) if error.contains("out of sequence") => (),
                Err(error) => panic!("{error}"),
            }
        }
        panic!("{service} is updated by others all the time");
    }

    /// All that the swarm says of a service.
    pub async fn said(&self, service: &str) -> Value {
        let text = self.docker(&["service", "inspect", service]).await;
        let all: Vec<Value> = serde_json::from_str(&text).unwrap();
        all.into_iter().next().unwrap()
    }
}

impl Image {
    /// `NAME:TAG@sha256:…`, as a stack file makes the swarm store it.
    pub fn stored(&self, tag: &str) -> String {
        format!("{}:{tag}@{}", self.name, self.digest)
    }
}

impl Deref for Swarm {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        for args in [
            &["swarm", "leave", "--force"][..],
            &["network", "rm", TO_NODE],
        ] {
            let ended = self.command().args(args).as_std_mut().output();
            if !ended.as_ref().is_ok_and(|ended| ended.status.success()) {
                eprintln!("docker {args:?}: {ended:?}");
            }
        }
    }
}
