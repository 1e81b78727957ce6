//! What a client signed: decoding an envelope, and the checks that a replica makes before it looks at the content. What
//! fails here is an HTTP 400 and nothing else.

use candid::Principal;
use ic_transport_types::{Envelope, EnvelopeContent, RequestId};

/// How far in the future a request may expire, nanoseconds: five minutes, and a minute of drift.
const EXPIRY_MAX: u64 = 360_000_000_000;

const DER_ED25519: &[u8] = &[
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00,
];
const DER_SECP256K1: &[u8] = &[
    0x30, 0x56, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
    0x81, 0x04, 0x00, 0x0a, 0x03, 0x42, 0x00,
];
const DER_P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A request that its sender really made.
#[derive(Debug, Clone)]
pub struct Checked {
    pub content: EnvelopeContent,
    pub id: RequestId,
}

impl Checked {
    pub fn sender(&self) -> Principal {
        *self.content.sender()
    }
}

/// Decodes and checks; `now` in nanoseconds since 1970. The error is the text of the 400.
pub fn check(body: &[u8], now: u64) -> Result<Checked, String> {
    let envelope: Envelope<'_> = serde_cbor::from_slice(body)
        .map_err(|error| format!("Could not parse body as an envelope: {error}"))?;
    let id = envelope.content.to_request_id();
    let expiry = envelope.content.ingress_expiry();
    if expiry < now || expiry > now + EXPIRY_MAX {
        return Err(format!(
            "Invalid request expiry: Specified ingress_expiry not within expected range: \
             Minimum allowed expiry: {now}, Maximum allowed expiry: {}, Provided expiry: {expiry}",
            now + EXPIRY_MAX
        ));
    }
    check_sender(&envelope, &id, now)?;
    Ok(Checked {
        id,
        content: envelope.content.into_owned(),
    })
}

fn check_sender(envelope: &Envelope<'_>, id: &RequestId, now: u64) -> Result<(), String> {
    let sender = *envelope.content.sender();
    let (key, signature) = match (&envelope.sender_pubkey, &envelope.sender_sig) {
        (None, None) if sender == Principal::anonymous() => return Ok(()),
        (None, None) => return Err(format!("Missing signature from user: {sender}")),
        (Some(key), Some(signature)) => (key, signature),
        _ => return Err("Either sender_pubkey or sender_sig is missing".to_owned()),
    };
    if sender == Principal::anonymous() {
        return Err("Signature is not allowed for the anonymous user".to_owned());
    }
    if Principal::self_authenticating(key) != sender {
        return Err(format!(
            "The user id {sender} does not match the public key"
        ));
    }
    let mut signer = key;
    for link in envelope.sender_delegation.iter().flatten() {
        verify(signer, &link.delegation.signable(), &link.signature)?;
        if link.delegation.expiration < now {
            return Err("Invalid delegation expiry: a delegation has expired".to_owned());
        }
        signer = &link.delegation.pubkey;
    }
    verify(signer, &id.signable(), signature)
}

/// Whether the owner of a DER public key signed this.
fn verify(der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), String> {
    let wrong = |what: &str| format!("Invalid signature: Invalid basic signature: {what}");
    let no_key = || wrong("the public key is malformed");
    let bad = || wrong("the signature could not be verified");
    if let Some(key) = der.strip_prefix(DER_ED25519) {
        let key = ic_ed25519::PublicKey::deserialize_raw(key).map_err(|_error| no_key())?;
        return key
            .verify_signature(message, signature)
            .map_err(|_error| bad());
    }
    if let Some(point) = der.strip_prefix(DER_SECP256K1) {
        use k256::ecdsa::signature::Verifier as _;
        let key = k256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_error| no_key())?;
        let signature = k256::ecdsa::Signature::from_slice(signature).map_err(|_error| bad())?;
        let signature = signature.normalize_s().unwrap_or(signature);
        return key.verify(message, &signature).map_err(|_error| bad());
    }
    if let Some(point) = der.strip_prefix(DER_P256) {
        use p256::ecdsa::signature::Verifier as _;
        let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_error| no_key())?;
        let signature = p256::ecdsa::Signature::from_slice(signature).map_err(|_error| bad())?;
        return key.verify(message, &signature).map_err(|_error| bad());
    }
    Err(wrong("the algorithm of the public key is not supported"))
}
