//! Whether images are still in their registries, asked before a change: nodes pull them after it, when it is too late.
//! Which images are wanted is the callers'.

use super::Kubernetes;
use crate::model::payload::Digest;
use crate::targets::registry::{Credentials, Limits, Reference, Registry, RegistryError};
use crate::targets::{Finding, TargetError};
use futures_util::future::join_all;

const CHECK: &str = "image";

/// One finding per image. Empty when the settings say not to look.
///
/// # Errors
/// `Refused`: the credentials of the registries, the CA or the proxy cannot be used.
pub(super) async fn images_present(
    kubernetes: &Kubernetes,
    images: &[String],
) -> Result<Vec<Finding>, TargetError> {
    let Some(registry) = registry(kubernetes)? else {
        return Ok(Vec::new());
    };
    let mut findings = Vec::new();
    let mut references = Vec::new();
    for image in images {
        match image.parse::<Reference>() {
            Ok(reference) => references.push(reference),
            Err(bad) => findings.push(Finding::bad(CHECK, bad.to_string(), bad.next)),
        }
    }
    for (reference, present) in registry.all_present(&references).await {
        findings.push(match present {
            Ok(present) => Finding::ok(
                CHECK,
                format!("{reference} is in its registry ({})", present.digest),
            ),
            Err(error) => Finding::bad(CHECK, error.to_string(), way_out(&error)),
        });
    }
    Ok(findings)
}

/// Looks for every image. Answers what could not be told, one line each: nodes may have such an image, and a registry that does
/// not answer is no reason to leave the bad release in place.
///
/// # Errors
/// `BadRelease` when one is proven to be missing, or is no reference.
pub(super) async fn require_present(
    kubernetes: &Kubernetes,
    images: &[String],
) -> Result<Vec<String>, TargetError> {
    let registry = match registry(kubernetes) {
        Ok(Some(registry)) => registry,
        Ok(None) => return Ok(Vec::new()),
        Err(error) => return Ok(vec![format!("images are not looked for: {error}")]),
    };
    let references: Result<Vec<Reference>, _> = images.iter().map(|image| image.parse()).collect();
    let references = references.map_err(|bad: crate::targets::registry::BadReference| {
        TargetError::BadRelease {
            what: bad.to_string(),
            next: bad.next.to_owned(),
        }
    })?;
    let mut unproven = Vec::new();
    for (reference, present) in registry.all_present(&references).await {
        if let Err(error) = present {
            unproven.push(tolerated(&reference.to_string(), error)?);
        }
    }
    Ok(unproven)
}

/// Only an answer that the image is not there, or is another, refuses.
fn tolerated(image: &str, error: RegistryError) -> Result<String, TargetError> {
    match &error {
        RegistryError::Missing { .. } | RegistryError::WrongDigest { .. } => Err(error.into()),
        RegistryError::Unauthorized(_)
        | RegistryError::Forbidden(_)
        | RegistryError::RateLimited { .. }
        | RegistryError::Server { .. }
        | RegistryError::Unreachable { .. }
        | RegistryError::TimedOut { .. }
        | RegistryError::Redirect { .. }
        | RegistryError::Unreadable { .. }
        | RegistryError::Realm { .. } => Ok(format!(
            "it is not known whether {image} can be pulled: {error}; {}",
            way_out(&error)
        )),
    }
}

/// What is told of tags that point elsewhere by now: `written` is the image as the release named it, `pinned` what ran.
/// A tag that cannot be looked up is not told of: what is put back is pinned anyway.
pub(super) async fn moved_tags(
    kubernetes: &Kubernetes,
    images: &[(String, String)],
) -> Vec<String> {
    let Ok(Some(registry)) = registry(kubernetes) else {
        return Vec::new();
    };
    let asked = images.iter().filter_map(|(written, pinned)| {
        let reference: Reference = written.parse().ok()?;
        let recorded = pinned.parse::<Reference>().ok()?.digest()?;
        reference.tag()?;
        Some((written, reference, recorded))
    });
    let answers = asked.map(|(written, reference, recorded)| {
        let registry = &registry;
        async move {
            let now = registry.moved(&reference, &recorded).await;
            moved_text(written, &recorded, &now)
        }
    });
    join_all(answers).await.into_iter().flatten().collect()
}

fn moved_text(
    written: &str,
    recorded: &Digest,
    now: &Result<Option<Digest>, RegistryError>,
) -> Option<String> {
    match now {
        Ok(Some(now)) => Some(format!(
            "the tag of {written} has moved: it was {recorded}, and is {now} now; what ran is put back, by its digest"
        )),
        Err(RegistryError::Missing { .. }) => Some(format!(
            "the tag of {written} is gone; what ran ({recorded}) is put back, by its digest"
        )),
        Ok(None) | Err(_) => None,
    }
}

/// `None`: the settings say not to look.
fn registry(kubernetes: &Kubernetes) -> Result<Option<Registry>, TargetError> {
    const INPUT: &str = "registry-auth-from";
    let settings = &kubernetes.settings;
    if !settings.check_images {
        return Ok(None);
    }
    let credentials = match &settings.registry_auth_from {
        None => Credentials::none(INPUT),
        Some(name) => {
            let text = kubernetes.base.environment.get(name);
            let text = text.filter(|text| !text.trim().is_empty()).ok_or_else(|| {
                TargetError::Refused {
                    what: format!("{INPUT}: the variable {name} is not set, expected the text of a docker config.json"),
                    allow: None,
                    next: format!("set {name} in the environment of this command, from a secret"),
                }
            })?;
            Credentials::from_docker_config(INPUT, text).map_err(|bad| TargetError::Refused {
                what: format!(
                    "found {} in {}, expected {}",
                    bad.found, bad.input, bad.expected
                ),
                allow: None,
                next: bad.next.to_owned(),
            })?
        }
    };
    Registry::new(&kubernetes.base.net, credentials, Limits::default())
        .map(Some)
        .map_err(TargetError::Failed)
}

/// A registry that only the cluster can reach or log in to is no fault of the release.
fn way_out(error: &RegistryError) -> String {
    let next = error.next();
    match error {
        RegistryError::Missing { .. } | RegistryError::WrongDigest { .. } => next,
        RegistryError::Unauthorized(_)
        | RegistryError::Forbidden(_)
        | RegistryError::RateLimited { .. }
        | RegistryError::Server { .. }
        | RegistryError::Unreachable { .. }
        | RegistryError::TimedOut { .. }
        | RegistryError::Redirect { .. }
        | RegistryError::Unreadable { .. }
        | RegistryError::Realm { .. } => {
            format!(
                "{next}; or set `check-images: false` when only the cluster can ask this registry"
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::targets::registry::Said;
    use std::time::Duration;

    #[test]
    fn only_an_image_that_is_proven_missing_refuses() {
        let host = || "ghcr.io".to_owned();
        let said = || Said(String::new());
        let missing = RegistryError::Missing {
            image: "shop/web".to_owned(),
            said: said(),
        };
        assert!(tolerated("shop/web", missing).is_err());
        let limited = RegistryError::RateLimited {
            host: host(),
            retry_after: None,
            said: said(),
            anonymous: None,
        };
        let slow = RegistryError::TimedOut {
            host: host(),
            within: Duration::from_secs(1),
            tries: 3,
        };
        let broken = RegistryError::Server {
            host: host(),
            status: 503,
            said: said(),
            tries: 3,
        };
        for error in [limited, slow, broken] {
            let told = tolerated("shop/web", error).unwrap();
            assert!(told.contains("not known whether shop/web"), "{told}");
        }
    }
}
