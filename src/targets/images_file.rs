//! Files of image references, as deploy workflows write them: JSON or lines, each image with its digest. Read here for every
//! target whose revisions are images; which image is for which slot is the target's.

use crate::model::payload::{Digest, Shape};
use crate::targets::TargetError;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// A list of images is a page of text, not more.
const BYTES_MAX: u64 = 1024 * 1024;

/// Images by the name of what runs them.
pub(in crate::targets) type Named = BTreeMap<String, String>;

/// What a file says, for all slots or for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::targets) struct ImagesFile {
    /// By slot, and then by name.
    pub(in crate::targets) slots: BTreeMap<String, Named>,
    pub(in crate::targets) named: Named,
    /// Without a name: for whatever has the same repository.
    pub(in crate::targets) loose: Vec<String>,
}

/// What the target calls that which an image is named for, for messages: `container`.
#[derive(Debug, Clone, Copy)]
pub(in crate::targets) struct Noun(pub(in crate::targets) &'static str);

impl ImagesFile {
    /// Reads `{"name": "image"}`, `{"slot": {"name": "image"}}`, or lines `name=image` and plain images.
    ///
    /// # Errors
    /// `BadRelease` when it says something else, or names an image without its digest.
    pub(in crate::targets) fn read(
        path: &Path,
        shape: Shape,
        noun: Noun,
    ) -> Result<Self, TargetError> {
        match shape {
            Shape::File => (),
            Shape::Tree => return Err(noun.bad("found a directory, expected one file")),
        }
        let size = std::fs::metadata(path).map(|file| file.len());
        let text = match size {
            Ok(size) if BYTES_MAX < size => {
                return Err(noun.bad(&format!("found {size} bytes, expected at most {BYTES_MAX}")));
            }
            Ok(_) | Err(_) => std::fs::read_to_string(path),
        };
        let text = text.map_err(|error| noun.bad(&format!("could not be read: {error}")))?;
        Self::parse(&text, noun)
    }

    pub(in crate::targets) fn parse(text: &str, noun: Noun) -> Result<Self, TargetError> {
        let file = match serde_json::from_str::<Value>(text) {
            Ok(Value::Object(map)) if map.values().all(Value::is_object) && !map.is_empty() => {
                let slots = map
                    .into_iter()
                    .map(|(slot, images)| Ok((slot, strings(images, noun)?)));
                Self {
                    slots: slots.collect::<Result<_, TargetError>>()?,
                    ..Self::default()
                }
            }
            Ok(images @ Value::Object(_)) => Self {
                named: strings(images, noun)?,
                ..Self::default()
            },
            Ok(_) | Err(_) => lines(text),
        };
        file.check(noun)?;
        Ok(file)
    }

    fn check(&self, noun: Noun) -> Result<(), TargetError> {
        let of_slots = self.slots.values().flat_map(BTreeMap::values);
        let mut count = 0;
        for image in of_slots.chain(self.named.values()).chain(&self.loose) {
            count += 1;
            if digest(image).is_none() {
                let shown: String = image.chars().take(100).collect();
                return Err(noun.bad(&format!(
                    "found image {shown:?}, expected NAME@sha256:DIGEST"
                )));
            }
        }
        if count == 0 {
            return Err(noun.bad("found no images, expected at least one"));
        }
        Ok(())
    }
}

impl Noun {
    fn bad(self, what: &str) -> TargetError {
        let Self(noun) = self;
        TargetError::BadRelease {
            what: format!("the file of images: {what}"),
            next: format!(
                "write {noun}=NAME@sha256:DIGEST, one a line, with the digests that were pushed"
            ),
        }
    }
}

/// The digest of an image reference or of an `imageID`, `sha256:…`. An `imageID` that is a bare `sha256:…` names the image's
/// configuration on that node, not anything in a registry, and is none.
pub(in crate::targets) fn digest(image: &str) -> Option<&str> {
    let (name, digest) = image.rsplit_once('@')?;
    let is_digest = digest.starts_with("sha256:") && digest.parse::<Digest>().is_ok();
    (is_digest && !name.is_empty()).then_some(digest)
}

/// The name of an image without its tag and digest. A colon before the last `/` is a port.
pub(in crate::targets) fn repository(image: &str) -> &str {
    let name = image.split_once('@').map_or(image, |(name, _)| name);
    let tag = name
        .rfind(':')
        .filter(|at| name.rfind('/').is_none_or(|slash| slash < *at));
    tag.and_then(|at| name.get(..at)).unwrap_or(name)
}

fn strings(images: Value, Noun(noun): Noun) -> Result<Named, TargetError> {
    serde_json::from_value(images).map_err(|error| {
        Noun(noun).bad(&format!(
            "found {error}, expected a map from {noun}s to images"
        ))
    })
}

fn lines(text: &str) -> ImagesFile {
    let mut file = ImagesFile::default();
    let lines = text.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.split_once('=') {
            Some((name, image)) => {
                let (name, image) = (name.trim(), image.trim());
                file.named.insert(name.to_owned(), image.to_owned());
            }
            None => file.loose.push(line.to_owned()),
        }
    }
    file
}
