//! Zips whose fields contradict each other, or the bytes: each is refused as a whole.

use crate::evil_zip::{End, Entry, extra, zip};
use crate::zip_refusals::{one_of, refused, text, two};

#[tokio::test]
async fn a_local_header_that_says_something_else() {
    for (change, says) in [
        (
            (|header| header.name = b"b.txt".to_vec()) as fn(&mut crate::evil_zip::Header),
            "another name",
        ),
        (|header| header.method = 0, "another method"),
        (|header| header.flags = 0, "other flags"),
        (|header| header.crc ^= 1, "another size or checksum"),
        (|header| header.size += 1, "another size or checksum"),
        (|header| header.compressed -= 1, "another size or checksum"),
        (
            |header| header.signature = *b"PK\x03\x05",
            "another beginning",
        ),
    ] {
        let lies = text().change(|entry| change(&mut entry.local));
        let second = [Entry::stored("first", b""), lies];
        refused(&zip(&second, &End::default()), says).await;
    }
    let lies = text().with_descriptor();
    for at in [4, 8, 12] {
        let lies = lies.clone().change(|entry| entry.descriptor[at] ^= 1);
        refused(&one_of(lies), "data descriptor of \"a.txt\" contradicts").await;
    }
    let half = lies.clone().change(|entry| entry.local.size = 5);
    refused(&one_of(half), "another size or checksum").await;
    let unsigned = lies.clone().change(|entry| entry.descriptor[0] = b'Q');
    refused(&one_of(unsigned), "data descriptor").await;
    refused(
        &one_of(lies.change(|entry| entry.descriptor.clear())),
        "bytes too many",
    )
    .await;
}

#[tokio::test]
async fn content_that_is_not_what_it_says() {
    let crc = text().both(|header| header.crc ^= 1);
    refused(&one_of(crc), "has checksum").await;
    let stored = Entry::stored("s", b"xyz").both(|header| header.crc ^= 1);
    refused(&one_of(stored), "has checksum").await;
    let more = text().both(|header| header.size -= 1);
    refused(&one_of(more), "unpacks to 23 bytes, expected 22").await;
    let less = text().both(|header| header.size += 1);
    refused(&one_of(less), "unpacks to 23 bytes, expected 24").await;
    let longer = text()
        .change(|entry| entry.content.push(0))
        .both(|header| header.compressed += 1);
    refused(&one_of(longer), "bytes after the content").await;
    let cut = text()
        .change(|entry| entry.content.truncate(entry.content.len() - 1))
        .both(|header| header.compressed -= 1);
    refused(&one_of(cut), "is cut off").await;
    let sizes = Entry::stored("s", b"xyz").both(|header| header.size = 2);
    refused(&one_of(sizes), "is stored as 3 bytes and says it has 2").await;
}

#[tokio::test]
async fn entries_that_are_not_where_they_should_be() {
    let [a, b] = two();
    let plain = End::default();
    let gap = |entry: &Entry| {
        entry
            .clone()
            .change(|entry| entry.before = b"PK\x03\x04gap".to_vec())
    };
    refused(
        &zip(&[gap(&a), b.clone()], &plain),
        "before the first entry",
    )
    .await;
    refused(
        &zip(&[a.clone(), gap(&b)], &plain),
        "7 bytes too many after \"a.txt\"",
    )
    .await;
    let hidden = End {
        before_directory: b"hidden".to_vec(),
        ..End::default()
    };
    refused(
        &zip(&[a.clone(), b.clone()], &hidden),
        "6 bytes too many after",
    )
    .await;
    // The same bytes twice under two names, as bombs of overlapping entries do it.
    let twin = Entry::stored("twin", b"").change(|entry| {
        entry.central = a.central.clone();
        entry.central.name = b"c.txt".to_vec();
        entry.offset = Some(0);
    });
    refused(&zip(&[a.clone(), twin], &plain), "overlaps").await;
    let inside = b.clone().change(|entry| entry.offset = Some(10));
    refused(&zip(&[a.clone(), inside], &plain), "overlaps").await;
    let beyond = b.clone().change(|entry| entry.offset = Some(1_000_000));
    refused(&zip(&[a.clone(), beyond], &plain), "overlaps").await;
    let whole = zip(&[a.clone(), b.clone()], &plain);
    refused(
        &[whole.as_slice(), b"trailing"].concat(),
        "bytes after the end",
    )
    .await;
    refused(
        &[b"PK\x03\x04#!/bin/sh\n".as_slice(), &whole].concat(),
        "not where the end record says",
    )
    .await;
    refused(&whole[..whole.len() - 1], "no end record").await;
    refused(&whole[..whole.len() / 2], "no end record").await;
    refused(b"PK\x05\x06", "no end record").await;
}

#[tokio::test]
async fn end_records_that_lie() {
    let check = async |end: End, says: &str| refused(&zip(&two(), &end), says).await;
    let default = End::default;
    check(
        End {
            disk: 1,
            ..default()
        },
        "a part of several",
    )
    .await;
    check(
        End {
            entries: Some(1),
            ..default()
        },
        "more than its entries",
    )
    .await;
    check(
        End {
            entries: Some(3),
            ..default()
        },
        "is cut off",
    )
    .await;
    check(
        End {
            start: Some(7),
            ..default()
        },
        "not where the end record says",
    )
    .await;
    check(
        End {
            bytes: Some(7),
            ..default()
        },
        "not where the end record says",
    )
    .await;
    check(
        End {
            bytes: Some(u32::MAX),
            ..default()
        },
        "the limit is",
    )
    .await;
    check(
        End {
            between: vec![0; 9],
            ..default()
        },
        "not where the end record says",
    )
    .await;
    check(
        End {
            comment: b"xy".to_vec(),
            comment_bytes: Some(1),
            ..default()
        },
        "bytes after the end",
    )
    .await;
    let inner = zip(&[text()], &default());
    check(
        End {
            comment: inner,
            ..default()
        },
        "not where the end record says",
    )
    .await;
}

#[tokio::test]
async fn zip64_end_records_that_lie() {
    let check = async |end: End, says: &str| refused(&zip(&two(), &end), says).await;
    let wide = || End {
        zip64: true,
        ..End::default()
    };
    check(
        End {
            entries: Some(1),
            ..wide()
        },
        "contradicts the plain one",
    )
    .await;
    check(
        End {
            start: Some(1),
            ..wide()
        },
        "contradicts the plain one",
    )
    .await;
    check(
        End {
            wide_start: Some(1),
            start: Some(u32::MAX),
            ..wide()
        },
        "not where the end record says",
    )
    .await;
    check(
        End {
            wide_start: Some(u64::MAX),
            start: Some(u32::MAX),
            ..wide()
        },
        "not where",
    )
    .await;
    check(
        End {
            wide_entries: Some(1),
            entries: Some(0xffff),
            ..wide()
        },
        "a part of several",
    )
    .await;
    check(
        End {
            wide_size: Some(45),
            ..wide()
        },
        "larger than it should be",
    )
    .await;
    check(
        End {
            locator: Some(1),
            ..wide()
        },
        "not where its locator says",
    )
    .await;
}

#[tokio::test]
async fn zip64_fields_that_lie() {
    let wide = || text().with_zip64(0);
    refused(
        &one_of(wide().change(|entry| entry.central.extra[4] ^= 1)),
        "another size or checksum",
    )
    .await;
    refused(
        &one_of(wide().change(|entry| entry.central.extra[20] ^= 1)),
        "before the first entry",
    )
    .await;
    let short = wide().change(|entry| entry.central.extra = extra(1, &[0; 8]));
    refused(&one_of(short), "contradicts its header").await;
    let long = wide().change(|entry| entry.central.extra = extra(1, &[0; 40]));
    refused(&one_of(long), "contradicts its header").await;
    let says = wide().change(|entry| entry.central.size = 7);
    refused(&one_of(says), "contradicts its header").await;
    let twice = wide().change(|entry| entry.central.extra.extend(entry.central.extra.clone()));
    refused(&one_of(twice), "two zip64 fields").await;
    let missing = text().change(|entry| entry.central.size = u32::MAX);
    refused(&one_of(missing), "unpacks to more than").await;
    let junk = text().change(|entry| entry.central.extra = vec![1, 0, 9]);
    refused(&one_of(junk), "is cut off").await;
    let disk = text().change(|entry| entry.disk = 3);
    refused(&one_of(disk), "a part of several").await;
}
