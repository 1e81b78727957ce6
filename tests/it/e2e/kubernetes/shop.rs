//! The shop on a cluster: a namespace of its own, a repository with runs, and the config that joins them.

use crate::cluster::{Cluster, Space, User, at};
use crate::e2e::output::Output;
use crate::e2e::stage::Stage;
use crate::world::{ArtifactSpec, JobSpec, RunSpec};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

pub(super) struct Shop {
    pub(super) stage: Stage,
    pub(super) cluster: Cluster,
    pub(super) space: Space,
}

impl Shop {
    /// `deployment/web` with 3 pods of `shop/web:1`, rolled out; nothing is recorded yet. `None`: no servers, said loudly.
    pub(super) async fn open(prefix: &str) -> Option<Self> {
        let cluster = Cluster::start().await?;
        let space = cluster.space(prefix).await;
        let shop = Self {
            stage: Stage::new().await,
            cluster,
            space,
        };
        shop.space.deployment("web", "shop/web:1", 3).await;
        shop.space.wait_rolled_out("deployment/web").await;
        shop.configure("slots: [deployment/web]");
        Some(shop)
    }

    /// The one target, with short windows. `more`: its slots, and what else is asked for.
    pub(super) fn configure(&self, more: &str) {
        self.configure_as(User::Admin, more, None);
    }

    /// The same as another user, and with probes.
    pub(super) fn configure_as(&self, user: User, more: &str, health: Option<&str>) {
        self.stage.configure(|config| {
            config.targets = format!(
                "{{ name: shop, kind: kubernetes, namespace: {}, context: test, kubeconfig: {}, check-images: false, stable: 1s, drift: [1s], rollout-deadline: 20s, {more} }}",
                self.space.name,
                self.cluster.kubeconfig(user).display()
            );
            config.health = health.map(ToOwned::to_owned);
            "".clone_into(&mut config.policy);
        });
    }

    /// A green run that recorded what runs now, as a deploy workflow does after it has judged it.
    pub(super) async fn record(&self, run: u64) -> Value {
        let dir = self.stage.path(&format!("record-{run}"));
        fs::create_dir(&dir).unwrap();
        let path = dir.to_str().unwrap().to_owned();
        let out = self
            .stage
            .lastgood(&["record", "--path", &path])
            .json()
            .env("GITHUB_RUN_ID", &run.to_string())
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_SHA", &sha(run))
            .run()
            .await;
        assert_eq!(out.code, Some(0), "{out}");
        self.green(run, &dir);
        let text = fs::read_to_string(dir.join("lastgood.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// A green run whose artifact is this directory.
    pub(super) fn green(&self, id: u64, dir: &Path) {
        let run = self
            .stage
            .repo()
            .run(RunSpec::default().id(id).sha(&sha(id)));
        run.job(JobSpec::new("deploy", "success"));
        run.artifact(ArtifactSpec::zip(
            "site",
            crate::e2e::stage::zipped_dir(dir),
        ));
    }

    /// A deploy step of the user's own.
    pub(super) async fn set_image(&self, image: &str) {
        self.space.set_image("deployment/web", image).await;
    }

    /// The image of the only container, as the template has it.
    pub(super) async fn image(&self) -> String {
        let web = self.space.get("deployment/web").await;
        let image = at(&web, "/spec/template/spec/containers/0/image");
        image.as_str().unwrap().to_owned()
    }

    /// Waits until this many pods run this image, and no other pod is left.
    pub(super) async fn wait_running(&self, image: &str, count: usize) {
        let all = |pods: &[Value]| {
            pods.len() == count
                && pods
                    .iter()
                    .all(|pod| *at(pod, "/spec/containers/0/image") == json!(image))
        };
        self.space
            .wait_pods("app=web", "only pods of the restored image", all)
            .await;
    }

    pub(super) async fn run(&self, args: &[&str]) -> Output {
        self.stage.run(args).await
    }
}

/// The commit of a run.
pub(super) fn sha(run: u64) -> String {
    format!("{run:040x}")
}

/// `shop/web@sha256:…`: what is put back of the slot that a manifest recorded.
pub(super) fn pinned(manifest: &Value) -> String {
    let images = &manifest["slots"]["deployment/web"]["images"];
    let image = images[0].as_str().unwrap().to_owned();
    assert!(image.starts_with("shop/web@sha256:"), "{manifest:#}");
    image
}
