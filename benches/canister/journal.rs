//! Where lastgood's time goes, by the times in its journal.

use anyhow::Context as _;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::time::Duration;

/// Prints what was written down, when, and how long after the line before; `wall` is what the program took as a whole.
pub(crate) fn print(journal: &Path, wall: Duration) -> anyhow::Result<()> {
    let text = fs::read_to_string(journal)?;
    let mut before = 0;
    for line in text.lines() {
        let event: Value = serde_json::from_str(line)?;
        let at = event["elapsed_ms"]
            .as_u64()
            .context("an event has a time")?;
        let name = event["event"].as_str().unwrap_or_default();
        let more = event["text"].as_str().unwrap_or_default();
        println!("{at:>7} {:>+6}  {name} {more}", at - before);
        before = at;
    }
    println!("{:>7}         the program has ended", wall.as_millis());
    Ok(())
}
