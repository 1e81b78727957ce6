//! The fetch benchmark: one job, several clients, the same server, in turns. Prints a table with the ratios and the goals.
//! Started by `benches/run-fetch`, which installs what it compares with.
#![expect(
    clippy::print_stdout,
    clippy::unused_self,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and starts programs of other people"
)]

mod clients;
mod data;
mod floor;
mod table;

#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests' double of GitHub; the benchmark needs a part of it"
)]
#[path = "../../tests/it/world/mod.rs"]
mod world;

use anyhow::Context as _;
use clients::{Client, Run};
use std::fs;
use std::path::Path;
use table::Measured;
use world::{ArtifactSpec, RunSpec, World};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (node, rounds, names) = match arguments.as_slice() {
        [node, rounds, names @ ..] => (node, rounds.parse::<u32>()?, names),
        [_] | [] => anyhow::bail!("usage: fetch-bench NODE ROUNDS [ARTIFACT...]"),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let cache = root.join("target/bench");
    fs::create_dir_all(&cache)?;
    let known = data::ARTIFACTS.iter();
    let wanted =
        known.filter(|artifact| names.is_empty() || names.iter().any(|name| name == artifact.name));
    let out = out_directory(&cache)?;
    println!("{rounds} rounds, written to {}", out.path().display());
    table::head();
    for artifact in wanted {
        let zip = data::zip(artifact, &cache, root, node)?;
        let (world, id) = world_with(artifact.name, fs::read(&zip)?).await;
        let mut all = Vec::new();
        for client in Client::ALL {
            all.push((client, Vec::new()));
        }
        for round in 0..=rounds {
            for (client, measured) in &mut all {
                let run = Run {
                    api: &world.api_url(),
                    token: &world.token(),
                    name: artifact.name,
                    out: &out
                        .path()
                        .join(format!("{}-{}", artifact.name, client.name())),
                    root,
                    node,
                };
                let figures: Measured = clients::run(*client, &run)
                    .await
                    .with_context(|| format!("{} failed at {}", client.name(), artifact.name))?;
                // The first round warms the caches up.
                if round > 0 {
                    measured.push(figures);
                }
            }
        }
        let floor = out.path().join("floor");
        fs::create_dir(&floor)?;
        let receive = clients::receive(&world.api_url(), &world.token(), id, root, &floor).await?;
        let alone = floor::alone(&zip, &floor, receive).context("could not measure the floor")?;
        fs::remove_dir_all(&floor)?;
        table::rows(artifact.name, &all, alone);
    }
    Ok(())
}

/// In memory where there is such a place: the disk is not what is compared.
fn out_directory(cache: &Path) -> anyhow::Result<tempfile::TempDir> {
    let memory = Path::new("/dev/shm");
    let into = if memory.is_dir() { memory } else { cache };
    Ok(tempfile::Builder::new()
        .prefix("lastgood-bench-")
        .tempdir_in(into)?)
}

/// A repository with 60 runs, the newest of which failed, and the artifact in the last green one. It is served from memory:
/// the server shares the cores with whom it serves, and should take little of them.
async fn world_with(name: &str, zip: Vec<u8>) -> (World, u64) {
    let world = World::start().await;
    let repo = world.repo("octo/web");
    for _ in 0..55 {
        repo.run(RunSpec::default());
    }
    let good = repo.run(RunSpec::default());
    let artifact = good.add_artifact(ArtifactSpec::zip(name, zip));
    for _ in 0..4 {
        repo.run(RunSpec::concluded("failure"));
    }
    (world, artifact.id())
}
