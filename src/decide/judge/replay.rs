//! A verdict once more, from the probe log.

use super::Judge;
use crate::model::probe::{LogLine, Stage};
use crate::model::verdict::Verdict;

/// The verdicts of a log, one per stage, identical to the live ones. Probes before the first rules are ignored. A log that ends
/// without a verdict (the program was killed) is judged as if no further probe had come.
pub fn replay(lines: impl IntoIterator<Item = LogLine>) -> Vec<(Stage, Verdict)> {
    let mut verdicts = Vec::new();
    let mut stage: Option<(Stage, Judge)> = None;
    let mut end = |stage: &mut Option<(Stage, Judge)>, cut_ms: Option<u64>| {
        if let Some((stage, mut judge)) = stage.take() {
            if let Some(before) = cut_ms.and_then(|ms| (ms / 1000).checked_sub(1)) {
                judge.close_second(before);
            }
            verdicts.push((stage, judge.finish(cut_ms.is_some())));
        }
    };
    for line in lines {
        match line {
            LogLine::Rules(rules) => {
                end(&mut stage, None);
                stage = Some((rules.stage, Judge::new(rules)));
            }
            LogLine::Probe(probe) => {
                if let Some((_, judge)) = &mut stage {
                    judge.probe(probe);
                }
            }
            LogLine::Cut { due_ms } => end(&mut stage, Some(due_ms)),
        }
    }
    end(&mut stage, None);
    verdicts
}
