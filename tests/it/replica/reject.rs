//! Rejects as a replica words them: an error code, the reject code that follows from it, and the text. Texts and numbers
//! are those of dfinity/ic (`rs/types/error_types`, `rs/execution_environment/src/canister_manager/types.rs`).

use candid::Principal;
use std::fmt;

/// Where the texts of errors point to.
const DOCUMENTATION: &str =
    "https://internetcomputer.org/docs/current/references/execution-errors#";

/// A refusal: certified when it is the outcome of a call, uncertified from queries and at the door.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// 1 to 5, see <https://internetcomputer.org/docs/references/ic-interface-spec#reject-codes>.
    pub code: u8,
    /// `IC0503`.
    pub error: String,
    pub message: String,
}

impl Reject {
    /// By the number of the error code; its hundreds are the reject code.
    pub fn new(error: u16, message: impl Into<String>) -> Self {
        Self {
            code: u8::try_from(error / 100).unwrap_or(1).clamp(1, 5),
            error: format!("IC{error:04}"),
            message: message.into(),
        }
    }

    pub fn not_found(canister: Principal) -> Self {
        Self::new(301, format!("Canister {canister} not found"))
    }

    pub fn not_controller(canister: Principal, method: &str) -> Self {
        let text = format!("Only controllers of canister {canister} can call ic00 method {method}");
        Self::new(512, text)
    }

    /// Something that went wrong inside a canister.
    pub fn of_canister(error: u16, canister: Principal, what: &str, help: Option<Help>) -> Self {
        let text = format!("Error from Canister {canister}: {what}");
        match help {
            None => Self::new(error, text),
            Some(Help { advice, section }) => Self::new(
                error,
                format!("{text}.\n{advice} See documentation: {DOCUMENTATION}{section}"),
            ),
        }
    }

    pub fn no_module(canister: Principal) -> Self {
        let what = "Attempted to execute a message, but the canister contains no Wasm module.";
        let help = Help {
            advice: "Please install code to this canister before calling it.",
            section: "wasm-module-not-found",
        };
        Self::of_canister(537, canister, what, Some(help))
    }

    pub fn invalid_wasm(canister: Principal, why: &str) -> Self {
        let what = format!("Canister's Wasm module is not valid: {why}");
        let help = Help {
            advice: "Try checking your Wasm module for errors.",
            section: "invalid-wasm",
        };
        Self::of_canister(505, canister, &what, Some(help))
    }

    pub fn no_method(canister: Principal, kind: &str, method: &str) -> Self {
        let what = format!("Canister has no {kind} method '{method}'.");
        let help = Help {
            advice: "Check that the method being called is exported by the target canister.",
            section: "method-not-found",
        };
        Self::of_canister(536, canister, &what, Some(help))
    }

    /// Arguments that are not what the method takes.
    pub fn candid(error: &candid::Error) -> Self {
        Self::new(408, format!("Error decoding candid: {error}"))
    }
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (reject code {}): {}",
            self.error, self.code, self.message
        )
    }
}

/// What a replica adds to errors of canisters.
#[derive(Debug, Clone, Copy)]
pub struct Help {
    pub advice: &'static str,
    pub section: &'static str,
}
