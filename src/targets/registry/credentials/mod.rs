//! Logins by registry, as the caller gives them or as a docker `config.json` holds them. Sending them is done by `auth`.

use crate::model::secret::Secret;
use crate::targets::registry::reference::{self, Reference};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// How to log in to a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// A user with a password or an access token.
    Password { user: String, secret: Secret },
    /// An identity token (`identitytoken`), traded for a registry token by OAuth 2.0.
    Identity(Secret),
    /// A registry token (`registrytoken`), sent as it is.
    Token(Secret),
}

impl Login {
    /// Who that is, in words for messages.
    pub(in crate::targets::registry) fn who(&self) -> String {
        match self {
            Self::Password { user, .. } => format!("user {user:?}"),
            Self::Identity(_) => "an identity token".to_owned(),
            Self::Token(_) => "a registry token".to_owned(),
        }
    }

    pub(in crate::targets::registry) fn secret(&self) -> &Secret {
        match self {
            Self::Password { secret, .. } | Self::Identity(secret) | Self::Token(secret) => secret,
        }
    }
}

/// Logins by registry. Each is sent to its registry, and to the token service that this registry names, only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The input or setting that they come from, for advice.
    input: String,
    /// By registry host, or by host and the beginning of a path.
    logins: BTreeMap<String, Login>,
    /// Programs that would know a login, by registry.
    helpers: BTreeMap<String, String>,
    /// The program that would know all other logins.
    store: Option<String>,
}

/// What was given where logins were expected. The text is never repeated: it holds secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found} in {input}, expected {expected}: {next}")]
pub struct BadCredentials {
    pub input: String,
    pub found: String,
    pub expected: &'static str,
    /// The one next action.
    pub next: &'static str,
}

impl Credentials {
    /// None yet. `input` names the input or setting where an operator gives them.
    pub fn none(input: impl Into<String>) -> Self {
        Self {
            input: input.into(),
            logins: BTreeMap::new(),
            helpers: BTreeMap::new(),
            store: None,
        }
    }

    /// Adds a login. `registry` is a host such as `ghcr.io`, `docker.io` or `localhost:5000`, with or without `https://`;
    /// with a path (`ghcr.io/owner`) it is for the repositories below it.
    ///
    /// # Errors
    /// `registry` is not a host.
    pub fn with(mut self, registry: &str, login: Login) -> Result<Self, BadCredentials> {
        let key = self.key(registry)?;
        self.logins.insert(key, login);
        Ok(self)
    }

    /// Reads the text of a docker `config.json`. Helper programs that it names are kept as [`Credentials::unusable`].
    ///
    /// # Errors
    /// It is not such a file, or an entry of `auths` cannot be read.
    pub fn from_docker_config(
        input: impl Into<String>,
        text: &str,
    ) -> Result<Self, BadCredentials> {
        let mut read = Self::none(input);
        let config: Value = serde_json::from_str(text).map_err(|error| {
            // Only the place: the message of another kind of error could hold a value.
            let found = format!(
                "something that is no JSON at line {} column {}",
                error.line(),
                error.column()
            );
            read.bad(
                found,
                "the text of a docker config.json",
                "copy the whole file",
            )
        })?;
        let Some(config) = config.as_object() else {
            return Err(read.no_object("the whole"));
        };
        if let Some(helpers) = read.object(config, "credHelpers")? {
            for (registry, program) in helpers {
                let key = read.key(registry)?;
                let program = program.as_str().unwrap_or_default().to_owned();
                read.helpers.insert(key, program);
            }
        }
        let store = config.get("credsStore").and_then(Value::as_str);
        read.store = store
            .filter(|program| !program.is_empty())
            .map(str::to_owned);
        if let Some(auths) = read.object(config, "auths")? {
            for (registry, entry) in auths {
                let key = read.key(registry)?;
                if let Some(login) = read.login_of(registry, entry)? {
                    read.logins.insert(key, login);
                }
            }
        }
        Ok(read)
    }

    /// The login for an image: of the longest path that it lies under, else of its registry.
    pub fn login(&self, image: &Reference) -> Option<&Login> {
        let full = format!("{}/{}", image.registry(), image.repository());
        let mut path = full.as_str();
        loop {
            if let Some(login) = self.logins.get(path) {
                return Some(login);
            }
            path = path.rsplit_once('/')?.0;
        }
    }

    /// The input or setting that they come from.
    pub fn input(&self) -> &str {
        &self.input
    }

    /// What cannot be used from where this runs, one sentence each: programs of the machine that the config comes from.
    pub fn unusable(&self) -> Vec<String> {
        let helpers = self.helpers.iter().map(|(registry, program)| {
            format!("{} names docker-credential-{program} for {registry}: that program is not in this container", self.input)
        });
        let store = self.store.iter().map(|program| {
            format!("{} keeps its logins in docker-credential-{program}: that program is not in this container", self.input)
        });
        helpers.chain(store).collect()
    }

    /// The program that would know the login for an image, had it been here.
    pub(in crate::targets::registry) fn program(&self, image: &Reference) -> Option<&str> {
        let helper = self.helpers.get(image.registry());
        helper.or(self.store.as_ref()).map(String::as_str)
    }

    pub(in crate::targets::registry) fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.logins.values().map(Login::secret)
    }

    /// `https://index.docker.io/v1/` is `docker.io`.
    fn key(&self, registry: &str) -> Result<String, BadCredentials> {
        let bare = ["https://", "http://"]
            .iter()
            .find_map(|scheme| registry.strip_prefix(scheme))
            .unwrap_or(registry)
            .trim_end_matches('/');
        let (host, path) = bare.split_once('/').unwrap_or((bare, ""));
        let host = reference::hub_or(host.to_ascii_lowercase());
        if host.is_empty() || reference::check_registry(&host).is_err() {
            return Err(self.bad(
                format!("registry {registry:?}"),
                "a host such as ghcr.io or localhost:5000",
                "correct the name of the registry",
            ));
        }
        Ok(match path {
            "" | "v1" | "v2" => host,
            path => format!("{host}/{path}"),
        })
    }

    fn login_of(&self, registry: &str, entry: &Value) -> Result<Option<Login>, BadCredentials> {
        let text = |key: &str| {
            let text = entry.get(key).and_then(Value::as_str);
            text.filter(|text| !text.is_empty())
        };
        if !entry.is_object() {
            return Err(self.no_object(&format!("auths[{registry:?}]")));
        }
        if let Some(token) = text("identitytoken") {
            return Ok(Some(Login::Identity(Secret::new(token))));
        }
        if let Some(token) = text("registrytoken") {
            return Ok(Some(Login::Token(Secret::new(token))));
        }
        if let Some(auth) = text("auth") {
            let Some((user, secret)) = decode(auth) else {
                return Err(self.bad(
                    format!("auths[{registry:?}].auth that is not what docker login writes"),
                    "base64 of user:password",
                    "run docker login again and copy the whole file",
                ));
            };
            return Ok(Some(Login::Password { user, secret }));
        }
        Ok(text("username")
            .zip(text("password"))
            .map(|(user, password)| Login::Password {
                user: user.to_owned(),
                secret: Secret::new(password),
            }))
    }

    fn object<'a>(
        &self,
        config: &'a Map<String, Value>,
        key: &str,
    ) -> Result<Option<&'a Map<String, Value>>, BadCredentials> {
        match config.get(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(self.no_object(key)),
        }
    }

    fn no_object(&self, what: &str) -> BadCredentials {
        self.bad(
            format!("{what} that is no JSON object"),
            r#"{"auths": {"ghcr.io": {"auth": "…"}}}"#,
            "copy the whole config.json",
        )
    }

    fn bad(&self, found: String, expected: &'static str, next: &'static str) -> BadCredentials {
        BadCredentials {
            input: self.input.clone(),
            found,
            expected,
            next,
        }
    }
}

/// Docker writes standard base64; some tools leave the padding out, and old ones append zero bytes.
fn decode(auth: &str) -> Option<(String, Secret)> {
    const LENIENT: GeneralPurpose = GeneralPurpose::new(
        &alphabet::STANDARD,
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
    );
    let bytes = LENIENT.decode(auth.trim()).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (user, password) = text.trim_end_matches('\0').split_once(':')?;
    let is_whole = !user.is_empty() && !password.is_empty();
    is_whole.then(|| (user.to_owned(), Secret::new(password)))
}

#[cfg(test)]
mod tests;
