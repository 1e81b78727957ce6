//! One signal through a stage: its warm-up, its running test, and what it says so far.

use super::detector::{Detector, Ruling, Second, Setup, Suspicion};
use super::sprt::Weights;
use super::tally::{Count, Tally};
use crate::model::probe::{Rules, Stage};
use crate::model::verdict::Evidence;

/// Constants of a stage that every signal shares.
#[derive(Debug, Clone)]
pub(super) struct Constants {
    pub(super) stage: Stage,
    setup: Setup,
    /// After a pass, while other signals are still being tested: the bake's rule.
    guard: Setup,
    /// Weights of seconds with 1, 2, … `rate` counted probes.
    weights: Vec<Weights>,
    rates: (f64, f64),
    rate: u64,
    warm_up_s: u64,
}

impl Constants {
    pub(super) fn of(rules: &Rules) -> Self {
        let (p0, p1) = (rules.healthy_error_rate, rules.unhealthy_error_rate);
        let setup = Setup::of(rules);
        Self {
            stage: rules.stage,
            setup,
            guard: Setup {
                suspicion: Suspicion::Cusum,
                ..setup
            },
            weights: (1..=rules.rate.min(50))
                .map(|probes| Weights::of_second(p0, p1, probes))
                .collect(),
            rates: (p0, p1),
            rate: u64::from(rules.rate),
            warm_up_s: rules.warm_up_s,
        }
    }

    /// The bounds the log-likelihood ratio is held against, passing and failing.
    pub(super) fn bounds(&self, stage: u8) -> (f64, f64) {
        let setup = &self.setup;
        match (self.stage, stage) {
            (Stage::Baseline, _) => (0.0, 0.0),
            (Stage::Bake, 1) => (0.0, setup.cusum_h),
            (Stage::Detect, 1) => (setup.detect.down, setup.detect.up),
            (Stage::Detect | Stage::Bake, _) => (setup.confirm.down, setup.confirm.up),
        }
    }

    /// A second that lacks probes (answers 401, in-flight cap) weighs what its own probes are worth.
    fn weights(&self, probes: u64) -> Weights {
        let index = usize::try_from(probes)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        match self.weights.get(index) {
            Some(weights) => *weights,
            None => Weights::of_second(
                self.rates.0,
                self.rates.1,
                u32::try_from(probes).unwrap_or(u32::MAX).min(10_000),
            ),
        }
    }
}

/// What a signal's latest second brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Nothing,
    Passed,
    Unhealthy(Ground),
    /// The warm-up ran out and nothing but answers like 401 ever came.
    OnlyConfig,
}

/// Why a signal is unhealthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ground {
    Confirmed,
    Flapping,
    NeverUp,
}

#[derive(Debug, Clone)]
enum Test {
    Running,
    /// Passed in this test stage with this log-likelihood ratio; now guarded by the bake's rule.
    Passed {
        llr: f64,
        stage: u8,
    },
}

#[derive(Debug, Clone)]
pub(super) struct Signal {
    pub(super) name: String,
    pub(super) gating: bool,
    pub(super) tally: Tally,
    /// Seconds of warm-up, once it is over.
    pub(super) warm_up_s: Option<u64>,
    pub(super) detector: Detector,
    /// Suspicions and outages of tests that were started anew.
    pub(super) transients: u32,
    /// Only observed, and unhealthy: nothing more is tested.
    pub(super) condemned: bool,
    test: Test,
}

impl Signal {
    pub(super) fn new(name: &str, gating: bool, constants: &Constants) -> Self {
        Self {
            name: name.to_owned(),
            gating,
            tally: Tally::new(),
            warm_up_s: (constants.warm_up_s == 0).then_some(0),
            detector: Detector::new(&constants.setup),
            transients: 0,
            condemned: false,
            test: Test::Running,
        }
    }

    pub(super) const fn passed(&self) -> bool {
        matches!(self.test, Test::Passed { .. })
    }

    /// Suspicions that were not confirmed, and separate total outages: whichever is more.
    pub(super) fn outages(&self) -> u32 {
        let episodes = u32::try_from(self.detector.episodes()).unwrap_or(u32::MAX);
        self.transients + self.detector.suspicions().max(episodes)
    }

    /// Takes one second. `void`: the runner's own network failed in it, so it says nothing of the service.
    pub(super) fn close(
        &mut self,
        second: u64,
        count: &Count,
        void: bool,
        constants: &Constants,
    ) -> Step {
        self.tally.add_config(count);
        if self.warm_up_s.is_none() {
            let (counts, step) = self.warm_up(second, count, void, constants);
            if !counts {
                return step;
            }
        }
        if void || count.probes() == 0 {
            self.detector.idle();
            return Step::Nothing;
        }
        self.tally.add(count);
        match constants.stage {
            Stage::Baseline => Step::Nothing,
            Stage::Detect | Stage::Bake if self.condemned => Step::Nothing,
            Stage::Detect | Stage::Bake => self.test(second, count, constants),
        }
    }

    /// Failures are ignored until the first success. A second with both still belongs to the warm-up; a clean one counts.
    fn warm_up(
        &mut self,
        second: u64,
        count: &Count,
        void: bool,
        constants: &Constants,
    ) -> (bool, Step) {
        if !void {
            self.tally.add_warm_up(count);
            if 0 < count.ok() {
                let counts = count.failed == 0;
                self.warm_up_s = Some(if counts { second } else { second + 1 });
                self.tally.forget_warm_up();
                return (counts, Step::Nothing);
            }
        }
        if second + 1 < constants.warm_up_s {
            return (false, Step::Nothing);
        }
        self.warm_up_s = Some(second + 1);
        let step = if constants.warm_up_s < super::NEVER_UP_S_MIN || void {
            Step::Nothing
        } else if 0 < self.tally.warm_up_failures {
            Step::Unhealthy(Ground::NeverUp)
        } else if 0 < self.tally.config {
            Step::OnlyConfig
        } else {
            Step::Nothing
        };
        (false, step)
    }

    fn test(&mut self, second: u64, count: &Count, constants: &Constants) -> Step {
        let weights = constants.weights(count.probes());
        let most = constants.rate <= 2 * count.probes();
        let trial = if count.failed == 0 {
            Second::Clean
        } else if count.ok() == 0 && most {
            Second::Lost
        } else {
            Second::Errored
        };
        let setup = match self.test {
            Test::Running => &constants.setup,
            Test::Passed { .. } => &constants.guard,
        };
        let ruling = self.detector.second(setup, &weights, trial);
        if !self.passed() {
            self.tally.add_point(second, self.detector.llr());
        }
        match ruling {
            Ruling::Open => Step::Nothing,
            Ruling::Confirmed => self.fail(Ground::Confirmed),
            Ruling::Flapping => self.fail(Ground::Flapping),
            Ruling::Pass { .. } => {
                self.test = Test::Passed {
                    llr: self.detector.llr(),
                    stage: self.detector.stage(),
                };
                self.transients = self.outages();
                self.detector = Detector::new(&constants.guard);
                Step::Passed
            }
        }
    }

    /// What decides now is the running detector, not the pass before it.
    const fn fail(&mut self, ground: Ground) -> Step {
        self.test = Test::Running;
        Step::Unhealthy(ground)
    }

    /// Begins the test anew: what it said rests on seconds in which the network was in doubt.
    pub(super) fn restart(&mut self, constants: &Constants) {
        self.transients = self.outages();
        self.detector = Detector::new(match self.test {
            Test::Running => &constants.setup,
            Test::Passed { .. } => &constants.guard,
        });
    }

    pub(super) fn evidence(&self, constants: &Constants) -> Evidence {
        let mut evidence = self.tally.evidence(&self.name, self.gating);
        (evidence.llr, evidence.test_stage) = match &self.test {
            Test::Running => (self.detector.llr(), self.detector.stage()),
            Test::Passed { llr, stage } => (*llr, *stage),
        };
        (evidence.llr_pass, evidence.llr_fail) = constants.bounds(evidence.test_stage);
        evidence
    }
}
