//! The log of a canister: read, and made fit to be shown. What its lines say of a release is `decide::canister`'s.

use super::call::{CallError, Reject};
use super::site::Site;
use crate::decide::canister::standing::Line;
use crate::model::secret::Secret;
use crate::targets::process::mask;
use ic_management_canister_types::CanisterLogRecord;

/// Longest line that is kept, in characters. The log of a canister is 4 KiB by the specification of today.
const LINE_CHARS_MAX: usize = 2000;

/// Newest lines that are kept of an answer.
const LINES_MAX: usize = 5000;

/// The lines that the log holds, the oldest first, each one bounded line with secrets masked.
///
/// The log survives an upgrade; a reinstall, and loading a snapshot, may purge it. Queries leave nothing in it.
///
/// # Errors
/// It may not be read, or was not answered.
pub(super) async fn read(site: &Site<'_>, secrets: &[Secret]) -> Result<Vec<Line>, CallError> {
    let mut records = site.management().logs().await?;
    records.sort_by_key(|record| record.idx);
    let excess = records.len().saturating_sub(LINES_MAX);
    let kept = records.into_iter().skip(excess);
    Ok(kept.map(|record| line(&record, secrets)).collect())
}

fn line(record: &CanisterLogRecord, secrets: &[Secret]) -> Line {
    Line {
        index: record.idx,
        time_ns: record.timestamp_nanos,
        text: shown(&String::from_utf8_lossy(&record.content), secrets),
    }
}

/// One line without secrets, control characters and characters that turn the direction of text, cut to its limit.
pub(super) fn shown(text: &str, secrets: &[Secret]) -> String {
    // Masked whole: half a secret is not found any more.
    let masked = mask(text, secrets);
    let is_deceptive = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let plain: String = masked
        .chars()
        .map(|c| {
            if c.is_control() || is_deceptive(c) {
                ' '
            } else {
                c
            }
        })
        .collect();
    let plain = plain.trim();
    if plain.chars().count() <= LINE_CHARS_MAX {
        return plain.to_owned();
    }
    let head: String = plain.chars().take(LINE_CHARS_MAX - 1).collect();
    format!("{head}…")
}

/// Whether the answer says that these lines are not for us: the log is shown to controllers, or to whom `log_visibility` names.
/// The codes are `CanisterInvalidController` and `CanisterRejectedMessage`, and may change: the words are looked at, too.
pub(super) fn is_denied(error: &CallError) -> bool {
    let is_so = |reject: &Reject| {
        reject.is("IC0512") || reject.is("IC0406") || reject.message.contains("not allowed")
    };
    error.reject().is_some_and(is_so)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_without_secrets_and_tricks() {
        let secrets = [Secret::new("hunter2")];
        let record = CanisterLogRecord {
            idx: 7,
            timestamp_nanos: 9,
            content: b"\x1b[31m[TRAP]: pass hunter2\n::error::x \xe2\x80\xae\xff".to_vec(),
        };
        let line = line(&record, &secrets);
        assert_eq!((line.index, line.time_ns), (7, 9));
        assert_eq!(line.text, "[31m[TRAP]: pass *** ::error::x  \u{fffd}");
        assert_eq!(line.trap(), None, "the canister wrote something before it");
        let long = shown(&"é".repeat(5000), &[]);
        assert_eq!(long.chars().count(), LINE_CHARS_MAX);
    }

    #[test]
    fn being_denied_is_told_from_a_failure() {
        let rejected = |code: &str, message: &str| CallError::Rejected {
            certified: false,
            reject: Reject {
                code: Some(code.to_owned()),
                class: 5,
                message: message.to_owned(),
            },
        };
        assert!(is_denied(&rejected("IC0512", "Only controllers")));
        assert!(is_denied(&rejected(
            "IC9999",
            "Caller x is not allowed to access canister logs"
        )));
        assert!(!is_denied(&rejected("IC0207", "out of cycles")));
        assert!(!is_denied(&CallError::Unreachable("gone".to_owned())));
    }
}
