//! The static program in the images: compiled once from `service/main.rs`, kept in the cache under the digest of its source.

use crate::tools;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::PathBuf;
use tokio::process::Command;

const SOURCE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/it/docker/service/main.rs"
);

/// Where the program lies. The first test that wants it compiles it; the others wait.
#[expect(
    clippy::disallowed_methods,
    reason = "a program of the tests is compiled"
)]
pub async fn compiled() -> PathBuf {
    let source = fs::read(SOURCE).unwrap();
    let directory = tools::cache().join("docker-service");
    let program = directory.join(format!("app-{}", digest(&source)));
    if program.is_file() {
        return program;
    }
    fs::create_dir_all(&directory).unwrap();
    let lock = File::create(directory.join(".lock")).unwrap();
    let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
    let _lock = lock.unwrap().unwrap();
    if program.is_file() {
        return program;
    }
    let new = directory.join("new");
    let rustc = tools::variable("RUSTC").unwrap_or_else(|| "rustc".to_owned());
    let output = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "-O",
            "-C",
            "panic=abort",
            "-C",
            "strip=symbols",
        ])
        .args(["-C", "target-feature=+crt-static", "-o"])
        .args([new.as_os_str(), SOURCE.as_ref()])
        .output()
        .await
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    fs::rename(new, &program).unwrap();
    program
}

/// A short name for what was described or written.
pub(super) fn digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first = digest.first_chunk().expect("32 bytes are more than 8");
    format!("{:016x}", u64::from_be_bytes(*first))
}
