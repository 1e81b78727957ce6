//! The texts of rejections: bounded to one line, without advice that would lose data, and recognised where no code came along.

/// Longest text of a replica or a canister that is repeated.
const CHARS_MAX: usize = 300;

/// One bounded line of a text from a replica or a canister. Sentences that advise to reinstall, and references to pages of the
/// documentation, are left out.
pub fn cut(message: &str) -> String {
    let mut line = String::new();
    for sentence in sentences(message) {
        let sentence = sentence.trim();
        if sentence.is_empty() || is_hint(sentence) {
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(sentence);
    }
    let line: String = line
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let line = line.trim().trim_end_matches('.');
    if line.chars().count() <= CHARS_MAX {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(CHARS_MAX).collect();
    short.push('…');
    short
}

/// Sentences end at a line's end, or at a full stop before a space.
fn sentences(text: &str) -> impl Iterator<Item = &str> {
    text.lines().flat_map(|line| line.split_inclusive(". "))
}

fn is_hint(sentence: &str) -> bool {
    let lower = sentence.to_lowercase();
    lower.contains("reinstall") && lower.contains("mode")
        || lower.contains("see documentation:")
        || lower.contains("internetcomputer.org/docs")
}

/// The code of a text that came without one.
pub(super) fn recognised(message: &str) -> Option<u16> {
    const KNOWN: &[(&str, u16)] = &[
        ("is rate limited because", 209),
        ("heap delta rate limited", 210),
        ("out of cycles", 207),
        ("is frozen", 207),
        ("only the controllers of the canister", 512),
        ("only controllers of canister", 512),
        ("is not allowed to call canister_status", 542),
        ("is not allowed to read the canister status", 542),
        ("cannot be installed because the canister is not empty", 514),
        ("contains no wasm module", 537),
        ("could not find the snapshot", 305),
        ("maximum number of snapshots", 406),
        ("snapshot is not currently loadable", 406),
        ("wasm chunk store", 504),
        ("upgrade option", 504),
        ("has no query method", 536),
        ("has no update method", 536),
        ("wasm module is not valid", 505),
        ("exceeded the instruction limit", 522),
        ("called `ic0.trap`", 503),
        ("canister trapped", 502),
        ("is stopped", 508),
        ("is stopping", 509),
        ("not found", 301),
    ];
    let lower = message.to_lowercase();
    KNOWN
        .iter()
        .find_map(|(text, number)| lower.contains(text).then_some(*number))
}

fn says(message: &str, words: &[&str]) -> bool {
    let lower = message.to_lowercase();
    words.iter().any(|word| lower.contains(word))
}

pub(super) fn is_chunk_store(message: &str) -> bool {
    says(message, &["chunk store", "chunk hash", "module hash"])
}

pub(super) fn is_upgrade_option(message: &str) -> bool {
    says(message, &["upgrade option", "wasm_memory_persistence"])
}

pub(super) fn is_snapshot_limit(message: &str) -> bool {
    says(message, &["maximum number of snapshots"])
}

pub(super) fn is_foreign_snapshot(message: &str) -> bool {
    says(message, &["does not belong to canister"])
}

pub(super) fn is_not_ready_yet(message: &str) -> bool {
    says(message, &["not currently loadable", "long-running message"])
}

pub(super) fn is_empty_canister(message: &str) -> bool {
    says(message, &["empty canister"])
}

pub(super) fn is_snapshot_owner(message: &str) -> bool {
    says(message, &["that the snapshot belongs to can load it"])
}
