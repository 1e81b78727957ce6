//! The target as a command opens it, and its first question: whether the engine is the right one.

use super::double::NAME;
use lastgood::model::outcome::Outcome;
use lastgood::targets::{Base, Target, open};
use serde_json::{Value, json};
use std::path::Path;

/// What a command is given.
pub(super) struct Given {
    pub(super) settings: Value,
    pub(super) base: Base,
}

impl Given {
    /// A target that expects the double.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            settings: json!({"project": "shop", "engine": NAME}),
            base: Base {
                dir: dir.to_owned(),
                ..Base::default()
            },
        }
    }

    pub(super) fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.settings[key] = value.into();
        self
    }

    pub(super) fn variable(mut self, name: &str, value: impl Into<String>) -> Self {
        self.base.environment.insert(name.to_owned(), value.into());
        self
    }

    pub(super) fn open(&self) -> Box<dyn Target> {
        open("compose", "shop", self.settings.clone(), &self.base).unwrap()
    }

    #[track_caller]
    pub(super) fn is_let_in(&self) -> impl Future<Output = ()> {
        let target = self.open();
        async move {
            if let Err(error) = target.guard().await {
                panic!("{error}");
            }
        }
    }

    /// What is said, and what is to be done next.
    pub(super) async fn is_refused(&self, says: &[&str]) -> String {
        self.ends(Outcome::Refused, says).await
    }

    /// Wrong as it was given: nothing was contacted.
    pub(super) async fn is_usage(&self, says: &[&str]) -> String {
        self.ends(Outcome::Usage, says).await
    }

    pub(super) async fn is_unreachable(&self, says: &[&str]) -> String {
        self.ends(Outcome::Unreachable, says).await
    }

    async fn ends(&self, outcome: Outcome, says: &[&str]) -> String {
        let failure = match self.open().guard().await {
            Ok(()) => panic!("let in, expected {says:?}"),
            Err(error) => error.failure("shop"),
        };
        let text = format!("{failure}\n{}", failure.hints.join("\n"));
        assert_eq!(failure.kind, outcome, "{text}");
        for part in says {
            assert!(text.contains(part), "expected {part:?} in:\n{text}");
        }
        text
    }
}
