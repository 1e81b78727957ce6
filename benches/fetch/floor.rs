//! What nobody can do without, each part alone on one core: sha256 of the zip, inflating it, sha256 of what comes out; and
//! writing it. What receiving it costs is measured by `clients`.

use flate2::{Decompress, FlushDecompress, Status};
use rustix::time::{ClockId, clock_gettime};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write as _;
use std::path::Path;
use zip::{CompressionMethod, ZipArchive};

/// CPU seconds of this thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Floor {
    pub(crate) sha_zip: f64,
    pub(crate) inflate: f64,
    pub(crate) sha_files: f64,
    pub(crate) write: f64,
    pub(crate) receive: f64,
}

impl Floor {
    /// The sums alone.
    pub(crate) fn sums(self) -> f64 {
        self.sha_zip + self.inflate + self.sha_files
    }

    /// All that must be done.
    pub(crate) fn all(self) -> f64 {
        self.sums() + self.write + self.receive
    }
}

pub(crate) fn alone(zip: &Path, out: &Path, receive: f64) -> anyhow::Result<Floor> {
    let bytes = fs::read(zip)?;
    let (sha_zip, _) = timed(|| Sha256::digest(&bytes));
    let (mut inflate, mut sha_files, mut write) = (0.0, 0.0, 0.0);
    let mut archive = ZipArchive::new(std::io::Cursor::new(&bytes))?;
    let mut block = vec![0; 128 << 10];
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index)?;
        let start = usize::try_from(entry.data_start().unwrap_or_default())?;
        let end = start + usize::try_from(entry.compressed_size())?;
        let mut content = bytes.get(start..end).unwrap_or_default();
        let (took, file) = timed(|| File::create(out.join(format!("{index}"))));
        write += took;
        let mut file = file?;
        if entry.compression() == CompressionMethod::Stored {
            sha_files += timed(|| Sha256::digest(content)).0;
            write += timed(|| file.write_all(content)).0;
            continue;
        }
        let mut stream = Decompress::new(false);
        let mut hash = Sha256::new();
        loop {
            let before = (stream.total_in(), stream.total_out());
            let (took, status) =
                timed(|| stream.decompress(content, &mut block, FlushDecompress::None));
            let status = status?;
            inflate += took;
            let used = usize::try_from(stream.total_in() - before.0)?;
            let gave = usize::try_from(stream.total_out() - before.1)?;
            content = content.get(used..).unwrap_or_default();
            let out = block.get(..gave).unwrap_or_default();
            sha_files += timed(|| hash.update(out)).0;
            write += timed(|| file.write_all(out)).0;
            if status == Status::StreamEnd {
                break;
            }
        }
        black_box(hash.finalize());
    }
    Ok(Floor {
        sha_zip,
        inflate,
        sha_files,
        write,
        receive,
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
    (now().saturating_sub(before).as_secs_f64(), result)
}
