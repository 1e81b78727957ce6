//! What is in the image, and what it says about itself.

use super::image;
use crate::bless;
use crate::docker::Engine;
use serde_json::json;
use std::fs;

#[tokio::test]
async fn one_binary_and_a_place_for_temporary_files() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let made = engine.docker(&["create", &image]).await;
    let dir = tempfile::TempDir::new().unwrap();
    let file = dir.path().join("image.tar");
    engine
        .docker(&["export", "--output", file.to_str().unwrap(), &made])
        .await;
    engine.docker(&["rm", &made]).await;
    let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let entry = entry.unwrap();
        let (path, mode) = (entry.path().unwrap(), entry.header().mode().unwrap());
        let top = path
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap()
            .to_owned();
        // The engine itself makes these, in every container.
        if !["dev", "etc", "proc", "sys", ".dockerenv"].contains(&top.as_str()) {
            found.push((path.display().to_string(), mode & 0o7777));
        }
    }
    found.sort();
    assert_eq!(
        found,
        [("lastgood".to_owned(), 0o755), ("tmp/".to_owned(), 0o1777)]
    );
}

#[tokio::test]
async fn it_runs_as_root_and_says_what_it_is() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let config = &engine.inspect(&image).await["Config"];
    assert_eq!(config["Entrypoint"], json!(["/lastgood"]));
    assert!(config["User"].as_str().unwrap_or_default().is_empty());
    let labels = &config["Labels"];
    assert_eq!(labels["org.opencontainers.image.version"], "1.2.3");
    assert_eq!(labels["org.opencontainers.image.revision"], "abc");
    assert_eq!(
        labels["org.opencontainers.image.licenses"],
        "MIT OR Apache-2.0"
    );
    let version = engine.docker(&["run", "--rm", &image, "--version"]).await;
    let wanted = format!("lastgood {} (", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&wanted), "{version}");
    assert!(version.contains("static"), "{version}");
}

/// The image that is built from source has the same configuration, and gets what its build reads.
#[test]
fn both_dockerfiles_make_the_same_image() {
    let read = |name: &str| fs::read_to_string(bless::root().join(name)).unwrap();
    let labels = |text: &str| {
        let lines = text
            .lines()
            .filter(|line| line.contains("org.opencontainers.image."));
        let lines = lines.filter(|line| !line.contains('$'));
        let trimmed = lines.map(|line| line.trim_end_matches(" \\").trim().to_owned());
        trimmed.collect::<Vec<_>>()
    };
    let (source, release) = (read("Dockerfile"), read("Dockerfile.release"));
    assert_eq!(labels(&source), labels(&release));
    for text in [&source, &release] {
        let last = text.rsplit("FROM scratch\n").next().unwrap();
        assert!(last.ends_with("ENTRYPOINT [\"/lastgood\"]\n") && !last.contains("\nUSER"));
    }
    // `.cargo/config.toml` is what makes the binary static, Cargo.lock what makes it this one.
    let ignore = read(".dockerignore");
    let included: Vec<&str> = ignore
        .lines()
        .filter_map(|line| line.strip_prefix('!'))
        .collect();
    assert_eq!(included, [".cargo", "Cargo.toml", "Cargo.lock", "src"]);
    let manifest = read("Cargo.toml");
    let toolchain = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let toolchain = toolchain.unwrap().trim_matches('"');
    assert!(source.contains(&format!("FROM rust:{toolchain}-bookworm AS build\n")));
}
