//! The login of the registry of an image, as the operator gave it, in the form that the engine hands to the nodes.

use crate::targets::TargetError;
use crate::targets::compose::Compose;
use crate::targets::registry::{Credentials, DEFAULT_REGISTRY, Login, Reference};
use bollard::auth::DockerCredentials;

/// The variable in which a runner hands over the input.
const INPUT: &str = "INPUT_REGISTRY-AUTH";

/// What Docker's own client calls Docker Hub in a login.
const HUB: &str = "https://index.docker.io/v1/";

/// `None`: none was given for this registry. The swarm then goes on with the one that the service has.
///
/// # Errors
/// `Refused`: a variable is named and not set, or its text is no docker `config.json`.
pub(super) fn of(compose: &Compose, image: &str) -> Result<Option<DockerCredentials>, TargetError> {
    let environment = &compose.base.environment;
    let read = |name: &str| environment.get(name).filter(|text| !text.trim().is_empty());
    let (input, text) = match &compose.settings.registry_auth_from {
        Some(name) => {
            let text = read(name).ok_or_else(|| TargetError::Refused {
                what: format!("registry-auth-from: the variable {name} is not set, expected the text of a docker config.json"),
                allow: None,
                next: format!("set {name} in the environment of this command, from a secret"),
            })?;
            ("registry-auth-from", Some(text))
        }
        None => ("the input registry-auth", read(INPUT)),
    };
    let (Some(text), Ok(image)) = (text, image.parse::<Reference>()) else {
        return Ok(None);
    };
    let credentials =
        Credentials::from_docker_config(input, text).map_err(|bad| TargetError::Refused {
            what: format!(
                "found {} in {}, expected {}",
                bad.found, bad.input, bad.expected
            ),
            allow: None,
            next: bad.next.to_owned(),
        })?;
    let address = match image.registry() {
        DEFAULT_REGISTRY => HUB.to_owned(),
        host => host.to_owned(),
    };
    let mut login = DockerCredentials {
        serveraddress: Some(address),
        ..DockerCredentials::default()
    };
    match credentials.login(&image) {
        None => return Ok(None),
        Some(Login::Password { user, secret }) => {
            login.username = Some(user.clone());
            login.password = Some(secret.expose().to_owned());
        }
        Some(Login::Identity(token)) => login.identitytoken = Some(token.expose().to_owned()),
        Some(Login::Token(token)) => login.registrytoken = Some(token.expose().to_owned()),
    }
    Ok(Some(login))
}
