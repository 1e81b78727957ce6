//! A read-only client of container registries (OCI Distribution Specification 1.1, pull): whether a digest is there, and
//! what a tag points to now. For every target whose revisions are images. Nothing is pulled, pushed or deleted here, and
//! which image is wanted is not known.

mod auth;
mod challenge;
mod credentials;
mod error;
mod manifest;
mod reference;
mod transport;
mod wire;

pub use credentials::{BadCredentials, Credentials, Login};
pub use error::{Denied, RegistryError, Said};
pub use manifest::Present;
pub use reference::{BadReference, DEFAULT_REGISTRY, Reference};
pub use transport::Limits;

use crate::model::payload::Digest;
use crate::net::{self, Purpose};
use futures_util::{StreamExt as _, stream};
use http::Method;
use std::collections::BTreeMap;
use tokio::time::Instant;
use transport::Transport;

/// Images that are asked for at the same time.
const PARALLEL: usize = 8;

/// All registries, as one login file knows them. Tokens are kept as long as this lives.
#[derive(Debug)]
pub struct Registry {
    transport: Transport,
}

impl Registry {
    /// # Errors
    /// The CA file or the proxy of the settings cannot be used.
    pub fn new(
        settings: &net::Settings,
        credentials: Credentials,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        let http = net::client(settings, Purpose::Api)?;
        Ok(Self {
            transport: Transport::new(http, credentials, limits),
        })
    }

    /// Proves that an image can be pulled: by its digest when it names one, else by its tag.
    ///
    /// The layers are not asked for: a registry keeps those that a manifest names.
    pub async fn present(&self, image: &Reference) -> Result<Present, RegistryError> {
        self.look(image, self.transport.until()).await
    }

    /// What the tag points to now, when that is neither the recorded digest nor an index that holds it. An image without a
    /// tag cannot have moved.
    ///
    /// # Errors
    /// `Missing` when the tag is gone.
    pub async fn moved(
        &self,
        image: &Reference,
        recorded: &Digest,
    ) -> Result<Option<Digest>, RegistryError> {
        let Some(tagged) = image.by_tag() else {
            return Ok(None);
        };
        let until = self.transport.until();
        if let Some((digest, _)) = self.head(&tagged, until).await?
            && digest == *recorded
        {
            return Ok(None);
        }
        let now = self.look(&tagged, until).await?;
        Ok((!now.holds(recorded)).then_some(now.digest))
    }

    /// [`Registry::present`] for many, in their order. Each distinct image is asked for once; the limit of time is for all.
    pub async fn all_present(
        &self,
        images: &[Reference],
    ) -> Vec<(Reference, Result<Present, RegistryError>)> {
        let until = self.transport.until();
        // `a:1@sha256:…` and `a@sha256:…` ask for the same.
        let question = |image: &Reference| {
            (
                image.registry().to_owned(),
                image.repository().to_owned(),
                image.asked(),
            )
        };
        let distinct: BTreeMap<_, Reference> = images
            .iter()
            .map(|image| (question(image), image.clone()))
            .collect();
        let answers: BTreeMap<_, _> = stream::iter(distinct)
            .map(|(question, image)| async move { (question, self.look(&image, until).await) })
            .buffer_unordered(PARALLEL)
            .collect()
            .await;
        images
            .iter()
            .filter_map(|image| Some((image.clone(), answers.get(&question(image))?.clone())))
            .collect()
    }

    async fn look(&self, image: &Reference, until: Instant) -> Result<Present, RegistryError> {
        let image = match self.head(image, until).await? {
            Some((digest, media_type)) if !manifest::is_index(&media_type) => {
                return Ok(Present {
                    digest,
                    media_type,
                    platforms: Vec::new(),
                });
            }
            // The tag may move between the two requests: the index is asked for by its digest.
            Some((digest, _)) => image.pinned(digest),
            None => image.clone(),
        };
        let fetched = self.transport.ask(&Method::GET, &image, until).await?;
        manifest::body(&image, &fetched)
    }

    /// Digest and media type by HEAD, which registries do not count as a pull. `None` when only a GET can tell.
    async fn head(
        &self,
        image: &Reference,
        until: Instant,
    ) -> Result<Option<(Digest, String)>, RegistryError> {
        match self.transport.ask(&Method::HEAD, image, until).await {
            Ok(fetched) => manifest::head(image, &fetched),
            Err(RegistryError::Redirect { .. }) if image.digest().is_some() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
