//! The published simulation tables, once more from fixed seeds, in a size that fits a debug build. A share must lie within five standard
//! errors of the published one, both being estimates.

use super::sim::{
    Ends, Outage, Shape, Start, latencies, mean, outages, periodic, quantile, real, stage, steady,
};
use lastgood::model::probe::Stage;

/// Streams behind a published share of the detect stage.
const PUBLISHED_STREAMS: f64 = 100_000.0;

#[track_caller]
fn near(what: &str, found: f64, published: f64, streams: f64, published_streams: f64) {
    // Add one event, so that an observed 0 is not taken for a certainty.
    let p = published.clamp(1.0 / published_streams, 1.0 - 1.0 / published_streams);
    let error = (p * (1.0 - p) * (1.0 / streams + 1.0 / published_streams)).sqrt();
    let slack = 5.0 * error + 1.0 / streams;
    assert!(
        (found - published).abs() <= slack,
        "{what}: found {found:.5}, published {published:.5} +- {slack:.5}"
    );
}

/// Rate; true error rate, rollback, pass, mean seconds, p99.
type Row = (f64, f64, f64, f64, usize);

fn check(rate: u32, rows: &[Row]) {
    let rules = stage(Stage::Detect, rate);
    for (p, rollback, pass, mean_s, p99_s) in rows {
        let streams = 4000;
        let ends = steady(&rules, 7 + u64::from(rate), streams, *p);
        let what = format!("{p} at {rate}/s");
        let n = real(streams);
        near(
            &format!("rollback {what}"),
            ends.share(ends.unhealthy),
            *rollback,
            n,
            PUBLISHED_STREAMS,
        );
        near(
            &format!("pass {what}"),
            ends.share(ends.passed),
            *pass,
            n,
            PUBLISHED_STREAMS,
        );
        let found = mean(&ends.at_s);
        assert!(
            (found - mean_s).abs() <= 0.05 * mean_s,
            "mean {what}: {found:.1}, published {mean_s}"
        );
        let found = quantile(&ends.at_s, 0.99);
        assert!(
            found.abs_diff(*p99_s) <= 2 + p99_s / 10,
            "p99 {what}: {found}, published {p99_s}"
        );
        assert_eq!(ends.flapping, 0, "{what}");
    }
}

#[test]
fn detect_at_5_per_second() {
    check(
        5,
        &[
            (0.0, 0.0, 1.0, 37.0, 37),
            (0.005, 0.0, 1.0, 47.1, 88),
            (0.01, 0.00003, 0.99836, 63.3, 147),
            (0.02, 0.0332, 0.69568, 122.9, 180),
            (0.05, 0.99586, 0.00094, 58.8, 153),
            (0.1, 1.0, 0.0, 24.2, 48),
            (0.5, 1.0, 0.0, 11.3, 13),
        ],
    );
}

#[test]
fn detect_at_10_per_second() {
    check(
        10,
        &[
            (0.0, 0.0, 1.0, 19.0, 19),
            (0.001, 0.0, 1.0, 19.8, 28),
            (0.005, 0.0, 1.0, 24.1, 46),
            (0.01, 0.0001, 0.9999, 32.8, 77),
            (0.02, 0.04911, 0.89748, 77.3, 180),
            (0.03, 0.70018, 0.19813, 92.0, 180),
            (0.05, 0.99917, 0.00082, 34.6, 85),
            (0.1, 1.0, 0.0, 16.6, 29),
            (0.5, 1.0, 0.0, 11.0, 11),
            (1.0, 1.0, 0.0, 11.0, 11),
        ],
    );
}

#[test]
fn detect_at_20_per_second() {
    check(
        20,
        &[
            (0.0, 0.0, 1.0, 10.0, 10),
            (0.01, 0.00004, 0.99996, 17.8, 43),
            (0.03, 0.78338, 0.20726, 57.1, 179),
            (0.05, 0.99915, 0.00085, 22.8, 51),
            (0.1, 1.0, 0.0, 13.2, 20),
            (1.0, 1.0, 0.0, 11.0, 11),
        ],
    );
}

fn early(length_s: f64) -> Outage {
    Outage {
        length_s,
        latest_s: 30.0,
        start: Start::Anywhen,
    }
}

#[test]
fn blips_never_roll_back() {
    for rate in [5, 10, 20] {
        for blip_s in [1.0, 2.0, 3.0, 5.0] {
            let ends = outages(&stage(Stage::Detect, rate), 11, 4000, early(blip_s));
            assert_eq!(ends.unhealthy, 0, "{blip_s} s at {rate}/s");
            assert_eq!(ends.undecided(), 0, "{blip_s} s at {rate}/s");
        }
    }
    let long = outages(&stage(Stage::Detect, 10), 12, 4000, early(10.0));
    near(
        "10 s outage",
        long.share(long.unhealthy),
        0.11163,
        4000.0,
        PUBLISHED_STREAMS,
    );
    let longer = outages(&stage(Stage::Detect, 10), 13, 4000, early(15.0));
    near(
        "15 s outage",
        longer.share(longer.unhealthy),
        0.65991,
        4000.0,
        PUBLISHED_STREAMS,
    );
}

/// Rate; mean delays at 5 %, 10 %, 50 %, 100 %.
fn check_bake(rate: u32, delays: [f64; 4]) {
    let rules = stage(Stage::Bake, rate);
    for p in [0.001, 0.005, 0.01] {
        let ends = steady(&rules, 5, 300, p);
        assert_eq!((ends.unhealthy, ends.flapping), (0, 0), "{p} at {rate}/s");
    }
    for (p, delay) in [0.05, 0.1, 0.5, 1.0].into_iter().zip(delays) {
        let ends: Ends = steady(&rules, 6, 300, p);
        near(
            &format!("found {p}"),
            ends.share(ends.unhealthy),
            1.0,
            300.0,
            20_000.0,
        );
        let found = mean(&ends.unhealthy_at_s);
        // Flapping sees what fails by whole seconds a little sooner.
        assert!(
            (found - delay).abs() <= 0.5 + 0.12 * delay,
            "{p} at {rate}/s: {found:.1}, published {delay}"
        );
    }
}

#[test]
fn bakes() {
    check_bake(2, [169.0, 63.0, 15.0, 12.0]);
    check_bake(10, [44.0, 21.0, 13.0, 13.0]);
}

#[test]
fn outages_in_a_bake() {
    for (outage_s, published) in [(5.0, 0.0), (10.0, 0.0004), (15.0, 1.0)] {
        let mut rules = stage(Stage::Bake, 2);
        rules.cap_s = 200; // an outage is over or found by then
        let outage = Outage {
            length_s: outage_s,
            latest_s: 100.0,
            start: Start::OnTheSecond,
        };
        let ends = outages(&rules, 8, 1000, outage);
        near(
            &format!("{outage_s} s"),
            ends.share(ends.unhealthy),
            published,
            1000.0,
            20_000.0,
        );
    }
}

#[test]
fn periodic_outages_are_found() {
    for rate in [2, 5, 10, 20] {
        let ends = periodic(&stage(Stage::Bake, rate), 9, 200, 2, 20);
        assert_eq!(ends.unhealthy, 200, "at {rate}/s");
        assert!(mean(&ends.unhealthy_at_s) < 70.0);
    }
}

/// Shape, ratio, slow and ok as published with 300 baseline probes.
fn check_latency(shape: Shape, ratio: f64, slow: f64, ok: f64) {
    let found = latencies(shape, ratio, 300, 100, 3, false);
    let what = format!("{shape} x {ratio}");
    near(&format!("slow {what}"), found.slow, slow, 100.0, 1500.0);
    near(&format!("ok {what}"), found.ok, ok, 100.0, 1500.0);
}

#[test]
fn latency() {
    for shape in [Shape::Lognormal(0.3), Shape::Bimodal] {
        for (ratio, slow) in [(1.0, 0.0), (1.25, 0.0), (2.0, 1.0), (3.0, 1.0)] {
            check_latency(shape, ratio, slow, 1.0 - slow);
        }
    }
    check_latency(Shape::Lognormal(0.7), 1.25, 0.0020, 0.9980);
    check_latency(Shape::Lognormal(0.7), 2.0, 0.9993, 0.0007);
    check_latency(Shape::Lognormal(1.2), 1.0, 0.0, 1.0);
    check_latency(Shape::Lognormal(1.2), 1.25, 0.0073, 0.9607);
    check_latency(Shape::Lognormal(1.2), 2.0, 0.9740, 0.0100);
}
