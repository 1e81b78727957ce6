//! The control URL: it tells the runner's own network from the service.

use crate::model::probe::{Aim, Class, Probe};

/// The latest seconds of the control URL beside those of the service.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Control {
    pub(super) seconds: u64,
    pub(super) silent_seconds: u64,
    /// One bit per second, the latest lowest: the control was silent; the service erred although it was not.
    silent: u32,
    errored: u32,
}

impl Control {
    /// Takes one second's probes; true when the control got no answer at all in it. Any HTTP answer, an error too, shows
    /// that the network works.
    pub(super) fn second(&mut self, probes: &[Probe]) -> bool {
        let mut asked = false;
        let mut silent = false;
        for probe in probes.iter().filter(|probe| probe.aim == Aim::Control) {
            asked = true;
            silent |= match probe.class {
                Class::Fail { .. } => probe.status.is_none(),
                Class::Ok | Class::Config { .. } => false,
            };
        }
        self.seconds += u64::from(asked);
        self.silent_seconds += u64::from(silent);
        self.silent = (self.silent << 1) | u32::from(silent);
        self.errored <<= 1;
        silent
    }

    pub(super) const fn service_errored(&mut self) {
        self.errored |= 1;
    }

    /// Whether the failures of the last half minute may as well be the runner's network: the control was silent in two
    /// seconds or more, and in at least one for every five in which only the service erred.
    pub(super) const fn in_doubt(&self) -> bool {
        let silent = self.silent.count_ones();
        2 <= silent && self.errored.count_ones() <= 5 * silent
    }

    /// Whether the network failed so often that it alone explains why nothing was decided.
    pub(super) const fn mostly_silent(&self) -> bool {
        2 <= self.silent_seconds && self.seconds <= 5 * self.silent_seconds
    }
}
