//! Settings of a `directory` target, and what holds of them beyond their types.

use crate::targets::BadSettings;
use crate::targets::settings::{Time, check_argv, check_payload, check_time};
use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of a `directory` target.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Directory that holds `releases/` and the link `current`. Must exist. A relative path starts at the repository.
    pub path: String,
    /// What of the artifact is the release: `.` for the whole tree, or the path or wildcard of one file. A file that
    /// ends in `.tar`, `.tar.gz` or `.tgz` is unpacked; any other is the only file of the release.
    #[serde(default = "whole_tree")]
    pub payload: String,
    /// Program and arguments to run after the switch, without a shell, in the release's directory. Exit code 0 means
    /// that the service now runs the release.
    #[serde(default)]
    pub restart: Option<Vec<String>>,
    /// Longest run of `restart` 1s to 1h. Then its process group is ended.
    #[serde(default = "restart_deadline")]
    pub restart_deadline: Time,
    /// Environment variables that `restart` may see, besides `PATH`.
    #[serde(default)]
    pub env: Vec<String>,
    /// How many old releases are kept besides the current one and the last good one, 0 to 1000.
    #[serde(default = "keep")]
    pub keep: usize,
}

fn whole_tree() -> String {
    ".".to_owned()
}

fn restart_deadline() -> Time {
    Time::seconds(60)
}

fn keep() -> usize {
    5
}

/// Checks what the types cannot say.
pub(super) fn check(settings: &Settings) -> Result<(), BadSettings> {
    if settings.path.is_empty() {
        return Err(BadSettings::new(
            "path",
            "found nothing, expected a directory",
        ));
    }
    check_payload("payload", &settings.payload)?;
    check_time(
        "restart-deadline",
        settings.restart_deadline,
        Time::seconds(3600),
    )?;
    if let Some(argv) = &settings.restart {
        check_argv("restart", argv)?;
    }
    if 1000 < settings.keep {
        return Err(BadSettings::new(
            "keep",
            format!("found {}, expected 0 to 1000", settings.keep),
        ));
    }
    Ok(())
}
