//! Keys and certificates: the root key, a subnet below it when the replica has one, and the node that signs answers to
//! queries. Keys are new for each replica, so that one replica's answers never pass for another's.

use super::tree::{Node, Path, Tree};
use candid::Principal;
use ic_certification::{Certificate, Delegation};
use ic_transport_types::{NodeSignature, QueryResponse, RequestId};
use ic_verify_bls_signature::PrivateKey;
use std::fmt;

/// DER of a BLS12-381 public key up to its 96 bytes.
const DER_BLS: [u8; 37] = [
    0x30, 0x81, 0x82, 0x30, 0x1d, 0x06, 0x0d, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05,
    0x03, 0x01, 0x02, 0x01, 0x06, 0x0c, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0xdc, 0x7c, 0x05, 0x03,
    0x02, 0x01, 0x03, 0x61, 0x00,
];

/// First and last canister id of the one subnet.
pub const CANISTERS: (Principal, Principal) = (
    Principal::from_slice(&[0, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
    Principal::from_slice(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 1]),
);

/// Something wrong with an answer, on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flaw {
    #[default]
    None,
    /// Signed by somebody else.
    WrongSignature,
    /// Of ten minutes ago: older than the five that a certificate is good for.
    Stale,
}

/// The time that an answer with this flaw carries.
pub fn time_of(flaw: Flaw, now: u64) -> u64 {
    match flaw {
        Flaw::None | Flaw::WrongSignature => now,
        Flaw::Stale => now.saturating_sub(600_000_000_000),
    }
}

pub struct Keys {
    root: PrivateKey,
    /// DER of both public keys: computing them takes longer than a signature.
    root_key: Vec<u8>,
    subnet_key: Vec<u8>,
    /// The key of the subnet, when it is not the root's own.
    subnet: Option<PrivateKey>,
    stranger: PrivateKey,
    node: ic_ed25519::PrivateKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

impl Keys {
    pub fn new(delegated: bool) -> Self {
        let (root, subnet) = (bls_key(), delegated.then(bls_key));
        Self {
            root_key: der(&root),
            subnet_key: der(subnet.as_ref().unwrap_or(&root)),
            root,
            subnet,
            stranger: bls_key(),
            node: ic_ed25519::PrivateKey::deserialize_raw_32(&random()),
        }
    }

    /// DER.
    pub fn root_key(&self) -> Vec<u8> {
        self.root_key.clone()
    }

    fn subnet_key(&self) -> Vec<u8> {
        self.subnet_key.clone()
    }

    pub fn subnet_id(&self) -> Principal {
        Principal::self_authenticating(self.subnet_key())
    }

    /// What the state tree says about the subnet: its keys, its nodes, its canisters.
    pub fn describe(&self, state: &mut Node) {
        let subnet = self.subnet_id();
        let subnet = subnet.as_slice();
        let node_key = self.node.public_key().serialize_rfc8410_der();
        let node = Principal::self_authenticating(&node_key);
        state.put(&[b"subnet", subnet, b"public_key"], self.subnet_key());
        state.put(&[b"subnet", subnet, b"type"], b"application".to_vec());
        let node_path: &[&[u8]] = &[b"subnet", subnet, b"node", node.as_slice(), b"public_key"];
        state.put(node_path, node_key);
        ranges(state, subnet);
    }

    /// The certificate that shows these paths of the state, CBOR.
    pub fn certificate(&self, state: &Node, paths: &[Path], flaw: Flaw) -> Vec<u8> {
        let paths: Vec<_> = paths.iter().map(Vec::as_slice).collect();
        let tree = state.witness(&paths);
        let key = match flaw {
            Flaw::WrongSignature => &self.stranger,
            Flaw::None | Flaw::Stale => self.subnet.as_ref().unwrap_or(&self.root),
        };
        let delegation = self.subnet.as_ref().map(|_| self.delegation(state));
        sealed(tree, key, delegation)
    }

    /// The root's word that the key of the subnet is the subnet's, and which canisters are its.
    fn delegation(&self, state: &Node) -> Delegation {
        let subnet = self.subnet_id().as_slice().to_vec();
        let paths: [&[Vec<u8>]; 3] = [
            &[b"time".to_vec()],
            &[b"subnet".to_vec(), subnet.clone(), b"public_key".to_vec()],
            &[b"canister_ranges".to_vec(), subnet.clone()],
        ];
        Delegation {
            certificate: sealed(state.witness(&paths), &self.root, None),
            subnet_id: subnet,
        }
    }

    /// Adds the node's signature to an answer to a query.
    pub fn sign_query(&self, answer: &mut QueryResponse, request: RequestId, now: u64, flaw: Flaw) {
        let timestamp = time_of(flaw, now);
        let mut message = answer.signable(request, timestamp);
        if flaw == Flaw::WrongSignature {
            message.push(0);
        }
        let public = self.node.public_key().serialize_rfc8410_der();
        let signature = NodeSignature {
            timestamp,
            signature: self.node.sign_message(&message).to_vec(),
            identity: Principal::self_authenticating(public),
        };
        match answer {
            QueryResponse::Replied { signatures, .. }
            | QueryResponse::Rejected { signatures, .. } => signatures.push(signature),
        }
    }
}

/// The canisters of a subnet, in the two places where clients look.
fn ranges(state: &mut Node, subnet: &[u8]) {
    let ranges = cbor(&[CANISTERS]);
    let first = CANISTERS.0;
    let shard: &[&[u8]] = &[b"canister_ranges", subnet, first.as_slice()];
    state.put(shard, ranges.clone());
    state.put(&[b"subnet", subnet, b"canister_ranges"], ranges);
}

fn sealed(tree: Tree, key: &PrivateKey, delegation: Option<Delegation>) -> Vec<u8> {
    let mut message = b"\x0dic-state-root".to_vec();
    message.extend(tree.digest());
    let signature = key.sign(&message).serialize().to_vec();
    cbor(&Certificate {
        tree,
        signature,
        delegation,
    })
}

/// Self-describing CBOR, as replicas send it.
pub fn cbor<T: serde::Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut serializer = serde_cbor::Serializer::new(Vec::new());
    serializer.self_describe().expect("memory takes bytes");
    value.serialize(&mut serializer).expect("memory takes CBOR");
    serializer.into_inner()
}

fn der(key: &PrivateKey) -> Vec<u8> {
    let mut der = DER_BLS.to_vec();
    der.extend(key.public_key().serialize());
    der
}

fn bls_key() -> PrivateKey {
    let mut bytes = random();
    // Below the order of the group, and not zero.
    bytes[0] &= 0x3f;
    bytes[31] |= 1;
    PrivateKey::deserialize(&bytes).expect("a number below the order of the group is a key")
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the machine has random numbers");
    bytes
}
