//! Images that the engine has. Nothing is pulled.

use super::{Image, name};
use crate::model::state::Revision;
use crate::targets::TargetError;
use crate::targets::compose::engine::Engine;
use crate::targets::images_file::digest;
use serde_json::Value;

/// One image as the engine describes it, by its id or by `NAME@sha256:...`; `None`: it has no such image.
pub(in crate::targets::compose) async fn inspect(
    engine: &Engine,
    name: &str,
) -> Result<Option<Value>, TargetError> {
    match engine.get(&format!("/images/{name}/json")).await {
        Ok(raw) => Ok(Some(raw)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error.reading(&format!("image {name}"))),
    }
}

/// The image that answers to a revision: by its id, or by a digest of any repository. `preferred`: names that are taken first.
pub(in crate::targets::compose) async fn find(
    engine: &Engine,
    revision: &Revision,
    preferred: &[String],
) -> Result<Option<Image>, TargetError> {
    if let Some(raw) = inspect(engine, &revision.0).await? {
        let of_registry = entry(&entries(&raw), revision, preferred);
        let reference = of_registry.unwrap_or_else(|| revision.0.clone());
        return Ok(Image::read(raw, reference));
    }
    let of = "the images of the engine";
    let listed = engine.get("/images/json?digests=1").await;
    let listed = listed.map_err(|error| error.reading(of))?;
    let known: Vec<String> = listed
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(entries)
        .collect();
    let Some(reference) = entry(&known, revision, preferred) else {
        return Ok(None);
    };
    // Gone since it was listed: not there.
    let raw = inspect(engine, &reference).await?;
    Ok(raw.and_then(|raw| Image::read(raw, reference)))
}

/// `NAME@sha256:...` of a revision: a preferred name, else the first in order.
fn entry(entries: &[String], revision: &Revision, preferred: &[String]) -> Option<String> {
    let mut of: Vec<&String> = entries
        .iter()
        .filter(|entry| digest(entry) == Some(&revision.0))
        .collect();
    of.sort();
    let is_preferred = |entry: &&&String| {
        let same = |name: &String| name::is_same_repository(name, entry);
        preferred.iter().any(same)
    };
    of.iter()
        .find(is_preferred)
        .or(of.first())
        .map(|entry| (*entry).clone())
}

/// Its names by digest. Old engines write `null`, or `<none>@<none>`, for an image that is in no registry.
pub(super) fn entries(raw: &Value) -> Vec<String> {
    let list = raw.get("RepoDigests").and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .filter(|entry| digest(entry).is_some())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preferred_name_comes_first() {
        let d = format!("sha256:{}", "a".repeat(64));
        let known = [format!("z.io/web@{d}"), format!("a.io/web@{d}")];
        let revision = Revision(d.clone());
        assert_eq!(entry(&known, &revision, &[]), Some(known[1].clone()));
        let preferred = ["z.io/web:1".to_owned()];
        assert_eq!(entry(&known, &revision, &preferred), Some(known[0].clone()));
        let other = Revision(format!("sha256:{}", "b".repeat(64)));
        assert_eq!(entry(&known, &other, &[]), None);
    }

    #[test]
    fn null_and_none_are_no_names() {
        assert_eq!(
            entries(&serde_json::json!({"RepoDigests": null})),
            Vec::<String>::new()
        );
        assert_eq!(
            entries(&serde_json::json!({"RepoDigests": ["<none>@<none>"]})),
            Vec::<String>::new()
        );
    }
}
