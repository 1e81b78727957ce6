//! Podman's Docker API: what of the Compose target works there. Podman is optional, also in CI: where it does not run, that is said.

use super::{target, web};
use crate::tools;
use lastgood::model::release::Pin;
use lastgood::model::state::Revision;
use lastgood::targets::Claim;
use serde_json::json;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};
use tempfile::TempDir;

struct Podman {
    dir: TempDir,
    service: Child,
}

#[expect(clippy::disallowed_methods, reason = "the other engine")]
fn command(dir: &TempDir) -> Command {
    let path = |name: &str| dir.path().join(name);
    let mut command = Command::new("podman");
    command
        .env("CONTAINERS_CONF", path("containers.conf"))
        .arg("--root")
        .arg(path("root"))
        .arg("--runroot")
        .arg(path("run"))
        .args(["--runtime", "runc"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Podman {
    /// `None` where it does not run: no podman, no runc, or a kernel that it does not like.
    fn start() -> Option<Self> {
        let dir = tempfile::Builder::new()
            .prefix("lgpod")
            .tempdir_in("/tmp")
            .ok()?;
        // No CAP_SYS_RESOURCE, no systemd, control groups of version 1: what containers of CI have.
        let conf = "[containers]\ndefault_ulimits=[\"nofile=1024:1024\",\"nproc=1024:1024\"]\n[engine]\ncgroup_manager=\"cgroupfs\"\nevents_logger=\"file\"\n[network]\nnetwork_backend=\"cni\"\n";
        fs::write(dir.path().join("containers.conf"), conf).ok()?;
        tools::program("podman")?;
        tools::program("runc")?;
        let socket = dir.path().join("podman.sock");
        let service = command(&dir)
            .args(["system", "service", "-t", "0"])
            .arg(format!("unix://{}", socket.display()))
            .spawn()
            .ok()?;
        let podman = Self { dir, service };
        let began = Instant::now();
        while !socket.exists() {
            if Duration::from_secs(20) < began.elapsed() {
                return None;
            }
            sleep(Duration::from_millis(50));
        }
        Some(podman)
    }

    fn host(&self) -> String {
        format!("unix://{}/podman.sock", self.dir.path().display())
    }

    #[track_caller]
    #[expect(clippy::disallowed_methods, reason = "the docker CLI")]
    fn docker(&self, arguments: &[&str]) -> String {
        let output = Command::new("docker")
            .args(arguments)
            .env("DOCKER_HOST", self.host())
            .env("DOCKER_CONFIG", self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let why = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}{why}");
        said.trim().to_owned()
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        for rest in [&["rm", "-af", "-t", "0"][..], &["rmi", "-af"][..]] {
            drop(command(&self.dir).args(rest).status());
        }
        drop((self.service.kill(), self.service.wait()));
    }
}

fn podman() -> Option<Podman> {
    let podman = Podman::start();
    if podman.is_none() {
        eprintln!("\n*** NOT TESTED: podman does not run here ***\n");
    }
    podman
}

#[tokio::test]
async fn podman_is_asked_as_docker_is() {
    let Some(podman) = podman() else { return };
    let empty = podman.dir.path().join("empty.tar");
    fs::write(&empty, [0; 1024]).unwrap();
    podman.docker(&["import", empty.to_str().unwrap(), "localhost/web:v1"]);
    podman.docker(&[
        "create",
        "--name",
        "shop-web-1",
        "--label",
        "com.docker.compose.project=shop",
        "--label",
        "com.docker.compose.service=web",
        "localhost/web:v1",
        "/web",
    ]);
    let target = target(&podman.host(), &json!({"project": "shop"}));
    target.guard().await.unwrap();
    target.observe().await.unwrap();
    let claim = |operation: &str| Claim {
        operation: operation.to_owned(),
        holder: "run 7".to_owned(),
        now: "2026-01-01T00:00:00Z".parse().unwrap(),
        length: Duration::from_secs(30),
        dead: Vec::new(),
    };
    assert!(target.lease(&claim("a")).await.unwrap());
    assert!(target.lease(&claim("a")).await.unwrap());
    let error = target.lease(&claim("b")).await.unwrap_err();
    assert!(error.to_string().contains("is held by a"), "{error}");
    target.release(&claim("a")).await;
    assert!(target.lease(&claim("b")).await.unwrap());
    target.release(&claim("b")).await;
    // A name that is taken is told with another status there.
    let id = podman.docker(&["image", "inspect", "-f", "{{.Id}}", "localhost/web:v1"]);
    let pin = Pin {
        recorded: Some(json!({"image": "localhost/web:v1", "id": id, "built": true})),
        revision: Revision(id),
        payload: None,
        images: Vec::new(),
    };
    let pins = [(web(), pin)].into_iter().collect();
    for _ in 0..2 {
        let kept = target.protect(&pins).await.unwrap();
        assert_eq!(kept.len(), 1, "{kept:?}");
    }
}
