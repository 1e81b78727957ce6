//! What is fetched: trees of noise and of this machine's own programs, each with a SHA256SUMS, zipped by GitHub's artifact
//! client as upload-artifact does it. Made once, and kept.

use anyhow::{Context as _, ensure};
use lastgood::model::payload::Digest;
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) struct Artifact {
    pub(crate) name: &'static str,
    files: usize,
    bytes: usize,
    /// Of each file the first part is noise, in percent; the rest is machine code.
    noise_percent: usize,
    /// `compression-level` of upload-artifact.
    level: &'static str,
}

const MB: usize = 1_000_000;

pub(crate) const ARTIFACTS: [Artifact; 5] = [
    Artifact {
        name: "wasm1",
        files: 1,
        bytes: MB,
        noise_percent: 0,
        level: "6",
    },
    Artifact {
        name: "mix50",
        files: 25,
        bytes: 50 * MB,
        noise_percent: 50,
        level: "6",
    },
    Artifact {
        name: "many10k",
        files: 10_000,
        bytes: 45 * MB,
        noise_percent: 50,
        level: "6",
    },
    Artifact {
        name: "mix500",
        files: 250,
        bytes: 500 * MB,
        noise_percent: 50,
        level: "6",
    },
    Artifact {
        name: "stored500",
        files: 250,
        bytes: 500 * MB,
        noise_percent: 50,
        level: "0",
    },
];

/// The zip of an artifact, made when it is not there yet.
pub(crate) fn zip(
    artifact: &Artifact,
    cache: &Path,
    root: &Path,
    node: &str,
) -> anyhow::Result<PathBuf> {
    let zip = cache.join(format!("{}.zip", artifact.name));
    if zip.exists() {
        return Ok(zip);
    }
    let tree = cache.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree)?;
    }
    write_tree(artifact, &tree)?;
    let unfinished = zip.with_extension("unfinished");
    let status = Command::new(node)
        .arg(root.join("tests/tools/artifact.mjs"))
        .arg(root.join("tests/.cache/npm"))
        .arg("zip")
        .args([&tree, &unfinished])
        .arg(artifact.level)
        .stdout(std::process::Stdio::null())
        .status()?;
    ensure!(
        status.success(),
        "the official client could not make {}",
        zip.display()
    );
    fs::remove_dir_all(&tree)?;
    fs::rename(&unfinished, &zip)?;
    Ok(zip)
}

fn write_tree(artifact: &Artifact, tree: &Path) -> anyhow::Result<()> {
    let mut code = Code::new()?;
    let mut noise = Noise(0x2545_f491_4f6c_dd1d);
    let mut sums = Vec::new();
    let size = artifact.bytes / artifact.files;
    for number in 0..artifact.files {
        let path = format!("dir{:03}/file{number:05}.bin", number / 100);
        let mut bytes = vec![0; size];
        let (first, rest) = bytes.split_at_mut(size * artifact.noise_percent / 100);
        noise.fill(first);
        code.fill(rest)?;
        let file = tree.join(&path);
        fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
        fs::write(file, &bytes)?;
        let hex = Digest::from_bytes(Sha256::digest(&bytes).into()).hex();
        sums.push(format!("{hex}  {path}\n"));
    }
    sums.sort_by(|a, b| a.get(66..).cmp(&b.get(66..)));
    let mut file = File::create(tree.join("SHA256SUMS"))?;
    file.write_all(sums.concat().as_bytes())?;
    Ok(())
}

/// The programs and libraries of this machine, one after the other, over and over.
struct Code {
    files: Vec<PathBuf>,
    next: usize,
    open: Box<dyn Read>,
}

impl Code {
    fn new() -> anyhow::Result<Self> {
        let mut files = Vec::new();
        for entry in fs::read_dir("/usr/bin")? {
            let path = entry?.path();
            let mut magic = [0; 4];
            let elf = File::open(&path).and_then(|mut file| file.read_exact(&mut magic));
            if elf.is_ok() && magic == *b"\x7fELF" {
                files.push(path);
            }
        }
        files.sort();
        ensure!(
            !files.is_empty(),
            "found no programs in /usr/bin, expected some"
        );
        Ok(Self {
            files,
            next: 0,
            open: Box::new(std::io::empty()),
        })
    }

    fn fill(&mut self, mut into: &mut [u8]) -> anyhow::Result<()> {
        while !into.is_empty() {
            let read = self.open.read(into)?;
            if read == 0 {
                let file = self.files.get(self.next % self.files.len());
                self.open = Box::new(File::open(file.context("there is a program")?)?);
                self.next += 1;
            }
            into = into.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }
}

/// Bytes that do not compress, the same each time.
struct Noise(u64);

impl Noise {
    fn fill(&mut self, into: &mut [u8]) {
        for chunk in into.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let bytes = self.0.to_le_bytes();
            let (some, _) = bytes.split_at(chunk.len());
            chunk.copy_from_slice(some);
        }
    }
}
