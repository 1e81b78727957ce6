//! Whether queries reach a canister that runs: the node that answers may lag behind the start (dfinity/icp-cli#614). Whether it is
//! well is the probes' question.

use super::call::{self, CallError};
use super::site::Site;
use crate::decide::canister::reject;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How long nodes may lag.
const SERVING_MAX: Duration = Duration::from_secs(30);

/// Longest wait for one answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);

/// After an answer that does not count.
const PAUSE: Duration = Duration::from_millis(500);

/// Answers in a row that are enough: two nodes may be asked in turn.
const ANSWERS: u32 = 2;

/// No canister has it: nothing is run.
const METHOD: &str = "lastgood_asks_whether_queries_are_answered";

/// Why its queries do not count as answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Silent {
    /// The last answer was that it is stopped or stopping.
    NotServing { why: String },
    /// No answer came in the end, or none that can be trusted: the network's, or this machine's, doing.
    Unheard { why: String },
}

/// Asks until it answers twice in a row with anything but that it is stopped or stopping. The second answer is asked for at once:
/// it is another node that may lag, not the same one later.
pub(super) async fn wait(site: &Site<'_>) -> Result<(), Silent> {
    let end = Instant::now() + SERVING_MAX;
    let mut answers = 0;
    loop {
        let silent = match timeout(ANSWER_MAX, ask(site)).await {
            Ok(Ok(())) => {
                answers += 1;
                if ANSWERS <= answers {
                    return Ok(());
                }
                continue;
            }
            Ok(Err(error)) => silent(&error),
            Err(_elapsed) => Silent::Unheard {
                why: format!("no answer within {} s", ANSWER_MAX.as_secs()),
            },
        };
        answers = 0;
        if end <= Instant::now() {
            return Err(silent);
        }
        sleep(PAUSE).await;
    }
}

fn silent(error: &CallError) -> Silent {
    let why = error.to_string();
    match error {
        CallError::Rejected { .. } => Silent::NotServing { why },
        CallError::Unreachable(_)
        | CallError::Unknown { .. }
        | CallError::Untrusted(_)
        | CallError::Unreadable(_) => Silent::Unheard { why },
    }
}

/// A rejection is an answer, unless it says that it is stopped or stopping.
async fn ask(site: &Site<'_>) -> Result<(), CallError> {
    let answer = call::query(site.network, site.id, site.id, METHOD, Vec::new()).await;
    match answer {
        Ok(_reply) => Ok(()),
        Err(CallError::Rejected { certified, reject }) => {
            if reject::is_not_serving(reject.code.as_deref(), &reject.message) {
                return Err(CallError::Rejected { certified, reject });
            }
            Ok(())
        }
        Err(error) => Err(error),
    }
}
