//! Logins of registries as the operator gives them, in the form that the engine takes: the engine pulls, not we.

use crate::targets::TargetError;
use crate::targets::compose::Compose;
use crate::targets::registry::{Credentials, DEFAULT_REGISTRY, Login, Reference};
use bollard::auth::DockerCredentials;

/// The variable in which a runner hands over the input.
const INPUT: &str = "INPUT_REGISTRY-AUTH";

/// What Docker's own client calls Docker Hub in a login.
const HUB: &str = "https://index.docker.io/v1/";

/// What logins are called in advice.
pub(super) fn named(compose: &Compose) -> &'static str {
    match &compose.settings.registry_auth_from {
        Some(_) => "registry-auth-from",
        None => "the input registry-auth",
    }
}

/// All logins that were given.
///
/// # Errors
/// `Usage`: a variable is named and not set, or its text is no docker `config.json`.
pub(super) fn given(compose: &Compose) -> Result<Credentials, TargetError> {
    let input = named(compose);
    let environment = &compose.base.environment;
    let read = |name: &str| {
        let text = environment.get(name);
        text.filter(|text| !text.trim().is_empty())
    };
    let text = match &compose.settings.registry_auth_from {
        Some(name) => Some(read(name).ok_or_else(|| TargetError::Usage {
            what: format!(
                "{input}: the variable {name} is not set, expected the text of a docker config.json"
            ),
            next: format!("set {name} in the environment of this command, from a secret"),
        })?),
        None => read(INPUT),
    };
    let Some(text) = text else {
        return Ok(Credentials::none(input));
    };
    Credentials::from_docker_config(input, text).map_err(|bad| TargetError::Usage {
        what: format!(
            "found {} in {}, expected {}",
            bad.found, bad.input, bad.expected
        ),
        next: bad.next.to_owned(),
    })
}

/// The login for one image, as it is named. `None`: none was given for its registry; a swarm then goes on with the one that the
/// service has.
///
/// # Errors
/// As [`given`].
pub(in crate::targets::compose) fn of(
    compose: &Compose,
    image: &str,
) -> Result<Option<DockerCredentials>, TargetError> {
    let logins = given(compose)?;
    let image = image.parse::<Reference>().ok();
    Ok(image.and_then(|image| header(&logins, &image)))
}

/// The login for one image, for `X-Registry-Auth`.
pub(super) fn header(credentials: &Credentials, image: &Reference) -> Option<DockerCredentials> {
    let address = match image.registry() {
        DEFAULT_REGISTRY => HUB.to_owned(),
        host => host.to_owned(),
    };
    let mut header = DockerCredentials {
        serveraddress: Some(address),
        ..DockerCredentials::default()
    };
    match credentials.login(image)? {
        Login::Password { user, secret } => {
            header.username = Some(user.clone());
            header.password = Some(secret.expose().to_owned());
        }
        Login::Identity(token) => header.identitytoken = Some(token.expose().to_owned()),
        Login::Token(token) => header.registrytoken = Some(token.expose().to_owned()),
    }
    Some(header)
}
