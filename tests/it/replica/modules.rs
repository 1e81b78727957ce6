//! Canisters to install: small modules written as text. All that are good answer
//!
//! ```candid
//! service : { version : () -> (text) query; count : () -> (nat64) query; stable_count : () -> (nat64) query;
//!             bump : () -> () }
//! ```
//!
//! `bump` counts in the heap and in stable memory. `pre_upgrade` saves the heap's counter, `post_upgrade` reads it back.
//! Stable memory: byte 0 the layout, 8..16 the saved counter, 16..24 the counter that lives there. A module refuses a
//! layout that is newer than its own.

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::io::Write as _;

const INTERFACE: &str = "service : { version : () -> (text) query; count : () -> (nat64) query; stable_count : () -> (nat64) query; bump : () -> () }";

/// What makes one module differ from another.
#[derive(Debug, Clone, Copy)]
struct Recipe<'a> {
    version: &'a str,
    /// Of its stable memory: it reads this and older ones.
    layout: u8,
    /// Statements that run before anything else: in each query, in `post_upgrade`, in `pre_upgrade`, in `bump`.
    in_query: &'a str,
    in_post_upgrade: &'a str,
    in_pre_upgrade: &'a str,
    in_bump: &'a str,
    /// Annotations of further custom sections.
    custom: &'a str,
}

const GOOD: Recipe<'static> = Recipe {
    version: "v1",
    layout: 1,
    in_query: "",
    in_post_upgrade: "",
    in_pre_upgrade: "",
    in_bump: "",
    custom: "",
};

/// Traps with the words at offset 512.
const TRAP: &str = "(call $trap (i32.const 512) (i32.const 12))";

/// `version` answers `v1`.
pub fn good_v1() -> Vec<u8> {
    good("v1")
}

pub fn good_v2() -> Vec<u8> {
    good("v2")
}

pub fn good_v3() -> Vec<u8> {
    good("v3")
}

/// A good module whose `version` answers this, 1 to 64 bytes.
pub fn good(version: &str) -> Vec<u8> {
    make(Recipe { version, ..GOOD })
}

/// Installs, then every query traps.
pub fn bad_query() -> Vec<u8> {
    make(Recipe {
        version: "bad-query",
        in_query: TRAP,
        ..GOOD
    })
}

/// An upgrade to it traps in `post_upgrade`.
pub fn bad_post_upgrade() -> Vec<u8> {
    make(Recipe {
        version: "bad-post-upgrade",
        in_post_upgrade: TRAP,
        ..GOOD
    })
}

/// Installs, and then cannot be upgraded: its own `pre_upgrade` traps.
pub fn bad_pre_upgrade() -> Vec<u8> {
    make(Recipe {
        version: "bad-pre-upgrade",
        in_pre_upgrade: TRAP,
        ..GOOD
    })
}

/// Writes layout 2 into stable memory, which the good ones cannot read: an upgrade from it to one of them traps.
pub fn new_layout() -> Vec<u8> {
    make(Recipe {
        version: "new-layout",
        layout: 2,
        ..GOOD
    })
}

/// `bump` traps, after printing a line: `[TRAP]` lines in the logs.
pub fn logs_traps() -> Vec<u8> {
    let in_bump = format!("(call $print (i32.const 528) (i32.const 8)) {TRAP}");
    make(Recipe {
        version: "logs-traps",
        in_bump: &in_bump,
        ..GOOD
    })
}

/// Each query and `post_upgrade` count to ten million first.
pub fn slow() -> Vec<u8> {
    let busy = "(local.set $i (i64.const 10000000)) (loop $again (br_if $again (i64.ne (local.tee $i (i64.sub (local.get $i) (i64.const 1))) (i64.const 0))))";
    make(Recipe {
        version: "slow",
        in_query: busy,
        in_post_upgrade: busy,
        ..GOOD
    })
}

/// Marked as Motoko's enhanced orthogonal persistence: an upgrade of it has to say whether the heap is kept.
pub fn keeps_heap(version: &str) -> Vec<u8> {
    let custom = r#"(@custom "icp:private enhanced-orthogonal-persistence" "1.0.0")"#;
    // Its state is its heap: nothing is saved, nothing is read back.
    make(Recipe {
        version,
        in_post_upgrade: "(return)",
        in_pre_upgrade: "(return)",
        custom,
        ..GOOD
    })
}

/// The smallest module: eight bytes, no exports.
pub fn empty() -> Vec<u8> {
    b"\0asm\x01\0\0\0".to_vec()
}

/// The right magic, then nonsense.
pub fn invalid() -> Vec<u8> {
    b"\0asm\x01\0\0\0\xff\xff\xff".to_vec()
}

/// Imports what no replica has.
pub fn unknown_import() -> Vec<u8> {
    assemble(r#"(module (import "ic0" "launch_missiles" (func)))"#)
}

/// `sha256:…` as it becomes the module hash.
pub fn hash(module: &[u8]) -> String {
    format!("sha256:{}", super::hex(&Sha256::digest(module)))
}

/// A module above the size of one message: with 2.6 MB of random bytes in a custom section.
pub fn padded(module: &[u8]) -> Vec<u8> {
    padded_to(module, 2_600_000)
}

/// Appends a custom section of this many bytes that do not compress; they are the same each time.
pub fn padded_to(module: &[u8], bytes: usize) -> Vec<u8> {
    let mut section = vec![3];
    section.extend(b"pad");
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    while section.len() < bytes {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        section.extend(random.to_le_bytes());
    }
    let mut padded = module.to_vec();
    padded.push(0);
    padded.extend(super::state::leb128(section.len() as u64));
    padded.extend(section);
    padded
}

pub fn gzip(module: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(module).expect("memory takes bytes");
    encoder.finish().expect("memory takes bytes")
}

fn assemble(text: &str) -> Vec<u8> {
    wat::parse_str(text).expect("the text of the module is right")
}

fn make(recipe: Recipe<'_>) -> Vec<u8> {
    let Recipe {
        version,
        layout,
        in_query,
        in_post_upgrade,
        in_pre_upgrade,
        in_bump,
        custom,
    } = recipe;
    // A Candid text: the header, its length, its bytes.
    let length = version.len();
    let mut answer = r"DIDL\00\01\71".to_owned();
    write!(answer, r"\{length:02x}{version}").expect("a string takes text");
    let answer_length = 8 + length;
    assemble(&format!(
        r#"(module
  (import "ic0" "msg_reply_data_append" (func $append (param i32 i32)))
  (import "ic0" "msg_reply" (func $reply))
  (import "ic0" "trap" (func $trap (param i32 i32)))
  (import "ic0" "debug_print" (func $print (param i32 i32)))
  (import "ic0" "stable64_size" (func $stable_size (result i64)))
  (import "ic0" "stable64_grow" (func $stable_grow (param i64) (result i64)))
  (import "ic0" "stable64_read" (func $stable_read (param i64 i64 i64)))
  (import "ic0" "stable64_write" (func $stable_write (param i64 i64 i64)))
  (memory (export "memory") 1)
  (global $bumps (export "bumps") (mut i64) (i64.const 0))
  ;; 0..8 the counter of the heap, 8..32 scratch
  (data (i32.const 64) "{answer}")
  (data (i32.const 256) "DIDL\00\01\78")
  (data (i32.const 320) "DIDL\00\00")
  (data (i32.const 384) "\{layout:02x}")
  (data (i32.const 512) "told to trap")
  (data (i32.const 528) "bumping.")
  (data (i32.const 544) "stable memory has a layout that is newer than this version")
  (func $open
    (if (i64.eqz (call $stable_size))
      (then (drop (call $stable_grow (i64.const 1))))))
  (func $own_layout (call $stable_write (i64.const 0) (i64.const 384) (i64.const 1)))
  (func $answer_number (param $at i32)
    (call $append (i32.const 256) (i32.const 7))
    (call $append (local.get $at) (i32.const 8))
    (call $reply))
  (func (export "canister_init") (call $open) (call $own_layout))
  (func (export "canister_pre_upgrade")
    {in_pre_upgrade}
    (call $stable_write (i64.const 8) (i64.const 0) (i64.const 8)))
  (func (export "canister_post_upgrade") (local $i i64)
    {in_post_upgrade}
    (call $open)
    (call $stable_read (i64.const 8) (i64.const 0) (i64.const 1))
    (if (i32.gt_u (i32.load8_u (i32.const 8)) (i32.const {layout}))
      (then (call $trap (i32.const 544) (i32.const 58))))
    (call $stable_read (i64.const 0) (i64.const 8) (i64.const 8))
    (call $own_layout))
  (func (export "canister_query version") (local $i i64)
    {in_query}
    (call $append (i32.const 64) (i32.const {answer_length}))
    (call $reply))
  (func (export "canister_query count") (local $i i64)
    {in_query}
    (call $answer_number (i32.const 0)))
  (func (export "canister_query stable_count") (local $i i64)
    {in_query}
    (call $stable_read (i64.const 16) (i64.const 16) (i64.const 8))
    (call $answer_number (i32.const 16)))
  (func (export "canister_update bump")
    {in_bump}
    (global.set $bumps (i64.add (global.get $bumps) (i64.const 1)))
    (i64.store (i32.const 0) (i64.add (i64.load (i32.const 0)) (i64.const 1)))
    (call $stable_read (i64.const 16) (i64.const 16) (i64.const 8))
    (i64.store (i32.const 16) (i64.add (i64.load (i32.const 16)) (i64.const 1)))
    (call $stable_write (i64.const 16) (i64.const 16) (i64.const 8))
    (call $append (i32.const 320) (i32.const 6))
    (call $reply))
  (@custom "icp:public candid:service" "{INTERFACE}")
  {custom}
)"#
    ))
}
