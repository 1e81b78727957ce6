//! What is in the image, and what it says about itself.

use super::image;
use crate::bless;
use crate::docker::Engine;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

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
    assert_eq!(included(), [".cargo", "Cargo.toml", "Cargo.lock", "src"]);
    let manifest = read("Cargo.toml");
    let toolchain = manifest
        .lines()
        .find_map(|line| line.strip_prefix("rust-version = "));
    let toolchain = toolchain.unwrap().trim_matches('"');
    assert!(source.contains(&format!("FROM rust:{toolchain}-bookworm AS build\n")));
}

/// What `.dockerignore` lets into the context.
fn included() -> Vec<String> {
    let ignore = fs::read_to_string(bless::root().join(".dockerignore")).unwrap();
    let included = ignore.lines().filter_map(|line| line.strip_prefix('!'));
    included.map(str::to_owned).collect()
}

/// The build in the image has no tests, benches and documents: the manifest must stand without them, and nothing that is
/// compiled there may read them.
#[test]
fn the_image_is_built_of_what_gets_into_its_context() {
    let context = tempfile::TempDir::new().unwrap();
    let mut sources = Vec::new();
    for entry in included() {
        copy(
            &bless::root().join(&entry),
            &context.path().join(&entry),
            &mut sources,
        );
    }
    // It reads every target of the manifest as a build does, and compiles nothing.
    #[expect(clippy::disallowed_methods, reason = "what the Dockerfile runs")]
    let mut fetch = std::process::Command::new(env!("CARGO"));
    let fetch = fetch
        .args(["fetch", "--locked", "--offline", "--target", "host-tuple"])
        .current_dir(context.path())
        .output()
        .unwrap();
    assert!(
        fetch.status.success(),
        "{}",
        String::from_utf8_lossy(&fetch.stderr)
    );
    assert!(
        !bless::root().join("build.rs").exists(),
        "build.rs: let it in"
    );
    for file in sources {
        let text = fs::read_to_string(&file).unwrap();
        // Tests stand at the end of a file; nobody compiles them there.
        let product = text.split("#[cfg(test)]").next().unwrap();
        for name in ["include_str!(", "include_bytes!(", "include!("] {
            for (_, after) in product.match_indices(name).map(|(at, _)| text.split_at(at)) {
                let path = after.split('"').nth(1).unwrap();
                let read = file.parent().unwrap().join(path);
                let read = read.canonicalize();
                let root = context.path().canonicalize().unwrap();
                let is_there = read.is_ok_and(|read| read.starts_with(root));
                // Modules that are nothing but tests.
                let is_test = file.iter().any(|part| part == "tests");
                assert!(is_there || is_test, "{}: {path}", file.display());
            }
        }
    }
}

/// A file, or a directory with all that is in it. Which Rust files were copied is noted.
fn copy(from: &Path, to: &Path, sources: &mut Vec<PathBuf>) {
    if from.is_dir() {
        fs::create_dir_all(to).unwrap();
        for entry in fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy(&from.join(&name), &to.join(&name), sources);
        }
        return;
    }
    fs::copy(from, to).unwrap();
    if to.extension().is_some_and(|extension| extension == "rs") {
        sources.push(to.to_owned());
    }
}
