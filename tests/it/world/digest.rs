//! Numbers and digests that stay the same for the same thing: ids of names, commits of runs, sha256 of bytes.

use super::Content;
use sha2::{Digest as _, Sha256};
use std::io::Read as _;
use std::path::Path;

/// A number that stays the same for a name: ids of repositories and users.
pub fn number_of(name: &str) -> u64 {
    let hash = Sha256::digest(name.as_bytes());
    hash.iter()
        .take(4)
        .fold(0, |sum, &byte| sum * 256 + u64::from(byte))
}

/// 40 hex digits that stay the same for a run.
pub fn commit_of(run: u64) -> String {
    hex(&Sha256::digest(run.to_be_bytes()))
        .chars()
        .take(40)
        .collect()
}

pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("text in memory can be written");
        hex
    })
}

/// The `ETag` of bytes with this sha256.
pub fn etag(sha256: &str) -> String {
    format!(
        "\"0x{}\"",
        sha256.chars().take(16).collect::<String>().to_uppercase()
    )
}

/// Size and sha256 of what lies there.
pub fn measure(content: &Content) -> (u64, String) {
    match content {
        Content::Bytes(bytes) => (bytes.len() as u64, hex(&Sha256::digest(bytes))),
        Content::File(path) => measure_file(path),
    }
}

fn measure_file(path: &Path) -> (u64, String) {
    let mut file = std::fs::File::open(path).expect("the artifact's file is there");
    let (mut size, mut hash, mut buffer) = (0, Sha256::new(), vec![0; 1 << 16]);
    loop {
        let count = file
            .read(&mut buffer)
            .expect("the artifact's file can be read");
        let Some(read @ [_, ..]) = buffer.get(..count) else {
            break;
        };
        hash.update(read);
        size += read.len() as u64;
    }
    (size, hex(&hash.finalize()))
}
