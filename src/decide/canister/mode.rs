//! How a module gets into a canister. An upgrade keeps the state; what becomes of the main memory depends on whether the modules
//! keep their state there (enhanced orthogonal persistence of Motoko). A reinstall is never chosen, only carried out when asked for.
//!
//! The rule is the network's own (`determine_main_memory_handling` in `rs/execution_environment` of dfinity/ic): without a word
//! on the main memory it refuses to upgrade a module that keeps its state there, and it refuses to keep it for a module that
//! would not know what to do with it. Module kinds are told by the custom section `enhanced-orthogonal-persistence`.

/// How a module is put into a canister.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The canister is empty.
    Install,
    /// The state is kept.
    Upgrade { memory: Memory },
    /// Everything the canister holds is wiped first.
    Reinstall,
}

/// What becomes of the main memory in an upgrade. The stable memory is kept in each case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Nothing is said: the installed module carries its state over in its hooks, and the main memory is made anew.
    Default,
    /// The main memory is the state, and stays.
    Keep,
    /// The main memory is the state of the installed module, and is lost: the new module cannot read it.
    Replace,
}

/// Where a module keeps its state between upgrades.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persistence {
    /// In stable memory: Rust, and Motoko with classical persistence.
    Classical,
    /// In the main memory: Motoko with enhanced orthogonal persistence.
    Enhanced,
}

impl Persistence {
    /// Of a module with, or without, the custom section `enhanced-orthogonal-persistence`.
    pub const fn of_section(present: bool) -> Self {
        if present {
            Self::Enhanced
        } else {
            Self::Classical
        }
    }
}

/// Whether a reinstall was asked for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    KeepState,
    Reinstall,
}

/// The mode for a canister. `installed`: what is certified to be in it, `None` when it is empty.
pub const fn decide(installed: Option<Persistence>, new: Persistence, asked: Asked) -> Mode {
    match (installed, asked) {
        // An empty canister has nothing to wipe.
        (None, Asked::KeepState | Asked::Reinstall) => Mode::Install,
        (Some(_), Asked::Reinstall) => Mode::Reinstall,
        (Some(installed), Asked::KeepState) => Mode::Upgrade {
            memory: memory(installed, new),
        },
    }
}

const fn memory(installed: Persistence, new: Persistence) -> Memory {
    match (installed, new) {
        // From classical to enhanced as well: the hooks of the old module write its state to stable memory, and the new
        // one moves it. Kept main memory would be taken for its own.
        (Persistence::Classical, Persistence::Classical | Persistence::Enhanced) => Memory::Default,
        (Persistence::Enhanced, Persistence::Enhanced) => Memory::Keep,
        (Persistence::Enhanced, Persistence::Classical) => Memory::Replace,
    }
}

impl Mode {
    /// The hazard to be allowed by name, when data would be lost.
    pub const fn hazard(self) -> Option<&'static str> {
        match self {
            Self::Install
            | Self::Upgrade {
                memory: Memory::Default | Memory::Keep,
            } => None,
            Self::Upgrade {
                memory: Memory::Replace,
            } => Some("replace-memory"),
            Self::Reinstall => Some("reinstall"),
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Install => "install into an empty canister",
            Self::Upgrade {
                memory: Memory::Default,
            } => "upgrade",
            Self::Upgrade {
                memory: Memory::Keep,
            } => "upgrade, main memory kept",
            Self::Upgrade {
                memory: Memory::Replace,
            } => "upgrade, main memory lost",
            Self::Reinstall => "reinstall, everything wiped",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Persistence::{Classical, Enhanced};

    #[track_caller]
    fn check(installed: Option<Persistence>, new: Persistence, asked: Asked, expected: &str) {
        assert_eq!(decide(installed, new, asked).to_string(), expected);
    }

    #[test]
    fn the_state_is_kept_wherever_it_can_be() {
        let keep = Asked::KeepState;
        check(None, Classical, keep, "install into an empty canister");
        check(None, Enhanced, keep, "install into an empty canister");
        check(Some(Classical), Classical, keep, "upgrade");
        check(Some(Classical), Enhanced, keep, "upgrade");
        check(Some(Enhanced), Enhanced, keep, "upgrade, main memory kept");
        check(Some(Enhanced), Classical, keep, "upgrade, main memory lost");
    }

    #[test]
    fn a_reinstall_is_only_what_was_asked_for() {
        let asked = Asked::Reinstall;
        check(
            Some(Enhanced),
            Enhanced,
            asked,
            "reinstall, everything wiped",
        );
        check(None, Classical, asked, "install into an empty canister");
        for installed in [None, Some(Classical), Some(Enhanced)] {
            for new in [Classical, Enhanced] {
                assert_ne!(decide(installed, new, Asked::KeepState), Mode::Reinstall);
            }
        }
    }

    #[test]
    fn what_loses_data_is_a_hazard() {
        assert_eq!(Mode::Reinstall.hazard(), Some("reinstall"));
        let lost = decide(Some(Enhanced), Classical, Asked::KeepState);
        assert_eq!(lost.hazard(), Some("replace-memory"));
        for mode in [
            Mode::Install,
            Mode::Upgrade {
                memory: Memory::Keep,
            },
            Mode::Upgrade {
                memory: Memory::Default,
            },
        ] {
            assert_eq!(mode.hazard(), None);
        }
    }
}
