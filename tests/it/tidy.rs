//! Holds what the compiler cannot: which floor may use which, what judgment may not touch, and that every target has
//! its page.

use std::fs;
use std::path::{Path, PathBuf};

/// Modules by floor, lowest first. A module uses lower floors only, and never a neighbour.
const FLOORS: &[&[&str]] = &[
    &["model"],
    &["decide", "net", "tree"],
    &["github", "artifact", "targets", "probes", "report"],
    &["engine"],
    &["cli", "config"],
];

/// Written exceptions: (module, what it may use all the same, why).
const EXCEPTIONS: &[(&str, &str, &str)] = &[
    (
        "config",
        "cli",
        "the arguments are laid over the file in one place",
    ),
    (
        "cli",
        "config",
        "the arguments are laid over the file in one place",
    ),
];

#[test]
fn a_module_uses_lower_floors_only() {
    let mut faults = Vec::new();
    for (floor, modules) in FLOORS.iter().enumerate() {
        for module in *modules {
            for (path, text) in sources(module) {
                for (number, used) in uses(&text) {
                    let allowed = used == *module
                        || FLOORS.iter().take(floor).any(|lower| lower.contains(&used))
                        || EXCEPTIONS
                            .iter()
                            .any(|(from, to, _)| from == module && *to == used);
                    let is_module = FLOORS.iter().any(|floor| floor.contains(&used));
                    if is_module && !allowed {
                        faults.push(format!("{}:{number}: {module} uses {used}", path.display()));
                    }
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn judgment_is_pure() {
    let forbidden = [
        "async ",
        ".await",
        "tokio",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "SystemTime",
        "Instant::now",
        "Timestamp::now",
        "reqwest",
        "octocrab",
        "File::",
    ];
    let mut faults = Vec::new();
    for module in ["model", "decide"] {
        for (path, text) in sources(module) {
            for (number, line) in code(&text) {
                for word in forbidden.iter().filter(|word| line.contains(**word)) {
                    faults.push(format!(
                        "{}:{number}: {module} mentions {word}",
                        path.display()
                    ));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// What libc looks up in a static binary loads modules of another libc: names are looked up in `net` alone.
#[test]
fn names_of_hosts_are_looked_up_in_one_place() {
    let forbidden = [
        "TcpStream::connect",
        "lookup_host",
        "ToSocketAddrs",
        "to_socket_addrs",
        "HttpConnector::new()",
        "GaiResolver",
    ];
    let mut faults = Vec::new();
    for module in FLOORS.iter().copied().flatten().filter(|it| **it != "net") {
        for (path, text) in sources(module) {
            for (number, line) in code(&text) {
                for word in forbidden.iter().filter(|word| line.contains(**word)) {
                    faults.push(format!("{}:{number}: mentions {word}", path.display()));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn proofs_are_made_in_one_place_each() {
    let mut faults = Vec::new();
    for (path, text) in sources("") {
        let is_at = |place: &str| path.ends_with(place) || path.to_string_lossy().contains(place);
        for (number, line) in code(&text) {
            let grants = line.contains("Permitted::grant") && !is_at("decide/guard");
            if grants {
                faults.push(format!(
                    "{}:{number}: only decide::guard permits",
                    path.display()
                ));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn every_target_has_its_page() {
    for entry in lastgood::targets::REGISTRY {
        let page = root()
            .join("docs/targets")
            .join(format!("{}.md", entry.kind));
        assert!(page.is_file(), "{} is missing", page.display());
    }
}

#[test]
fn every_file_says_what_belongs_in_it() {
    let faults: Vec<_> = sources("")
        .into_iter()
        .filter(|(_, text)| !text.starts_with("//!"))
        .map(|(path, _)| path.display().to_string())
        .collect();
    assert!(
        faults.is_empty(),
        "no //! at the top of: {}",
        faults.join(", ")
    );
}

#[test]
fn files_stay_readable() {
    let mut sizes: Vec<_> = sources("")
        .iter()
        .filter(|(path, _)| !is_test(path))
        .map(|(path, text)| {
            let lines = text
                .lines()
                .take_while(|line| !line.starts_with("#[cfg(test)]"));
            (lines.count(), path.clone())
        })
        .collect();
    sizes.sort();
    let median = sizes[sizes.len() / 2].0;
    assert!(median <= 150, "the median file has {median} lines");
    let (longest, path) = sizes.last().expect("there are sources");
    assert!(*longest <= 400, "{} has {longest} lines", path.display());
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files of a module (all of `src` for the empty name), with their texts.
fn sources(module: &str) -> Vec<(PathBuf, String)> {
    let src = root().join("src");
    let mut found = Vec::new();
    let mut waiting = vec![if module.is_empty() {
        src.clone()
    } else {
        src.join(module)
    }];
    let file = src.join(format!("{module}.rs"));
    if file.is_file() {
        found.push(file);
    }
    while let Some(dir) = waiting.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten() {
            let path = entry.expect("a readable directory").path();
            if path.is_dir() {
                waiting.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "module {module} has no files");
    found
        .into_iter()
        .map(|path| {
            (
                path.clone(),
                fs::read_to_string(&path).expect("a readable file"),
            )
        })
        .collect()
}

/// The lines before the tests of a file, without comments.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line))
        .take_while(|(_, line)| !line.starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The top-level modules that a file names by `crate::…`, also inside `use crate::{…}`.
fn uses(text: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    for (number, line) in code(text) {
        for after in line.split("crate::").skip(1) {
            let names = after
                .strip_prefix('{')
                .map_or_else(|| vec![after], |list| list.split(',').collect());
            for name in names {
                let name = name.trim_start();
                let other = |c: char| !c.is_alphanumeric() && c != '_';
                found.push((number, name.split(other).next().unwrap_or_default()));
            }
        }
    }
    found
}
