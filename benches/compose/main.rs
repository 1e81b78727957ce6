//! The Compose benchmark: services are put back by lastgood and by `docker compose` with pinned digests, in turns, on one engine. A
//! client that asks all the time measures for how long nobody answers. Started by `benches/run-compose`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and starts programs of other people"
)]

mod calls;
mod clients;
mod downtime;
#[path = "../canister/journal.rs"]
mod journal;
mod scene;

#[expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    clippy::use_debug,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests' engine; the benchmark needs a part of it"
)]
#[path = "../../tests/it/docker/mod.rs"]
mod docker;

#[expect(
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    reason = "needed by the tests' engine"
)]
#[path = "../../tests/it/tools.rs"]
mod tools;

#[expect(
    clippy::unused_self,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests' double of GitHub; the benchmark needs a part of it"
)]
#[path = "../../tests/it/world/mod.rs"]
mod world;

use anyhow::Context as _;
use clients::{Client, Clients};
use docker::{App, Engine};
use scene::Scene;
use std::time::Duration;

/// Of the time that `docker compose` takes for one service.
const RATIO_MAX: f64 = 0.5;
/// Ten services, of the time for one.
const TEN_MAX: f64 = 2.0;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lastgood, rounds] = arguments.as_slice() else {
        anyhow::bail!("usage: compose-bench LASTGOOD ROUNDS");
    };
    let rounds: usize = rounds.parse()?;
    let Some(engine) = Engine::find() else {
        anyhow::bail!("there is no engine: start benches/run-compose");
    };
    println!("{rounds} rounds; ms, medians (lowest to highest)");
    let listens = |version: &str| App::new(version);
    let ignores = |version: &str| App::new(version).ignores_term();
    let one = measure(
        &engine,
        lastgood,
        rounds,
        1,
        "ends when it is asked to",
        listens,
    )
    .await?;
    let stubborn = measure(&engine, lastgood, rounds, 1, "is killed after 1 s", ignores).await?;
    let ten = measure(
        &engine,
        lastgood,
        rounds,
        10,
        "ends when it is asked to",
        listens,
    )
    .await?;
    println!();
    for (name, figures) in [
        ("one", &one),
        ("one that is killed", &stubborn),
        ("ten", &ten),
    ] {
        let ratio = figures[1].wall / figures[0].wall;
        goal(&format!("{name}: wall of docker compose"), ratio, RATIO_MAX);
    }
    goal("ten: wall of one", ten[1].wall / one[1].wall, TEN_MAX);
    Ok(())
}

fn goal(what: &str, ratio: f64, max: f64) {
    let verdict = if ratio <= max { "reached" } else { "MISSED" };
    println!("goal: {what} <= {max}x: {ratio:.2}x, {verdict}");
}

/// Medians of one client, in milliseconds.
struct Figures {
    wall: f64,
}

async fn measure(
    engine: &Engine,
    lastgood: &str,
    rounds: usize,
    count: usize,
    what: &str,
    app: impl Fn(&str) -> App,
) -> anyhow::Result<[Figures; 3]> {
    let scene = Scene::new(engine, count, app).await?;
    let clients = Clients::prepare(&scene, lastgood).await?;
    let mut found = [const { (Vec::new(), Vec::new()) }; 3];
    for round in 0..=rounds {
        for (client, (walls, downs)) in Client::ALL.into_iter().zip(&mut found) {
            scene.goes_bad().await;
            let asking = downtime::ask(scene.port());
            let wall = clients.run(&scene, client).await?;
            scene.is_good().await?;
            let down = asking.between(scene::BAD, scene::GOOD).await;
            let down = down.with_context(|| client.name())?;
            // The first round warms the caches up.
            if 0 < round {
                walls.push(wall);
                downs.push(down);
            }
        }
    }
    let services = if count == 1 { "service" } else { "services" };
    println!("\n{count} {services}; the old container {what}");
    println!("{:<28} {:>24}  {:>24}", "", "wall", "nobody answers");
    for (client, (walls, downs)) in Client::ALL.into_iter().zip(&found) {
        let ratio = median(walls) / median(&found[0].0);
        println!(
            "{:<28} {:>24}  {:>24}  {ratio:.2}x",
            client.name(),
            spread(walls),
            spread(downs)
        );
    }
    if count == 1 {
        println!("\nlastgood, line by line of its journal, once more");
        scene.goes_bad().await;
        let wall = clients.run(&scene, Client::File).await?;
        journal::print(&clients.journal()?, wall)?;
        println!("\nits calls to the engine: begun, took");
        scene.goes_bad().await;
        let door = calls::Door::open(engine.socket())?;
        clients.run_through(&scene, &door.host()).await?;
        door.print();
    }
    Ok(found.map(|(walls, _)| Figures {
        wall: median(&walls),
    }))
}

/// In milliseconds.
fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    let middle = times.get(times.len() / 2);
    middle.map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}

fn spread(times: &[Duration]) -> String {
    let ms = |time: Option<&Duration>| time.map_or(0, Duration::as_millis);
    let (lowest, highest) = (ms(times.iter().min()), ms(times.iter().max()));
    format!("{:.0} ({lowest} to {highest})", median(times))
}
