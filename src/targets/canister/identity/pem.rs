//! The blocks of a PEM text, read leniently where it is harmless: line breaks of any kind and width, one line, a literal `\n` as
//! it comes out of some secret stores. What a block means is not known here.

use super::Unusable;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::der::zeroize::Zeroizing;

/// One block: `-----BEGIN LABEL-----` to its end.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) der: Zeroizing<Vec<u8>>,
}

const BEGIN: &str = "-----BEGIN ";
const DASHES: &str = "-----";

/// More labels than anybody writes; each is shown in messages.
const LABEL_LEN_MAX: usize = 40;

const EXPORT: &str = "give the private key as PEM text: `dfx identity export NAME` or `icp identity export NAME` prints it";

/// The blocks of a text, at least one.
pub(super) fn blocks(text: &str) -> Result<Vec<Block>, Unusable> {
    // No PEM holds a backslash, so this takes nothing away.
    let text = Zeroizing::new(text.replace("\\r", "").replace("\\n", "\n"));
    if text.trim().is_empty() {
        return Err(Unusable::new(
            "found an empty text, expected the PEM text of a private key",
            EXPORT,
        ));
    }
    let mut blocks = Vec::new();
    let mut rest = text.as_str();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let (block, after) = block(after)?;
        blocks.push(block);
        rest = after;
    }
    if blocks.is_empty() {
        return Err(no_block(&text));
    }
    Ok(blocks)
}

/// A block after its `-----BEGIN `, and what follows it.
fn block(text: &str) -> Result<(Block, &str), Unusable> {
    let cut_off = || {
        Unusable::new(
            "found a PEM text that is cut off, expected -----BEGIN …----- to -----END …-----",
            "store the whole text of the key, with its first and last line",
        )
    };
    let (label, after) = text.split_once(DASHES).ok_or_else(cut_off)?;
    let is_label = label.len() <= LABEL_LEN_MAX
        && label
            .chars()
            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == ' ');
    if !is_label {
        return Err(cut_off());
    }
    let end = format!("-----END {label}-----");
    let (body, rest) = after.split_once(end.as_str()).ok_or_else(cut_off)?;
    if body.contains("DEK-Info") || body.contains("Proc-Type") {
        return Err(Unusable::new(
            format!(
                "found {label} in OpenSSL's old encryption, expected PKCS#8 (ENCRYPTED PRIVATE KEY)"
            ),
            "convert it: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in old.pem -out new.pem`",
        ));
    }
    let base64: Zeroizing<String> = Zeroizing::new(body.split_ascii_whitespace().collect());
    let der = STANDARD.decode(base64.as_bytes()).map_err(|_quotes_it| {
        Unusable::new(
            format!(
                "found {label} with a body that is not base64, expected the text as it was exported"
            ),
            "store the text of the key again, without changing it",
        )
    })?;
    let block = Block {
        label: label.to_owned(),
        der: Zeroizing::new(der),
    };
    Ok((block, rest))
}

/// Says what a text without any block is like, without saying what it is.
fn no_block(text: &str) -> Unusable {
    /// `-----BEGIN` in base64.
    const ENCODED: &str = "LS0tLS1CRUdJ";
    let text = text.trim();
    let words = text.split_ascii_whitespace().count();
    let is_phrase = matches!(words, 12 | 15 | 18 | 21 | 24)
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_whitespace());
    if text.starts_with(ENCODED) {
        return Unusable::new(
            "found PEM text encoded in base64 once more, expected the PEM text itself",
            "decode it (`base64 -d`) before it is stored as a secret",
        );
    }
    if is_phrase {
        return Unusable::new(
            format!(
                "found {words} words, perhaps a seed phrase, expected the PEM text of a private key"
            ),
            "make a key of it: `icp identity import NAME --from-seed-file FILE`, then `icp identity export NAME`",
        );
    }
    Unusable::new(
        "found neither PEM text nor the path of a file, expected -----BEGIN … PRIVATE KEY-----",
        EXPORT,
    )
}

/// The same block as the text that others read.
pub(super) fn text(label: &str, der: &[u8]) -> Zeroizing<String> {
    /// RFC 7468, section 2.
    const WIDTH: usize = 64;
    let base64 = Zeroizing::new(STANDARD.encode(der));
    let mut text = Zeroizing::new(String::with_capacity(
        base64.len() * 2 + 2 * LABEL_LEN_MAX + 40,
    ));
    for part in [BEGIN, label, DASHES, "\n"] {
        text.push_str(part);
    }
    for (index, c) in base64.chars().enumerate() {
        if index != 0 && index % WIDTH == 0 {
            text.push('\n');
        }
        text.push(c);
    }
    for part in ["\n-----END ", label, DASHES, "\n"] {
        text.push_str(part);
    }
    text
}
