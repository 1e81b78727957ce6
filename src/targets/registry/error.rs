//! What a registry answers instead of a manifest, told apart by what to do next. Reading the answers is done by `wire`.

use super::reference::DEFAULT_REGISTRY;
use crate::model::payload::Digest;
use crate::targets::TargetError;
use std::fmt;
use std::time::Duration;

/// Why an image was not found to be there. No text in it holds a login or a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// 404: the registry answers, and does not have it.
    #[error("{image} is not in its registry (404){said}")]
    Missing { image: String, said: Said },
    /// 401, after the login that there is was tried.
    #[error("{} was not let in by {} (401) for {}{}", .0.who(), .0.host, .0.image, .0.said)]
    Unauthorized(Box<Denied>),
    /// 403.
    #[error("{} may not pull {} from {} (403){}", .0.who(), .0.image, .0.host, .0.said)]
    Forbidden(Box<Denied>),
    /// 429, with a longer wait than was allowed for, or with none named.
    #[error("{host} asks to slow down (429){}{said}", wait(*retry_after))]
    RateLimited {
        host: String,
        retry_after: Option<Duration>,
        said: Said,
        /// The input for a login, when there is no login yet.
        anonymous: Option<String>,
    },
    /// 5xx, at every try.
    #[error("{host} answered {status} ({tries} tries){said}")]
    Server {
        host: String,
        status: u16,
        said: Said,
        tries: u32,
    },
    #[error("{host} could not be reached ({tries} tries): {why}")]
    Unreachable {
        host: String,
        why: String,
        tries: u32,
        /// The certificate of the other side is not trusted.
        certificate: bool,
    },
    #[error("found no answer of {host}, expected one within {} s ({tries} tries)", within.as_secs_f32())]
    TimedOut {
        host: String,
        within: Duration,
        tries: u32,
    },
    /// To a place that a manifest is not fetched from.
    #[error("found a redirect from {host} to {to}, expected the manifest from {host} itself")]
    Redirect { host: String, to: String },
    /// An answer that no registry gives.
    #[error("found {found}, expected {expected}: {host} or a proxy answered something else")]
    Unreadable {
        host: String,
        found: String,
        expected: &'static str,
    },
    /// The bytes or the header name another digest than was asked for.
    #[error("found digest {found}, expected {expected}, in the answer for {image}")]
    WrongDigest {
        image: String,
        found: Digest,
        expected: Digest,
    },
    /// The registry names a token service to which nothing is sent.
    #[error("found token service {realm:?} named by {host}, expected an https address")]
    Realm { host: String, realm: String },
}

/// Who was refused what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Denied {
    /// Who refused: the registry or its token service.
    pub host: String,
    pub image: String,
    /// The registry of the image, as in the image's name.
    pub registry: String,
    /// Who asked; `None` without a login.
    pub login: Option<String>,
    pub said: Said,
    /// The input or setting that logins come from.
    pub input: String,
    /// A credential program that would know the login and cannot run here.
    pub program: Option<String>,
}

impl Denied {
    fn who(&self) -> &str {
        self.login.as_deref().unwrap_or("a request without a login")
    }

    fn next(&self) -> String {
        let Self {
            registry, input, ..
        } = self;
        let needs = match registry.as_str() {
            "ghcr.io" => " whose token has read:packages",
            DEFAULT_REGISTRY => " with a Docker Hub access token",
            _ => "",
        };
        match (&self.program, &self.login) {
            (Some(program), None) => format!(
                "give user and token for {registry} with {input}: docker-credential-{program}, which it names, is not in this container"
            ),
            (None, None) => format!(
                "give a login for {registry}{needs} with {input}, or check the name: registries answer so for images that do not exist"
            ),
            (_, Some(who)) => {
                format!(
                    "renew the login of {who} for {registry} in {input}{needs}, or give it the right to pull"
                )
            }
        }
    }
}

impl RegistryError {
    /// The one next action.
    pub fn next(&self) -> String {
        match self {
            Self::Missing { image, .. } if image.contains('@') => {
                "choose a release whose images are still there; the image was deleted: does a cleanup policy of the registry remove deployed digests?".to_owned()
            }
            Self::Missing { .. } => {
                "check repository and tag: it was deleted, or never pushed".to_owned()
            }
            Self::Unauthorized(denied) | Self::Forbidden(denied) => denied.next(),
            Self::RateLimited { host, anonymous: Some(input), .. } if host.ends_with("docker.io") => {
                format!("give a Docker Hub login with {input}: without one the limit is shared by all who use this address")
            }
            Self::RateLimited { retry_after: Some(wait), .. } => {
                format!("run again in {} s", wait.as_secs())
            }
            Self::RateLimited { anonymous: Some(input), host, .. } => {
                format!("give a login for {host} with {input}: limits are lower without one")
            }
            Self::RateLimited { .. } => "run again in a few minutes".to_owned(),
            Self::Server { host, .. } => {
                format!("look at the status page of {host}, then run again")
            }
            Self::Unreachable { host, certificate: true, .. } => {
                format!("give the CA that signed the certificate of {host} with ca-file")
            }
            Self::Unreachable { host, .. } | Self::TimedOut { host, .. } => {
                format!("check that {host} can be reached from where this runs, then run again")
            }
            Self::Redirect { host, .. } => {
                format!("name the image by its digest, or by the registry that {host} stands for")
            }
            Self::Unreadable { host, .. } => {
                format!("check that {host} is a container registry and that no proxy answers in its place")
            }
            Self::WrongDigest { image, .. } => {
                format!("do not use {image}: pull it again, and look at what stands between here and the registry")
            }
            Self::Realm { host, .. } => {
                format!("set the token service of {host} to an https address")
            }
        }
    }

    /// The same, after so many tries.
    pub(super) fn with_tries(mut self, count: u32) -> Self {
        match &mut self {
            Self::Server { tries, .. }
            | Self::Unreachable { tries, .. }
            | Self::TimedOut { tries, .. } => *tries = count,
            Self::Missing { .. }
            | Self::Unauthorized(_)
            | Self::Forbidden(_)
            | Self::RateLimited { .. }
            | Self::Redirect { .. }
            | Self::Unreadable { .. }
            | Self::WrongDigest { .. }
            | Self::Realm { .. } => (),
        }
        self
    }
}

/// Nothing was changed: the registry is asked before.
impl From<RegistryError> for TargetError {
    fn from(error: RegistryError) -> Self {
        let (what, next) = (error.to_string(), error.next());
        match error {
            RegistryError::Missing { .. } | RegistryError::WrongDigest { .. } => {
                Self::BadRelease { what, next }
            }
            RegistryError::RateLimited { .. }
            | RegistryError::Server { .. }
            | RegistryError::Unreachable { .. }
            | RegistryError::TimedOut { .. } => Self::Unreachable {
                what: format!("{what}; {next}"),
            },
            RegistryError::Unauthorized(_)
            | RegistryError::Forbidden(_)
            | RegistryError::Redirect { .. }
            | RegistryError::Unreadable { .. }
            | RegistryError::Realm { .. } => Self::Refused {
                what,
                allow: None,
                next,
            },
        }
    }
}

/// The registry's own words, on one line and bounded; printed after a colon, or not at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Said(pub String);

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        write!(f, ": {}", self.0)
    }
}

fn wait(retry_after: Option<Duration>) -> String {
    retry_after.map_or_else(String::new, |wait| format!(" for {} s", wait.as_secs()))
}
