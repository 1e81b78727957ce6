//! What a file is that is no WebAssembly module, by its first bytes, so that a message can say so. Nothing is decoded.

use super::BadModule;

/// How far into a file a tar archive says that it is one.
const TAR_AT: std::ops::Range<usize> = 257..262;

/// `\0asm`, then the layer of the component model.
const COMPONENT: &[u8] = &[0x00, b'a', b's', b'm', 0x0d, 0x00, 0x01, 0x00];

/// What such a file is called, and what to do.
pub(super) fn no_module(bytes: &[u8]) -> BadModule {
    let (found, next) = known(bytes);
    BadModule::new(
        format!("found {found}, expected a WebAssembly module"),
        next,
    )
}

const CHECK_PATH: &str = "check the setting `wasm` and what the build uploads";

fn known(bytes: &[u8]) -> (String, &'static str) {
    const BY_MAGIC: &[(&[u8], &str, &str)] = &[
        (
            COMPONENT,
            "a WebAssembly component",
            "build a core module, for the target wasm32-unknown-unknown",
        ),
        (
            b"PK\x03\x04",
            "a zip archive",
            "upload the module itself, or name the file inside with the setting `wasm`",
        ),
        (
            b"\x7fELF",
            "a program for Linux (ELF)",
            "build for the target wasm32-unknown-unknown",
        ),
        (
            b"\xcf\xfa\xed\xfe",
            "a program for macOS (Mach-O)",
            "build for the target wasm32-unknown-unknown",
        ),
        (
            b"MZ",
            "a program for Windows",
            "build for the target wasm32-unknown-unknown",
        ),
        (
            b"\x28\xb5\x2f\xfd",
            "a file compressed with zstd",
            "compress it with gzip, or not at all",
        ),
        (
            b"\xfd7zXZ\0",
            "a file compressed with xz",
            "compress it with gzip, or not at all",
        ),
        (
            b"BZh",
            "a file compressed with bzip2",
            "compress it with gzip, or not at all",
        ),
        (b"DIDL", "a Candid message", CHECK_PATH),
        (
            b"version https://git-lfs",
            "a Git LFS pointer",
            "check the file out with LFS before it is uploaded",
        ),
    ];
    if bytes.is_empty() {
        return ("an empty file".to_owned(), CHECK_PATH);
    }
    if bytes.get(TAR_AT) == Some(b"ustar".as_slice()) {
        return (
            "a tar archive".to_owned(),
            "upload the module itself, not an archive with it",
        );
    }
    let by_magic = BY_MAGIC
        .iter()
        .find(|(magic, _, _)| bytes.starts_with(magic));
    if let Some((_, found, next)) = by_magic {
        return ((*found).to_owned(), next);
    }
    by_text(bytes)
}

fn by_text(bytes: &[u8]) -> (String, &'static str) {
    const LOOK: usize = 512;
    let head: Vec<u8> = bytes.iter().take(LOOK).copied().collect();
    // A character that is cut in half at the end is still text.
    let text = match std::str::from_utf8(&head) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(head.get(..error.valid_up_to()).unwrap_or_default())
                .unwrap_or_default()
        }
        Err(_binary) => "",
    };
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let lower = text.to_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return (
            "an HTML page".to_owned(),
            "check what the build downloads: a page was saved in the place of a file",
        );
    }
    if text.starts_with("(module") || text.starts_with(";;") {
        return (
            "WebAssembly text".to_owned(),
            "compile it with `wat2wasm` first",
        );
    }
    if text.starts_with(['{', '[']) {
        return ("JSON text".to_owned(), CHECK_PATH);
    }
    if !text.is_empty() && !text.contains('\0') {
        return ("a text file".to_owned(), CHECK_PATH);
    }
    let first: Vec<String> = bytes.iter().take(4).map(|b| format!("{b:02x}")).collect();
    (
        format!("a file that begins with {}", first.join(" ")),
        CHECK_PATH,
    )
}
