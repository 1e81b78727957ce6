//! Zips that must be taken, and zips that must be refused as a whole: every lie that a field can tell.

use crate::evil_zip::{End, Entry, extra, zip};
use lastgood::artifact::{FetchError, Limits, open_file};
use lastgood::model::outcome::Outcome;
use proptest::prelude::*;
use std::fs;
use std::path::Path;

fn limits() -> Limits {
    Limits {
        blob_bytes_max: 64 << 20,
        unpacked_bytes_max: 40 << 20,
        files_max: 300,
        ratio_max: 50,
        ..Limits::default()
    }
}

/// What is in the tree after opening `bytes`; the directory it is opened into must hold nothing else.
pub(crate) async fn opened(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>, FetchError> {
    let dir = tempfile::tempdir().unwrap();
    let (file, into) = (dir.path().join("a.zip"), dir.path().join("into"));
    fs::write(&file, bytes).unwrap();
    let result = open_file(&file, &into, &limits()).await;
    let visible = fs::read_dir(&into).map_or(0, Iterator::count);
    assert_eq!(
        visible,
        usize::from(result.is_ok()),
        "what is left in the directory"
    );
    let fetched = result?;
    let read = |path: &String| fs::read(fetched.dir.join(path)).unwrap();
    let paths = fetched.files.iter().map(|file| file.path.clone());
    Ok(paths.map(|path| (path.clone(), read(&path))).collect())
}

async fn taken(entries: &[Entry], end: &End) {
    let files = opened(&zip(entries, end)).await.unwrap();
    let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["a.txt", "dir/b.bin"]);
    assert_eq!(files[0].1, TEXT);
    assert_eq!(files[1].1, noise());
}

pub(crate) async fn refused(bytes: &[u8], says: &str) {
    let files = opened(bytes).await.map(|files| files.len());
    let error = files.expect_err(says);
    assert!(
        matches!(error, FetchError::Refused { .. }),
        "{error}\nexpected: {says}"
    );
    assert!(
        error.to_string().contains(says),
        "{error}\nexpected: {says}"
    );
    let failure = error.failure("site");
    assert_eq!(
        (failure.kind, failure.hints.len()),
        (Outcome::ArtifactRefused, 1)
    );
}

pub(crate) const TEXT: &[u8] = b"hello hello hello hello";

/// Bytes that do not compress, more than one network piece.
pub(crate) fn noise() -> Vec<u8> {
    let mut state = 1_u64;
    std::iter::repeat_with(|| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    })
    .take(300_000)
    .collect()
}

pub(crate) fn text() -> Entry {
    Entry::deflated("a.txt", TEXT)
}

pub(crate) fn two() -> [Entry; 2] {
    [text(), Entry::stored("dir/b.bin", &noise())]
}

pub(crate) fn one_of(entry: Entry) -> Vec<u8> {
    zip(&[entry], &End::default())
}

#[tokio::test]
async fn what_real_writers_write_is_taken() {
    let [a, b] = two();
    let plain = End::default();
    taken(&[a.clone(), b.clone()], &plain).await;
    taken(&[b.clone(), a.clone()], &plain).await;
    taken(
        &[a.clone().with_descriptor(), b.clone().with_descriptor()],
        &plain,
    )
    .await;
    let folder = Entry::stored("dir/", b"");
    taken(&[folder.clone(), a.clone(), b.clone()], &plain).await;
    taken(&[a.clone(), b.clone(), folder], &plain).await;
    let comment = End {
        comment: b"made by hand".to_vec(),
        ..End::default()
    };
    taken(&[a.clone(), b.clone()], &comment).await;
    let wide = End {
        zip64: true,
        entries: Some(0xffff),
        bytes: Some(u32::MAX),
        start: Some(u32::MAX),
        ..End::default()
    };
    taken(&[a.clone(), b.clone()], &wide).await;
    let narrow_too = End {
        zip64: true,
        ..End::default()
    };
    taken(&[a.clone(), b.clone()], &narrow_too).await;
    let second = (30 + 5 + a.content.len()) as u64;
    taken(
        &[a.clone().with_zip64(0), b.clone().with_zip64(second)],
        &wide,
    )
    .await;
    // Go writes all three although the offset is in the header too.
    let go = b
        .clone()
        .with_zip64(second)
        .change(|entry| entry.offset = None);
    taken(&[a.clone(), go], &wide).await;
    // Descriptors of 8-byte sizes, and without signature.
    let wide_descriptor = b.clone().with_descriptor().change(|entry| {
        let size = u64::from(entry.central.size).to_le_bytes();
        entry.descriptor.truncate(8);
        entry.descriptor.extend([size, size].concat());
    });
    taken(&[a.clone(), wide_descriptor.clone()], &plain).await;
    let unsigned =
        |entry: Entry| entry.change(|entry| entry.descriptor = entry.descriptor.split_off(4));
    taken(
        &[
            unsigned(a.clone().with_descriptor()),
            unsigned(wide_descriptor),
        ],
        &plain,
    )
    .await;
    // A writer that knew the sizes although it promised a descriptor.
    let knew = a.clone().with_descriptor().change(|entry| {
        (entry.local.crc, entry.local.size) = (entry.central.crc, entry.central.size);
        entry.local.compressed = entry.central.compressed;
    });
    taken(&[knew, b.clone()], &plain).await;
    // A name that is given a second time and is the same.
    let again = extra(0x7075, &[&[1, 0, 0, 0, 0], b"a.txt".as_slice()].concat());
    taken(
        &[a.both(|header| header.extra.clone_from(&again)), b],
        &plain,
    )
    .await;
}

#[tokio::test]
async fn an_empty_file_and_the_right_to_execute_are_kept() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = tempfile::tempdir().unwrap();
    let run = Entry::stored("run", b"#!").change(|entry| entry.attributes = 0o104_755 << 16);
    let bytes = zip(
        &[run, Entry::stored("s", b""), Entry::deflated("d", b"")],
        &End::default(),
    );
    fs::write(dir.path().join("z"), bytes).unwrap();
    let fetched = open_file(&dir.path().join("z"), dir.path(), &limits())
        .await
        .unwrap();
    let mode = |name: &str| {
        fs::metadata(fetched.dir.join(name))
            .unwrap()
            .permissions()
            .mode()
    };
    assert_eq!((mode("run") & 0o7100, mode("s") & 0o111), (0o100, 0));
    assert_eq!(fs::read(fetched.dir.join("d")).unwrap(), b"");
}

#[tokio::test]
async fn names_that_lead_elsewhere() {
    for (name, says) in [
        ("../a", "climbs out"),
        ("/a", "is absolute"),
        ("a/../../b", "climbs out"),
        ("./a", "the component ."),
        ("a//b", "an empty component"),
        ("a\\..\\b", "a backslash"),
        ("C:/a", "a drive letter"),
        ("a\0.txt", "a control character"),
        ("a\u{1b}[2J", "a control character"),
    ] {
        refused(&one_of(Entry::stored(name, b"x")), says).await;
    }
    let not_utf8 = |header: &mut crate::evil_zip::Header| header.name = b"a\xff".to_vec();
    refused(&one_of(text().both(not_utf8)), "is not UTF-8").await;
    let nameless = |header: &mut crate::evil_zip::Header| header.name.clear();
    refused(&one_of(text().both(nameless)), "is empty").await;
    refused(&one_of(Entry::stored(&"x".repeat(256), b"")), "255 bytes").await;
    refused(&one_of(Entry::stored(&"x/".repeat(600), b"")), "1024 bytes").await;
    let other = extra(0x7075, &[&[1, 0, 0, 0, 0], b"b.txt".as_slice()].concat());
    refused(
        &one_of(text().both(|header| header.extra.clone_from(&other))),
        "a second name",
    )
    .await;
}

#[tokio::test]
async fn names_that_clash() {
    for (a, b, says) in [
        ("a", "a", "appears twice"),
        ("a", "A", "the same to some"),
        ("d/a", "D/b", "directories that are the same"),
        ("a", "a/b", "a file and a directory"),
        ("caf\u{e9}", "cafe\u{301}", "the same to some"),
    ] {
        let entries = [Entry::stored(a, b"1"), Entry::stored(b, b"2")];
        refused(&zip(&entries, &End::default()), says).await;
    }
}

#[tokio::test]
async fn what_is_not_a_file_or_directory() {
    let typed = |kind: u32| text().change(|entry| entry.attributes = (kind | 0o644) << 16);
    refused(&one_of(typed(0o120_000)), "a symbolic link").await;
    refused(
        &one_of(typed(0o120_000).change(|entry| entry.made_by = 20)),
        "a symbolic link",
    )
    .await;
    for device in [0o020_000, 0o060_000, 0o010_000, 0o140_000] {
        refused(&one_of(typed(device)), "a special file").await;
    }
    refused(
        &one_of(typed(0o040_000)),
        "a directory by its name or its attributes",
    )
    .await;
    let dos = |entry: &mut Entry| (entry.made_by, entry.attributes) = (20, 0x10);
    refused(
        &one_of(text().change(dos)),
        "a directory by its name or its attributes",
    )
    .await;
    let filled = Entry::stored("d/", b"x");
    refused(&zip(&[filled, text()], &End::default()), "has content").await;
    refused(&zip(&[], &End::default()), "holds no file").await;
}

#[tokio::test]
async fn what_cannot_be_read() {
    refused(
        &one_of(text().both(|header| header.flags |= 1)),
        "is encrypted",
    )
    .await;
    refused(
        &one_of(text().both(|header| header.flags |= 1 << 6)),
        "has flags",
    )
    .await;
    refused(
        &one_of(text().both(|header| header.flags |= 1 << 13)),
        "has flags",
    )
    .await;
    let aes = extra(0x9901, &[0; 7]);
    refused(
        &one_of(text().both(|header| header.extra.clone_from(&aes))),
        "is encrypted",
    )
    .await;
    for method in [1, 9, 12, 14, 93, 99] {
        refused(
            &one_of(text().both(|header| header.method = method)),
            "by method",
        )
        .await;
    }
    let bad = text().change(|entry| entry.content[0] = 0xff);
    refused(&one_of(bad), "not valid DEFLATE").await;
}

#[tokio::test]
async fn bombs() {
    let zeros = vec![0; 30 << 20];
    refused(
        &one_of(Entry::deflated("zeros", &zeros)),
        "more than 50 times as much",
    )
    .await;
    // It declares little and unpacks to much.
    let liar = Entry::deflated("zeros", &zeros).both(|header| header.size = 100);
    refused(&one_of(liar), "unpacks to more bytes, expected 100").await;
    let many: Vec<_> = (0..301)
        .map(|i| Entry::stored(&format!("f{i}"), b""))
        .collect();
    refused(&zip(&many, &End::default()), "more than 300 files").await;
    let big = vec![1; 41 << 20];
    refused(
        &one_of(Entry::stored("big", &big)),
        "unpacks to more than 41943040 bytes",
    )
    .await;
}

#[tokio::test]
async fn too_large_a_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    fs::File::create(&path).unwrap().set_len(65 << 20).unwrap();
    let error = open_file(&path, dir.path(), &limits()).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge { .. }), "{error}");
    let error = open_file(Path::new("/does/not/exist"), dir.path(), &limits())
        .await
        .unwrap_err();
    assert_eq!(error.failure("x").kind, Outcome::Usage);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any damage is refused, or harmless: never a panic, never another content, never something left behind.
    #[test]
    fn damage_is_refused_or_harmless(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1..=255_u8), 1..4),
        cut in prop::option::of(any::<prop::sample::Index>()),
        descriptors in any::<bool>(),
    ) {
        let small = [text(), Entry::stored("dir/b.bin", b"0123456789"), Entry::stored("dir/", b"")];
        let entries = small.map(|entry| if descriptors { entry.with_descriptor() } else { entry });
        let mut bytes = zip(&entries, &End { zip64: descriptors, ..End::default() });
        for (at, flip) in flips {
            *at.get_mut(&mut bytes) ^= flip;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()).max(4));
        }
        // What no longer begins like a zip is a plain file.
        prop_assume!(bytes.starts_with(b"PK\x03\x04"));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        if let Ok(files) = runtime.block_on(opened(&bytes)) {
            for (name, content) in files {
                let known = match content.len() {
                    23 => content == TEXT,
                    10 => content == b"0123456789",
                    _ => false,
                };
                prop_assert!(known, "{name} has other content");
            }
        }
    }
}
