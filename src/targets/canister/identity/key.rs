//! Which key a PEM text holds, and the identity made of it: SEC1 and PKCS#8, plain or encrypted (PBES2); secp256k1, P-256 and
//! Ed25519. The curve is read from the key, never guessed: the wrong one would be somebody else.

use super::Unusable;
use super::pem::{self, Block};
use crate::model::secret::Secret;
use candid::Principal;
use ic_agent::Identity;
use ic_agent::identity::{BasicIdentity, Prime256v1Identity, Secp256k1Identity};
use pkcs8::der::asn1::{BitStringRef, ContextSpecific, OctetStringRef};
use pkcs8::der::{self, Decode as _, Reader as _, SliceReader, TagNumber};
use pkcs8::pkcs5::{self, pbes2};
use pkcs8::{EncryptedPrivateKeyInfo, ObjectIdentifier, PrivateKeyInfo};
use std::sync::Arc;

const SEC1: &str = "EC PRIVATE KEY";
const PKCS8: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PARAMETERS: &str = "EC PARAMETERS";

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const SECP256K1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.10");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

/// Keys that are no identities here, by name.
const OTHERS: [(ObjectIdentifier, &str); 6] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"), "RSA"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "P-384"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "P-521"),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "Ed448"),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "X25519"),
    (ObjectIdentifier::new_unwrap("1.2.840.10040.4.1"), "DSA"),
];

const CURVES: &str = "expected a key on secp256k1, P-256 or Ed25519";
const EXPORT: &str = "give the key of an identity: `dfx identity export NAME` or `icp identity export NAME` prints it";

/// A key that was read.
pub(super) struct Key {
    pub(super) identity: Arc<dyn Identity>,
    pub(super) principal: Principal,
    pub(super) curve: &'static str,
}

/// The curves of identities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Curve {
    Secp256k1,
    P256,
    Ed25519,
}

/// The one private key of these blocks.
pub(super) fn read(blocks: &[Block], password: Option<&Secret>) -> Result<Key, Unusable> {
    let mut keys = blocks
        .iter()
        .filter(|block| [SEC1, PKCS8, ENCRYPTED].contains(&block.label.as_str()));
    let Some(block) = keys.next() else {
        return Err(no_key(blocks));
    };
    let others = keys.count();
    if 0 < others {
        return Err(Unusable::new(
            format!("found {} private keys, expected one", others + 1),
            "give only the key of the identity that is meant",
        ));
    }
    match block.label.as_str() {
        SEC1 => {
            let parameters = blocks.iter().find(|block| block.label == PARAMETERS);
            sec1(&block.der, parameters)
        }
        ENCRYPTED => encrypted(&block.der, password),
        _ => pkcs8(&block.der),
    }
}

/// Says what there is instead of a private key.
fn no_key(blocks: &[Block]) -> Unusable {
    let labels: Vec<&str> = blocks.iter().map(|block| block.label.as_str()).collect();
    let next = match labels.first() {
        Some(&"OPENSSH PRIVATE KEY") => {
            "make an identity for this: `icp identity new NAME`, and add it as a controller"
        }
        Some(_) | None => EXPORT,
    };
    Unusable::new(
        format!(
            "found {}, expected a private key ({PKCS8}, {SEC1} or {ENCRYPTED})",
            labels.join(" and ")
        ),
        next,
    )
}

fn malformed(label: &str) -> Unusable {
    Unusable::new(
        format!("found {label} that is malformed, expected the key as it was exported"),
        "store the text of the key again, without changing it",
    )
}

fn other_key(algorithm: ObjectIdentifier) -> Unusable {
    let known = OTHERS.iter().find(|(oid, _)| *oid == algorithm);
    let name = known.map_or_else(
        || format!("of the algorithm {algorithm}"),
        |(_, name)| format!("on {name}"),
    );
    Unusable::new(format!("found a private key {name}, {CURVES}"), EXPORT)
}

fn curve(oid: ObjectIdentifier) -> Result<Curve, Unusable> {
    match oid {
        SECP256K1 => Ok(Curve::Secp256k1),
        P256 => Ok(Curve::P256),
        other => Err(other_key(other)),
    }
}

/// RFC 5915, with the curve inside or in a block before it.
fn sec1(der: &[u8], parameters: Option<&Block>) -> Result<Key, Unusable> {
    let (inside, has_public) = parts(der).map_err(|_quotes_it| malformed(SEC1))?;
    let before = parameters
        .map(|block| {
            ObjectIdentifier::from_der(&block.der).map_err(|_quotes_it| malformed(PARAMETERS))
        })
        .transpose()?;
    match (inside, before) {
        (Some(inside), Some(before)) if inside != before => Err(Unusable::new(
            "found EC PARAMETERS of another curve than the key's, expected one curve",
            "store the text of the key again, as it was exported",
        )),
        (Some(oid), _) | (None, Some(oid)) => made(curve(oid)?, SEC1, der),
        // The public half lies on one of the curves only.
        (None, None) if has_public => {
            made(Curve::Secp256k1, SEC1, der).or_else(|_other| made(Curve::P256, SEC1, der))
        }
        (None, None) => Err(Unusable::new(
            format!("found {SEC1} that does not say its curve, {CURVES} that says so"),
            "export the identity again: `dfx identity export NAME` or `icp identity export NAME`",
        )),
    }
}

/// The curve that a SEC1 key names, and whether its public half is there.
fn parts(der: &[u8]) -> der::Result<(Option<ObjectIdentifier>, bool)> {
    let mut reader = SliceReader::new(der)?;
    reader.sequence(|reader| {
        u8::decode(reader)?;
        OctetStringRef::decode(reader)?;
        let curve = ContextSpecific::<ObjectIdentifier>::decode_explicit(reader, TagNumber::N0)?;
        let public = ContextSpecific::<BitStringRef<'_>>::decode_explicit(reader, TagNumber::N1)?;
        Ok((curve.map(|field| field.value), public.is_some()))
    })
}

/// RFC 5958.
fn pkcs8(der: &[u8]) -> Result<Key, Unusable> {
    let key = match PrivateKeyInfo::try_from(der) {
        Ok(key) => key,
        Err(_) if is_of_old_dfx(der) => return made(Curve::Ed25519, PKCS8, der),
        Err(_) => return Err(malformed(PKCS8)),
    };
    match key.algorithm.oid {
        ED25519 => made(Curve::Ed25519, PKCS8, der),
        EC => {
            let oid = key
                .algorithm
                .parameters_oid()
                .map_err(|_quotes_it| malformed(PKCS8))?;
            made(curve(oid)?, PKCS8, der)
        }
        other => Err(other_key(other)),
    }
}

/// Very old versions of dfx wrote the public half of an Ed25519 key in a form that no standard knows; the agent reads it.
fn is_of_old_dfx(der: &[u8]) -> bool {
    /// SEQUENCE, version 1, and the algorithm Ed25519, as in RFC 8410.
    const HEAD: &[u8] = b"\x02\x01\x01\x30\x05\x06\x03\x2b\x65\x70";
    const PUBLIC: &[u8] = b"\xa1\x23\x03\x21";
    der.get(2..12) == Some(HEAD) && der.get(48..52) == Some(PUBLIC)
}

/// RFC 5958, section 3, with the encryption of RFC 8018 (PBES2).
fn encrypted(der: &[u8], password: Option<&Secret>) -> Result<Key, Unusable> {
    let unsupported = || {
        Unusable::new(
            format!(
                "found {ENCRYPTED} in an encryption that is not supported, expected PBES2 with AES and scrypt or PBKDF2-SHA-2"
            ),
            "encrypt it again: `openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out new.pem`, or `icp identity export --encrypt NAME`",
        )
    };
    let info = EncryptedPrivateKeyInfo::try_from(der).map_err(|error| match error {
        pkcs8::Error::Asn1(cause) if matches!(cause.kind(), der::ErrorKind::OidUnknown { .. }) => {
            unsupported()
        }
        _ => malformed(ENCRYPTED),
    })?;
    if !is_bounded(&info.encryption_algorithm) {
        return Err(Unusable::new(
            format!(
                "found {ENCRYPTED} whose password takes more than 1 GiB or 10 million rounds to check, expected less"
            ),
            "encrypt it again: `icp identity export --encrypt NAME`",
        ));
    }
    let Some(password) = password else {
        return Err(Unusable::new(
            format!("found {ENCRYPTED} and no password, expected its password"),
            "give the input `identity-password`, or `identity-password-from` in the settings of the target",
        ));
    };
    let wrong = || {
        Unusable::new(
            format!(
                "found {ENCRYPTED} that the password does not open, expected the password of this key"
            ),
            "correct the secret with the password; a line break at its end does not matter, blanks do",
        )
    };
    let plain = info
        .decrypt(password.expose())
        .map_err(|error| match error {
            pkcs8::Error::EncryptedPrivateKey(
                pkcs5::Error::UnsupportedAlgorithm { .. } | pkcs5::Error::NoPbes1CryptSupport,
            ) => unsupported(),
            _ => wrong(),
        })?;
    // A wrong password passes the padding once in 256 times; what comes out is then no key.
    match PrivateKeyInfo::try_from(plain.as_bytes()) {
        Ok(_) => pkcs8(plain.as_bytes()),
        Err(_) => Err(wrong()),
    }
}

/// Whether a password is checked in bounded memory and time: what the text asks for is done.
fn is_bounded(scheme: &pkcs5::EncryptionScheme<'_>) -> bool {
    const MEMORY_BYTES_MAX: u64 = 1 << 30;
    const ROUNDS_MAX: u32 = 10_000_000;
    let pkcs5::EncryptionScheme::Pbes2(parameters) = scheme else {
        return true;
    };
    match &parameters.kdf {
        pbes2::Kdf::Pbkdf2(pbkdf2) => pbkdf2.iteration_count <= ROUNDS_MAX,
        // RFC 7914, section 2: 128 bytes for each block of each step.
        pbes2::Kdf::Scrypt(scrypt) => {
            let bytes = scrypt
                .cost_parameter
                .checked_mul(128 * u64::from(scrypt.block_size))
                .and_then(|bytes| bytes.checked_mul(u64::from(scrypt.parallelization)));
            bytes.is_some_and(|bytes| bytes <= MEMORY_BYTES_MAX)
        }
        _ => true,
    }
}

/// The identity of a key whose curve is known.
fn made(curve: Curve, label: &str, der: &[u8]) -> Result<Key, Unusable> {
    let text = pem::text(label, der);
    let identity: Option<(Arc<dyn Identity>, &'static str)> = match curve {
        Curve::Secp256k1 => Secp256k1Identity::from_pem(text.as_bytes())
            .ok()
            .map(|key| (Arc::new(key) as Arc<dyn Identity>, "secp256k1")),
        Curve::P256 => Prime256v1Identity::from_pem(text.as_bytes())
            .ok()
            .map(|key| (Arc::new(key) as Arc<dyn Identity>, "P-256")),
        Curve::Ed25519 => BasicIdentity::from_pem(text.as_bytes())
            .ok()
            .map(|key| (Arc::new(key) as Arc<dyn Identity>, "Ed25519")),
    };
    // The cause may quote the key.
    let (identity, curve) = identity.ok_or_else(|| malformed(label))?;
    let principal = identity.sender().map_err(|_never| malformed(label))?;
    Ok(Key {
        identity,
        principal,
        curve,
    })
}
