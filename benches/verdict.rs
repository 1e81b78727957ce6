//! The verdict's published tables in full size from fixed seeds, beside the figures they were published with, and the speed of the
//! simulation. `cargo bench --bench verdict`; fails when a promised bound does not hold.
#![expect(clippy::print_stdout, reason = "the tables are the answer")]

#[path = "../tests/it/verdict/dp.rs"]
mod dp;
#[path = "verdict/published.rs"]
mod published;
#[path = "../tests/it/verdict/sim.rs"]
mod sim;

use lastgood::model::probe::Stage;
use sim::{Ends, Outage, Start, latencies, mean, outages, periodic, quantile, real, stage, steady};
use std::process::ExitCode;
use std::thread;
use std::time::Instant;

const STREAMS: u64 = 100_000;

/// Promises that were checked, and those that did not hold.
#[derive(Debug, Default)]
struct Broken {
    checked: usize,
    broken: Vec<String>,
}

impl Broken {
    fn demand(&mut self, holds: bool, promise: String) {
        self.checked += 1;
        if !holds {
            println!("  BROKEN: {promise}");
            self.broken.push(promise);
        }
    }
}

fn main() -> ExitCode {
    let mut broken = Broken::default();
    let began = Instant::now();
    detect(&mut broken);
    blips(&mut broken);
    bake(&mut broken);
    flapping(&mut broken);
    latency(&mut broken);
    speed(&mut broken);
    println!("\nall in {:.1} s", began.elapsed().as_secs_f64());
    if broken.broken.is_empty() {
        println!("all {} promises hold", broken.checked);
        return ExitCode::SUCCESS;
    }
    println!(
        "{} of {} promises broken: {}",
        broken.broken.len(),
        broken.checked,
        broken.broken.join("; ")
    );
    ExitCode::FAILURE
}

/// Half of the streams on each of two threads, with seeds of their own.
fn on_two_threads(streams: u64, run: impl Fn(u64, u64) -> Ends + Sync) -> Ends {
    thread::scope(|scope| {
        let other = scope.spawn(|| run(1, streams / 2));
        let ends = run(2, streams - streams / 2);
        merged(ends, &other.join().expect("a simulation does not panic"))
    })
}

fn merged(mut all: Ends, other: &Ends) -> Ends {
    let add = |mine: &mut Vec<u64>, theirs: &[u64]| {
        mine.resize(mine.len().max(theirs.len()), 0);
        for (mine, theirs) in mine.iter_mut().zip(theirs) {
            *mine += theirs;
        }
    };
    all.streams += other.streams;
    all.unhealthy += other.unhealthy;
    all.flapping += other.flapping;
    all.passed += other.passed;
    add(&mut all.at_s, &other.at_s);
    add(&mut all.unhealthy_at_s, &other.unhealthy_at_s);
    all
}

fn detect(broken: &mut Broken) {
    for (rate, rows) in published::DETECT {
        let rules = stage(Stage::Detect, rate);
        println!(
            "\nDetect at {rate} probes per second, cap 180 s, {STREAMS} streams a row: found (published)"
        );
        println!(
            "  true     rollback            pass                undecided           mean s         p99 s      exact rollback / pass"
        );
        for (p, published, p99) in rows {
            let ends = on_two_threads(STREAMS, |seed, streams| steady(&rules, seed, streams, *p));
            let [rollback, pass, undecided, mean_s] = published;
            let (exact_rollback, exact_pass) = dp::two_stage(*p, rate);
            println!(
                "  {:>5.1} %  {:.5} ({rollback:.5})   {:.5} ({pass:.5})   {:.5} ({undecided:.5})   {:>5.1} ({mean_s:>5.1})  {:>3} ({p99:>3})  {exact_rollback:.2e} / {exact_pass:.2e}",
                p * 100.0,
                ends.share(ends.unhealthy),
                ends.share(ends.passed),
                ends.share(ends.undecided()),
                mean(&ends.at_s),
                quantile(&ends.at_s, 0.99),
            );
            if *p <= 0.01 {
                broken.demand(
                    exact_rollback <= 1e-4 && ends.flapping == 0,
                    format!(
                        "false rollback at most 1e-4 ({exact_rollback:.2e}, simulated {:.0e})",
                        ends.share(ends.unhealthy)
                    ),
                );
            }
            if 0.05 <= *p {
                broken.demand(
                    exact_pass <= 1e-3,
                    format!(
                        "miss at most 1e-3 ({exact_pass:.2e}, simulated {:.0e})",
                        ends.share(ends.passed)
                    ),
                );
            }
        }
    }
}

fn blips(broken: &mut Broken) {
    println!(
        "\nOne total outage in the first 30 s, else 0.1 % failures; rollbacks of {STREAMS} watches: found (published)"
    );
    for (rate, published) in [
        (5, [0.0, 0.0, 0.0, 0.0, 0.00054, 0.29371, 1.0]),
        (10, [0.0, 0.0, 0.0, 0.0, 0.00022, 0.11163, 0.65991]),
        (20, [0.0, 0.0, 0.0, 0.0, 0.00007, 0.03941, 0.31369]),
    ] {
        let mut rules = stage(Stage::Detect, rate);
        rules.cap_s = 240;
        for (length_s, published) in [1.0, 2.0, 3.0, 5.0, 8.0, 10.0, 15.0]
            .into_iter()
            .zip(published)
        {
            let outage = Outage {
                length_s,
                latest_s: 30.0,
                start: Start::Anywhen,
            };
            let ends = on_two_threads(STREAMS, |seed, streams| {
                outages(&rules, seed, streams, outage)
            });
            println!(
                "  {rate:>2}/s, {length_s:>2} s: {:.5} ({published:.5})",
                ends.share(ends.unhealthy)
            );
            if length_s <= 5.0 {
                broken.demand(
                    ends.unhealthy == 0,
                    format!("no rollback in {STREAMS} blips of {length_s} s"),
                );
            } else if length_s <= 8.0 {
                broken.demand(
                    ends.share(ends.unhealthy) <= 1e-3,
                    format!("at most 1e-3 in outages of {length_s} s"),
                );
            }
        }
    }
}

fn bake(broken: &mut Broken) {
    println!(
        "\nBake of 900 s: false rollbacks of 400000 (published over 40000), mean delay s and p95 of 20000 (published)"
    );
    for (rate, false_alarms, delays, p95s, outage_shares) in published::BAKE {
        let rules = stage(Stage::Bake, rate);
        let mut parts = Vec::new();
        for (p, published) in [0.001, 0.005, 0.01].into_iter().zip(false_alarms) {
            let ends = on_two_threads(400_000, |seed, streams| steady(&rules, seed, streams, p));
            parts.push(format!(
                "{:.1} % {:.5} ({published:.5})",
                p * 100.0,
                ends.share(ends.unhealthy)
            ));
            broken.demand(
                ends.share(ends.unhealthy) <= 1.5e-4,
                format!(
                    "false rollback in a bake at {p} and {rate}/s: {} of 400000 ({} flapping)",
                    ends.unhealthy, ends.flapping
                ),
            );
        }
        for ((p, delay), p95) in [0.05, 0.1, 0.5, 1.0].into_iter().zip(delays).zip(p95s) {
            let ends = on_two_threads(20_000, |seed, streams| steady(&rules, seed, streams, p));
            parts.push(format!(
                "{:.0} % {:.0} s, {} ({delay}, {p95}) missed {:.4}",
                p * 100.0,
                mean(&ends.unhealthy_at_s),
                quantile(&ends.unhealthy_at_s, 0.95),
                ends.share(ends.undecided()),
            ));
        }
        for (length_s, published) in [5.0, 10.0, 15.0].into_iter().zip(outage_shares) {
            let outage = Outage {
                length_s,
                latest_s: 750.0,
                start: Start::OnTheSecond,
            };
            let ends = on_two_threads(20_000, |seed, streams| {
                outages(&rules, seed, streams, outage)
            });
            parts.push(format!(
                "outage {length_s} s {:.4} ({published})",
                ends.share(ends.unhealthy)
            ));
        }
        println!("  {rate:>2}/s: {}", parts.join(" | "));
    }
}

fn flapping(broken: &mut Broken) {
    println!(
        "\nPeriodic total outages, 2000 watches: found by the detect stage, by the bake, mean seconds in the bake"
    );
    for (lost_s, period_s) in [(1, 10), (2, 20), (5, 40), (3, 60)] {
        for rate in [2, 5, 10, 20] {
            let detect = on_two_threads(2000, |seed, streams| {
                periodic(&stage(Stage::Detect, rate), seed, streams, lost_s, period_s)
            });
            let bake = on_two_threads(2000, |seed, streams| {
                periodic(&stage(Stage::Bake, rate), seed, streams, lost_s, period_s)
            });
            println!(
                "  {lost_s} s of {period_s} at {rate:>2}/s: {:.4}, {:.4}, {:.0}",
                detect.share(detect.unhealthy),
                bake.share(bake.unhealthy),
                mean(&bake.unhealthy_at_s)
            );
            broken.demand(
                bake.unhealthy == bake.streams,
                format!("found: {lost_s} s of {period_s} at {rate}/s"),
            );
        }
    }
}

fn latency(broken: &mut Broken) {
    println!(
        "\nLatency, 300 baseline probes, 6000 services a row: slow, ok, undecided, E[n] (published over 1500); then with the confirming test"
    );
    for (shape, published) in published::LATENCY {
        for (ratio, [slow, ok, probes]) in [1.0, 1.25, 1.5, 2.0, 3.0].into_iter().zip(published) {
            let found = latencies(shape, ratio, 300, 6000, 17, false);
            let confirmed = latencies(shape, ratio, 300, 6000, 17, true);
            println!(
                "  {shape} x {ratio:.2}: {:.4} ({slow:.4})  {:.4} ({ok:.4})  {:.4}  {:>3.0} ({probes:>3.0}) | {:.4} {:.4} {:.4} {:>3.0}",
                found.slow,
                found.ok,
                found.undecided,
                found.probes,
                confirmed.slow,
                confirmed.ok,
                confirmed.undecided,
                confirmed.probes,
            );
            if ratio <= 1.25 {
                broken.demand(
                    confirmed.slow <= 1e-2,
                    format!(
                        "falsely slow at most 1e-2 at {ratio} times: {:.4}",
                        confirmed.slow
                    ),
                );
            }
            if 2.0 <= ratio {
                broken.demand(
                    confirmed.ok <= 1e-2,
                    format!("missed at most 1e-2 at {ratio} times: {:.4}", confirmed.ok),
                );
            }
        }
    }
}

fn speed(broken: &mut Broken) {
    println!(
        "\n1000000 streams at 10/s on two threads, a tenth each at 0, 0.1, 0.5, 1, 2, 3, 5, 10, 50 and 100 %"
    );
    let rules = stage(Stage::Detect, 10);
    let began = Instant::now();
    let mut ends = Ends::default();
    for p in [0.0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.05, 0.1, 0.5, 1.0] {
        ends = merged(
            ends,
            &on_two_threads(100_000, |seed, streams| steady(&rules, seed, streams, p)),
        );
    }
    let took = began.elapsed().as_secs_f64();
    println!(
        "  {} streams, {:.0} simulated seconds each on average, in {took:.2} s: {:.1} million seconds per second",
        ends.streams,
        mean(&ends.at_s),
        mean(&ends.at_s) * real(ends.streams) / took / 1e6
    );
    broken.demand(
        took < 10.0 && ends.streams == 1_000_000,
        format!("a million streams in under 10 s ({took:.2} s)"),
    );
}
