//! What a command left: exit code, both streams, the JSON answer, the journal.

use serde_json::Value;
use std::path::PathBuf;

pub(super) struct Output {
    pub(super) args: String,
    /// Where it ran: paths in the answer may be relative.
    pub(super) at: PathBuf,
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Output {
    /// The command ended with this code and, in its JSON answer, this outcome.
    #[track_caller]
    pub(super) fn ended(&self, code: i32, outcome: &str) -> &Self {
        assert_eq!(self.code, Some(code), "{self}");
        let json = self.json();
        assert_eq!(json["outcome"], outcome, "{self}");
        assert_eq!(json["exit_code"], code, "{self}");
        self
    }

    /// The story holds this text.
    #[track_caller]
    pub(super) fn says(&self, text: &str) -> &Self {
        assert!(self.stderr.contains(text), "expected {text:?} in {self}");
        self
    }

    #[track_caller]
    pub(super) fn says_not(&self, text: &str) -> &Self {
        assert!(!self.stderr.contains(text), "found {text:?} in {self}");
        self
    }

    /// The one JSON document on stdout.
    #[track_caller]
    pub(super) fn json(&self) -> Value {
        match serde_json::from_str(&self.stdout) {
            Ok(json) => json,
            Err(error) => panic!("stdout is no JSON: {error}\n{self}"),
        }
    }

    /// The directory of the operation, where journal, probe log and report lie.
    #[track_caller]
    pub(super) fn dir(&self) -> PathBuf {
        let journal = PathBuf::from(self.json()["journal"].as_str().expect("a journal"));
        self.at.join(journal.parent().unwrap())
    }

    /// The journal's events of this kind, oldest first.
    #[track_caller]
    pub(super) fn events(&self, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.dir().join("journal.jsonl")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event["event"] == kind)
            .collect()
    }

    /// The incident report.
    #[track_caller]
    pub(super) fn report(&self) -> String {
        std::fs::read_to_string(self.dir().join("report.md")).unwrap()
    }

    /// Run and stable word of every run that was passed over, newest first.
    #[track_caller]
    pub(super) fn passed_over(&self) -> Vec<(u64, String)> {
        let json = self.json();
        let runs = json["passed_over"].as_array().expect("a list of runs");
        runs.iter()
            .map(|run| {
                let word = run["reason"].as_str().unwrap().to_owned();
                (run["run"].as_u64().unwrap(), word)
            })
            .collect()
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "`lastgood {}` ended with {}\n--- stderr\n{}--- stdout\n{}",
            self.args,
            self.code.unwrap_or(-1),
            self.stderr,
            self.stdout
        )
    }
}
