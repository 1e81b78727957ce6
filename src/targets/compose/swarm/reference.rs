//! Names of images in specs of services: `name:tag@sha256:...`.

use crate::decide::swarm::digest_of;
use crate::model::payload::Digest;
use crate::model::release::Pin;
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;
use crate::targets::registry::Reference;

/// The image of a spec at a digest, without its tag: `name@sha256:...`. `None`: it names no image of a registry.
pub(super) fn pinned(image: &str, revision: &Revision) -> Option<String> {
    let reference: Reference = image.parse().ok()?;
    let digest: Digest = revision.0.parse().ok()?;
    Some(reference.pinned(digest).familiar())
}

/// What a service is to run to hold this revision: as it was recorded where it was, else the image that it runs now at that digest. The
/// tag before the digest decides nothing; it says to people what it is.
///
/// # Errors
/// `BadRelease` when the revision is no digest of a registry, or the image has no name.
pub(super) fn wanted(
    slot: &Slot,
    now: &str,
    revision: &Revision,
    pin: Option<&Pin>,
) -> Result<String, TargetError> {
    let pin = pin.filter(|pin| pin.revision == *revision);
    let recorded = pin.and_then(|pin| pin.recorded.as_ref()?.get("image")?.as_str());
    if let Some(image) = recorded
        && digest_of(image) == Some(&revision.0)
    {
        return Ok(image.to_owned());
    }
    let named = pin.into_iter().flat_map(|pin| &pin.images);
    let mut named = named.filter(|image| digest_of(image) == Some(&revision.0));
    if let Some(image) = named.next() {
        return Ok(image.clone());
    }
    pinned(now, revision).ok_or_else(|| TargetError::BadRelease {
        what: format!("{slot}: found revision {revision} for image {now:?}, expected sha256: and 64 digits for an image with a name"),
        next: "name a release whose images are in a registry: nodes of a swarm pull them from there".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn digest(digit: &str) -> Revision {
        Revision(format!("sha256:{}", digit.repeat(64)))
    }

    #[track_caller]
    fn check(now: &str, pin: Option<&Pin>, expected: &str) {
        let slot = Slot("web".to_owned());
        let a = digest("a");
        let found = wanted(&slot, now, &a, pin).unwrap();
        assert_eq!(found, expected.replace("{a}", &a.0));
    }

    #[test]
    fn the_recorded_name_goes_before_the_one_that_runs() {
        let pin = |recorded: &str, images: &str| Pin {
            revision: digest("a"),
            payload: None,
            images: vec![images.replace("{a}", &digest("a").0)],
            recorded: Some(json!({"image": recorded.replace("{a}", &digest("a").0)})),
        };
        let now = format!("r.io/app:v2@{}", digest("b"));
        check(&now, None, "r.io/app@{a}");
        check("nginx:1.27", None, "nginx@{a}");
        check(
            &now,
            Some(&pin("old.io/app:v1@{a}", "old.io/app@{a}")),
            "old.io/app:v1@{a}",
        );
        check(
            &now,
            Some(&pin("app:v1", "old.io/app@{a}")),
            "old.io/app@{a}",
        );
        let mut other = pin("old.io/app:v1@{a}", "old.io/app@{a}");
        other.revision = digest("c");
        check(&now, Some(&other), "r.io/app@{a}");
    }

    #[test]
    fn a_revision_that_no_registry_knows_is_refused() {
        let slot = Slot("web".to_owned());
        let bad = Revision("mixed:1".to_owned());
        let error = wanted(&slot, "app:v1", &bad, None).unwrap_err();
        assert!(matches!(error, TargetError::BadRelease { .. }));
    }
}
