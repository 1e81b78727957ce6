//! A Compose project put back from inside the container, through the engine's socket that the runner mounts.

use super::job::{Gone, Job};
use super::{image, rig, rollback};
use crate::docker::{App, Engine, Image, Project};
use crate::rig::{Probes, REPOSITORY, Rig};
use crate::world::{ArtifactSpec, JobSpec, RunSpec, zip};
use std::fs;
use std::time::Duration;

/// A project whose good run recorded `good`, and which runs `bad` now.
struct Shop {
    rig: Rig,
    project: Project,
    good: Image,
    bad: Image,
}

impl Shop {
    async fn new(engine: &Engine, bad: &App, more: &str) -> Self {
        let good = engine.push(&App::new("v1"), "image/web", "v1").await;
        let bad = engine.push(bad, "image/web", "v2").await;
        let yaml = |image: &Image, port: u16| {
            let image = image.pinned();
            format!(
                "services:\n  web:\n    image: {image}\n    ports: ['127.0.0.1:{port}:8080']\n{more}"
            )
        };
        let project = Project::new(engine, "image", |port| yaml(&good, port));
        project.up().await;
        project.rewrite(&yaml(&bad, project.port));
        project.up_without_waiting().await;
        let rig = rig(Probes::No).await;
        let images = format!("web={}\n", good.pinned());
        let release = zip::zip(&[("images.txt", images.as_bytes())]);
        rig.world
            .repo(REPOSITORY)
            .run(RunSpec::default().id(102))
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("site", release));
        let config = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{ workflow: deploy.yml, branch: main, artifact: site, deploy-job: deploy }}\n    targets: [{{ name: shop, kind: compose, project: {}, payload: images.txt, stable: 1s, drift: [1s] }}]\n    policy: {{ on-inconclusive: pass }}\n",
            project.name
        );
        fs::write(rig.path(".github/lastgood.yml"), config).unwrap();
        Self {
            rig,
            project,
            good,
            bad,
        }
    }

    async fn job(&self, engine: &Engine) -> Job {
        rollback::job(engine, &image(engine).await, &self.rig)
    }
}

#[tokio::test]
async fn a_project_is_put_back_through_the_mounted_socket() {
    let Some(engine) = Engine::find() else { return };
    let shop = Shop::new(&engine, &App::new("v2").bad(), "").await;
    let left = shop.job(&engine).await.run().await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "restored");
    assert!(left.summary.contains("web"), "{}", left.summary);
    assert_eq!(shop.project.get("/").await, "v1");
    let web = shop.project.container("web").await;
    assert_eq!(web["Image"], shop.good.id);
    // Whoever deploys next is neither kept from it nor told that there is nothing to do.
    let next = shop.project.dry_run().await;
    assert!(next.contains("Recreate"), "{next}");
}

/// A container that takes its 12 s to stop is not waited for: the step ends in time, and running it again finishes.
#[tokio::test]
async fn cancelled_while_the_old_container_stops() {
    let Some(engine) = Engine::find() else { return };
    let bad = App::new("v2").ignores_term();
    let shop = Shop::new(&engine, &bad, "    stop_grace_period: 12s\n").await;
    shop.project
        .until("web", "v2", |web| web["Image"] == shop.bad.id)
        .await;
    let job = shop.job(&engine).await;
    let mut running = job.start();
    running.reach(crate::rig::Point("intent", 1)).await;
    // The new container is created right before the old one is stopped.
    loop {
        if 1 < shop.project.containers("web").await.len() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (how, took, left) = job.cancel(running).await;
    assert_eq!(how, Gone::AfterInt, "{took:?}: {}", left.ended);
    assert_eq!(left.ended.code, Some(17), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "incomplete");
    assert!(!job.is_there().await);
    assert!(!shop.project.containers("web").await.is_empty());
    let again = shop.job(&engine).await.run().await;
    assert_eq!(again.ended.code, Some(0), "{}", again.ended);
    assert_eq!(shop.project.get("/").await, "v1");
    assert_eq!(shop.project.container("web").await["Image"], shop.good.id);
}
