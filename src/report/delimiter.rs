//! Random words that end a block of text from outside: heredocs of `GITHUB_OUTPUT`, `::stop-commands::`.
//! Nobody can end the block from inside: the word is random and is checked not to occur in the text.

use std::io;

/// Tries before giving up: with 128 random bits the first one is as good as certain.
const TRIES_MAX: u32 = 8;

/// A word that does not occur in the text.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn fresh(absent_from: &str) -> io::Result<String> {
    pick(absent_from, || {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
        Ok(bytes)
    })
}

fn pick(absent_from: &str, mut random: impl FnMut() -> io::Result<[u8; 16]>) -> io::Result<String> {
    for _try in 0..TRIES_MAX {
        let bytes = random()?;
        let word = format!("lastgood-{:032x}", u128::from_be_bytes(bytes));
        if !absent_from.contains(&word) {
            return Ok(word);
        }
    }
    Err(io::Error::other(
        "found only delimiters that occur in the text, expected a random one that does not",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_occurs_in_the_text_is_not_used() {
        let text = format!("a lastgood-{:032x} b", 7);
        let mut draws = [7_u128, 8].into_iter();
        let word = pick(&text, || Ok(draws.next().unwrap().to_be_bytes())).unwrap();
        assert_eq!(word, format!("lastgood-{:032x}", 8));
        assert!(pick(&text, || Ok(7_u128.to_be_bytes())).is_err());
    }

    #[test]
    fn two_words_differ() {
        assert_ne!(fresh("").unwrap(), fresh("").unwrap());
    }
}
