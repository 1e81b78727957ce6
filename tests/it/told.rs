//! What a target told while it was at work, for tests of every kind of target.

use lastgood::model::state::Slot;
use lastgood::targets::Story;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// What was told.
#[derive(Debug, Default)]
pub struct Told(Mutex<Vec<String>>);

impl Story for Told {
    fn progress(&self, slot: &Slot, text: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(format!("{slot}: {text}"));
    }
}

impl Told {
    pub fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    #[track_caller]
    pub fn says(&self, part: &str) {
        let lines = self.lines();
        let is_told = lines.iter().any(|line| line.contains(part));
        assert!(is_told, "{part:?} is not in {lines:#?}");
    }

    pub fn text(&self) -> String {
        self.lines().join("\n")
    }

    /// Until this was told, 30 s at most.
    pub async fn until(&self, part: &str) {
        let began = Instant::now();
        while !self.lines().iter().any(|line| line.contains(part)) {
            let late = Duration::from_secs(30) < began.elapsed();
            assert!(!late, "{part} was not told: {:?}", self.lines());
            sleep(Duration::from_millis(20)).await;
        }
    }
}
