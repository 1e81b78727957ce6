//! The probe log of one command: every line is written before it is judged, so that the verdict can be computed again.

use crate::engine::operation::Operation;
use crate::model::probe::LogLine;
use crate::report::LEFT_PROBES;
use anyhow::Context as _;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::PathBuf;

/// The file, and whether it still can be written.
#[derive(Debug)]
pub(super) struct ProbeLog<'a> {
    operation: &'a Operation,
    file: BufWriter<File>,
    path: PathBuf,
    is_told: bool,
    is_lost: bool,
}

impl<'a> ProbeLog<'a> {
    pub(super) fn create(operation: &'a Operation) -> anyhow::Result<Self> {
        let path = operation.dir.join("probes.jsonl");
        let file =
            File::create(&path).with_context(|| format!("could not create {}", path.display()))?;
        Ok(Self {
            operation,
            file: BufWriter::new(file),
            path,
            is_told: false,
            is_lost: false,
        })
    }

    /// A log that cannot be written does not stop the judging: it is warned about once.
    pub(super) fn write(&mut self, line: &LogLine) {
        if self.is_lost {
            return;
        }
        let written = serde_json::to_writer(&mut self.file, line).map_err(std::io::Error::from);
        if let Err(error) = written.and_then(|()| self.file.write_all(b"\n")) {
            self.lost(&error);
        }
    }

    pub(super) fn flush(&mut self) {
        if !self.is_lost
            && let Err(error) = self.file.flush()
        {
            self.lost(&error);
        }
    }

    /// Says once where it lies.
    pub(super) fn tell(&mut self) {
        if !std::mem::replace(&mut self.is_told, true) {
            self.operation.left(LEFT_PROBES, &self.path);
        }
    }

    fn lost(&mut self, error: &std::io::Error) {
        self.is_lost = true;
        let path = self.path.display();
        self.operation.warn(format!(
            "the probe log {path} cannot be written any more: {error}"
        ));
    }
}
