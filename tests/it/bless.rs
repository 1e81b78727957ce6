//! Generated files of the repository: compared with what the code makes, and written anew on request.

use std::fs;
use std::path::{Path, PathBuf};

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The file must hold this text. `LASTGOOD_BLESS=1 cargo test` writes it.
#[track_caller]
pub(crate) fn check(path: &str, wanted: &str) {
    let file = root().join(path);
    if bless() {
        fs::create_dir_all(file.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(&file, wanted).unwrap();
    }
    let found = fs::read_to_string(&file).unwrap_or_default();
    let line = found
        .lines()
        .zip(wanted.lines())
        .position(|(found, wanted)| found != wanted)
        .unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    assert!(
        found == wanted,
        "{path} is not what the code says, from line {} on; write it anew with: LASTGOOD_BLESS=1 cargo test --test it",
        line + 1
    );
}

/// What stands between `<!-- NAME -->` and `<!-- /NAME -->` in the file must be this text.
#[track_caller]
pub(crate) fn check_section(path: &str, name: &str, wanted: &str) {
    let text =
        fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->"));
    let (head, rest) = text
        .split_once(&begin)
        .unwrap_or_else(|| panic!("{path} has no line {begin}"));
    let (_, tail) = rest
        .split_once(&end)
        .unwrap_or_else(|| panic!("{path} has no line {end}"));
    check(
        path,
        &format!("{head}{begin}\n{}\n\n{end}{tail}", wanted.trim()),
    );
}

fn bless() -> bool {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one switch of the tests themselves"
    )]
    std::env::var("LASTGOOD_BLESS").is_ok_and(|value| value == "1")
}
