//! A stack of a swarm, deployed by `docker stack deploy`: recorded, broken, put back.

use super::shop::{NEW, bad, of_run, pinned, v1};
use crate::docker::{Image, Swarm};
use crate::e2e::stage::{Stage, zipped_dir};
use crate::world::{ArtifactSpec, JobSpec, RunSpec};
use serde_json::Value;
use std::fs;
use std::time::{Duration, Instant};

struct Shop {
    stage: Stage,
    swarm: Swarm,
}

impl Shop {
    /// A deploy step of the user's own: the stack file with this image. It does not wait.
    async fn deploy(&self, image: &Image, tag: &str) {
        let text = format!(
            "version: \"3.8\"\nservices:\n  web:\n    image: {}:{tag}\n    stop_grace_period: 1s\n    deploy:\n      replicas: 2\n      update_config: {{monitor: 1500ms}}\n      restart_policy: {{delay: 300ms}}\n",
            image.name
        );
        let file = self.stage.file("stack.yml", &text);
        let file = file.to_str().unwrap();
        self.swarm
            .docker(&["stack", "deploy", "--compose-file", file, "shop"])
            .await;
    }

    /// Waits until the last update of `web` is in this state and at least so many of its tasks run; what the swarm says of it then.
    async fn until(&self, state: &str, running: usize) -> Value {
        let tasks = ["service", "ps", "shop_web", "--format", "{{.CurrentState}}"];
        let began = Instant::now();
        loop {
            let said = self.swarm.said("shop_web").await;
            let tasks = self.swarm.docker(&tasks).await;
            let up = tasks.lines().filter(|it| it.starts_with("Running")).count();
            let found = said["UpdateStatus"]["State"].as_str().unwrap_or_default();
            if found == state && running <= up {
                return said;
            }
            assert!(began.elapsed() < Duration::from_secs(40), "{said:#}{tasks}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// A green run that recorded what runs now.
    async fn record(&self) -> Value {
        let dir = self.stage.path("record");
        fs::create_dir(&dir).unwrap();
        let args = ["record", "--path", dir.to_str().unwrap()];
        let call = self.stage.lastgood(&args).json();
        let out = of_run(call, 11).run().await;
        assert_eq!(out.code, Some(0), "{out}");
        let run = RunSpec::default().id(11).sha(&format!("{:040x}", 11));
        let run = self.stage.repo().run(run);
        run.job(JobSpec::new("deploy", "success"));
        run.artifact(ArtifactSpec::zip("site", zipped_dir(&dir)));
        let text = fs::read_to_string(dir.join("lastgood.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

#[tokio::test]
async fn swarm_stack_that_is_deployed_badly_is_put_back() {
    let Some(swarm) = Swarm::start().await else {
        return;
    };
    let (stage, good) = tokio::join!(Stage::new(), v1(&swarm));
    let bad = bad(&swarm).await;
    let host = swarm.host().to_owned();
    stage.configure(|config| {
        config.targets = format!(
            "{{ name: shop, kind: compose, stack: shop, host: \"{host}\", stable: 2s, drift: [2s], healthy-deadline: 20s }}"
        );
        "".clone_into(&mut config.policy);
    });
    let shop = Shop { stage, swarm };
    shop.deploy(&good, "v1").await;
    shop.until("", 2).await;
    assert_eq!(pinned(&shop.record().await), good.pinned());

    // In the workflow: the deploy step says nothing, the swarm gives up, and `watch` puts back what was recorded.
    shop.deploy(&bad, "v3-bad").await;
    // On a slow machine the second task is updated before the first one is found unhealthy.
    shop.until("paused", 0).await;
    let watch = shop.stage.lastgood(&["watch"]).json().step(NEW);
    let out = watch.run().await;
    out.ended(10, "rolled-back");
    let image = "/Spec/TaskTemplate/ContainerSpec/Image";
    let said = shop.until("completed", 2).await;
    let now = said.pointer(image).unwrap().as_str().unwrap();
    assert!(now.ends_with(&good.digest), "{now}");

    // By hand, in the middle of the next bad deploy.
    shop.deploy(&bad, "v3-bad").await;
    let out = shop.stage.run(&["rollback"]).await;
    out.ended(0, "restored");
    let said = shop.until("completed", 2).await;
    let now = said.pointer(image).unwrap().as_str().unwrap();
    assert!(now.ends_with(&good.digest), "{now}");
    let out = shop.stage.run(&["rollback"]).await;
    out.ended(0, "already-good");
    let leases = ["config", "ls", "--format", "{{json .}}"];
    let leases = shop.swarm.docker(&leases).await;
    assert_eq!(leases.lines().count(), 1, "{leases}");
}
