//! What a program printed: the first and last 32 KiB, shown with secrets masked and broken text mended.

use crate::model::secret::Secret;
use std::collections::VecDeque;

/// Kept from the start, and again from the end.
const HALF: usize = 32 * 1024;

/// What stands where a secret stood.
const MASK: &[u8] = b"***";

/// The longest line that a message quotes, in characters.
const LINE_MAX: usize = 300;

/// Output of a program. `Debug` shows only how much there was.
#[derive(Default)]
pub struct Captured {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    left_out: u64,
}

impl Captured {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let room = HALF - self.head.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let excess = self.tail.len().saturating_sub(HALF);
        self.tail.drain(..excess);
        self.left_out += excess as u64;
    }

    /// Everything that was printed, unmasked, to be parsed. `None`: more than 64 KiB.
    pub fn whole(&self) -> Option<Vec<u8>> {
        (self.left_out == 0).then(|| {
            let mut all = self.head.clone();
            all.extend(&self.tail);
            all
        })
    }

    /// The text for people: secrets masked, bytes that are not UTF-8 replaced, what was left out counted.
    pub fn text(&self, secrets: &[Secret]) -> String {
        let words = words(secrets);
        if let Some(all) = self.whole() {
            return String::from_utf8_lossy(&masked(all, &words)).into_owned();
        }
        let mut head = masked(self.head.clone(), &words);
        let mut tail = masked(self.tail.iter().copied().collect(), &words);
        // A secret may lie across the cut: what could be a part of one goes, too.
        let margin = words.iter().map(Vec::len).max().unwrap_or(1) - 1;
        head.truncate(head.len().saturating_sub(margin));
        tail.drain(..margin.min(tail.len()));
        format!(
            "{}\n[{} bytes left out]\n{}",
            String::from_utf8_lossy(&head),
            self.left_out + 2 * margin as u64,
            String::from_utf8_lossy(&tail)
        )
    }

    /// The last line that says something, masked, at most 300 characters.
    pub(super) fn last_line(&self, secrets: &[Secret]) -> Option<String> {
        let text = self.text(secrets);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().take(LINE_MAX).collect())
    }
}

impl std::fmt::Debug for Captured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kept = self.head.len() + self.tail.len();
        write!(f, "Captured({} bytes)", kept as u64 + self.left_out)
    }
}

/// Masks secrets in a text that did not come from a capture, such as a parser's complaint about one.
pub(crate) fn mask(text: &str, secrets: &[Secret]) -> String {
    String::from_utf8_lossy(&masked(text.as_bytes().to_vec(), &words(secrets))).into_owned()
}

/// What must not be seen: every secret, and every line of a secret of several lines. Longest first, so that a secret
/// that contains another is masked whole.
fn words(secrets: &[Secret]) -> Vec<Vec<u8>> {
    /// Shorter lines (`{`, `==`) of a key or a JSON document say nothing, and masking them would destroy every text.
    const LINE_MIN: usize = 4;
    let mut words: Vec<Vec<u8>> = Vec::new();
    for secret in secrets {
        let whole = secret.expose().trim();
        words.push(whole.as_bytes().to_vec());
        for line in whole.lines().map(str::trim) {
            if LINE_MIN <= line.len() {
                words.push(line.as_bytes().to_vec());
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    words.dedup();
    words
}

fn masked(mut bytes: Vec<u8>, words: &[Vec<u8>]) -> Vec<u8> {
    for word in words {
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.windows(word.len()).position(|window| window == word) {
            let (before, found) = rest.split_at(at);
            out.extend_from_slice(before);
            out.extend_from_slice(MASK);
            rest = found.get(word.len()..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
        bytes = out;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn captured(bytes: &[u8]) -> Captured {
        let mut captured = Captured::default();
        for part in bytes.chunks(1000) {
            captured.push(part);
        }
        captured
    }

    #[track_caller]
    fn shown(bytes: &[u8], secrets: &[&str], expected: &str) {
        let secrets: Vec<Secret> = secrets.iter().map(|text| Secret::new(*text)).collect();
        assert_eq!(captured(bytes).text(&secrets), expected);
    }

    #[test]
    fn secrets_are_masked_and_text_is_mended() {
        shown(b"token=abc123 ok", &["abc123"], "token=*** ok");
        shown(b"abc123abc123", &["abc123", "abc"], "******");
        shown(b"line two", &["line one\nline two"], "***");
        shown(b"{ }", &["{\nsecret\n}"], "{ }");
        shown(b"caf\xff", &[""], "caf\u{fffd}");
    }

    #[test]
    fn a_long_output_keeps_both_ends_and_no_part_of_a_secret_at_the_cut() {
        let secret = "SECRETSECRET";
        for shift in 0..secret.len() {
            let mut bytes = vec![b'a'; HALF - shift];
            bytes.extend_from_slice(secret.as_bytes());
            bytes.resize(5 * HALF, b'm');
            let end = bytes.len() - HALF - shift;
            bytes.splice(end..end + secret.len(), secret.bytes());
            let captured = captured(&bytes);
            assert!(captured.whole().is_none());
            let text = captured.text(&[Secret::new(secret)]);
            assert!(text.starts_with("aaa") && text.contains("bytes left out"));
            assert!(!text.contains('S') && !text.contains('T'), "shift {shift}");
        }
    }

    #[test]
    fn the_middle_is_left_out_and_counted() {
        let text = captured(&vec![b'x'; 3 * HALF]).text(&[]);
        assert!(text.contains("[32768 bytes left out]"));
        assert_eq!(text.len(), 2 * HALF + "\n[32768 bytes left out]\n".len());
    }
}
