//! Wald's sequential probability ratio test on one-bit trials: the small core, without allocation.
//! What a trial is (a probe, a whole second) is the caller's business.

/// What one trial adds to the log-likelihood ratio `ln(P(seen | unhealthy) / P(seen | healthy))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// Added by an errored trial (f): above 0.
    pub errored: f64,
    /// Added by a clean trial (s): below 0.
    pub clean: f64,
}

impl Weights {
    /// Trials that err with probability `healthy` (q0) or `unhealthy` (q1), `0 < q0 < q1 < 1`.
    pub fn of_trial(healthy: f64, unhealthy: f64) -> Self {
        Self {
            errored: (unhealthy / healthy).ln(),
            clean: ((1.0 - unhealthy) / (1.0 - healthy)).ln(),
        }
    }

    /// Seconds of `probes` independent probes, errored when at least one of them failed: `q = 1 - (1 - p)^probes`.
    /// A second has one vote however many of its probes failed, so a short outage has bounded influence.
    pub fn of_second(healthy: f64, unhealthy: f64, probes: u32) -> Self {
        let errs = |p: f64| 1.0 - (1.0 - p).powf(f64::from(probes));
        Self::of_trial(errs(healthy), errs(unhealthy))
    }

    /// What this trial adds.
    pub const fn of(&self, errored: bool) -> f64 {
        if errored { self.errored } else { self.clean }
    }
}

/// Wald's bounds: `up = ln((1 - b) / a)`, `down = ln(b / (1 - a))`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    pub up: f64,
    pub down: f64,
}

impl Bounds {
    /// `false_alarm` (a): a healthy stream crosses up at most this often. `miss` (b): an unhealthy one crosses down at
    /// most this often. Both between 0 and 0.5.
    pub fn wald(false_alarm: f64, miss: f64) -> Self {
        Self {
            up: ((1.0 - miss) / false_alarm).ln(),
            down: (miss / (1.0 - false_alarm)).ln(),
        }
    }
}

/// Whether a bound was crossed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crossing {
    Open,
    Up,
    Down,
}

/// One running test.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sprt {
    llr: f64,
}

impl Sprt {
    /// The log-likelihood ratio so far; 0 at the start.
    pub const fn llr(&self) -> f64 {
        self.llr
    }

    /// Takes one trial. The caller stops at the first crossing.
    pub fn step(&mut self, errored: bool, weights: &Weights, bounds: &Bounds) -> Crossing {
        self.llr += weights.of(errored);
        if bounds.up <= self.llr {
            Crossing::Up
        } else if self.llr <= bounds.down {
            Crossing::Down
        } else {
            Crossing::Open
        }
    }
}

/// Page's CUSUM: a test that never crosses down, but starts again at 0.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Cusum {
    sum: f64,
}

impl Cusum {
    /// 0 or more.
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Takes one trial; true when the sum reached `threshold` (h).
    pub fn step(&mut self, errored: bool, weights: &Weights, threshold: f64) -> bool {
        self.sum = (self.sum + weights.of(errored)).max(0.0);
        threshold <= self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// rate, q0, q1, f, s, clean seconds to pass, errored seconds to cross up: at 1 % / 5 %, a 0.01, b 0.0005.
    const VECTORS: [(u32, f64, f64, f64, f64, u32, u32); 6] = [
        (
            1,
            0.010_000_00,
            0.050_000_00,
            1.609_437_91,
            -0.041_242_96,
            185,
            3,
        ),
        (
            2,
            0.019_900_00,
            0.097_500_00,
            1.589_132_65,
            -0.082_485_92,
            93,
            3,
        ),
        (
            3,
            0.029_701_00,
            0.142_625_00,
            1.569_038_09,
            -0.123_728_88,
            62,
            3,
        ),
        (
            5,
            0.049_009_95,
            0.226_219_06,
            1.529_480_49,
            -0.206_214_79,
            37,
            4,
        ),
        (
            10,
            0.095_617_92,
            0.401_263_06,
            1.434_256_92,
            -0.412_429_59,
            19,
            4,
        ),
        (
            20,
            0.182_093_06,
            0.641_514_08,
            1.259_313_24,
            -0.824_859_17,
            10,
            4,
        ),
    ];

    #[track_caller]
    fn near(found: f64, expected: f64, within: f64) {
        assert!(
            (found - expected).abs() <= within,
            "found {found}, expected {expected}"
        );
    }

    fn trials_until(crossing: Crossing, errored: bool, weights: &Weights) -> u32 {
        let bounds = Bounds::wald(0.01, 0.0005);
        let mut test = Sprt::default();
        (1..=1000)
            .find(|_| test.step(errored, weights, &bounds) == crossing)
            .unwrap()
    }

    #[test]
    fn bounds_are_walds() {
        let bounds = Bounds::wald(0.01, 0.0005);
        near(bounds.up, 4.604_670_060_946_409, 1e-14);
        near(bounds.down, -7.590_852_123_688_581, 1e-14);
        let latency = Bounds::wald(0.001, 0.001);
        near(latency.up, 6.906_754_778_648_554, 1e-14);
        near(latency.down, -6.906_754_778_648_554, 1e-14);
    }

    #[test]
    fn weights_are_the_published_ones() {
        for (rate, q0, q1, f, s, clean_s, errored_s) in VECTORS {
            let weights = Weights::of_second(0.01, 0.05, rate);
            near(1.0 - 0.99_f64.powf(f64::from(rate)), q0, 1e-8);
            near(1.0 - 0.95_f64.powf(f64::from(rate)), q1, 1e-8);
            near(weights.errored, f, 1e-8);
            near(weights.clean, s, 1e-8);
            assert_eq!(trials_until(Crossing::Down, false, &weights), clean_s);
            assert_eq!(trials_until(Crossing::Up, true, &weights), errored_s);
        }
    }

    #[test]
    fn a_cusum_forgets_good_times() {
        let weights = Weights::of_second(0.01, 0.05, 10);
        let mut cusum = Cusum::default();
        for _ in 0..100 {
            assert!(!cusum.step(false, &weights, 8.5));
        }
        near(cusum.sum(), 0.0, 0.0);
        let errored = (1..=10).find(|_| cusum.step(true, &weights, 8.5));
        assert_eq!(errored, Some(6));
    }
}
