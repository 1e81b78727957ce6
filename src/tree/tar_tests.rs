//! Tars as real programs write them, and as nobody should.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use tar::{Builder, Header};

const LIMITS: Limits = Limits {
    unpacked_bytes_max: 1 << 20,
    files_max: 10,
    ratio_max: 100,
};

/// `name=text`, `name/`, or `name>target` for a symbolic link.
fn tar_of(entries: &[&str]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    for entry in entries {
        let mut header = Header::new_gnu();
        header.set_mode(if entry.starts_with("run") {
            0o6755
        } else {
            0o600
        });
        let (name, text, kind) = if let Some((name, target)) = entry.split_once('>') {
            header.set_link_name(target).unwrap();
            (name, "", EntryType::Symlink)
        } else if let Some((name, text)) = entry.split_once('=') {
            (name, text, EntryType::Regular)
        } else {
            (*entry, "", EntryType::Directory)
        };
        header.set_entry_type(kind);
        header.set_size(text.len() as u64);
        // Straight into the field: the builder itself would refuse some of these.
        let field = header.as_old_mut();
        field.name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        tar.append(&header, text.as_bytes()).unwrap();
    }
    tar.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

fn unpacked(archive: &[u8]) -> (tempfile::TempDir, Result<Vec<FileFact>, TreeError>) {
    let dir = tempfile::tempdir().unwrap();
    let (file, into) = (dir.path().join("x"), dir.path().join("into"));
    fs::write(&file, archive).unwrap();
    fs::create_dir(&into).unwrap();
    let files = unpack_tar(&file, &into, LIMITS);
    (dir, files)
}

#[test]
fn plain_and_gzipped_hold_the_same() {
    let tar = tar_of(&["./", "./a/", "./a/x=1", "run.sh=#!", "a/", "b/c=2"]);
    for archive in [tar.clone(), gzip(&tar)] {
        let (dir, files) = unpacked(&archive);
        let into = dir.path().join("into");
        let facts = crate::tree::files_of(&into).unwrap();
        let mut files = files.unwrap();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        assert_eq!(files, facts);
        assert_eq!(files.len(), 3);
        let mode =
            |name: &str| fs::metadata(into.join(name)).unwrap().permissions().mode() & 0o7111;
        assert_eq!((mode("run.sh") & 0o7100, mode("a/x")), (0o100, 0));
    }
}

#[test]
fn what_may_not_be_unpacked() {
    #[track_caller]
    fn check(archive: &[u8], says: &str) {
        let (_dir, files) = unpacked(archive);
        let error = files.unwrap_err();
        assert!(matches!(error, TreeError::Refused(_)), "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
    check(&tar_of(&["a>/etc/passwd"]), "a symbolic link");
    check(&tar_of(&["../a=1"]), "climbs out");
    check(&tar_of(&["/a=1"]), "is absolute");
    check(&tar_of(&["a=1", "a=2"]), "twice");
    check(&tar_of(&["a=1", "A=2"]), "the same to some");
    check(&tar_of(&["a=1", "a/b=2"]), "twice");
    check(&tar_of(&["x/a=1", "X/b=2"]), "the same to some");
    check(&tar_of(&["f=1"; 11].map(|_| "d/")), "more than 10");
    check(
        &gzip(&tar_of(&[&format!("a={}", "0".repeat(1 << 20))])),
        "1048576 bytes",
    );
    let whole = tar_of(&["a=1234"]);
    check(&whole[..514], "to its end");
    check(b"", "to its end");
    check(&[whole.as_slice(), b"x"].concat(), "after the end");
    let zipped = gzip(&whole);
    check(&zipped[..zipped.len() - 4], "to its end");
    check(
        &[zipped.as_slice(), b"x"].concat(),
        "after the end of the gzip",
    );
    check(
        &[zipped.as_slice(), zipped.as_slice()].concat(),
        "after the end of the gzip",
    );
}
