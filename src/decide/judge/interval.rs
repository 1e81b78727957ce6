//! Intervals for a share of failures, and the few special functions they need.

/// 1 - confidence of every interval here.
const DOUBT: f64 = 0.05;

/// Halvings of a bisection: more than the 53 bits of an `f64` can use.
const HALVINGS: u32 = 60;

/// Anytime-valid 95 % interval of the failure probability after `failures` of `probes`: it holds at every moment of the watch
/// at once, so reading it when the test stops is fair. The values `p` whose likelihood is at least 1/20 of the likelihood
/// under a Beta(1/2, 1/2) mixture (Robbins; Ville's inequality).
pub fn anytime(failures: u64, probes: u64) -> (f64, f64) {
    if probes == 0 {
        return (0.0, 1.0);
    }
    let failed = super::real(failures.min(probes));
    let passed = super::real(probes) - failed;
    let mixture = ln_beta(failed + 0.5, passed + 0.5) - ln_beta(0.5, 0.5);
    let plausible = |p: f64| {
        let likelihood = times_ln(failed, p) + times_ln(passed, 1.0 - p);
        mixture + DOUBT.ln() <= likelihood
    };
    let share = failed / (failed + passed);
    let low = match failures {
        0 => 0.0,
        _ => edge(share, 0.0, plausible),
    };
    let high = if probes <= failures {
        1.0
    } else {
        edge(share, 1.0, plausible)
    };
    (low, high)
}

/// One-sided 95 % upper bound of the failure probability for a sample of fixed size (Clopper-Pearson): at most this, or
/// so few failures would be seen in less than one of 20 such samples. 0 of 300 gives 1 % (the rule of three).
pub fn upper(failures: u64, probes: u64) -> f64 {
    if probes <= failures {
        return 1.0;
    }
    let share = super::real(failures) / super::real(probes);
    edge(share, 1.0, |p| DOUBT <= at_most(failures, probes, p))
}

/// The last value from `inside` towards `outside` that still is `plausible`.
fn edge(mut inside: f64, mut outside: f64, plausible: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(inside, outside);
        if plausible(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// Probability of at most `failures` of `probes` when each fails with probability `p`.
fn at_most(failures: u64, probes: u64, p: f64) -> f64 {
    let n = super::real(probes);
    (0..=failures)
        .map(|k| {
            let k = super::real(k);
            let choose = ln_gamma(n + 1.0) - ln_gamma(k + 1.0) - ln_gamma(n - k + 1.0);
            (choose + times_ln(k, p) + times_ln(n - k, 1.0 - p)).exp()
        })
        .sum()
}

/// `count * ln(p)`, where nothing times minus infinity is nothing.
fn times_ln(count: f64, p: f64) -> f64 {
    if count <= 0.0 { 0.0 } else { count * p.ln() }
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// Lanczos' approximation (g = 7, 9 terms), for `x` of at least 0.5; relative error below 1e-13.
fn ln_gamma(x: f64) -> f64 {
    const FIRST: f64 = 0.999_999_999_999_809_9;
    const TERMS: [f64; 8] = [
        676.520_368_121_885_1,
        -1_259.139_216_722_402_8,
        771.323_428_777_653_1,
        -176.615_029_162_140_6,
        12.507_343_278_686_905,
        -0.138_571_095_265_720_12,
        9.984_369_578_019_572e-6,
        1.505_632_735_149_311_6e-7,
    ];
    let mut sum = FIRST;
    let mut at = x;
    for term in TERMS {
        sum += term / at;
        at += 1.0;
    }
    let base = x + 6.5;
    0.5 * (2.0 * std::f64::consts::PI).ln() + (x - 0.5) * base.ln() - base + sum.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expected` as published, in percent, to the digits published.
    #[track_caller]
    fn check(failures: u64, probes: u64, expected: (&str, &str)) {
        let (low, high) = anytime(failures, probes);
        let text = |share: f64, like: &str| {
            let decimals = like.split_once('.').map_or(0, |(_, part)| part.len());
            format!("{:.decimals$}", share * 100.0)
        };
        assert_eq!(
            (
                text(low, expected.0).as_str(),
                text(high, expected.1).as_str()
            ),
            expected,
            "{failures}/{probes}"
        );
    }

    #[test]
    fn intervals_are_the_published_ones() {
        check(5, 5, ("41", "100"));
        check(50, 50, ("90", "100")); // 89.5
        check(11, 110, ("3.1", "22"));
        check(0, 190, ("0", "3.2"));
        check(0, 600, ("0", "1.1"));
        check(0, 0, ("0", "100"));
    }

    #[test]
    fn rule_of_three() {
        assert!((upper(0, 300) - 0.009_936).abs() < 1e-6);
        assert!((upper(3, 300) - 0.025_65).abs() < 1e-4);
        assert!((upper(7, 7) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn gamma_of_whole_and_half_numbers() {
        let mut factorial = 1.0_f64;
        for n in 1..=100_u32 {
            assert!(
                (ln_gamma(f64::from(n)) - factorial.ln()).abs() < 1e-9,
                "{n}"
            );
            factorial *= f64::from(n);
        }
        assert!((ln_gamma(0.5) - std::f64::consts::PI.sqrt().ln()).abs() < 1e-13);
    }

    #[test]
    fn the_interval_holds_the_share_and_narrows() {
        for (failures, probes) in [(1, 10), (3, 300), (10, 1000), (999, 1000)] {
            let (low, high) = anytime(failures, probes);
            let share = crate::decide::judge::real(failures) / crate::decide::judge::real(probes);
            assert!(0.0 < low && low < share && share < high && high < 1.0);
            let (low10, high10) = anytime(failures * 10, probes * 10);
            assert!(low < low10 && high10 < high);
        }
    }
}
