//! Whether a canister can pay for what is to be done with it. Prices are those of a subnet of 13 nodes and scale with its size,
//! which is not known here: what is computed is said as "about". Below the freezing limit nothing can be paid, on any subnet.
//!
//! Sources: `docs/reference/cycles-costs.md` of dfinity/developer-docs (prices); `prepay_execution_cycles` and
//! `freeze_threshold_cycles` in `rs/cycles_account_manager` and the constants in `rs/config/src/subnet_config.rs` of dfinity/ic.

use std::fmt;

/// An install is paid for in advance as if it used every instruction it may: 300 billion, one cycle each; what is not used is
/// given back.
const INSTALL_CYCLES: u128 = 300_000_000_000;

/// Fixed price of taking or loading a snapshot: two billion instructions; each byte of it is one more.
const SNAPSHOT_CYCLES: u128 = 2_000_000_000;

/// Storing a GiB for a second.
const GIB_SECOND_CYCLES: u128 = 127_000;

const GIB: u128 = 1 << 30;
const DAY_S: u128 = 86_400;

/// What a canister says of its cycles.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Account {
    pub balance: u128,
    /// Set aside by the network for memory; it counts towards the freezing limit.
    pub reserved: u128,
    /// Burned a day when nothing is done.
    pub idle_per_day: u128,
    /// Seconds of idle burn that must be left.
    pub freezing_threshold_s: u128,
}

/// What is to be paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub install: bool,
    pub snapshot: Option<Snapshot>,
}

/// A snapshot that would be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Snapshot {
    /// About as large as the canister without its snapshots.
    pub bytes: u128,
    /// Whether it takes the place of another one: then hardly more memory is paid for.
    pub replaces: bool,
}

/// Whether it can be paid for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pays {
    Enough,
    /// About this many cycles are missing, on a subnet of 13 nodes.
    MayFail {
        missing: u128,
    },
    /// It is at or below its freezing limit: it cannot pay for anything. This many cycles are missing for the limit alone.
    No {
        missing: u128,
    },
}

impl Account {
    /// The canister is frozen when its balance is below this: idle burn over the freezing threshold, less what is reserved.
    pub const fn freezing_limit(&self) -> u128 {
        let limit = self
            .idle_per_day
            .saturating_mul(self.freezing_threshold_s)
            .saturating_div(DAY_S);
        limit.saturating_sub(self.reserved)
    }

    /// What can be spent.
    pub const fn liquid(&self) -> u128 {
        self.balance.saturating_sub(self.freezing_limit())
    }

    /// Whole days until it is frozen when nothing is done. `None`: it burns nothing.
    pub const fn days_until_frozen(&self) -> Option<u128> {
        self.liquid().checked_div(self.idle_per_day)
    }

    /// About what it takes, beyond the freezing limit.
    pub const fn price(&self, needs: Needs) -> u128 {
        let mut price = 0_u128;
        if needs.install {
            price = price.saturating_add(INSTALL_CYCLES);
        }
        if let Some(snapshot) = needs.snapshot {
            price = price
                .saturating_add(SNAPSHOT_CYCLES)
                .saturating_add(snapshot.bytes);
            if !snapshot.replaces {
                // It is paid for as memory, so that the freezing limit rises.
                let stored = snapshot
                    .bytes
                    .saturating_mul(GIB_SECOND_CYCLES)
                    .saturating_mul(self.freezing_threshold_s)
                    .saturating_div(GIB);
                price = price.saturating_add(stored);
            }
        }
        price
    }

    /// Whether `needs` can be paid for.
    pub const fn pays(&self, needs: Needs) -> Pays {
        let limit = self.freezing_limit();
        // Where a canister burns nothing, as on a subnet that is free of charge, there is no limit and no price.
        if limit > self.balance {
            return Pays::No {
                missing: limit.saturating_sub(self.balance),
            };
        }
        if self.idle_per_day == 0 {
            return Pays::Enough;
        }
        let missing = self.price(needs).saturating_sub(self.liquid());
        if missing == 0 {
            Pays::Enough
        } else {
            Pays::MayFail { missing }
        }
    }
}

/// Cycles for people: `3.40 T`, `250 B`, `12 M`, `9`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cycles(pub u128);

impl fmt::Display for Cycles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const T: u128 = 1_000_000_000_000;
        const B: u128 = 1_000_000_000;
        const M: u128 = 1_000_000;
        match self.0 {
            T.. => write!(f, "{}.{:02} T", self.0 / T, self.0 % T / (T / 100)),
            B.. => write!(f, "{} B", self.0 / B),
            M.. => write!(f, "{} M", self.0 / M),
            few => write!(f, "{few}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: Needs = Needs {
        install: true,
        snapshot: Some(Snapshot {
            bytes: 1 << 30,
            replaces: false,
        }),
    };
    const INSTALL: Needs = Needs {
        install: true,
        snapshot: None,
    };

    /// A canister of 1 GiB on a subnet of 13 nodes: 127 000 cycles a second, 30 days of them must be left.
    fn account(balance: u128) -> Account {
        Account {
            balance,
            reserved: 0,
            idle_per_day: 127_000 * 86_400,
            freezing_threshold_s: 30 * 86_400,
        }
    }

    #[test]
    fn the_limit_is_the_idle_burn_less_what_is_reserved() {
        assert_eq!(account(0).freezing_limit(), 329_184_000_000);
        let reserved = Account {
            reserved: 329_000_000_000,
            ..account(0)
        };
        assert_eq!(reserved.freezing_limit(), 184_000_000);
        let more = Account {
            reserved: u128::MAX,
            ..account(0)
        };
        assert_eq!(more.freezing_limit(), 0);
    }

    #[test]
    fn days_are_counted_to_the_limit() {
        assert_eq!(account(1_000_000_000_000).days_until_frozen(), Some(61));
        assert_eq!(account(329_184_000_000).days_until_frozen(), Some(0));
        let free = Account {
            idle_per_day: 0,
            ..account(5)
        };
        assert_eq!(free.days_until_frozen(), None);
    }

    #[test]
    fn what_cannot_be_paid_is_told_from_what_may_fail() {
        assert_eq!(account(900_000_000_000).pays(INSTALL), Pays::Enough);
        assert_eq!(
            account(629_183_000_000).pays(INSTALL),
            Pays::MayFail { missing: 1_000_000 }
        );
        assert_eq!(
            account(329_000_000_000).pays(INSTALL),
            Pays::No {
                missing: 184_000_000
            }
        );
        // A snapshot of it doubles what it must keep.
        assert!(matches!(
            account(900_000_000_000).pays(ALL),
            Pays::MayFail { .. }
        ));
        assert_eq!(account(2_000_000_000_000).pays(ALL), Pays::Enough);
        // One in the place of another does not.
        let replaced = Needs {
            install: true,
            snapshot: Some(Snapshot {
                bytes: 1 << 30,
                replaces: true,
            }),
        };
        assert_eq!(account(900_000_000_000).pays(replaced), Pays::Enough);
    }

    #[test]
    fn a_subnet_that_is_free_of_charge_asks_for_nothing() {
        let free = Account {
            balance: 0,
            reserved: 0,
            idle_per_day: 0,
            freezing_threshold_s: 30 * 86_400,
        };
        assert_eq!(free.pays(ALL), Pays::Enough);
    }

    #[test]
    fn cycles_read_as_people_write_them() {
        assert_eq!(Cycles(3_409_000_000_000).to_string(), "3.40 T");
        assert_eq!(Cycles(250_999_999_999).to_string(), "250 B");
        assert_eq!(Cycles(12_000_000).to_string(), "12 M");
        assert_eq!(Cycles(9).to_string(), "9");
    }

    proptest! {
        #[test]
        fn more_cycles_never_pay_for_less(
            balance in any::<u128>(), more in any::<u64>(), reserved in any::<u128>(), idle in any::<u128>(),
            threshold in any::<u64>(), install in any::<bool>(), snapshot in proptest::option::of((any::<u128>(), any::<bool>())),
        ) {
            let account = Account {
                balance, reserved, idle_per_day: idle,
                freezing_threshold_s: u128::from(threshold),
            };
            let richer = Account { balance: balance.saturating_add(u128::from(more)), ..account };
            let rank = |pays| match pays {
                Pays::No { .. } => 0,
                Pays::MayFail { .. } => 1,
                Pays::Enough => 2,
            };
            let snapshot = snapshot.map(|(bytes, replaces)| Snapshot { bytes, replaces });
            let needs = Needs { install, snapshot };
            prop_assert!(rank(richer.pays(needs)) >= rank(account.pays(needs)));
            prop_assert!(account.days_until_frozen() <= richer.days_until_frozen());
        }
    }
}
