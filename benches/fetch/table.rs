//! The table: medians, ratios of the same run, and the goals they are held against.

use crate::clients::Client;
use crate::floor::Floor;

/// What one run took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) wall_s: f64,
    /// User and system time; GNU time knows hundredths.
    pub(crate) cpu_s: f64,
    /// Of the largest process.
    pub(crate) peak_mib: f64,
}

/// Wall time against GitHub's artifact client, at most.
fn goal(artifact: &str, against: Client) -> f64 {
    match (against, artifact) {
        (Client::Node, "wasm1") => 0.05,
        (Client::Node, "many10k") => 0.10,
        (Client::Node, _) => 0.13,
        (Client::Lastgood | Client::Gh | Client::Shell, _) => 0.30,
    }
}

pub(crate) fn head() {
    println!(
        "\n| artifact | client | wall s | CPU s | peak MiB | lastgood / it: wall | goal | CPU |"
    );
    println!("|---|---|---|---|---|---|---|---|");
}

pub(crate) fn rows(artifact: &str, all: &[(Client, Vec<Measured>)], floor: Floor) {
    let ours = all.iter().find(|(client, _)| *client == Client::Lastgood);
    let ours = ours.map(|(_, runs)| runs.as_slice()).unwrap_or_default();
    for (client, runs) in all {
        let (wall, cpu) = (
            median(runs, |run| run.wall_s),
            median(runs, |run| run.cpu_s),
        );
        let peak = runs.iter().map(|run| run.peak_mib).fold(0.0, f64::max);
        let name = client.name();
        if *client == Client::Lastgood {
            let most = if artifact == "wasm1" { 8.0 } else { 24.0 };
            let word = word(peak <= most);
            println!(
                "| {artifact} | {name} | {wall:.3} | {cpu:.2} | {peak:.1} | | peak <= {most}: {word} | |"
            );
            continue;
        }
        // Pair by pair: what disturbed one round disturbed both.
        let ratio = |of: fn(&Measured) -> f64| {
            let pairs = ours
                .iter()
                .zip(runs)
                .map(|(ours, theirs)| of(ours) / of(theirs));
            middle(pairs.collect())
        };
        let (wall_ratio, goal) = (ratio(|run| run.wall_s), goal(artifact, *client));
        let (cpu_ratio, word) = (ratio(|run| run.cpu_s), word(wall_ratio <= goal));
        println!(
            "| {artifact} | {name} | {wall:.3} | {cpu:.2} | {peak:.1} | {wall_ratio:.3} | <= {goal}: {word} | {cpu_ratio:.3} |"
        );
    }
    let cpu = median(ours, |run| run.cpu_s);
    let Floor {
        sha_zip,
        inflate,
        sha_files,
        write,
        receive,
    } = floor;
    let (sums, all) = (floor.sums(), floor.all());
    println!(
        "| {artifact} | alone: sha256 {sha_zip:.2} + inflate {inflate:.2} + sha256 {sha_files:.2} | | {sums:.2} | | | <= 1.15: {} | {:.2} |",
        word(cpu / sums <= 1.15),
        cpu / sums
    );
    println!(
        "| {artifact} | and receive {receive:.2} + write {write:.2} | | {all:.2} | | | <= 1.15: {} | {:.2} |",
        word(cpu / all <= 1.15),
        cpu / all
    );
}

fn word(holds: bool) -> &'static str {
    if holds { "yes" } else { "NO" }
}

fn median(runs: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    middle(runs.iter().map(of).collect())
}

fn middle(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
