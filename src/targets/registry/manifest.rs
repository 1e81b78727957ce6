//! What a manifest answer says: digest, media type, and the platforms of an index. Pure; nothing is asked here.

use super::error::RegistryError;
use super::reference::Reference;
use super::wire::Fetched;
use crate::model::payload::Digest;
use http::header;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// Every manifest that a container runtime can pull.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// What a registry has for an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Of the index or manifest that was asked for.
    pub digest: Digest,
    pub media_type: String,
    /// When it is an index: what nodes of each platform (`linux/arm64/v8`) run instead of it.
    pub platforms: Vec<(String, Digest)>,
}

impl Present {
    /// Whether what runs under this digest is this image: the index itself, or one of its platforms.
    pub fn holds(&self, digest: &Digest) -> bool {
        self.digest == *digest || self.platforms.iter().any(|(_, one)| one == digest)
    }
}

/// Digest and media type as the headers of a HEAD say. `None`: not enough, or not plausible; the body must be asked for.
pub(super) fn head(
    image: &Reference,
    fetched: &Fetched,
) -> Result<Option<(Digest, String)>, RegistryError> {
    if fetched.status != http::StatusCode::OK {
        return Ok(None);
    }
    let Some(digest) = named_digest(fetched) else {
        return Ok(None);
    };
    if !is_known(&media_type(fetched)) {
        return Ok(None);
    }
    same(image, digest, image.digest())?;
    Ok(Some((digest, media_type(fetched))))
}

pub(super) fn is_index(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json"
    )
}

fn is_known(media_type: &str) -> bool {
    is_index(media_type)
        || matches!(
            media_type,
            "application/vnd.oci.image.manifest.v1+json"
                | "application/vnd.docker.distribution.manifest.v2+json"
        )
}

/// Reads a GET: the bytes must have the digest that was asked for, and the one that the header names.
pub(super) fn body(image: &Reference, fetched: &Fetched) -> Result<Present, RegistryError> {
    let digest = Digest::from_bytes(Sha256::digest(&fetched.body).into());
    // By digest first: what is not the content that was asked for is not worth reading.
    same(image, digest, image.digest())?;
    let unreadable = |found: String| RegistryError::Unreadable {
        host: image.host().to_owned(),
        found,
        expected: "an OCI or Docker image manifest or index",
    };
    let Ok(manifest) = serde_json::from_slice::<Manifest>(&fetched.body) else {
        let media_type = media_type(fetched);
        return Err(unreadable(format!("{media_type:?} that is no manifest")));
    };
    same(image, digest, named_digest(fetched))?;
    let of_header = media_type(fetched);
    let media_type = match manifest.media_type {
        _ if is_known(&of_header) => of_header,
        Some(inside) => inside,
        None => of_header,
    };
    if !is_known(&media_type) {
        return Err(unreadable(format!("media type {media_type:?}")));
    }
    let platforms = manifest.manifests.iter().filter_map(Descriptor::platform);
    Ok(Present {
        digest,
        platforms: if is_index(&media_type) {
            platforms.collect()
        } else {
            Vec::new()
        },
        media_type,
    })
}

fn same(image: &Reference, found: Digest, expected: Option<Digest>) -> Result<(), RegistryError> {
    match expected {
        Some(expected) if expected != found => Err(RegistryError::WrongDigest {
            image: image.to_string(),
            found,
            expected,
        }),
        Some(_) | None => Ok(()),
    }
}

fn named_digest(fetched: &Fetched) -> Option<Digest> {
    let value = fetched.headers.get("docker-content-digest")?;
    value.to_str().ok()?.trim().parse().ok()
}

fn media_type(fetched: &Fetched) -> String {
    let value = fetched.headers.get(header::CONTENT_TYPE);
    let value = value
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let bare = value.split(';').next().unwrap_or_default();
    bare.trim().to_ascii_lowercase()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    /// Distinguishes it from any other JSON: always 2.
    #[serde(rename = "schemaVersion")]
    _schema_version: u32,
    media_type: Option<String>,
    #[serde(default)]
    manifests: Vec<Descriptor>,
}

#[derive(Deserialize)]
struct Descriptor {
    digest: String,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
}

impl Descriptor {
    /// `None` for what no node runs, such as the attestations of a build, and for digests that are no sha256.
    fn platform(&self) -> Option<(String, Digest)> {
        let kind = |map: &BTreeMap<String, String>| map.contains_key("vnd.docker.reference.type");
        if self.annotations.as_ref().is_some_and(kind) {
            return None;
        }
        let digest = self.digest.parse().ok()?;
        let Some(platform) = &self.platform else {
            return Some(("unknown".to_owned(), digest));
        };
        let first = [&platform.os, &platform.architecture];
        let more = [&platform.variant, &platform.os_version];
        let parts: Vec<&str> = first
            .into_iter()
            .chain(more.into_iter().flatten())
            .map(String::as_str)
            .collect();
        Some((parts.join("/"), digest))
    }
}
