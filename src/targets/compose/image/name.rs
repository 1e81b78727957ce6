//! What an image is called: which of its digests is the revision, and which names mean the same repository. Pure.

use crate::model::payload::Digest;
use crate::model::state::{Revision, Slot};
use crate::targets::TargetError;
use crate::targets::images_file::{digest, repository};
use crate::targets::registry::Reference;

/// What a revision of replicas begins with that do not run the same.
const MIXED: &str = "mixed:";

/// The revision of an image: the digest of the repository that `asked` (the image as a container names it) is of, else the first of all
/// its digests in order, else, when it is in no registry, its id.
pub(in crate::targets::compose) fn canonical(
    id: &str,
    repo_digests: &[String],
    asked: &str,
) -> Revision {
    let mut known: Vec<&String> = repo_digests
        .iter()
        .filter(|entry| digest(entry).is_some())
        .collect();
    known.sort();
    let as_asked = known
        .iter()
        .find(|entry| digest(asked).is_some() && digest(entry) == digest(asked));
    let of_repository = known.iter().find(|entry| is_same_repository(entry, asked));
    let first = as_asked.or(of_repository).or(known.first());
    let found = first.and_then(|entry| digest(entry)).unwrap_or(id);
    Revision(found.to_owned())
}

/// Whether two references are of the same repository of the same registry, however they are written.
pub(in crate::targets::compose) fn is_same_repository(one: &str, other: &str) -> bool {
    let read = |text: &str| repository(text).parse::<Reference>();
    match (read(one), read(other)) {
        (Ok(one), Ok(other)) => {
            one.registry() == other.registry() && one.repository() == other.repository()
        }
        (_, _) => false,
    }
}

/// One revision for replicas that do not run the same: never equal to one that can be wanted.
pub(in crate::targets::compose) fn mixed(revisions: &[Revision]) -> Revision {
    let mut short: Vec<String> = revisions.iter().map(Revision::short).collect();
    short.sort();
    short.dedup();
    Revision(format!("{MIXED}{}", short.join("+")))
}

/// The repository that a container's image is of; `None` when it was named by its id.
pub(in crate::targets::compose) fn repository_of(asked: &str) -> Option<String> {
    let name = repository(asked);
    let is_id = name == "sha256" || asked.starts_with("sha256:");
    (!is_id && name.parse::<Reference>().is_ok()).then(|| name.to_owned())
}

/// Checks that a revision is something that can be put in place.
///
/// # Errors
/// `Refused`: it describes replicas that did not run the same; `BadRelease`: it is no digest.
pub(in crate::targets::compose) fn check(
    slot: &Slot,
    revision: &Revision,
) -> Result<(), TargetError> {
    if let Some(short) = revision.0.strip_prefix(MIXED) {
        return Err(TargetError::Refused {
            what: format!(
                "{slot} cannot go back to what it held: its replicas ran different images ({short})"
            ),
            allow: None,
            next: "name a release: lastgood rollback --run-id".to_owned(),
        });
    }
    if is_digest(&revision.0) {
        return Ok(());
    }
    let shown: String = revision.0.chars().take(100).collect();
    Err(TargetError::BadRelease {
        what: format!("{slot}: found revision {shown:?}, expected sha256: and 64 hex digits"),
        next: "name a release that was recorded with this target: --run-id".to_owned(),
    })
}

/// Whether it is `sha256:` and 64 hex digits.
pub(in crate::targets::compose) fn is_digest(text: &str) -> bool {
    text.starts_with("sha256:") && text.parse::<Digest>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(digit: char) -> String {
        format!("sha256:{}", digit.to_string().repeat(64))
    }

    /// `name@c`: the digest of 64 `c`.
    fn long(text: &str) -> String {
        match text.rsplit_once('@') {
            Some((name, digit)) => format!("{name}@{}", d(digit.chars().next().unwrap())),
            None => text.to_owned(),
        }
    }

    #[track_caller]
    fn check_canonical(asked: &str, repo_digests: &[&str], expected: char) {
        let digests: Vec<String> = repo_digests.iter().map(|text| long(text)).collect();
        let found = canonical(&d('0'), &digests, &long(asked));
        assert_eq!(found.0, d(expected));
    }

    #[test]
    fn the_digest_of_the_repository_that_was_asked_for() {
        check_canonical("shop/web:1", &["shop/web@a"], 'a');
        check_canonical("shop/web:1", &["a.io/copy@b", "shop/web@a"], 'a');
        check_canonical("docker.io/library/nginx", &["a.io/copy@b", "nginx@a"], 'a');
        check_canonical("nginx", &["a.io/copy@b", "docker.io/library/nginx@a"], 'a');
        check_canonical(
            "localhost:5000/web:1",
            &["localhost:5001/web@b", "localhost:5000/web@a"],
            'a',
        );
        // Retagged: the tag is of a repository that it was never pulled from.
        check_canonical("local:latest", &["b.io/x@b", "a.io/x@a"], 'a');
        // Several of one repository: the one that was asked for, else the first.
        check_canonical("shop/web@b", &["shop/web@a", "shop/web@b"], 'b');
        check_canonical("shop/web:1@b", &["shop/web@a", "other@b"], 'b');
        check_canonical("shop/web:1", &["shop/web@b", "shop/web@a"], 'a');
        // By id, and built here.
        check_canonical(&d('0'), &["shop/web@a"], 'a');
        check_canonical("shop-web", &[], '0');
        check_canonical("shop-web", &["<none>@<none>"], '0');
    }

    #[test]
    fn repositories_of_containers() {
        assert_eq!(repository_of("shop/web:1"), Some("shop/web".to_owned()));
        assert_eq!(
            repository_of(&long("localhost:5000/w@a")),
            Some("localhost:5000/w".to_owned())
        );
        assert_eq!(repository_of(&d('a')), None);
        assert_eq!(repository_of(d('a').trim_start_matches("sha256:")), None);
        assert_eq!(repository_of(""), None);
    }

    #[test]
    fn mixed_is_the_same_in_any_order_and_never_goes_back() {
        let one = mixed(&[Revision(d('b')), Revision(d('a')), Revision(d('b'))]);
        assert_eq!(one.0, "mixed:aaaaaaaaaaaa+bbbbbbbbbbbb");
        let slot = Slot("web".to_owned());
        let error = check(&slot, &one).unwrap_err();
        assert!(error.to_string().contains("different images"), "{error}");
        let error = check(&slot, &Revision("v1.2".to_owned())).unwrap_err();
        assert!(matches!(error, TargetError::BadRelease { .. }), "{error}");
        assert!(check(&slot, &Revision(d('a'))).is_ok());
    }
}
