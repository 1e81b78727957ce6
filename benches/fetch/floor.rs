//! What the sums alone cost on one core: sha256 of the zip, inflating it, sha256 of what comes out. No network, no disk.

use flate2::{Decompress, FlushDecompress, Status};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};
use std::fs;
use std::hint::black_box;
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// CPU seconds of this thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    pub(crate) sha_zip_s: f64,
    pub(crate) inflate_s: f64,
    pub(crate) sha_files_s: f64,
}

impl Floor {
    pub(crate) fn sum_s(self) -> f64 {
        self.sha_zip_s + self.inflate_s + self.sha_files_s
    }
}

pub(crate) fn alone(zip: &Path) -> anyhow::Result<Floor> {
    let bytes = fs::read(zip)?;
    let (sha_zip_s, _) = timed(|| Sha256::digest(&bytes));
    let (mut inflate_s, mut sha_files_s) = (0.0, 0.0);
    let mut archive = ZipArchive::new(std::io::Cursor::new(&bytes))?;
    let mut block = vec![0; 128 << 10];
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let start = usize::try_from(entry.data_start().unwrap_or_default())?;
        let end = start + usize::try_from(entry.compressed_size())?;
        let mut content = bytes.get(start..end).unwrap_or_default();
        if entry.compression() == CompressionMethod::Stored {
            sha_files_s += timed(|| Sha256::digest(content)).0;
            continue;
        }
        let mut inflate = Decompress::new(false);
        let mut hash = Sha256::new();
        loop {
            let before = (inflate.total_in(), inflate.total_out());
            let (took, status) =
                timed(|| inflate.decompress(content, &mut block, FlushDecompress::None));
            let status = status?;
            inflate_s += took;
            let used = usize::try_from(inflate.total_in() - before.0)?;
            let gave = usize::try_from(inflate.total_out() - before.1)?;
            content = content.get(used..).unwrap_or_default();
            let out = block.get(..gave).unwrap_or_default();
            sha_files_s += timed(|| hash.update(out)).0;
            if status == Status::StreamEnd {
                break;
            }
        }
        black_box(hash.finalize());
    }
    Ok(Floor {
        sha_zip_s,
        inflate_s,
        sha_files_s,
    })
}

fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let now = || {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        std::time::Duration::new(
            time.tv_sec.unsigned_abs(),
            u32::try_from(time.tv_nsec).unwrap_or(0),
        )
    };
    let before = now();
    let result = black_box(work());
    ((now() - before).as_secs_f64(), result)
}
