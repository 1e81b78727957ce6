//! Flapping: short total outages that come again and again. They err in too few seconds for the sequential test.

use crate::model::probe::Rules;

/// Most episodes a rule can ask for.
pub const EPISODES_MAX: u32 = 8;

/// How often at most, per stage and signal, chance alone may look like flapping in a service at the healthy error rate.
const CHANCE_MAX: f64 = 2e-5;

/// When outages are flapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlapRule {
    /// This many episodes within `window_s` are flapping; 0: off.
    pub episodes: u32,
    /// Seconds that are not lost between two episodes, at least.
    pub apart_s: u64,
    pub window_s: u64,
    /// Lost seconds in a row that make an episode. 1 unless the rate is so low that chance would lose whole seconds:
    /// at 1 probe per second one unlucky probe is a lost second.
    pub lost_s: u32,
}

impl FlapRule {
    pub fn of(rules: &Rules) -> Self {
        let lost_s = (1..20)
            .find(|lost_s| chance(rules, *lost_s) <= CHANCE_MAX)
            .unwrap_or(20);
        Self {
            episodes: rules.flap_episodes.min(EPISODES_MAX),
            apart_s: rules.flap_apart_s,
            window_s: rules.flap_window_s,
            lost_s,
        }
    }
}

/// Upper bound of the chance that a service at the healthy error rate seems to flap within one stage: an episode begins in
/// some second, and the others fall into the window after it.
fn chance(rules: &Rules, lost_s: u32) -> f64 {
    let episode = rules
        .healthy_error_rate
        .powf(f64::from(rules.rate) * f64::from(lost_s));
    let in_window = super::real(rules.flap_window_s) * episode;
    let mut chance = super::real(rules.cap_s) * episode;
    for other in 1..rules.flap_episodes {
        chance *= in_window / f64::from(other);
    }
    chance
}

/// The episodes seen so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flap {
    second: u64,
    lost: u32,
    not_lost: u64,
    in_episode: bool,
    /// Ring of the latest episodes' seconds.
    starts: [u64; EPISODES_MAX as usize],
    episodes: usize,
}

impl Flap {
    /// Episodes so far.
    pub const fn episodes(&self) -> usize {
        self.episodes
    }

    /// Takes one second; true when it makes the outages flapping. `lost`: every probe of the second failed.
    pub fn second(&mut self, rule: &FlapRule, lost: bool) -> bool {
        self.second += 1;
        if !lost {
            self.lost = 0;
            self.not_lost += 1;
            if rule.apart_s <= self.not_lost {
                self.in_episode = false;
            }
            return false;
        }
        self.not_lost = 0;
        self.lost += 1;
        if self.in_episode || self.lost < rule.lost_s {
            return false;
        }
        self.in_episode = true;
        let slots = self.starts.len();
        self.starts[self.episodes % slots] = self.second;
        self.episodes += 1;
        let wanted = rule.episodes as usize;
        if wanted == 0 || self.episodes < wanted {
            return false;
        }
        let first = self.starts[(self.episodes - wanted) % slots];
        self.second - first < rule.window_s
    }

    /// A second in which nothing could be measured: time passes, nothing is learnt.
    pub const fn idle(&mut self) {
        self.second += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::judge::rules;
    use crate::model::probe::Stage;

    const RULE: FlapRule = FlapRule {
        episodes: 3,
        apart_s: 5,
        window_s: 180,
        lost_s: 1,
    };

    /// `pattern`: `x` lost, anything else not; the second (from 1) in which it is flapping.
    #[track_caller]
    fn check(pattern: &str, expected: Option<usize>) {
        let mut flap = Flap::default();
        let found = pattern
            .chars()
            .position(|c| flap.second(&RULE, c == 'x'))
            .map(|at| at + 1);
        assert_eq!(found, expected, "{pattern}");
    }

    #[test]
    fn three_separate_outages_are_flapping() {
        check("x.....x.....x", Some(13));
        check("xxx.....xx.....xxxx", Some(16));
        check("x....x....x....x....x", None); // 4 good seconds do not separate
        check(&"x".repeat(60), None); // one long outage: the sequential test's business
        check(&format!("x.....x{}x", ".".repeat(172)), Some(180));
        check(&format!("x.....x{}x", ".".repeat(174)), None); // out of the window
        check(&format!("x{}x.....x.....x", ".".repeat(200)), Some(214));
    }

    #[test]
    fn low_rates_need_longer_episodes() {
        let lost_s = |stage, rate, healthy| {
            let mut rules = rules(stage, vec!["web".to_owned()], vec![]);
            rules.rate = rate;
            rules.healthy_error_rate = healthy;
            FlapRule::of(&rules).lost_s
        };
        assert_eq!(lost_s(Stage::Detect, 10, 0.01), 1);
        assert_eq!(lost_s(Stage::Bake, 2, 0.01), 1);
        assert_eq!(lost_s(Stage::Bake, 1, 0.01), 2);
        assert_eq!(lost_s(Stage::Bake, 2, 0.03), 2);
    }
}
