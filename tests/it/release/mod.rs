//! The steps of `release.yml`, run here: the archive, the image of two architectures, `action.yml` of the tag, the tags.
//! And that what people copy names the release that there is.

mod github;
mod tags;

use crate::bless::root;
use crate::docker::{self, Engine};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// A copy of the files that a release is checked by.
struct Checkout {
    dir: TempDir,
}

impl Checkout {
    fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let files = [
            "action.yml",
            "CHANGELOG.md",
            "Cargo.toml",
            "Cargo.lock",
            "README.md",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "Dockerfile.release",
        ];
        for file in files {
            fs::copy(root().join(file), dir.path().join(file)).unwrap();
        }
        let workflows = dir.path().join(".github/workflows");
        fs::create_dir_all(&workflows).unwrap();
        fs::write(workflows.join("ci.yml"), "name: CI\n").unwrap();
        Self { dir }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }

    fn release(&self, args: &[&str]) -> Output {
        let script = root().join(".github/release/release.sh");
        command(script.to_str().unwrap(), self.dir.path())
            .args(args)
            .output()
            .unwrap()
    }

    #[track_caller]
    fn ok(&self, args: &[&str]) -> String {
        finished(&self.release(args))
    }

    #[track_caller]
    fn refusal(&self, args: &[&str]) -> String {
        let output = self.release(args);
        assert!(!output.status.success(), "{args:?} was accepted");
        String::from_utf8(output.stderr).unwrap()
    }

    #[track_caller]
    fn git(&self, args: &[&str]) -> String {
        finished(&command("git", self.dir.path()).args(args).output().unwrap())
    }
}

#[expect(clippy::disallowed_methods, reason = "what release.yml runs")]
fn command(program: &str, dir: &Path) -> Command {
    let mut command = Command::new(program);
    // Not the configuration of whoever runs the tests.
    command
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "release")
            .env(format!("GIT_{role}_EMAIL"), "release@example.com");
    }
    command
}

#[track_caller]
fn finished(output: &Output) -> String {
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {told}", output.status);
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A shell script.
fn program(path: &Path, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, format!("#!/bin/sh\n{script}")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn the_archive_is_of_a_static_binary_and_always_the_same() {
    let checkout = Checkout::new();
    let program = docker::program().await;
    let program = program.to_str().unwrap();
    let target = "x86_64-unknown-linux-gnu";
    for out in ["one", "two"] {
        checkout.ok(&["archive", program, target, "1.2.3", out]);
    }
    let name = format!("lastgood-1.2.3-{target}");
    let bytes = |out: &str| fs::read(checkout.path(&format!("{out}/{name}.tar.gz"))).unwrap();
    assert_eq!(bytes("one"), bytes("two"));
    let packed = bytes("one");
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(packed.as_slice()));
    let entries = archive.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        (
            entry.path().unwrap().display().to_string(),
            entry.header().mode().unwrap(),
        )
    });
    let found: Vec<(String, u32)> = entries.collect();
    let files = [
        ("", 0o755),
        ("CHANGELOG.md", 0o644),
        ("LICENSE-APACHE", 0o644),
        ("LICENSE-MIT", 0o644),
        ("README.md", 0o644),
        ("lastgood", 0o755),
    ];
    assert_eq!(
        found,
        files.map(|(file, mode)| (format!("{name}/{file}"), mode))
    );
    checkout.ok(&["sums", "one"]);
    let sums = checkout.read("one/SHA256SUMS");
    assert_eq!(sums.lines().count(), 1);
    finished(
        &command("sha256sum", &checkout.path("one"))
            .args(["--check", "--strict", "SHA256SUMS"])
            .output()
            .unwrap(),
    );
    // What the tests are run with is not static on every machine; a shell is on none.
    let refusal = checkout.refusal(&["archive", "/bin/bash", target, "1.2.3", "three"]);
    assert!(
        refusal.contains("NEEDED") && refusal.contains("expected a static one"),
        "{refusal}"
    );
    let refusal = checkout.refusal(&["archive", program, target, "v1.2.3", "three"]);
    assert!(
        refusal.contains("found version 'v1.2.3', expected X.Y.Z"),
        "{refusal}"
    );
    assert!(!checkout.path("three").exists());
}

#[test]
fn the_action_of_a_tag_names_its_image_and_changes_nothing_else() {
    let checkout = Checkout::new();
    let parsed = |text: &str| -> Value { serde_saphyr::from_str(text).unwrap() };
    let before = checkout.read("action.yml");
    let refusal = checkout.refusal(&["action", "sha256:abc"]);
    assert!(
        refusal.contains("expected sha256: and 64 hexadecimal digits"),
        "{refusal}"
    );
    checkout.ok(&["action", DIGEST]);
    let after = checkout.read("action.yml");
    let mut wanted = parsed(&before);
    wanted["runs"]["image"] = format!("docker://ghcr.io/lastgood/lastgood@{DIGEST}").into();
    assert_eq!(parsed(&after), wanted);
    let changed = before
        .lines()
        .zip(after.lines())
        .filter(|(before, after)| before != after);
    assert_eq!(
        (changed.count(), before.lines().count()),
        (1, after.lines().count())
    );
    checkout.refusal(&["action", DIGEST]);
}

#[test]
fn only_what_says_that_it_is_this_version_is_released() {
    let checkout = Checkout::new();
    let version = env!("CARGO_PKG_VERSION");
    let log = checkout.read("CHANGELOG.md");
    let head = log.lines().find(|line| line.starts_with("## ")).unwrap();
    assert!(head.starts_with(&format!("## {version} - ")), "{head}");
    let undated = log.replace(head, &format!("## {version} - unreleased"));
    fs::write(checkout.path("CHANGELOG.md"), undated).unwrap();
    assert!(
        checkout
            .refusal(&["check", version])
            .contains("give it its date")
    );
    let dated = log.replace(head, &format!("## {version} - 2026-05-01"));
    fs::write(
        checkout.path("CHANGELOG.md"),
        dated + "\n## 0.0.9 - 2026-01-01\n\n- older\n",
    )
    .unwrap();
    checkout.ok(&["check", version]);
    assert!(
        checkout
            .refusal(&["check", "9.9.9"])
            .contains("expected 9.9.9")
    );
    let notes = checkout.ok(&["notes", version]);
    assert!(
        notes.starts_with("The first release.") && !notes.contains("older"),
        "{notes}"
    );
    assert_eq!(checkout.ok(&["notes", "0.0.9"]), "- older");
    assert!(
        checkout
            .refusal(&["notes", "0.0.8"])
            .contains("found no section of 0.0.8")
    );
}

/// Two images of one binary each and the list of both, by the digest that the registry has.
#[tokio::test]
async fn the_image_is_for_two_architectures() {
    let Some(engine) = Engine::find() else { return };
    let checkout = Checkout::new();
    let program = docker::program().await;
    let program = program.to_str().unwrap();
    // That it is no binary for the other architecture is not looked at: nothing runs while it is made.
    let pairs = ["amd64", "arm64"].map(|arch| format!("{arch}={program}"));
    checkout.ok(&["context", "context", &pairs[0], &pairs[1]]);
    assert!(
        checkout
            .refusal(&["context", "context", "riscv64=x"])
            .contains("expected amd64=BINARY")
    );
    let name = format!("{}/release/lastgood", engine.registry());
    let script = root().join(".github/release/release.sh");
    let mut push = command(script.to_str().unwrap(), checkout.dir.path());
    push.args(["push", "context", &name, "1.2.3", "abc"]);
    push.env("DOCKER_HOST", engine.host())
        .env("DOCKER_CONFIG", engine.config())
        .env("INSECURE_REGISTRY", "1");
    let told = tokio::task::spawn_blocking(move || finished(&push.output().unwrap()))
        .await
        .unwrap();
    let told: Vec<(&str, &str)> = told
        .lines()
        .filter_map(|line| line.split_once('='))
        .collect();
    let [("digest", digest), ("amd64", amd64), ("arm64", arm64)] = told[..] else {
        panic!("{told:?}")
    };
    let pinned = format!("{name}@{digest}");
    let list = engine
        .docker(&["manifest", "inspect", "--insecure", &pinned])
        .await;
    let list: Value = serde_json::from_str(&list).unwrap();
    // In what order they are in the list is the client's choice: it sorts them by digest.
    let mut images: Vec<String> = list["manifests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|of| {
            let platform = &of["platform"];
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (os, architecture) = (text(&platform["os"]), text(&platform["architecture"]));
            format!("{os}/{architecture} {}", text(&of["digest"]))
        })
        .collect();
    images.sort();
    assert_eq!(
        images,
        [
            format!("linux/amd64 {amd64}"),
            format!("linux/arm64 {arm64}")
        ]
    );
    engine
        .docker(&["pull", "--quiet", "--platform", "linux/arm64", &pinned])
        .await;
    let image = engine.inspect(&pinned).await;
    assert_eq!(image["Architecture"], "arm64");
    assert_eq!(
        image["Config"]["Labels"]["org.opencontainers.image.version"],
        "1.2.3"
    );
}

/// What people copy names this version, or the tag that its releases move.
#[test]
fn what_people_copy_names_the_release_that_there_is() {
    let major = env!("CARGO_PKG_VERSION").split('.').next().unwrap();
    let wanted = [
        format!("v{major}"),
        format!("v{}", env!("CARGO_PKG_VERSION")),
    ];
    // Where somebody downloads it.
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let install =
        format!("\nversion={version} file=lastgood-{version}-$(uname -m)-unknown-linux-gnu ");
    assert!(readme.contains(&install), "{install}");
    let rust = format!("Rust {} or newer", env!("CARGO_PKG_RUST_VERSION"));
    assert!(readme.contains(&rust), "{rust}");
    let mut files = vec![root().join("README.md")];
    for dir in ["docs", "docs/examples", "docs/targets"] {
        let entries = fs::read_dir(root().join(dir)).unwrap();
        files.extend(
            entries
                .map(|entry| entry.unwrap().path())
                .filter(|path| path.is_file()),
        );
    }
    let mut seen = 0;
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        // The image is named by digest.
        let text = text.replace("ghcr.io/lastgood/lastgood@", "");
        for (_, after) in text
            .match_indices("lastgood/lastgood@")
            .map(|(at, found)| text.split_at(at + found.len()))
        {
            let reference: String = after
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '.')
                .collect();
            assert!(
                wanted.contains(&reference),
                "{}: {reference}, expected one of {wanted:?}",
                file.display()
            );
            seen += 1;
        }
    }
    assert!(2 <= seen, "{seen}");
}

/// Where it is not main, the run fails, before anything else and in words: a job that is skipped would leave it green.
#[test]
fn a_release_from_another_branch_fails() {
    let text = fs::read_to_string(root().join(".github/workflows/release.yml")).unwrap();
    let workflow: Value = serde_saphyr::from_str(&text).unwrap();
    let jobs = workflow["jobs"].as_object().unwrap();
    for (name, job) in jobs {
        assert!(job["if"].is_null(), "{name}");
        assert_eq!(job["needs"].is_null(), name == "check", "{name}");
    }
    let script = jobs["check"]["steps"][0]["run"].as_str().unwrap();
    for (branch, code) in [
        ("refs/heads/main", 0),
        ("refs/heads/fix", 1),
        ("refs/tags/main", 1),
    ] {
        let mut bash = command("bash", &root());
        let output = bash.args(["-e", "-c", script]).env("GITHUB_REF", branch);
        let output = output.output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{branch}");
        let told = String::from_utf8(output.stdout).unwrap();
        let wanted = format!("::error::found {branch}, expected refs/heads/main");
        assert_eq!(told.starts_with(&wanted), code != 0, "{told}");
    }
}
