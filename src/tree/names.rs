//! Which names from an archive may become files. A name is taken as it is or the whole archive is refused: names are
//! never repaired, because two programs that repair differently see different files. No I/O.

use super::TreeError;
use icu_normalizer::DecomposingNormalizerBorrowed;
use std::borrow::Cow;

/// `NAME_MAX` of Linux and macOS file systems.
const COMPONENT_BYTES_MAX: usize = 255;

/// A quarter of Linux's `PATH_MAX`: the tree lies under a path of its own.
const PATH_BYTES_MAX: usize = 1024;

/// A name that may become a file or directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryName {
    /// Relative, `/`-separated, without a `/` at its end.
    pub path: String,
    pub is_dir: bool,
}

/// Takes a name from an archive; a `/` at its end makes it a directory.
///
/// # Errors
/// The name is empty, absolute, climbs, has an empty or `.` component, a backslash, a drive letter, a control or bidi
/// character, is not UTF-8, or is too long.
pub fn entry_name(raw: &[u8]) -> Result<EntryName, TreeError> {
    let refused = |why: &str| {
        let shown: String = raw.escape_ascii().to_string().chars().take(120).collect();
        Err(TreeError::refused(format!("the name \"{shown}\" {why}")))
    };
    let Ok(name) = str::from_utf8(raw) else {
        return refused("is not UTF-8");
    };
    let (path, is_dir) = match name.strip_suffix('/') {
        Some(path) => (path, true),
        None => (name, false),
    };
    if name.is_empty() {
        return refused("is empty");
    }
    if path.len() > PATH_BYTES_MAX {
        return refused("has more than 1024 bytes");
    }
    if name.contains('\\') {
        return refused("holds a backslash");
    }
    if name.chars().any(misleading) {
        return refused("holds a control character");
    }
    if name.starts_with('/') {
        return refused("is absolute");
    }
    if let [letter, b':', ..] = raw
        && letter.is_ascii_alphabetic()
    {
        return refused("begins with a drive letter");
    }
    for component in path.split('/') {
        match component {
            "" => return refused("has an empty component"),
            "." => return refused("has the component ."),
            ".." => return refused("climbs out with .."),
            long if long.len() > COMPONENT_BYTES_MAX => {
                return refused("has a component of more than 255 bytes");
            }
            _ => (),
        }
    }
    Ok(EntryName {
        path: path.to_owned(),
        is_dir,
    })
}

/// Control characters (C0, DEL, C1), and the bidi ones that make a name look like another.
fn misleading(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Refuses names that would be one file on some file system: twice the same, differing only in case or in how accents are
/// written, or a file where another name needs a directory.
///
/// # Errors
/// Names the two that clash.
pub fn clash<'a>(names: impl Iterator<Item = (&'a str, bool)>) -> Result<(), TreeError> {
    struct Folded<'a> {
        /// `/` is NUL here, so that all that lies in a directory follows it directly.
        key: Vec<u8>,
        path: &'a str,
        is_dir: bool,
    }

    let mut folded: Vec<Folded<'_>> = names
        .map(|(path, is_dir)| Folded {
            key: fold(path),
            path,
            is_dir,
        })
        .collect();
    folded.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    for pair in folded.windows(2) {
        let [a, b] = pair else { continue };
        let refused = |why: &str| {
            let names = format!("the names \"{}\" and \"{}\"", a.path, b.path);
            Err(TreeError::refused(format!("{names} {why}")))
        };
        if a.path == b.path {
            let name = format!("the name \"{}\" appears twice", a.path);
            return Err(TreeError::refused(name));
        }
        if a.key == b.key {
            return refused("are the same to some file systems");
        }
        let inside = b.key.strip_prefix(a.key.as_slice());
        if !a.is_dir && inside.is_some_and(|rest| rest.starts_with(b"\0")) {
            return refused("need one thing to be a file and a directory");
        }
        let shared = a
            .key
            .split(|byte| *byte == 0)
            .zip(b.key.split(|byte| *byte == 0));
        let shared = shared.take_while(|(a, b)| a == b).count();
        let spelled = a.path.split('/').zip(b.path.split('/'));
        if spelled.take(shared).any(|(a, b)| a != b) {
            return refused("lie in directories that are the same to some file systems");
        }
    }
    Ok(())
}

/// The same for all names that some file system holds to be the same.
fn fold(path: &str) -> Vec<u8> {
    let folded: Cow<'_, str> = if path.is_ascii() {
        path.to_ascii_lowercase().into()
    } else {
        // Upper case first: it makes SS of the German sharp s, and one sigma of both.
        let nfd = DecomposingNormalizerBorrowed::new_nfd();
        let cased = nfd.normalize(path).to_uppercase().to_lowercase();
        nfd.normalize(&cased).into_owned().into()
    };
    let mut key = folded.into_owned().into_bytes();
    for byte in &mut key {
        if *byte == b'/' {
            *byte = 0;
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_may_be_files() {
        #[track_caller]
        fn check(raw: &str, is_dir: bool) {
            let name = entry_name(raw.as_bytes()).unwrap();
            assert_eq!(
                (name.path.as_str(), name.is_dir),
                (raw.trim_end_matches('/'), is_dir)
            );
        }
        check("app.wasm", false);
        check("a/b/c", false);
        check("a/b/", true);
        check("..a/.b/c..", false);
        check("caf\u{e9}/\u{1f980}", false);
        check(&"x".repeat(255), false);
        check("ab:c", false);
    }

    #[test]
    fn names_that_may_not() {
        #[track_caller]
        fn check(raw: &[u8], says: &str) {
            let error = entry_name(raw).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
        check(b"", "is empty");
        check(b"/", "is absolute");
        check(b"/etc/passwd", "is absolute");
        check(b"//x", "is absolute");
        check(b"..", "climbs out");
        check(b"a/../../b", "climbs out");
        check(b"../", "climbs out");
        check(b"./a", "the component .");
        check(b"a/./b", "the component .");
        check(b"a//b", "an empty component");
        check(b"a//", "an empty component");
        check(b"a\\b", "a backslash");
        check(b"C:x", "a drive letter");
        check(b"c:/x", "a drive letter");
        check(b"a\0b", "a control character");
        check(b"a\nb", "a control character");
        check(b"a\x1b[2Jb", "a control character");
        check("a\u{85}b".as_bytes(), "a control character");
        check("a\u{202e}b".as_bytes(), "a control character");
        check(b"a\xffb", "is not UTF-8");
        check(b"a\xc0\xafb", "is not UTF-8");
        check(&[b'x'; 256], "255 bytes");
        check(&b"abc/".repeat(257), "1024 bytes");
    }

    #[test]
    fn names_that_clash() {
        #[track_caller]
        fn check(names: &[&str], says: &str) {
            let entries = || {
                names
                    .iter()
                    .map(|name| (name.trim_end_matches('/'), name.ends_with('/')))
            };
            for result in [clash(entries()), clash(entries().rev())] {
                match result {
                    Ok(()) => assert_eq!(says, "", "{names:?}"),
                    Err(error) => {
                        assert!(
                            !says.is_empty() && error.to_string().contains(says),
                            "{error}"
                        );
                    }
                }
            }
        }
        check(&[], "");
        check(&["a", "b", "a.b", "ab"], "");
        check(&["a/", "a/b", "a-b", "a.b/c", "a/c/d"], "");
        check(&["a", "a"], "appears twice");
        check(&["a/", "a/"], "appears twice");
        check(&["a", "A"], "the same to some");
        check(&["x/readme", "x/README"], "the same to some");
        check(&["x/a", "X/b"], "directories that are the same");
        check(&["x/", "X/b"], "directories that are the same");
        check(&["a", "a/"], "twice");
        check(&["a", "a-b", "a/b"], "a file and a directory");
        check(&["A", "a/b"], "a file and a directory");
        check(&["a", "a/b/c"], "a file and a directory");
        check(&["caf\u{e9}", "cafe\u{301}"], "the same to some");
        check(&["stra\u{df}e", "STRASSE"], "the same to some");
        check(&["\u{212a}", "k"], "the same to some");
    }
}
