//! A command as a user gives it, in a directory of its own and with exactly the environment it is given. Nothing is
//! contacted: this is about what was asked for.

use lastgood::cli::env::Env;
use lastgood::cli::{self, Asked};
use lastgood::engine::request::Request;
use std::collections::BTreeMap;
use std::path::PathBuf;
use tempfile::TempDir;

pub(crate) struct Step {
    dir: TempDir,
    pub(crate) env: Env,
}

impl Step {
    /// A shell: a token, no workflow.
    pub(crate) fn shell() -> Self {
        let dir = TempDir::new().unwrap();
        let env = Env {
            variables: BTreeMap::new(),
            dir: dir.path().to_owned(),
            hostname: Some("web-1".to_owned()),
            stdout_tty: false,
            stderr_tty: false,
            now: "2026-05-01T12:00:00Z".parse().unwrap(),
        };
        Self { dir, env }.with("GITHUB_TOKEN", "ghs_secret")
    }

    /// A step of a run of `deploy.yml` on `main`.
    pub(crate) fn workflow() -> Self {
        [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_REPOSITORY", "example/shop"),
            ("GITHUB_RUN_ID", "42"),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_SHA", "1111111111111111111111111111111111111111"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_REF_NAME", "main"),
            (
                "GITHUB_WORKFLOW_REF",
                "example/shop/.github/workflows/deploy.yml@refs/heads/main",
            ),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_ACTOR", "alice"),
            ("INPUT_GITHUB-TOKEN", "ghs_input"),
            ("INPUT_VERB", "rollback"),
        ]
        .into_iter()
        .fold(Self::shell(), |step, (name, value)| step.with(name, value))
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.env.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn config(self, text: &str) -> Self {
        self.file(".github/lastgood.yml", text)
    }

    pub(crate) fn file(self, path: &str, text: &str) -> Self {
        let file = self.dir.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
        self
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// What these arguments ask for; the refusal as `error: …` and `hint: …` lines.
    pub(crate) fn ask(&self, argv: &[&str]) -> Result<Asked, String> {
        let argv = ["lastgood"].iter().chain(argv).map(Into::into).collect();
        cli::ask(argv, &self.env).map_err(|failure| {
            assert_eq!(failure.kind.exit_code(), 2, "{failure}");
            let mut text = format!("error: {failure}");
            for hint in &failure.hints {
                text.push_str("\nhint: ");
                text.push_str(hint);
            }
            text.replace(&format!("{}/", self.dir.path().display()), "")
        })
    }

    #[track_caller]
    pub(crate) fn request(&self, argv: &[&str]) -> Request {
        match self.ask(argv) {
            Ok(Asked::Request(request)) => *request,
            Ok(Asked::Text(text)) => panic!("a text: {text}"),
            Err(refusal) => panic!("{refusal}"),
        }
    }

    #[track_caller]
    pub(crate) fn refusal(&self, argv: &[&str]) -> String {
        match self.ask(argv) {
            Ok(asked) => panic!("accepted: {asked:?}"),
            Err(refusal) => refusal,
        }
    }

    #[track_caller]
    pub(crate) fn text(&self, argv: &[&str]) -> String {
        match self.ask(argv) {
            Ok(Asked::Text(text)) => text,
            Ok(Asked::Request(request)) => panic!("a request: {request:?}"),
            Err(refusal) => panic!("{refusal}"),
        }
    }
}
