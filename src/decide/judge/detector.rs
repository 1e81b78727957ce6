//! The rule that judges one signal second by second: suspicion, a gap, and a confirming test; or CUSUM in the suspicion's
//! place for the bake. Allocation-free and `Copy`, so that a million streams can be simulated in seconds.

use super::flap::{Flap, FlapRule};
use super::sprt::{Bounds, Crossing, Cusum, Sprt, Weights};
use crate::model::probe::{Rules, Stage};

/// One second of one signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Second {
    /// No probe failed.
    Clean,
    /// At least one failed.
    Errored,
    /// Every one failed: errored, and perhaps an episode of flapping.
    Lost,
}

/// What the rule says after a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ruling {
    Open,
    /// Healthy. `transient`: it was suspected on the way.
    Pass {
        transient: bool,
    },
    /// Unhealthy: suspected, and confirmed after the gap.
    Confirmed,
    /// Unhealthy: flapping.
    Flapping,
}

/// How suspicion arises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// First stage of the two-stage test, which can also pass.
    Sequential,
    /// CUSUM; the bake passes by running its time.
    Cusum,
}

/// The constants of the rule, shared by all signals of a stage.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Setup {
    pub suspicion: Suspicion,
    /// Bounds of the suspecting test.
    pub detect: Bounds,
    /// Bounds of the confirming test.
    pub confirm: Bounds,
    /// Threshold of the CUSUM (h).
    pub cusum_h: f64,
    pub gap_s: u64,
    pub flap: FlapRule,
}

impl Setup {
    /// With several gating signals each is tested at a quarter of both error bounds, so that any four of them together
    /// keep the promised ones (Bonferroni).
    pub fn of(rules: &Rules) -> Self {
        let share = if rules.gating.len() > 1 { 4.0 } else { 1.0 };
        let bounds = Bounds::wald(rules.alpha / share, rules.beta / share);
        Self {
            suspicion: match rules.stage {
                Stage::Baseline | Stage::Detect => Suspicion::Sequential,
                Stage::Bake => Suspicion::Cusum,
            },
            detect: bounds,
            confirm: bounds,
            cusum_h: rules.cusum_h,
            gap_s: rules.gap_s,
            flap: FlapRule::of(rules),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    Testing(Sprt),
    Summing(Cusum),
    /// Suspected: this many seconds still count for nothing.
    Gap(u64),
    Confirming(Sprt),
}

/// One signal's running rule.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detector {
    phase: Phase,
    suspicions: u32,
    flap: Flap,
}

impl Detector {
    pub fn new(setup: &Setup) -> Self {
        Self {
            phase: Phase::initial(setup),
            suspicions: 0,
            flap: Flap::default(),
        }
    }

    /// Takes one second. The caller stops at the first ruling that is not [`Ruling::Open`].
    pub fn second(&mut self, setup: &Setup, weights: &Weights, second: Second) -> Ruling {
        let (errored, lost) = match second {
            Second::Clean => (false, false),
            Second::Errored => (true, false),
            Second::Lost => (true, true),
        };
        if self.flap.second(&setup.flap, lost) {
            return Ruling::Flapping;
        }
        match &mut self.phase {
            Phase::Testing(test) => match test.step(errored, weights, &setup.detect) {
                Crossing::Open => (),
                Crossing::Up => self.suspect(setup),
                Crossing::Down => return Ruling::Pass { transient: false },
            },
            Phase::Summing(cusum) => {
                if cusum.step(errored, weights, setup.cusum_h) {
                    self.suspect(setup);
                }
            }
            Phase::Gap(_) => self.wait(),
            Phase::Confirming(test) => match test.step(errored, weights, &setup.confirm) {
                Crossing::Open => (),
                Crossing::Up => return Ruling::Confirmed,
                Crossing::Down => match setup.suspicion {
                    Suspicion::Sequential => return Ruling::Pass { transient: true },
                    Suspicion::Cusum => self.phase = Phase::initial(setup),
                },
            },
        }
        Ruling::Open
    }

    /// A second in which nothing could be measured: the gap runs on, nothing else moves.
    pub fn idle(&mut self) {
        self.flap.idle();
        self.wait();
    }

    /// The log-likelihood ratio (or the CUSUM) of the running stage; 0 in the gap.
    pub const fn llr(&self) -> f64 {
        match &self.phase {
            Phase::Testing(test) | Phase::Confirming(test) => test.llr(),
            Phase::Summing(cusum) => cusum.sum(),
            Phase::Gap(_) => 0.0,
        }
    }

    /// 1: looking for suspicion. 2: suspected, waiting or confirming.
    pub const fn stage(&self) -> u8 {
        match self.phase {
            Phase::Testing(_) | Phase::Summing(_) => 1,
            Phase::Gap(_) | Phase::Confirming(_) => 2,
        }
    }

    /// How often it was suspected.
    pub const fn suspicions(&self) -> u32 {
        self.suspicions
    }

    /// Total outages seen, apart from each other.
    pub const fn episodes(&self) -> usize {
        self.flap.episodes()
    }

    fn suspect(&mut self, setup: &Setup) {
        self.suspicions += 1;
        self.phase = match setup.gap_s {
            0 => Phase::Confirming(Sprt::default()),
            gap_s => Phase::Gap(gap_s),
        };
    }

    fn wait(&mut self) {
        if let Phase::Gap(left) = self.phase {
            self.phase = match left {
                0 | 1 => Phase::Confirming(Sprt::default()),
                left => Phase::Gap(left - 1),
            };
        }
    }
}

impl Phase {
    fn initial(setup: &Setup) -> Self {
        match setup.suspicion {
            Suspicion::Sequential => Self::Testing(Sprt::default()),
            Suspicion::Cusum => Self::Summing(Cusum::default()),
        }
    }
}
