//! The action's image, on a real engine, run as the runner runs it ([`job`]): a whole rollback, cancelled ones, TLS and
//! names without what an operating system brings. What its inputs mean is tested without a container (`action_run`).

mod cancel;
mod compose;
mod job;
mod network;
mod packed;
mod rollback;

use crate::bless;
use crate::docker::{self, Engine};
use crate::rig::{Kind, Probes, Rig};
use crate::world::service::Behaviour;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use tempfile::TempDir;
use tokio::process::Command;

/// As docker calls this machine.
const ARCH: &str = if cfg!(target_arch = "aarch64") {
    "arm64"
} else {
    "amd64"
};

/// The image of `Dockerfile.release` out of the binary under test, as release.yml makes it: once for all tests of a run.
async fn image(engine: &Engine) -> String {
    let program = env!("CARGO_BIN_EXE_lastgood");
    let meta = fs::metadata(program).unwrap();
    let name = format!("lastgood:test-{}-{}", meta.mtime(), meta.size());
    let lock = File::create(engine.directory().join("lastgood.lock")).unwrap();
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let _lock = lock.unwrap().unwrap();
    if engine
        .try_docker(&["image", "inspect", &name])
        .await
        .is_ok()
    {
        return name;
    }
    let dir = TempDir::new().unwrap();
    let at = |path: &str| dir.path().join(path).to_str().unwrap().to_owned();
    // A release has no symbols either; with them this would be ten times as large.
    run("strip", &["-o", &at("lastgood"), program]).await;
    let binary = format!("{ARCH}={}", at("lastgood"));
    run(RELEASE, &["context", &at("context"), &binary]).await;
    let root = bless::root();
    let file = root.join("Dockerfile.release");
    let arch = format!("TARGETARCH={ARCH}");
    let context = at("context");
    let args = [
        ["--tag", &name],
        ["--file", file.to_str().unwrap()],
        ["--build-arg", &arch],
        ["--build-arg", "VERSION=1.2.3"],
        ["--build-arg", "REVISION=abc"],
    ];
    let args = [&["build", "--quiet"], args.as_flattened(), &[&context]].concat();
    engine.docker(&args).await;
    name
}

/// The steps of release.yml.
const RELEASE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/.github/release/release.sh");

#[expect(clippy::disallowed_methods, reason = "what release.yml runs")]
async fn run(program: &str, args: &[&str]) -> String {
    let output = Command::new(program)
        .args(args)
        .current_dir(bless::root())
        .output()
        .await
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{program} {args:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

/// A server in the workspace. What restarts it is a static program too: there is no shell in the image.
async fn rig(probes: Probes) -> Rig {
    let rig = Rig::new(Kind::Directory, probes, &Behaviour::good("new")).await;
    fs::copy(docker::program().await, rig.path("bin/restart")).unwrap();
    rig
}
