//! The changes of a story, each with what became of it.

use super::Story;
use crate::model::event::EventKind;
use crate::model::plan::Change;
use crate::model::state::Slot;
use jiff::Timestamp;

/// One change that was begun, and what became of it.
#[derive(Debug, Clone, Copy)]
pub struct Step<'a> {
    pub target: &'a str,
    pub change: &'a Change,
    pub at: Timestamp,
    pub end: StepEnd<'a>,
    /// Observed afterwards: the slot holds what was wanted.
    pub verified: bool,
    /// Whether it belongs to a rollback, not to the deploy before it.
    pub of_rollback: bool,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepEnd<'a> {
    Applied {
        took_ms: u64,
    },
    Failed {
        why: &'a str,
    },
    /// Nothing was heard of it: the process stopped first.
    Unknown,
}

enum News<'a> {
    Ended(StepEnd<'a>),
    Verified,
}

impl<'a> Story<'a> {
    /// Every change that was begun, in order.
    pub fn steps(&self) -> Vec<Step<'a>> {
        let turn = self.turn();
        let mut steps: Vec<(&str, Step<'a>)> = Vec::new();
        for (at, event) in self.events.iter().enumerate() {
            if let EventKind::Intent { op, target, change } = &event.kind {
                let step = Step {
                    target,
                    change,
                    at: event.at,
                    end: StepEnd::Unknown,
                    verified: false,
                    of_rollback: at >= turn,
                };
                steps.push((op, step));
            }
            let mut begun = |op: &str, target: &str, slot: &Slot, news: News<'a>| {
                let same = steps.iter_mut().rev().find(|(step_op, step)| {
                    *step_op == op && step.target == target && step.change.slot() == slot
                });
                if let Some((_op, step)) = same {
                    match news {
                        News::Ended(end) => step.end = end,
                        News::Verified => step.verified = true,
                    }
                }
            };
            if let EventKind::Applied {
                op,
                target,
                slot,
                took_ms,
            } = &event.kind
            {
                let end = StepEnd::Applied { took_ms: *took_ms };
                begun(op, target, slot, News::Ended(end));
            } else if let EventKind::ApplyFailed {
                op,
                target,
                slot,
                why,
            } = &event.kind
            {
                begun(op, target, slot, News::Ended(StepEnd::Failed { why }));
            } else if let EventKind::Verified {
                op, target, slot, ..
            } = &event.kind
            {
                begun(op, target, slot, News::Verified);
            }
        }
        steps.into_iter().map(|(_op, step)| step).collect()
    }
}
