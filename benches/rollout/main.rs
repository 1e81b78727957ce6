//! The rollout benchmark: Deployments are put back by lastgood and by kubectl, in turns, on one API server. An independent
//! watch measures how long the rollouts themselves take. Started by `benches/run-rollout`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and starts programs of other people"
)]

mod clients;
mod watch;

#[expect(
    clippy::panic,
    clippy::print_stderr,
    clippy::use_debug,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "the tests' cluster; the benchmark needs a part of it"
)]
#[path = "../../tests/it/cluster/mod.rs"]
mod cluster;

#[expect(
    clippy::print_stderr,
    dead_code,
    unreachable_pub,
    reason = "needed by the tests' cluster"
)]
#[path = "../../tests/it/tools.rs"]
mod tools;

#[expect(
    clippy::unused_self,
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "needed by the tests' cluster"
)]
#[path = "../../tests/it/world/mod.rs"]
mod world;

use clients::{Client, Clients};
use cluster::{Cluster, Space};
use std::time::Duration;

/// Pods of a Deployment, when there is one and when there are many.
const fn replicas(count: usize) -> u32 {
    if count == 1 { 3 } else { 1 }
}

fn main() -> anyhow::Result<()> {
    if cluster::keeper::keep_if_asked() {
        return Ok(());
    }
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(run())
}

async fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [lastgood, kubectl, rounds, counts @ ..] = arguments.as_slice() else {
        anyhow::bail!("usage: rollout-bench LASTGOOD KUBECTL ROUNDS [COUNT...]");
    };
    let rounds: usize = rounds.parse()?;
    let mut wanted = counts
        .iter()
        .map(|count| count.parse())
        .collect::<Result<Vec<usize>, _>>()?;
    if wanted.is_empty() {
        wanted = vec![1, 100];
    }
    let Some(cluster) = Cluster::start().await else {
        anyhow::bail!("the servers are not there");
    };
    println!(
        "{rounds} rounds; wall in ms, medians; goals: wall <= 1.0x of kubectl, overhead <= 150 ms, 100 <= 2x of one"
    );
    println!(
        "{:>5}  {:>9} {:>9} {:>6}  {:>9} {:>9}  {:>9}",
        "count", "lastgood", "kubectl", "ratio", "rollouts", "overhead", "kubectl's"
    );
    let mut ours = Vec::new();
    for count in wanted {
        let figures = measure(&cluster, lastgood, kubectl, rounds, count).await?;
        let [mine, theirs] = figures.map(|(wall, own)| (median(&wall), median(&own)));
        println!(
            "{count:>5}  {:>9.0} {:>9.0} {:>6.2}  {:>9.0} {:>9.0}  {:>9.0}",
            mine.0,
            theirs.0,
            mine.0 / theirs.0,
            mine.1,
            mine.0 - mine.1,
            theirs.0 - theirs.1,
        );
        ours.push(mine.0);
    }
    if let (Some(first), Some(last)) = (ours.first(), ours.last())
        && 1 < ours.len()
    {
        println!("the last against the first: {:.2}x", last / first);
    }
    Ok(())
}

/// Wall times, and times of the rollouts themselves.
type Figures = (Vec<Duration>, Vec<Duration>);

async fn measure(
    cluster: &Cluster,
    lastgood: &str,
    kubectl: &str,
    rounds: usize,
    count: usize,
) -> anyhow::Result<[Figures; 2]> {
    let space = cluster.space("bench").await;
    let names: Vec<String> = (0..count).map(|n| format!("web-{n}")).collect();
    for name in &names {
        space.deployment(name, "shop/web:1", replicas(count)).await;
    }
    all_rolled_out(&space, &names).await;
    let clients = Clients::prepare(cluster, &space, lastgood, kubectl, &names)?;
    let mut figures = [(Vec::new(), Vec::new()), (Vec::new(), Vec::new())];
    for round in 0..=rounds {
        for (client, (walls, owns)) in Client::ALL.into_iter().zip(&mut figures) {
            for name in &names {
                space
                    .set_image(
                        &format!("deployment/{name}"),
                        &format!("shop/web:2-{round}"),
                    )
                    .await;
            }
            all_rolled_out(&space, &names).await;
            let watching = watch::start(&space, &names).await?;
            let wall = clients.run(client).await?;
            let own = watching.took().await?;
            // The first round warms the caches up.
            if 0 < round {
                walls.push(wall);
                owns.push(own);
            }
        }
    }
    Ok(figures)
}

async fn all_rolled_out(space: &Space, names: &[String]) {
    for name in names {
        space.wait_rolled_out(&format!("deployment/{name}")).await;
    }
}

/// In milliseconds.
fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times
        .get(times.len() / 2)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
