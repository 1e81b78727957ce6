//! The root key of a network as people write it: hex of its DER form, or a word. No network is asked for one here.

use crate::targets::canister::network::RootKey;

impl RootKey {
    /// A BLS12-381 public key in DER starts with this, then come 96 bytes of the key (IC interface specification,
    /// "Certification", the object identifiers of DFINITY).
    const DER_PREFIX: &[u8] = b"\x30\x81\x82\x30\x1d\x06\x0d\x2b\x06\x01\x04\x01\x82\xdc\x7c\x05\x03\x01\x02\x01\x06\x0c\x2b\x06\x01\x04\x01\x82\xdc\x7c\x05\x03\x02\x01\x03\x61\x00";

    const DER_LEN: usize = 133;

    /// Reads a key in hex, as `icp network status` prints it, or the word `mainnet`. The error says what was found and what was
    /// expected.
    pub(in super::super) fn from_text(text: &str) -> Result<Self, String> {
        let expected = "expected 266 hex digits: the key in DER, as `icp network status` prints it";
        let text = text.trim();
        if text == "mainnet" {
            return Ok(Self::Mainnet);
        }
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let bytes: Option<Vec<u8>> = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| {
                let pair = std::str::from_utf8(pair).ok()?;
                let is_hex = pair.len() == 2 && pair.bytes().all(|b| b.is_ascii_hexdigit());
                is_hex.then(|| u8::from_str_radix(pair, 16).ok())?
            })
            .collect();
        let Some(bytes) = bytes else {
            return Err(format!("found a text that is not hex, {expected}"));
        };
        if bytes.len() != Self::DER_LEN {
            return Err(format!("found {} bytes, {expected}", bytes.len()));
        }
        if !bytes.starts_with(Self::DER_PREFIX) {
            return Err(format!("found no BLS12-381 public key, {expected}"));
        }
        Ok(Self::Given(bytes))
    }
}
