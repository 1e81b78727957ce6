//! Exact operating characteristics of the product's own test, by dynamic programming over every state it can reach. Shared by the tests and `benches/verdict.rs`.

use super::sim::stage;
use lastgood::decide::judge::sprt::{Bounds, Crossing, Sprt, Weights};
use lastgood::model::probe::Stage;

/// Characteristics of one test at one true rate.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exact {
    pub(crate) up: f64,
    pub(crate) down: f64,
    pub(crate) open: f64,
    pub(crate) mean: f64,
    /// Probability of stopping upwards, and downwards, after each number of trials.
    pub(crate) up_at: Vec<f64>,
    pub(crate) down_at: Vec<f64>,
}

impl Exact {
    pub(crate) fn finish(mut self, open: f64) -> Self {
        self.open = open;
        self.up = self.up_at.iter().sum();
        self.down = self.down_at.iter().sum();
        self.mean = 0.0;
        for (n, (up, down)) in self.up_at.iter().zip(&self.down_at).enumerate() {
            self.mean += real(n) * (up + down);
        }
        self.mean += real(self.up_at.len() - 1) * open;
        self
    }
}

pub(crate) fn real(n: usize) -> f64 {
    f64::from(u32::try_from(n).expect("few trials"))
}

/// Steps the product's own test through every state: after `n` trials that is the number `k` of errored ones.
pub(crate) fn from_the_engine(p: f64, weights: Weights, bounds: Bounds, trials: usize) -> Exact {
    let mut exact = Exact {
        up_at: vec![0.0; trials + 1],
        down_at: vec![0.0; trials + 1],
        ..Exact::default()
    };
    let mut alive: Vec<Option<(Sprt, f64)>> = vec![None; trials + 2];
    alive[0] = Some((Sprt::default(), 1.0));
    for n in 1..=trials {
        let mut next: Vec<Option<(Sprt, f64)>> = vec![None; trials + 2];
        for (k, state) in alive.iter().enumerate().take(n) {
            let Some((test, mass)) = state else { continue };
            for (errored, share) in [(false, 1.0 - p), (true, p)] {
                let mut test = *test;
                match test.step(errored, &weights, &bounds) {
                    Crossing::Up => exact.up_at[n] += mass * share,
                    Crossing::Down => exact.down_at[n] += mass * share,
                    Crossing::Open => {
                        let into = &mut next[k + usize::from(errored)];
                        let before = into.map_or(0.0, |(_, mass)| mass);
                        *into = Some((test, before + mass * share));
                    }
                }
            }
        }
        alive = next;
    }
    let open = alive.iter().flatten().map(|(_, mass)| mass).sum();
    exact.finish(open)
}

/// Rollback and pass probabilities of the two-stage test with its cap, exactly: the second stage begins a gap after the first ends.
pub(crate) fn two_stage(p: f64, rate: u32) -> (f64, f64) {
    let rules = stage(Stage::Detect, rate);
    let weights = Weights::of_second(rules.healthy_error_rate, rules.unhealthy_error_rate, rate);
    let bounds = Bounds::wald(rules.alpha, rules.beta);
    let cap = usize::try_from(rules.cap_s).expect("few trials");
    let gap = usize::try_from(rules.gap_s).expect("few trials");
    let errs = 1.0 - (1.0 - p).powf(f64::from(rate));
    let one = from_the_engine(errs, weights, bounds, cap);
    let (mut rollback, mut pass) = (0.0, one.down);
    for (suspected, mass) in one.up_at.iter().enumerate() {
        let left = cap.saturating_sub(suspected + gap);
        rollback += mass * one.up_at.iter().take(left + 1).sum::<f64>();
        pass += mass * one.down_at.iter().take(left + 1).sum::<f64>();
    }
    (rollback, pass)
}
