//! Images that a release asks for when it holds no templates: a file of the artifact, or the list of a manifest. Read and
//! matched with containers here; where a template comes from is chosen elsewhere.

#[cfg(test)]
mod tests;

use super::template::{self, Images};
use crate::model::payload::Shape;
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::images_file::{self, Noun};
use std::collections::BTreeMap;
use std::path::Path;

/// What an image is named for.
const CONTAINER: Noun = Noun("container");

/// Images for the containers of one workload, each with its digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Wish {
    /// By the name of the container.
    pub(super) named: Images,
    /// For whichever container has the same repository.
    pub(super) loose: Vec<String>,
}

/// What a file says, for all workloads or for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ImagesFile {
    slots: BTreeMap<String, Images>,
    all: Wish,
}

impl ImagesFile {
    /// Reads `{"container": "image"}`, `{"slot": {"container": "image"}}`, or lines `container=image` and plain images.
    ///
    /// # Errors
    /// `BadRelease` when it says something else, or names an image without its digest.
    pub(super) fn read(path: &Path, shape: Shape) -> Result<Self, TargetError> {
        images_file::ImagesFile::read(path, shape, CONTAINER).map(Self::of)
    }

    fn of(file: images_file::ImagesFile) -> Self {
        Self {
            slots: file.slots,
            all: Wish {
                named: file.named,
                loose: file.loose,
            },
        }
    }

    #[cfg(test)]
    fn parse(text: &str) -> Result<Self, TargetError> {
        images_file::ImagesFile::parse(text, CONTAINER).map(Self::of)
    }

    /// What it says of one workload.
    pub(super) fn wish(&self, slot: &Slot) -> Wish {
        match self.slots.get(&slot.0) {
            Some(named) => Wish {
                named: named.clone(),
                loose: Vec::new(),
            },
            None => self.all.clone(),
        }
    }
}

impl Wish {
    /// The image for a container that has `image` now. `is_only`: there is no other workload that the name could mean; else the
    /// repository has to be the same.
    fn find(&self, container: &str, image: &str, is_only: bool) -> Option<&String> {
        let is_same =
            |wished: &&String| template::repository(wished) == template::repository(image);
        let named = self.named.get(container);
        let named = named.filter(|wished| is_only || is_same(wished));
        named.or_else(|| self.loose.iter().find(is_same))
    }

    /// The wished images of those containers that it speaks of, by digest alone.
    pub(super) fn over(&self, images: &Images, is_only: bool) -> Images {
        images
            .iter()
            .filter_map(|(container, image)| {
                let wished = self.find(container, image, is_only)?;
                Some((container.clone(), template::normal(wished)))
            })
            .collect()
    }

    /// Whether an earlier template ran what is wished, and then its images by digest. An image that was written by tag is the
    /// wished one only where the wish has the same tag beside its digest. Containers that it does not speak of must be
    /// pinned, or run what they run now.
    pub(super) fn fits(&self, earlier: &Images, now: &Images, is_only: bool) -> Option<Images> {
        let mut fitting = Images::new();
        let mut matched = false;
        for (container, image) in earlier {
            let image = match self.find(container, image, is_only) {
                Some(wished) => {
                    let is_it = match template::digest(image) {
                        Some(digest) => template::digest(wished) == Some(digest),
                        None => {
                            template::repository(image) == template::repository(wished)
                                && wished
                                    .split_once('@')
                                    .is_some_and(|(name, _)| name == image)
                        }
                    };
                    matched = true;
                    is_it.then(|| template::normal(wished))?
                }
                None if template::digest(image).is_some() => image.clone(),
                None => now.get(container).filter(|now| *now == image)?.clone(),
            };
            fitting.insert(container.clone(), image);
        }
        matched.then_some(fitting)
    }
}
