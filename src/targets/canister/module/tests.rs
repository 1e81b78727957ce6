//! A file is a module or is named as what it is; bounds hold.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fmt::Write as _;
use std::io::Write as _;

const GOOD: &str = r#"(module
    (import "ic0" "msg_reply" (func $reply))
    (memory 1)
    (func (export "canister_query get") call $reply)
    (func (export "canister_init")))"#;

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A custom section behind a module.
fn with_section(mut module: Vec<u8>, name: &str, data: &[u8]) -> Vec<u8> {
    let size = 1 + name.len() + data.len();
    assert!(size < 128 && name.len() < 128);
    module.extend([
        0,
        u8::try_from(size).unwrap(),
        u8::try_from(name.len()).unwrap(),
    ]);
    module.extend(name.as_bytes());
    module.extend(data);
    module
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn refused(bytes: &[u8], what: &str, next: &str) {
    let bad = check(bytes.to_vec()).unwrap_err();
    assert!(bad.what.contains(what), "{bad:?}");
    assert!(bad.next.contains(next), "{bad:?}");
}

#[test]
fn a_module_is_described() {
    let module = check(wasm(GOOD)).unwrap();
    assert!(!module.gzipped);
    assert_eq!(module.facts.doubts, [""; 0]);
    assert_eq!(module.facts.size_bytes, module.bytes.len() as u64);
    let text = "service : { get : () -> () query }";
    let section = with_section(wasm(GOOD), "icp:public candid:service", text.as_bytes());
    let section = with_section(section, "icp:private enhanced-orthogonal-persistence", b"");
    let facts = check(section).unwrap().facts;
    assert_eq!(facts.interface.as_deref(), Some(text));
    assert!(facts.enhanced);
    // A section that the network does not keep says nothing.
    let other = with_section(wasm(GOOD), "enhanced-orthogonal-persistence", b"");
    assert!(!check(other).unwrap().facts.enhanced);
}

#[test]
fn the_digest_is_that_of_the_file_as_it_is_uploaded() {
    let packed = gzip(&wasm(GOOD));
    let module = check(packed.clone()).unwrap();
    assert!(module.gzipped);
    assert_eq!(
        module.digest,
        Digest::from_bytes(Sha256::digest(&packed).into())
    );
    assert_eq!(module.facts, check(wasm(GOOD)).unwrap().facts);
}

#[test]
fn what_is_no_module_is_named() {
    refused(b"", "an empty file", "wasm");
    refused(b"PK\x03\x04rest", "a zip archive", "module itself");
    refused(b"\x7fELF\x02", "a program for Linux", "wasm32");
    refused(b"<!DOCTYPE html><html>", "an HTML page", "downloads");
    refused(b"{\"message\":\"Not Found\"}", "JSON text", "wasm");
    refused(b"(module)", "WebAssembly text", "wat2wasm");
    refused(
        b"\0asm\x0d\0\x01\0",
        "a WebAssembly component",
        "core module",
    );
    refused("näh".as_bytes(), "a text file", "wasm");
    refused(
        &[0xde, 0xad, 0xbe, 0xef, 0x00],
        "begins with de ad be ef",
        "wasm",
    );
    let mut tar = vec![0; 512];
    tar[257..262].copy_from_slice(b"ustar");
    refused(&gzip(&tar), "a tar archive", "archive");
    refused(
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        "a Git LFS pointer",
        "LFS",
    );
}

#[test]
fn broken_modules_are_refused() {
    let whole = wasm(GOOD);
    for cut in [5, 9, whole.len() - 1] {
        refused(&whole[..cut], "not valid", "cut off");
    }
    // Adds what is not there.
    let wrong = wasm("(module (func (result i32) i32.const 1))");
    let mut wrong = wrong;
    let at = wrong.iter().rposition(|byte| *byte == 0x41).unwrap();
    wrong[at] = 0x6a;
    assert!(check(wrong).is_err());
}

#[test]
fn an_import_from_elsewhere_is_named() {
    let import = |module: &str, name: &str| {
        wasm(&format!(r#"(module (import "{module}" "{name}" (func)))"#))
    };
    refused(
        &import("wasi_snapshot_preview1", "fd_write"),
        "the function wasi_snapshot_preview1.fd_write",
        "wasi2ic",
    );
    refused(
        &import("__wbindgen_placeholder__", "x"),
        "__wbindgen",
        "browsers",
    );
    refused(&import("env", "now"), "env.now", "Internet Computer");
    refused(
        &wasm(r#"(module (import "ic0" "g" (global i32)))"#),
        "ic0.g",
        "Internet Computer",
    );
    // A function that this version does not know may be one of a newer network.
    check(import("ic0", "teleport")).unwrap();
}

#[test]
fn what_networks_have_learned_is_taken() {
    for text in [
        "(module (memory i64 1))",
        "(module (func (result v128) v128.const i64x2 0 0))",
        "(module (func (result i32 i32) i32.const 1 i32.const 2))",
        "(module (table 1 externref) (func (param i32) (result i32) local.get 0 i32.extend8_s))",
        "(module (memory 1) (func i32.const 0 i32.const 0 i32.const 0 memory.fill))",
        "(module (func $f return_call $f))",
    ] {
        check(wasm(text)).unwrap();
    }
}

#[test]
fn more_than_networks_are_known_to_take_is_a_doubt() {
    let mut text = "(module".to_owned();
    for _ in 0..1001 {
        text.push_str(" (global i32 (i32.const 0))");
    }
    for index in 0..1001 {
        write!(text, r#" (func (export "canister_query m{index}"))"#).unwrap();
    }
    text.push(')');
    let doubts = check(wasm(&text)).unwrap().facts.doubts;
    assert_eq!(doubts.len(), 2, "{doubts:?}");
    assert!(doubts[0].starts_with("1001 globals"), "{doubts:?}");
    assert!(doubts[1].starts_with("1001 exported methods"), "{doubts:?}");
}

#[test]
fn bombs_and_broken_gzip_end_at_the_limit() {
    refused(&gzip(b"")[..12], "a gzip file of 12 bytes", "again");
    let packed = gzip(&wasm(GOOD));
    refused(&packed[..packed.len() - 6], "gzip", "");
    let mut lying = packed.clone();
    let at = lying.len() - 4;
    lying[at..].copy_from_slice(&u32::MAX.to_le_bytes());
    refused(&lying, "unpacks to 4294967295 bytes", "shrink");
    // 200 MB of zeros that say they are a megabyte.
    let mut bomb = gzip(&vec![0; 200 << 20]);
    let at = bomb.len() - 4;
    bomb[at..].copy_from_slice(&(1_u32 << 20).to_le_bytes());
    refused(&bomb, "does not", "again");
    let mut more = packed;
    more.extend([0; 8]);
    assert!(check(more).is_err());
}

#[tokio::test]
async fn a_file_that_is_too_large_is_not_read_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("api.wasm");
    File::create(&path)
        .unwrap()
        .set_len(MODULE_BYTES_MAX + 1)
        .unwrap();
    let error = read(&path).await.unwrap_err();
    assert!(matches!(error, TargetError::BadRelease { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("api.wasm: found more than 100 MiB")
    );
    std::fs::write(&path, wasm(GOOD)).unwrap();
    read(&path).await.unwrap();
    let gone = read(&dir.path().join("none.wasm")).await.unwrap_err();
    assert!(matches!(gone, TargetError::Failed(_)), "{gone:?}");
}

#[test]
fn sizes_read_as_people_write_them() {
    assert_eq!(megabytes(1_250_000), "1.2 MB");
    assert_eq!(megabytes(2_999), "2 kB");
    assert_eq!(megabytes(12), "12 bytes");
    assert!(check(gzip(&wasm(GOOD))).unwrap().size().contains("gzip of"));
}
