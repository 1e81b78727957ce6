//! The product's test against characteristics computed without it: both must agree to 1e-9, and with the published table to its digits.

use super::dp::{Exact, from_the_engine, real, two_stage};
use lastgood::decide::judge::sprt::{Bounds, Weights};

/// The same figures without the product: from closed-form boundaries on the number `k` of errored trials.
fn from_boundaries(p: f64, weights: Weights, bounds: Bounds, trials: usize) -> Exact {
    let mut exact = Exact {
        up_at: vec![0.0; trials + 1],
        down_at: vec![0.0; trials + 1],
        ..Exact::default()
    };
    let mut alive = vec![0.0; trials + 2];
    alive[0] = 1.0;
    for n in 1..=trials {
        for k in (0..=n).rev() {
            let from_below = if k == 0 { 0.0 } else { alive[k - 1] };
            alive[k] = alive[k] * (1.0 - p) + from_below * p;
        }
        let slope = weights.errored - weights.clean;
        let up_from = ((bounds.up - real(n) * weights.clean) / slope - 1e-12).ceil();
        let down_to = ((bounds.down - real(n) * weights.clean) / slope + 1e-12).floor();
        for (k, mass) in alive.iter_mut().enumerate().take(n + 1) {
            if up_from <= real(k) {
                exact.up_at[n] += std::mem::take(mass);
            } else if real(k) <= down_to {
                exact.down_at[n] += std::mem::take(mass);
            }
        }
    }
    let open = alive.iter().sum();
    exact.finish(open)
}

/// The smallest number of trials by which a share `q` of the streams has stopped.
fn quantile(exact: &Exact, q: f64) -> usize {
    let mut stopped = 0.0;
    let last = exact.up_at.len() - 1;
    (0..last)
        .find(|n| {
            stopped += exact.up_at[*n] + exact.down_at[*n];
            q - 1e-12 <= stopped
        })
        .unwrap_or(last)
}

/// `rows` as published: true rate, P(rollback), P(pass), P(undecided), E[n], n50, n95, n99.
#[track_caller]
fn check(error: f64, trials: usize, rows: &str) {
    let weights = Weights::of_trial(0.01, 0.05);
    let bounds = Bounds::wald(error, error);
    for row in rows.trim().lines() {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let percent: f64 = columns[0].trim_end_matches('%').parse().expect("a rate");
        let p = percent / 100.0;
        let exact = from_boundaries(p, weights, bounds, trials);
        let engine = from_the_engine(p, weights, bounds, trials);
        for (n, (a, b)) in exact.up_at.iter().zip(&engine.up_at).enumerate() {
            assert!((a - b).abs() < 1e-9, "up after {n} at {p}: {a} and {b}");
        }
        for (n, (a, b)) in exact.down_at.iter().zip(&engine.down_at).enumerate() {
            assert!((a - b).abs() < 1e-9, "down after {n} at {p}: {a} and {b}");
        }
        assert!((exact.mean - engine.mean).abs() < 1e-9 * exact.mean);
        let found = [
            columns[0].to_owned(),
            digits(engine.up),
            digits(engine.down),
            digits(engine.open),
            format!("{:.1}", engine.mean),
            quantile(&engine, 0.5).to_string(),
            quantile(&engine, 0.95).to_string(),
            quantile(&engine, 0.99).to_string(),
        ];
        assert_eq!(found.as_slice(), columns.as_slice());
    }
}

/// `5.81e-04`, as the table prints probabilities.
fn digits(p: f64) -> String {
    let text = format!("{p:.2e}");
    let (mantissa, exponent) = text.split_once('e').expect("an exponent");
    let exponent: i32 = exponent.parse().expect("a number");
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[test]
fn the_plain_test_has_its_published_characteristics() {
    let rows = "
  0.0%    0.00e+00    1.00e+00   0.00e+00    168.0   168  168  168
  0.5%    5.08e-06    1.00e+00   4.43e-18    210.0   208  328  368
  1.0%    5.81e-04    9.99e-01   2.90e-08    279.7   248  488  648
  2.0%    1.16e-01    8.65e-01   1.92e-02    626.8   488 1569 2000
  5.0%    9.99e-01    9.81e-04   1.16e-08    181.9   150  410  578
 10.0%    1.00e+00    2.76e-08   1.37e-38     61.2    56  122  161
 50.0%    1.00e+00    2.67e-51   0.00e+00     10.0     9   16   19
100.0%    1.00e+00    0.00e+00   0.00e+00      5.0     5    5    5
";
    check(0.001, 2000, rows);
    let rows = "
  0.0%    0.00e+00    1.00e+00   0.00e+00    112.0   112  112  112
  1.0%    5.78e-03    9.94e-01   2.63e-10    184.4   152  352  512
  3.0%    7.36e-01    2.64e-01   4.66e-04    312.2   234  826 1233
  5.0%    9.90e-01    9.82e-03   1.69e-10    124.0   102  308  443
";
    check(0.01, 2000, rows);
}

#[test]
fn the_plain_test_cut_off_has_its_published_characteristics() {
    let rows = "
  0.5%    5.08e-06    1.00e+00   1.10e-04    210.0   208  328  368
  1.0%    5.77e-04    9.79e-01   2.04e-02    277.8   248  488  600
  2.0%    7.67e-02    5.13e-01   4.10e-01    452.7   488  600  600
  3.0%    5.22e-01    9.41e-02   3.84e-01    424.4   467  600  600
  5.0%    9.91e-01    9.61e-04   8.01e-03    181.1   150  410  578
 10.0%    1.00e+00    2.76e-08   3.19e-11     61.2    56  122  161
";
    check(0.001, 600, rows);
}

#[test]
fn the_two_stage_test_keeps_its_error_bounds_exactly() {
    for rate in [5, 10, 20] {
        for p in [0.0, 0.001, 0.005, 0.01] {
            let (rollback, _) = two_stage(p, rate);
            assert!(rollback <= 1e-4, "{p} at {rate}/s: {rollback:e}");
        }
        for p in [0.05, 0.1, 0.5, 1.0] {
            let (_, pass) = two_stage(p, rate);
            assert!(pass <= 1e-3, "{p} at {rate}/s: {pass:e}");
        }
    }
}
