//! A reply as one line of Candid text, in the form that the clients of the Internet Computer print. The bytes are whatever
//! the canister sent: their size, the work of decoding, the depth and the length of the text are bounded.

use super::interface::short;
use candid::pretty::candid::pp_label_raw;
use candid::types::value::IDLField;
use candid::{DecoderConfig, IDLArgs, IDLValue};
use std::fmt::{self, Write};

/// The largest reply that is read: no replicated call may answer more.
pub(super) const BYTES_MAX: usize = 2 * 1024 * 1024;

/// As much of the text as is made and matched; as of the body of an HTTP answer.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// Values inside one another that are printed.
const DEPTH_MAX: usize = 100;

/// Entries of the type table of a reply.
const TYPES_MAX: usize = 10_000;

/// How much work the decoder may do for a reply of this many bytes, in candid's units: a few for each byte, but a vector of
/// nothing has a million elements in ten bytes.
pub(super) fn limits(bytes: usize) -> DecoderConfig {
    const WORK_MAX: usize = 20_000_000;
    let work = (1_000_000 + 32 * bytes).min(WORK_MAX);
    let mut limits = DecoderConfig::new();
    // Values without a Rust type count as skipped: fifty times in the one, once in the other.
    limits
        .set_decoding_quota(50 * work)
        .set_skipping_quota(work)
        .set_max_type_len(TYPES_MAX)
        .set_full_error_message(false);
    limits
}

/// Decodes without an interface: fields have numbers for names.
pub(super) fn untyped(reply: &[u8]) -> Result<IDLArgs, String> {
    IDLArgs::from_bytes_with_config(reply, &limits(reply.len()))
        .map_err(|error| format!("the reply is not Candid: {}", short(&error.to_string())))
}

/// `(record { users = 5 : nat })`: always one line, cut after 64 KiB, and after a hundred levels.
pub(super) fn line(reply: &IDLArgs) -> String {
    let mut line = Line(String::new());
    match arguments(&mut line, reply) {
        // An error says that the line is full.
        Ok(()) | Err(fmt::Error) => line.0,
    }
}

/// A text that is full at some point.
struct Line(String);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE_BYTES_MAX - self.0.len();
        let fits = text
            .get(..text.floor_char_boundary(room))
            .unwrap_or_default();
        self.0.push_str(fits);
        if fits.len() == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

fn arguments(line: &mut Line, reply: &IDLArgs) -> fmt::Result {
    line.write_str("(")?;
    for (index, one) in reply.args.iter().enumerate() {
        if 0 < index {
            line.write_str(", ")?;
        }
        value(line, one, DEPTH_MAX)?;
    }
    line.write_str(")")
}

fn value(line: &mut Line, one: &IDLValue, depth: usize) -> fmt::Result {
    let Some(depth) = depth.checked_sub(1) else {
        return line.write_str("…");
    };
    match one {
        IDLValue::Text(text) => write!(line, "\"{}\"", text.escape_debug()),
        IDLValue::Opt(inner) if has_type(inner) => {
            line.write_str("opt (")?;
            value(line, inner, depth)?;
            line.write_str(")")
        }
        IDLValue::Opt(inner) => {
            line.write_str("opt ")?;
            value(line, inner, depth)
        }
        IDLValue::Vec(values) if !matches!(values.first(), Some(IDLValue::Nat8(_))) => {
            list(line, "vec", values, |line, one| value(line, one, depth))
        }
        IDLValue::Record(fields) => {
            let mut numbers = fields.iter().zip(0_u32..);
            if numbers.all(|(field, number)| field.id.get_id() == number) {
                list(line, "record", fields, |line, field| {
                    value(line, &field.val, depth)
                })
            } else {
                list(line, "record", fields, |line, field| {
                    named(line, field, depth)
                })
            }
        }
        IDLValue::Variant(variant) => list(
            line,
            "variant",
            std::slice::from_ref(&*variant.0),
            |line, field| match field.val {
                IDLValue::Null => label(line, field),
                _ => named(line, field, depth),
            },
        ),
        leaf => write_leaf(line, leaf),
    }
}

#[expect(clippy::use_debug, reason = "candid prints its values that way")]
fn write_leaf(line: &mut Line, leaf: &IDLValue) -> fmt::Result {
    write!(line, "{leaf:?}")
}

fn list<T>(
    line: &mut Line,
    word: &str,
    items: &[T],
    mut one: impl FnMut(&mut Line, &T) -> fmt::Result,
) -> fmt::Result {
    line.write_str(word)?;
    line.write_str(" {")?;
    for (index, item) in items.iter().enumerate() {
        line.write_str(if index == 0 { " " } else { "; " })?;
        one(line, item)?;
    }
    line.write_str(if items.is_empty() { "}" } else { " }" })
}

fn named(line: &mut Line, field: &IDLField, depth: usize) -> fmt::Result {
    label(line, field)?;
    line.write_str(" = ")?;
    value(line, &field.val, depth)
}

fn label(line: &mut Line, field: &IDLField) -> fmt::Result {
    write!(line, "{}", pp_label_raw(&field.id).pretty(LINE_BYTES_MAX))
}

/// Whether candid prints the type after the value.
const fn has_type(one: &IDLValue) -> bool {
    matches!(
        one,
        IDLValue::Int(_)
            | IDLValue::Nat(_)
            | IDLValue::Nat8(_)
            | IDLValue::Nat16(_)
            | IDLValue::Nat32(_)
            | IDLValue::Nat64(_)
            | IDLValue::Int8(_)
            | IDLValue::Int16(_)
            | IDLValue::Int32(_)
            | IDLValue::Int64(_)
            | IDLValue::Float32(_)
            | IDLValue::Float64(_)
            | IDLValue::Null
            | IDLValue::Reserved
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use candid::Encode;
    use candid_parser::parse_idl_args;

    /// Short values are printed as candid itself does.
    #[test]
    fn a_reply_is_printed_as_the_clients_do() {
        for text in [
            "()",
            "(5 : nat)",
            "(opt (5 : nat), null, true, \"a\\nb\")",
            "(record { users = 5_000 : nat64; \"a b\" = opt \"x\" })",
            "(record { 1 : int; \"two\" })",
            "(record {}, vec {}, vec { 1 : nat; 2 : nat })",
            "(variant { Ok }, variant { Err = \"x\" })",
            "(blob \"ab\\00\", principal \"aaaaa-aa\", 1.5 : float64)",
            "(record { 1_313_628_723 = record { a = vec { record { b = 1 : nat8 } } } })",
        ] {
            let values = parse_idl_args(text).unwrap();
            let types = values.get_types();
            let env = candid::TypeEnv::new();
            let values = values.annotate_types(true, &env, &types).unwrap();
            assert_eq!(line(&values), values.to_string(), "{text}");
        }
    }

    #[test]
    fn a_long_reply_stays_one_line_and_is_cut() {
        let values = untyped(&Encode!(&vec!["a\nb€".to_owned(); 30_000]).unwrap()).unwrap();
        let line = line(&values);
        assert!(line.starts_with("(vec { \"a\\nb€\"; \"a\\nb€\""));
        assert!(LINE_BYTES_MAX - 4 <= line.len() && line.len() <= LINE_BYTES_MAX);
        assert!(!line.contains('\n'));
    }

    #[test]
    fn deep_values_are_cut() {
        let mut deep = IDLValue::Bool(true);
        for _ in 0..1000 {
            deep = IDLValue::Opt(Box::new(deep));
        }
        let line = line(&IDLArgs::new(&[deep]));
        assert!(line.ends_with("opt …)") && line.len() < 500, "{line}");
    }

    #[test]
    fn a_small_reply_that_makes_much_work_is_refused() {
        // vec null, with 2^35 elements
        let bomb = b"DIDL\x01\x6d\x7f\x01\x00\x80\x80\x80\x80\x80\x01";
        let why = untyped(bomb).unwrap_err();
        assert!(why.starts_with("the reply is not Candid"), "{why}");
        // opt of itself, a million deep
        let mut deep = b"DIDL\x01\x6e\x00\x01\x00".to_vec();
        deep.extend(std::iter::repeat_n(1, 1_000_000));
        deep.push(0);
        untyped(&deep).unwrap_err();
        for broken in [&b""[..], b"DIDL", b"no Candid"] {
            untyped(broken).unwrap_err();
        }
    }
}
