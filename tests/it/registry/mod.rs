//! The client of container registries: against Debian's `docker-registry`, and against a double for what a good registry
//! does not do. Everything is on loopback.

mod double;
mod login;
mod process;
mod real;
mod refusals;

use lastgood::model::payload::Digest;
use lastgood::model::secret::Secret;
use lastgood::net;
use lastgood::targets::registry::{Credentials, Limits, Login, Reference, Registry};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn limits() -> Limits {
    Limits {
        deadline: Duration::from_secs(10),
        total: Duration::from_secs(30),
        retry_after_max: Duration::from_secs(5),
        backoff_unit: Duration::from_millis(1),
    }
}

fn registry(credentials: Credentials) -> Registry {
    registry_with(credentials, limits())
}

fn registry_with(credentials: Credentials, limits: Limits) -> Registry {
    Registry::new(&net::Settings::default(), credentials, limits).unwrap()
}

fn nobody() -> Credentials {
    Credentials::none("registry-config")
}

fn user(registry: &str, user: &str, password: &str) -> Credentials {
    let login = Login::Password {
        user: user.to_owned(),
        secret: Secret::new(password),
    };
    nobody().with(registry, login).unwrap()
}

fn image(text: impl AsRef<str>) -> Reference {
    text.as_ref().parse().unwrap()
}

fn digest(bytes: &[u8]) -> Digest {
    Digest::from_bytes(Sha256::digest(bytes).into())
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes).to_string(), "size": bytes.len() })
}

/// A manifest of one config and one layer; `media_type` decides whether it is Docker's or OCI's.
fn manifest(media_type: &str, config: &[u8], layer: &[u8]) -> Vec<u8> {
    let kinds = if media_type == DOCKER_MANIFEST {
        ["container.image.v1+json", "image.rootfs.diff.tar.gzip"]
            .map(|kind| format!("application/vnd.docker.{kind}"))
    } else {
        ["config.v1+json", "layer.v1.tar+gzip"]
            .map(|kind| format!("application/vnd.oci.image.{kind}"))
    };
    let [config_kind, layer_kind] = kinds;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": descriptor(&config_kind, config),
        "layers": [descriptor(&layer_kind, layer)],
    });
    serde_json::to_vec(&manifest).unwrap()
}

/// An index of manifests with their platforms, written `os/architecture` or `os/architecture/variant`.
fn index(media_type: &str, of: &[(&str, &[u8])]) -> Vec<u8> {
    let kind = if media_type == DOCKER_LIST {
        DOCKER_MANIFEST
    } else {
        MANIFEST
    };
    let manifests: Vec<Value> = of
        .iter()
        .map(|(platform, bytes)| {
            let mut parts = platform.split('/');
            let mut one = descriptor(kind, bytes);
            one["platform"] = json!({ "os": parts.next(), "architecture": parts.next() });
            if let Some(variant) = parts.next() {
                one["platform"]["variant"] = json!(variant);
            }
            if *platform == "unknown/unknown" {
                one["annotations"] = json!({ "vnd.docker.reference.type": "attestation-manifest" });
            }
            one
        })
        .collect();
    let index = json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": manifests });
    serde_json::to_vec(&index).unwrap()
}

/// What the client may need to run on another thread.
#[test]
fn the_client_can_be_shared() {
    fn shared<T: Send + Sync>(_: &T) {}
    fn sent<T: Send>(_: T) {}
    let registry = registry(nobody());
    shared(&registry);
    sent(registry.all_present(&[]));
}
