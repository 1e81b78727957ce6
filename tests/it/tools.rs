//! What the tests borrow from other people: where it lies, and what happens when it is not there. Nothing is skipped in
//! silence: under `CI` a missing tool fails the test, elsewhere it is said loudly. `tests/run` installs all of it.

use std::env;
use std::path::{Path, PathBuf};

/// The directory that `tests/run` fills; git does not know it.
pub fn cache() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/.cache")
}

/// A variable of the environment that the tests were started in; empty counts as unset.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are told by the environment where their tools lie"
)]
pub fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// `Some` of what was found. `None` only outside of CI, after saying so.
#[track_caller]
pub fn or_missing<T>(found: Option<T>, what: &str) -> Option<T> {
    if found.is_none() {
        let advice = format!("found no {what}: run tests/run, which installs it");
        assert!(variable("CI").is_none(), "{advice}");
        eprintln!("\n*** NOT TESTED: {advice} ***\n");
    }
    found
}

/// A program on the `PATH`.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = variable("PATH")?;
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// A file of the cache.
pub fn cached(path: &str) -> Option<PathBuf> {
    Some(cache().join(path)).filter(|file| file.exists())
}

/// The official client of the Internet Computer, as npm ships it for this machine.
pub fn icp() -> Option<PathBuf> {
    let program = cached("npm/node_modules/@icp-sdk/icp-cli-linux-x64/bin/icp");
    or_missing(program, "icp, the official client of the Internet Computer")
}
