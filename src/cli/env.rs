//! The environment of the process: variables, directory, machine, terminals, clock. Read once; everything else takes a
//! value of this type, so that tests make their own.

use jiff::Timestamp;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, IsTerminal as _};
use std::path::PathBuf;

/// What the process was started with.
#[derive(Clone)]
pub struct Env {
    /// Variables whose name and value are UTF-8. Hold secrets.
    pub variables: BTreeMap<String, String>,
    /// The working directory, absolute.
    pub dir: PathBuf,
    pub hostname: Option<String>,
    pub stdout_tty: bool,
    pub stderr_tty: bool,
    /// The wall clock when the command began.
    pub now: Timestamp,
}

impl Env {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one reader of the environment and the wall clock"
    )]
    pub fn read() -> io::Result<Self> {
        let hostname = rustix::system::uname();
        Ok(Self {
            variables: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            dir: std::env::current_dir()?,
            hostname: hostname
                .nodename()
                .to_str()
                .ok()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
            stdout_tty: io::stdout().is_terminal(),
            stderr_tty: io::stderr().is_terminal(),
            now: Timestamp::now(),
        })
    }

    /// The value of a variable. Empty is unset: that is how a workflow passes what is not there.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Whether this is a step of a workflow on GitHub Actions.
    pub fn in_actions(&self) -> bool {
        self.get("GITHUB_ACTIONS") == Some("true")
    }
}

impl fmt::Debug for Env {
    /// Without the values of the variables.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env")
            .field("variables", &format_args!("{} names", self.variables.len()))
            .field("dir", &self.dir)
            .field("hostname", &self.hostname)
            .field("stdout_tty", &self.stdout_tty)
            .field("stderr_tty", &self.stderr_tty)
            .field("now", &self.now)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let env = Env {
            variables: BTreeMap::from([("TOKEN".to_owned(), "hunter2".to_owned())]),
            dir: PathBuf::from("/"),
            hostname: None,
            stdout_tty: false,
            stderr_tty: false,
            now: Timestamp::UNIX_EPOCH,
        };
        assert!(!format!("{env:?}").contains("hunter2"));
    }

    #[test]
    fn this_process_has_a_directory_and_a_machine() {
        let env = Env::read().unwrap();
        assert!(env.dir.is_absolute());
        assert!(env.hostname.is_some());
        assert!(env.now > Timestamp::UNIX_EPOCH);
    }
}
