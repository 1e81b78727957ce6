//! Digests, and the proof that bytes on disk are the bytes that were promised.
//! The measuring itself (reading files) is done by `artifact`; the comparison is here.

use super::state::Slot;
use indexmap::IndexMap;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A sha256. Written `sha256:<64 lower-case hex digits>`; read with or without the prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

/// Lower-case hex digits, two for each byte.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        for nibble in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(nibble), 16).expect("a nibble is a hex digit"));
        }
        text
    })
}

/// What was written where a sha256 was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found digest {found:?}, expected sha256: and 64 hex digits")]
pub struct BadDigest {
    pub found: String,
}

impl Digest {
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hex digits alone, as `sha256sum` prints them.
    pub fn hex(&self) -> String {
        hex(&self.0)
    }

    /// The first 12 hex digits: for people, and for directory names.
    pub fn short(&self) -> String {
        self.hex().chars().take(12).collect()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest {
            found: text.to_owned(),
        };
        let hex = text.strip_prefix("sha256:").unwrap_or(text);
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).map_err(|_utf8| bad())?;
            *byte = u8::from_str_radix(pair, 16).map_err(|_hex| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = BadDigest;

    fn try_from(text: String) -> Result<Self, BadDigest> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// What a payload is on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shape {
    /// One file; its digest is the sha256 of its bytes.
    File,
    /// A directory tree; its digest is the sha256 of its content manifest: the lines
    /// `<hex>  <path>\n` of every regular file, as `sha256sum` prints them, sorted by path bytes.
    Tree,
}

/// A payload on disk as it was measured: nothing is promised yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Measured {
    pub path: PathBuf,
    pub shape: Shape,
    /// Bytes of the file, or of all files of the tree.
    pub size_bytes: u64,
    pub digest: Digest,
}

/// What a payload was promised to be, and by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    pub digest: Digest,
    pub size_bytes: Option<u64>,
    pub promised_by: Promise,
}

/// Who promised a payload's digest. Ordered from the weakest to the strongest word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// GitHub's API gave the digest of the artifact this payload was taken from.
    ArtifactDigest,
    /// The release manifest `lastgood.json` in the artifact.
    Manifest,
    /// The operator: `--expected-sha256`.
    Operator,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ArtifactDigest => "GitHub's artifact digest",
            Self::Manifest => "lastgood.json",
            Self::Operator => "--expected-sha256",
        })
    }
}

/// The payload on disk is not what was promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}: found {found}, expected {expected} (promised by {promised_by})")]
pub struct Mismatch {
    pub what: String,
    pub found: String,
    pub expected: String,
    pub promised_by: Promise,
}

/// A payload that is what was promised. Only [`Verified::check`] makes one, and `apply` takes nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    measured: Measured,
    promised_by: Promise,
}

impl Verified {
    /// Compares what was measured with what was promised: the size first, then the digest.
    pub fn check(measured: Measured, expected: &Expected) -> Result<Self, Mismatch> {
        let name = measured
            .path
            .file_name()
            .unwrap_or(measured.path.as_os_str())
            .to_string_lossy();
        let mismatch = |what: &str, found: String, wanted: String| Mismatch {
            what: format!("{what} of {name}"),
            found,
            expected: wanted,
            promised_by: expected.promised_by,
        };
        if let Some(size) = expected.size_bytes
            && size != measured.size_bytes
        {
            return Err(mismatch(
                "size",
                format!("{} bytes", measured.size_bytes),
                format!("{size} bytes"),
            ));
        }
        if expected.digest != measured.digest {
            return Err(mismatch(
                "digest",
                measured.digest.to_string(),
                expected.digest.to_string(),
            ));
        }
        Ok(Self {
            measured,
            promised_by: expected.promised_by,
        })
    }

    pub fn path(&self) -> &Path {
        &self.measured.path
    }

    pub fn shape(&self) -> Shape {
        self.measured.shape
    }

    pub fn size_bytes(&self) -> u64 {
        self.measured.size_bytes
    }

    pub fn digest(&self) -> Digest {
        self.measured.digest
    }

    pub fn promised_by(&self) -> Promise {
        self.promised_by
    }
}

/// The payloads of one target: one that all of its slots share, or one of its own for each slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payloads<T> {
    shared: Option<T>,
    own: IndexMap<Slot, T>,
}

impl<T> Payloads<T> {
    /// The target needs none, or none is at hand.
    pub fn none() -> Self {
        Self::shared(None)
    }

    pub fn shared(payload: Option<T>) -> Self {
        Self {
            shared: payload,
            own: IndexMap::new(),
        }
    }

    /// Slots that are not in there have none.
    pub const fn own(payloads: IndexMap<Slot, T>) -> Self {
        Self {
            shared: None,
            own: payloads,
        }
    }

    /// What belongs into this slot.
    pub fn of(&self, slot: &Slot) -> Option<&T> {
        self.own.get(slot).or(self.shared.as_ref())
    }

    /// The one that all slots share.
    pub const fn whole(&self) -> Option<&T> {
        self.shared.as_ref()
    }

    /// The same of something that is made of each.
    ///
    /// # Errors
    /// The first one that `make` gives.
    pub fn try_map<U, E>(self, make: impl Fn(T) -> Result<U, E>) -> Result<Payloads<U>, E> {
        Ok(Payloads {
            shared: self.shared.map(&make).transpose()?,
            own: self
                .own
                .into_iter()
                .map(|(slot, payload)| Ok((slot, make(payload)?)))
                .collect::<Result<_, E>>()?,
        })
    }
}
