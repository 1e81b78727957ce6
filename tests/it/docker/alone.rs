//! An engine for one test: for what changes the engine itself (swarm) or stops it. One at a time is enough for a machine.

use super::Engine;
use crate::tools;
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// It is stopped, and all that is in it is gone, when this is dropped.
#[derive(Debug)]
pub struct Alone {
    engine: Engine,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

impl Alone {
    /// `None` where no engine can run, after saying so: the engine of the run tells that.
    #[track_caller]
    pub fn start() -> Option<Self> {
        Engine::find()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("docker-alone-{}-{count}", std::process::id());
        let directory = tools::cache().join(name);
        script("start", &directory);
        Some(Self {
            engine: Engine::at(&directory),
        })
    }
}

#[track_caller]
#[expect(clippy::disallowed_methods, reason = "starts an engine")]
fn script(what: &str, directory: &PathBuf) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tools/docker.sh");
    let status = Command::new(script)
        .arg(what)
        .arg(directory)
        .stdin(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "docker.sh {what} {}", directory.display());
}

impl Deref for Alone {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.engine
    }
}

impl Drop for Alone {
    fn drop(&mut self) {
        script("stop", &self.engine.directory);
    }
}
