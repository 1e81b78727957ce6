//! Logging in: none, basic, or a bearer token for `repository:<name>:pull` (Docker token authentication). A login goes to
//! its registry, and to the token service that this registry names over TLS; a token goes to its registry only.

use super::challenge::Challenge;
use super::credentials::{Credentials, Login};
use super::error::{Denied, RegistryError, Said};
use super::reference::{Reference, is_loopback};
use super::wire::{self, Failed, Fetched};
use crate::model::secret::Secret;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, StatusCode, header};
use reqwest::RequestBuilder;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use url::{Url, form_urlencoded};

/// Names this program to token services: OAuth 2.0 wants a name.
const CLIENT_ID: &str = "lastgood";

/// What an `Authorization` header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Authorization(Secret);

impl Authorization {
    fn basic(user: &str, secret: &Secret) -> Self {
        let both = BASE64_STANDARD.encode(format!("{user}:{}", secret.expose()));
        Self(Secret::new(format!("Basic {both}")))
    }

    fn bearer(token: &str) -> Self {
        Self(Secret::new(format!("Bearer {token}")))
    }

    /// `None` when it holds what no header can.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(self.0.expose()).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// What a server could repeat of it.
    fn secret(&self) -> Secret {
        let bare = self.0.expose().split_once(' ').map(|(_, bare)| bare);
        Secret::new(bare.unwrap_or_default())
    }
}

type Slot = Arc<tokio::sync::Mutex<Option<Authorization>>>;

/// Logins, and the tokens that they were traded for.
#[derive(Debug)]
pub(super) struct Auth {
    http: reqwest::Client,
    credentials: Credentials,
    deadline: Duration,
    retry_after_max: Duration,
    /// By host and repository, which stands for the scope. A slot is held while its token is asked for: one request
    /// serves all who wait.
    slots: Mutex<BTreeMap<(String, String), Slot>>,
}

impl Auth {
    pub(super) fn new(
        http: reqwest::Client,
        credentials: Credentials,
        deadline: Duration,
        retry_after_max: Duration,
    ) -> Self {
        Self {
            http,
            credentials,
            deadline,
            retry_after_max,
            slots: Mutex::default(),
        }
    }

    fn slot(&self, image: &Reference) -> Slot {
        let key = (image.host().to_owned(), image.repository().to_owned());
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(key).or_default())
    }

    /// What was used for this repository before.
    pub(super) async fn known(&self, image: &Reference) -> Option<Authorization> {
        self.slot(image).lock().await.clone()
    }

    /// Answers a 401: `used` was not enough.
    pub(super) async fn renewed(
        &self,
        image: &Reference,
        challenge: Option<Challenge>,
        used: Option<&Authorization>,
        refusal: &Fetched,
    ) -> Result<Authorization, Failed> {
        let slot = self.slot(image);
        let mut known = slot.lock().await;
        if let Some(known) = known.as_ref().filter(|known| Some(*known) != used) {
            return Ok(known.clone());
        }
        *known = None;
        let login = self.credentials.login(image);
        let fresh = match (challenge, login) {
            (Some(Challenge::Basic), Some(Login::Password { user, secret })) => {
                Authorization::basic(user, secret)
            }
            (Some(Challenge::Bearer { .. }), Some(Login::Token(token))) => {
                Authorization::bearer(token.expose())
            }
            (Some(Challenge::Bearer { realm, service }), login) => {
                self.token(image, &realm, service.as_deref(), login).await?
            }
            (Some(Challenge::Basic) | None, _) => {
                return Err(self.refused(image, image.host(), refusal, used));
            }
        };
        *known = Some(fresh.clone());
        Ok(fresh)
    }

    async fn token(
        &self,
        image: &Reference,
        realm: &str,
        service: Option<&str>,
        login: Option<&Login>,
    ) -> Result<Authorization, Failed> {
        let url = realm_url(image, realm).ok_or_else(|| {
            Failed::for_good(RegistryError::Realm {
                host: image.host().to_owned(),
                realm: realm
                    .chars()
                    .filter(|c| !c.is_control())
                    .take(200)
                    .collect(),
            })
        })?;
        let host = wire::host(&url);
        let request = self.token_request(image, url, service, login);
        let fetched = wire::fetch(request, &host, self.deadline).await?;
        if fetched.status != StatusCode::OK {
            return Err(self.refused(image, &host, &fetched, None));
        }
        read_token(&fetched.body).ok_or_else(|| {
            Failed::for_good(RegistryError::Unreadable {
                host,
                found: "an answer without a token".to_owned(),
                expected: "JSON with token or access_token",
            })
        })
    }

    /// OAuth 2.0 for an identity token, else the GET of Docker token authentication.
    fn token_request(
        &self,
        image: &Reference,
        mut url: Url,
        service: Option<&str>,
        login: Option<&Login>,
    ) -> RequestBuilder {
        let scope = format!("repository:{}:pull", image.repository());
        let mut values = form_urlencoded::Serializer::new(String::new());
        values.extend_pairs(service.map(|service| ("service", service)));
        values.append_pair("scope", &scope);
        match login {
            Some(Login::Identity(token)) => {
                values.append_pair("client_id", CLIENT_ID);
                values.append_pair("grant_type", "refresh_token");
                values.append_pair("refresh_token", token.expose());
                let form = "application/x-www-form-urlencoded";
                let request = self.http.post(url).header(header::CONTENT_TYPE, form);
                request.body(values.finish())
            }
            Some(Login::Password { .. } | Login::Token(_)) | None => {
                let own = url.query().map(str::to_owned).into_iter();
                let query: Vec<String> = own.chain([values.finish()]).collect();
                url.set_query(Some(&query.join("&")));
                let request = self.http.get(url);
                match login {
                    Some(Login::Password { user, secret }) => {
                        let basic = Authorization::basic(user, secret).header();
                        request.headers(
                            basic
                                .map(|value| (header::AUTHORIZATION, value))
                                .into_iter()
                                .collect(),
                        )
                    }
                    Some(Login::Identity(_) | Login::Token(_)) | None => request,
                }
            }
        }
    }

    /// What a refusal by the registry or its token service means.
    pub(super) fn refused(
        &self,
        image: &Reference,
        host: &str,
        fetched: &Fetched,
        used: Option<&Authorization>,
    ) -> Failed {
        let login = self.credentials.login(image);
        let basic = match login {
            Some(Login::Password { user, secret }) => Some(Authorization::basic(user, secret)),
            Some(Login::Identity(_) | Login::Token(_)) | None => None,
        };
        // A server may repeat what it was sent, in the form that it was sent in.
        let sent: Vec<Secret> = basic
            .iter()
            .chain(used)
            .map(Authorization::secret)
            .collect();
        let said = fetched.said(self.credentials.secrets().chain(&sent));
        let input = self.credentials.input();
        let denied = |said: Said| {
            Box::new(Denied {
                host: host.to_owned(),
                image: image.to_string(),
                registry: image.registry().to_owned(),
                login: login.map(Login::who),
                said,
                input: input.to_owned(),
                program: self.credentials.program(image).map(str::to_owned),
            })
        };
        match fetched.status {
            StatusCode::UNAUTHORIZED => Failed::for_good(RegistryError::Unauthorized(denied(said))),
            StatusCode::FORBIDDEN => Failed::for_good(RegistryError::Forbidden(denied(said))),
            _ => {
                let anonymous = login.is_none().then(|| input.to_owned());
                fetched.trouble(host, said, anonymous, self.retry_after_max)
            }
        }
    }
}

/// https, or http on this machine when the registry is on this machine too.
fn realm_url(image: &Reference, realm: &str) -> Option<Url> {
    let url: Url = realm.parse().ok()?;
    let host = url.host_str()?;
    let may_be_sent = match url.scheme() {
        "https" => true,
        "http" => image.is_loopback() && is_loopback(host),
        _ => false,
    };
    let is_plain = url.username().is_empty() && url.password().is_none();
    (may_be_sent && is_plain).then_some(url)
}

fn read_token(body: &[u8]) -> Option<Authorization> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(body).ok()?;
    let token = answer.token.filter(|token| !token.is_empty());
    let token = token
        .or(answer.access_token)
        .filter(|token| !token.is_empty())?;
    let authorization = Authorization::bearer(&token);
    authorization.header().is_some().then_some(authorization)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logins_go_to_safe_places_only() {
        #[track_caller]
        fn check(image: &str, realm: &str, expected: bool) {
            let image: Reference = image.parse().unwrap();
            assert_eq!(realm_url(&image, realm).is_some(), expected);
        }
        check("nginx", "https://auth.docker.io/token", true);
        check("nginx", "http://auth.docker.io/token", false);
        check("nginx", "http://127.0.0.1/token", false);
        check("localhost:5000/x", "http://127.0.0.1:5001/token", true);
        check("localhost:5000/x", "http://[::1]:5001/token", true);
        check("localhost:5000/x", "http://10.0.0.1/token", false);
        check("localhost:5000/x", "https://auth.example/token", true);
        check("nginx", "https://me:pw@auth.docker.io/token", false);
        check("nginx", "file:///etc/passwd", false);
        check("nginx", "/token", false);
    }

    #[test]
    fn a_token_is_read_under_both_names() {
        #[track_caller]
        fn check(body: &str, expected: Option<&str>) {
            let read = read_token(body.as_bytes());
            assert_eq!(read, expected.map(Authorization::bearer));
        }
        check(r#"{"token":"t","expires_in":60}"#, Some("t"));
        check(r#"{"access_token":"a"}"#, Some("a"));
        check(r#"{"token":"","access_token":"a"}"#, Some("a"));
        check(r#"{"token":"a\nb"}"#, None);
        check(r#"{"token":7}"#, None);
        check("{}", None);
        check("<html>", None);
    }
}
