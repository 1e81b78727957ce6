//! The canister benchmark: a canister of 1 MB is put back by lastgood and by the official client `icp`, in turns, on one double
//! of a replica. Started by `benches/run-canister`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and starts programs of other people"
)]

mod clients;
mod journal;
mod scene;

#[expect(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests' double of a replica; the benchmark needs a part of it"
)]
#[path = "../../tests/it/replica/mod.rs"]
mod replica;

#[expect(
    clippy::unused_self,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests' double of GitHub; the benchmark needs a part of it"
)]
#[path = "../../tests/it/world/mod.rs"]
mod world;

use clients::{Client, Clients};
use scene::Scene;
use std::time::Duration;

/// Of the time that `icp` takes.
const RATIO_MAX: f64 = 0.5;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lastgood, icp, rounds] = arguments.as_slice() else {
        anyhow::bail!("usage: canister-bench LASTGOOD ICP ROUNDS");
    };
    let rounds: usize = rounds.parse()?;
    let scene = Scene::new().await?;
    let clients = Clients::prepare(&scene, lastgood, icp).await?;
    let mut walls = Client::ALL.map(|client| (client, Vec::new()));
    let mut steps: Vec<Vec<Duration>> = Vec::new();
    let mut versions = Vec::new();
    for round in 0..=rounds {
        for (client, walls) in &mut walls {
            scene.goes_bad();
            let took = clients.run(*client).await?;
            scene.is_good()?;
            // The first round warms the caches up.
            if 0 < round {
                walls.push(took.iter().sum());
                if *client == Client::Icp {
                    steps.push(took);
                }
            }
        }
        versions.push(clients.version().await?);
    }
    println!(
        "{rounds} rounds, a module of {} bytes; wall in ms, medians",
        scene.module_bytes()
    );
    let theirs = median(&walls[0].1);
    for (client, walls) in &walls {
        let (lowest, middle, highest) = (
            extreme(walls, Ord::min),
            median(walls),
            extreme(walls, Ord::max),
        );
        println!(
            "{:<24} {middle:>7.0}  ({lowest:.0} to {highest:.0})  {:.2}x of icp",
            client.name(),
            middle / theirs
        );
    }
    println!(
        "\nicp, command by command; `icp --version` alone takes {:.0}",
        median(&versions)
    );
    for (at, name) in clients::STEPS.iter().enumerate() {
        let of: Vec<Duration> = steps
            .iter()
            .filter_map(|took| took.get(at))
            .copied()
            .collect();
        println!("{name:<24} {:>7.0}", median(&of));
    }
    println!("\nlastgood, line by line of its journal, in the last round");
    scene.goes_bad();
    let took = clients.run(Client::File).await?;
    journal::print(&clients.journal()?, took.iter().sum())?;
    println!(
        "\nrequests of lastgood to the network: {}",
        scene.requests()
    );
    scene.goes_bad();
    println!(
        "peak memory of lastgood: {:.1} MiB",
        clients.peak_mib().await?
    );
    let ratio = median(&walls[1].1) / theirs;
    let verdict = if ratio <= RATIO_MAX {
        "reached"
    } else {
        "MISSED"
    };
    println!("goal: wall <= {RATIO_MAX}x of icp: {ratio:.2}x, {verdict}");
    Ok(())
}

/// In milliseconds.
fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

/// In milliseconds.
fn extreme(times: &[Duration], pick: fn(Duration, Duration) -> Duration) -> f64 {
    let picked = times.iter().copied().reduce(pick);
    picked.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
