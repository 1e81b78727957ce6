//! What a blob is, by its first bytes: never by the path it was asked for, and by what the storage calls it only where
//! the bytes allow both. No I/O.

/// How a blob is unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Zip,
    /// One file, as upload-artifact v7 stores it with `archive: false`.
    Raw,
}

/// Bytes that are needed to tell.
pub(super) const MAGIC_BYTES: usize = 4;

/// Tells by the first bytes. A program archive such as a `.jar` begins like a zip: when the storage calls it something
/// that is neither zip nor "some bytes", it was uploaded as a file and stays one.
pub(super) fn kind(start: &[u8], content_type: Option<&str>) -> Kind {
    let zip = start.starts_with(b"PK\x03\x04") || start.starts_with(b"PK\x05\x06");
    if !zip {
        return Kind::Raw;
    }
    let named = content_type.unwrap_or_default();
    let named = named.split(';').next().unwrap_or_default().trim();
    match named.to_ascii_lowercase().as_str() {
        "application/java-archive" | "application/vnd.android.package-archive" => Kind::Raw,
        office if office.starts_with("application/vnd.openxmlformats") => Kind::Raw,
        _ => Kind::Zip,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_decides() {
        #[track_caller]
        fn check(start: &[u8], named: Option<&str>, wanted: Kind) {
            assert_eq!(kind(start, named), wanted);
        }
        check(b"PK\x03\x04rest", Some("application/zip"), Kind::Zip);
        check(b"PK\x03\x04", Some("application/octet-stream"), Kind::Zip);
        check(b"PK\x03\x04", None, Kind::Zip);
        check(b"PK\x05\x06", None, Kind::Zip);
        check(
            b"PK\x03\x04",
            Some("application/java-archive; x=y"),
            Kind::Raw,
        );
        check(b"\0asm", Some("application/zip"), Kind::Raw);
        check(b"PK", None, Kind::Raw);
        check(b"", None, Kind::Raw);
    }
}
