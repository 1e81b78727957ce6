//! Simulated services for the verdict: a small fixed generator, streams of seconds, and the counts of what was ruled. Shared by the
//! tests and `benches/verdict.rs`; nothing here knows the expected figures.

use lastgood::decide::judge::detector::{Detector, Ruling, Second, Setup};
use lastgood::decide::judge::sprt::Weights;
use lastgood::decide::judge::{LatencyCall, LatencyTest, latency_rule, rules};
use lastgood::model::probe::{Rules, Stage};
use std::fmt;

/// xoshiro256++ by Blackman and Vigna (public domain), seeded by splitmix64: the same numbers on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Dice {
    state: [u64; 4],
}

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        let mut at = seed;
        let state = std::array::from_fn(|_| {
            at = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = at;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        });
        Self { state }
    }

    pub(crate) fn bits(&mut self) -> u64 {
        let [a, b, c, d] = self.state;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let mut next = [a, b, c ^ a, d ^ b];
        next[1] ^= next[2];
        next[0] ^= next[3];
        next[2] ^= b << 17;
        next[3] = next[3].rotate_left(45);
        self.state = next;
        result
    }

    /// Uniform in [0, 1).
    pub(crate) fn uniform(&mut self) -> f64 {
        let upper = u32::try_from(self.bits() >> 32).expect("32 bits");
        let lower = u32::try_from(self.bits() >> 43).expect("21 bits");
        (f64::from(upper) * 2_097_152.0 + f64::from(lower)) / 9_007_199_254_740_992.0
    }

    /// Standard normal (Box and Muller).
    pub(crate) fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// A service that fails each probe with probability `p`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    clean: u64,
    errored: u64,
}

impl Service {
    pub(crate) fn new(p: f64, rate: u32) -> Self {
        let rate = f64::from(rate);
        let clean = (1.0 - p).powf(rate);
        Self {
            clean: share(clean),
            errored: share(1.0 - p.powf(rate)),
        }
    }

    pub(crate) fn second(&self, dice: &mut Dice) -> Second {
        let bits = dice.bits() >> 11;
        if bits < self.clean {
            Second::Clean
        } else if bits < self.errored {
            Second::Errored
        } else {
            Second::Lost
        }
    }
}

/// A probability as a share of 2^53.
fn share(p: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 2^53"
    )]
    let share = (p * 9_007_199_254_740_992.0) as u64;
    share
}

/// The product's rules for one signal at this rate.
pub(crate) fn stage(stage: Stage, rate: u32) -> Rules {
    let mut rules = rules(stage, vec!["web".to_owned()], vec![]);
    rules.rate = rate;
    rules
}

/// How many streams ended how, and when.
#[derive(Debug, Clone, Default)]
pub(crate) struct Ends {
    pub(crate) streams: u64,
    pub(crate) unhealthy: u64,
    pub(crate) flapping: u64,
    pub(crate) passed: u64,
    /// Seconds of every stream's ruling (the cap when undecided), by second.
    pub(crate) at_s: Vec<u64>,
    /// The same of unhealthy streams only.
    pub(crate) unhealthy_at_s: Vec<u64>,
}

impl Ends {
    fn add(&mut self, ruling: Ruling, at_s: usize, cap_s: usize) {
        self.streams += 1;
        self.at_s.resize(cap_s + 1, 0);
        self.unhealthy_at_s.resize(cap_s + 1, 0);
        self.at_s[at_s] += 1;
        match ruling {
            Ruling::Open => (),
            Ruling::Pass { .. } => self.passed += 1,
            Ruling::Confirmed | Ruling::Flapping => {
                self.unhealthy += 1;
                self.unhealthy_at_s[at_s] += 1;
                self.flapping += u64::from(ruling == Ruling::Flapping);
            }
        }
    }

    pub(crate) fn share(&self, count: u64) -> f64 {
        real(count) / real(self.streams)
    }

    pub(crate) fn undecided(&self) -> u64 {
        self.streams - self.unhealthy - self.passed
    }
}

pub(crate) fn mean(at_s: &[u64]) -> f64 {
    let streams: u64 = at_s.iter().sum();
    let seconds: u64 = (0..).zip(at_s).map(|(at, count)| at * count).sum();
    real(seconds) / real(streams.max(1))
}

pub(crate) fn quantile(at_s: &[u64], q: f64) -> usize {
    let streams: u64 = at_s.iter().sum();
    let mut below = 0;
    at_s.iter()
        .position(|count| {
            below += count;
            q * real(streams) <= real(below)
        })
        .unwrap_or(0)
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) const fn real(count: u64) -> f64 {
    count as f64
}

/// Watches of a steady service: the hot loop, without a box.
pub(crate) fn steady(rules: &Rules, seed: u64, streams: u64, p: f64) -> Ends {
    let mut dice = Dice::new(seed);
    let mut ends = Ends::default();
    let service = Service::new(p, rules.rate);
    let mut watch = Watch::new(rules);
    for _ in 0..streams {
        let (ruling, at_s) = watch.run(|_| service.second(&mut dice));
        ends.add(ruling, at_s, watch.cap_s);
    }
    ends
}

fn run(rules: &Rules, ends: &mut Ends, seconds: impl FnMut(u64) -> Second) {
    let mut watch = Watch::new(rules);
    let (ruling, at_s) = watch.run(seconds);
    ends.add(ruling, at_s, watch.cap_s);
}

struct Watch {
    setup: Setup,
    weights: Weights,
    cap_s: usize,
}

impl Watch {
    fn new(rules: &Rules) -> Self {
        Self {
            setup: Setup::of(rules),
            weights: Weights::of_second(
                rules.healthy_error_rate,
                rules.unhealthy_error_rate,
                rules.rate,
            ),
            cap_s: usize::try_from(rules.cap_s).expect("a cap of seconds"),
        }
    }

    fn run(&mut self, mut seconds: impl FnMut(u64) -> Second) -> (Ruling, usize) {
        let mut detector = Detector::new(&self.setup);
        for at in 0..self.cap_s {
            let second = seconds(at as u64);
            match detector.second(&self.setup, &self.weights, second) {
                Ruling::Open => (),
                ruling @ (Ruling::Pass { .. } | Ruling::Confirmed | Ruling::Flapping) => {
                    return (ruling, at + 1);
                }
            }
        }
        (Ruling::Open, self.cap_s)
    }
}

/// When an outage begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    Anywhen,
    /// With a second: an outage of 10 s loses 10 seconds and touches no other.
    OnTheSecond,
}

/// One total outage that begins at a random moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outage {
    pub(crate) length_s: f64,
    pub(crate) latest_s: f64,
    pub(crate) start: Start,
}

/// Services with one outage that fail 0.1 % else. Every second the outage touches is errored, those inside it are lost.
pub(crate) fn outages(rules: &Rules, seed: u64, streams: u64, outage: Outage) -> Ends {
    let service = Service::new(0.001, rules.rate);
    let mut dice = Dice::new(seed);
    let mut ends = Ends::default();
    for _ in 0..streams {
        let moment = dice.uniform() * outage.latest_s;
        let from = match outage.start {
            Start::Anywhen => moment,
            Start::OnTheSecond => moment.floor(),
        };
        let to = from + outage.length_s;
        run(rules, &mut ends, |at| {
            let (begins, stops) = (real(at), real(at + 1));
            if stops <= from || to <= begins {
                service.second(&mut dice)
            } else if from <= begins && stops <= to {
                Second::Lost
            } else {
                Second::Errored
            }
        });
    }
    ends
}

/// Total outages of `lost_s` every `period_s`.
pub(crate) fn periodic(rules: &Rules, seed: u64, streams: u64, lost_s: u64, period_s: u64) -> Ends {
    let service = Service::new(0.001, rules.rate);
    let mut dice = Dice::new(seed);
    let mut ends = Ends::default();
    for _ in 0..streams {
        let phase = dice.bits() % period_s;
        run(rules, &mut ends, |at| {
            if (at + phase) % period_s < lost_s {
                Second::Lost
            } else {
                service.second(&mut dice)
            }
        });
    }
    ends
}

/// Shapes of latency.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    Lognormal(f64),
    /// 80 % around 1, 20 % around 8.
    Bimodal,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lognormal(sigma) => write!(f, "lognormal {sigma}"),
            Self::Bimodal => f.write_str("bimodal"),
        }
    }
}

impl Shape {
    fn draw(self, dice: &mut Dice) -> f64 {
        match self {
            Self::Lognormal(sigma) => (sigma * dice.normal()).exp(),
            Self::Bimodal => {
                let scale = if dice.uniform() < 0.2 { 8.0 } else { 1.0 };
                scale * (0.3 * dice.normal()).exp()
            }
        }
    }
}

/// Shares of the latency calls, and the mean number of probes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Calls {
    pub(crate) slow: f64,
    pub(crate) ok: f64,
    pub(crate) undecided: f64,
    pub(crate) probes: f64,
}

/// Latency tests of services `ratio` times as slow as their baseline. `confirmed`: with the second test, as the product runs it.
pub(crate) fn latencies(
    shape: Shape,
    ratio: f64,
    baseline_probes: usize,
    repeats: u32,
    seed: u64,
    confirmed: bool,
) -> Calls {
    let mut dice = Dice::new(seed);
    let mut calls = Calls::default();
    for _ in 0..repeats {
        let baseline: Vec<f64> = (0..baseline_probes)
            .map(|_| shape.draw(&mut dice))
            .collect();
        let Some(rule) = latency_rule(&baseline, true) else {
            calls.undecided += 1.0;
            calls.probes += 600.0;
            continue;
        };
        let mut call = |mut test: LatencyTest| loop {
            calls.probes += 1.0;
            match test.probe(shape.draw(&mut dice) * ratio) {
                LatencyCall::Open => (),
                call @ (LatencyCall::Ok | LatencyCall::Slow | LatencyCall::Undecided) => {
                    return call;
                }
            }
        };
        let mut called = call(LatencyTest::new(&rule));
        if called == LatencyCall::Slow && confirmed {
            called = call(LatencyTest::confirming(&rule));
        }
        match called {
            LatencyCall::Slow => calls.slow += 1.0,
            LatencyCall::Ok => calls.ok += 1.0,
            LatencyCall::Undecided | LatencyCall::Open => calls.undecided += 1.0,
        }
    }
    let repeats = f64::from(repeats);
    Calls {
        slow: calls.slow / repeats,
        ok: calls.ok / repeats,
        undecided: calls.undecided / repeats,
        probes: calls.probes / repeats,
    }
}
