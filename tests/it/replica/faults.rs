//! What goes wrong on purpose: faults by method, canisters that do not stop, and queries that lag behind a start.

use super::certify::Flaw;
use super::reject::Reject;
use candid::Principal;
use std::time::Duration;

/// What happens to one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The request waits before anything happens.
    Delay(Duration),
    /// It has its effect at once, and the answer waits.
    DelayAnswer(Duration),
    /// The connection is closed before anything happens.
    DropBefore,
    /// It has its effect, and the connection is closed instead of an answer.
    DropAfter,
    /// A call is accepted with 202; the client has to poll `read_state`.
    Answer202,
    /// A call is accepted with 202, and the next `read_state` is answered with this HTTP status.
    Answer202Then(u16),
    /// A call is accepted with 202 and never heard of again.
    Lost,
    /// It has its effect, and the answer is not CBOR.
    Garbage,
    /// Nothing happens, no answer comes, the connection stays open.
    Hang,
    /// No effect; a certified reject (of a query: an uncertified one).
    Reject(Reject),
    /// No effect; an uncertified reject, as given at the door.
    Refuse(Reject),
    /// No effect; this HTTP status. ic-agent repeats after 429 and 503 by itself, six times, 250 ms apart: `once` is
    /// not seen by its caller then.
    Status(u16),
    /// The effect happens; the answer's signature is somebody else's.
    WrongSignature,
    /// The effect happens; the answer is of ten minutes ago.
    StaleCertificate,
}

impl Fault {
    /// The flaw of the signed part of the answer.
    pub fn flaw(fault: Option<&Self>) -> Flaw {
        match fault {
            Some(Self::WrongSignature) => Flaw::WrongSignature,
            Some(Self::StaleCertificate) => Flaw::Stale,
            _ => Flaw::None,
        }
    }
}

/// How `canister_status` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StatusAnswer {
    /// All fields of mid 2026; strangers are refused with IC0542.
    #[default]
    Today,
    /// Without the fields that came in 2025 and 2026; strangers are refused with IC0512.
    Older,
    /// With fields and cases of variants that nobody knows yet; strangers are refused with IC0542.
    Future,
    /// Also controllers are refused with IC0542.
    Denied,
}

#[derive(Debug, Clone)]
struct Rule {
    method: String,
    canister: Option<Principal>,
    left: Option<u32>,
    fault: Fault,
}

/// The faults that wait for their request.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    pub(super) lag: Duration,
    pub(super) ahead: Duration,
    pub(super) status: StatusAnswer,
}

impl Faults {
    /// The next request for `method` meets this fault. Methods of canisters and of the management canister go by their
    /// name, the rest is `read_state`, `subnet_read_state` and `status`. Faults of one method queue up.
    pub fn once(&mut self, method: &str, fault: Fault) {
        self.times(method, 1, fault);
    }

    pub fn times(&mut self, method: &str, times: u32, fault: Fault) {
        self.push(method, None, Some(times), fault);
    }

    /// Every request from now on, until [`Faults::clear`].
    pub fn always(&mut self, method: &str, fault: Fault) {
        self.push(method, None, None, fault);
    }

    /// The next request for `method` that is about this canister.
    pub fn once_for(&mut self, canister: Principal, method: &str, fault: Fault) {
        self.push(method, Some(canister), Some(1), fault);
    }

    pub fn always_for(&mut self, canister: Principal, method: &str, fault: Fault) {
        self.push(method, Some(canister), None, fault);
    }

    /// Requests for `method` are never answered.
    pub fn hang(&mut self, method: &str) {
        self.always(method, Fault::Hang);
    }

    /// Forgets the faults of `method`.
    pub fn clear(&mut self, method: &str) {
        self.rules.retain(|rule| rule.method != method);
    }

    /// For this long after each start, queries are answered by a replica that has not seen it (IC0508).
    pub fn lag_queries(&mut self, lag: Duration) {
        self.lag = lag;
    }

    /// The clock of certificates is ahead by this: what was sent before has expired.
    pub fn clock_ahead(&mut self, ahead: Duration) {
        self.ahead = ahead;
    }

    pub fn status_answer(&mut self, answer: StatusAnswer) {
        self.status = answer;
    }

    fn push(&mut self, method: &str, canister: Option<Principal>, left: Option<u32>, fault: Fault) {
        self.rules.push(Rule {
            method: method.to_owned(),
            canister,
            left,
            fault,
        });
    }

    /// The fault of a request, used up.
    pub(super) fn take(&mut self, method: &str, canister: Option<Principal>) -> Option<Fault> {
        let at = self.rules.iter().position(|rule| {
            let of_canister = rule.canister.is_none() || rule.canister == canister;
            rule.method == method && of_canister && rule.left != Some(0)
        })?;
        let rule = &mut self.rules[at];
        let fault = rule.fault.clone();
        if let Some(left) = &mut rule.left {
            *left -= 1;
            if *left == 0 {
                self.rules.remove(at);
            }
        }
        Some(fault)
    }
}
