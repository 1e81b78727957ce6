//! Cycles, simply: a balance, what idling burns in a day, the freezing limit that follows from it, and prices of the two
//! operations that cost much.

use super::canister::Canister;
use super::reject::Reject;
use candid::Principal;

/// Prices in cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prices {
    pub install: u128,
    pub snapshot: u128,
}

impl Default for Prices {
    fn default() -> Self {
        Self {
            install: 5_000_000_000,
            snapshot: 2_000_000_000,
        }
    }
}

impl Canister {
    /// Below this balance the canister is frozen.
    pub fn freezing_limit(&self) -> u128 {
        self.idle_per_day * u128::from(self.freezing_threshold) / 86_400
    }

    /// An update of a frozen canister is refused.
    pub fn frozen(&self) -> Result<(), Reject> {
        self.missing(0).map_or(Ok(()), |missing| {
            Err(Reject::new(207, out_of_cycles(self.id, missing)))
        })
    }

    /// How many cycles are missing to pay a price and stay above the freezing limit.
    fn missing(&self, price: u128) -> Option<u128> {
        (self.freezing_limit() + price)
            .checked_sub(self.cycles)
            .filter(|missing| *missing > 0)
    }

    pub fn pay_install(&mut self, price: u128) -> Result<(), Reject> {
        if let Some(missing) = self.missing(price) {
            let why = out_of_cycles(self.id, missing);
            let text = format!(
                "Canister installation failed with `{why}`.\nTop up the canister with more cycles."
            );
            return Err(Reject::new(207, text));
        }
        self.cycles -= price;
        Ok(())
    }

    pub fn pay_snapshot(&mut self, price: u128) -> Result<(), Reject> {
        if let Some(missing) = self.missing(price) {
            let why = out_of_cycles(self.id, missing);
            let text = format!("Canister snapshotting failed with: `{why}`");
            return Err(Reject::new(207, text));
        }
        self.cycles -= price;
        Ok(())
    }
}

fn out_of_cycles(canister: Principal, missing: u128) -> String {
    format!(
        "Canister {canister} is out of cycles: please top up the canister with at least {missing} additional cycles"
    )
}
