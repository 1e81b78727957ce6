//! Zips in the form in which upload-artifact streams them: sizes and checksum follow the data in a descriptor, for stored
//! entries as well. For quick fixtures; those of the official client's own library are made by `tests/run`.

use std::io::Write as _;
use zip::CompressionMethod;
use zip::write::{SimpleFileOptions, ZipWriter};

/// How entries are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// `compression-level: 0`.
    Stored,
    /// `compression-level: 6`, the default.
    Deflated,
}

/// A zip of these files, deflated.
pub fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    zip_kept(Kept::Deflated, files)
}

/// A zip of these files, kept in this way. A name that ends with `/` is a directory.
pub fn zip_kept(kept: Kept, files: &[(&str, &[u8])]) -> Vec<u8> {
    let method = match kept {
        Kept::Stored => CompressionMethod::Stored,
        Kept::Deflated => CompressionMethod::Deflated,
    };
    let options = SimpleFileOptions::default()
        .compression_method(method)
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new_stream(Vec::new());
    for (name, bytes) in files {
        if name.ends_with('/') {
            zip.add_directory(*name, options)
                .expect("a directory can be added in memory");
        } else {
            zip.start_file(*name, options)
                .expect("a file can be added in memory");
            zip.write_all(bytes).expect("memory can be written");
        }
    }
    zip.finish()
        .expect("a zip in memory can be finished")
        .into_inner()
}
