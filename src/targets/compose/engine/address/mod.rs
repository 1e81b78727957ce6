//! Where an engine is: the forms of `DOCKER_HOST`, and the order in which the places that say so are asked. Nothing is contacted.

use super::context::{self, Context};
use super::error::usage;
use crate::model::secret::without_passwords;
use crate::targets::compose::settings::Settings;
use crate::targets::{Base, TargetError};
use std::net::IpAddr;
use std::path::PathBuf;
use url::Url;

/// The input of the action: the runner keeps its hyphens.
const INPUT: &str = "INPUT_DOCKER-HOST";

/// Where an engine listens when nobody says otherwise; the runner shows its own to every action there.
pub(super) const USUAL_SOCKET: &str = "/var/run/docker.sock";

/// The ports of an engine, by its own convention.
const PLAIN_PORT: u16 = 2375;
const TLS_PORT: u16 = 2376;

/// How an engine is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    Unix(PathBuf),
    /// Without TLS: this machine only.
    Plain {
        host: String,
        port: u16,
    },
    Tls {
        host: String,
        port: u16,
    },
    Ssh {
        user: Option<String>,
        host: String,
        port: Option<u16>,
        /// The socket on that host, when it is not the usual one.
        socket: Option<String>,
    },
}

/// Where the engine is.
#[derive(Debug)]
pub(super) struct Address {
    /// In the form of `DOCKER_HOST`.
    pub(super) at: String,
    /// Who says so, in words.
    pub(super) from: String,
    pub(super) way: Way,
    /// The context that says so, with its certificates.
    pub(super) context: Option<Context>,
}

/// Finds where the engine is: the settings, the input, `DOCKER_HOST`, `DOCKER_CONTEXT`, the current context of Docker's own
/// client, its usual socket. The first that says anything is taken, also when it then does not work. `asks_for_tls`: whether
/// certificates are given that only TLS can use.
pub(super) fn find(
    settings: &Settings,
    base: &Base,
    asks_for_tls: bool,
) -> Result<Address, TargetError> {
    let said = |at: &str, from: &str| read(at, from.to_owned(), None, asks_for_tls);
    if let Some(host) = &settings.host {
        return said(host, "the setting host");
    }
    if let Some(name) = &settings.context {
        return of_context(name, "the setting context", base, asks_for_tls);
    }
    if let Some(host) = variable(base, INPUT) {
        return said(host, "the input docker-host");
    }
    if let Some(host) = variable(base, "DOCKER_HOST") {
        return said(host, "the variable DOCKER_HOST");
    }
    if let Some(name) = variable(base, "DOCKER_CONTEXT") {
        return of_context(name, "the variable DOCKER_CONTEXT", base, asks_for_tls);
    }
    if let Some((name, from)) = context::current(base)? {
        return of_context(&name, &from, base, asks_for_tls);
    }
    usual(asks_for_tls)
}

/// A variable that says something: empty counts as unset.
pub(super) fn variable<'a>(base: &'a Base, name: &str) -> Option<&'a str> {
    let value = base.environment.get(name)?.trim();
    Some(value).filter(|value| !value.is_empty())
}

fn usual(asks_for_tls: bool) -> Result<Address, TargetError> {
    let at = format!("unix://{USUAL_SOCKET}");
    read(&at, "Docker's usual socket".to_owned(), None, asks_for_tls)
}

fn of_context(
    name: &str,
    from: &str,
    base: &Base,
    asks_for_tls: bool,
) -> Result<Address, TargetError> {
    // The name that Docker's client gives to having no context.
    if name == "default" {
        return match variable(base, "DOCKER_HOST") {
            Some(host) => read(
                host,
                "the variable DOCKER_HOST".to_owned(),
                None,
                asks_for_tls,
            ),
            None => usual(asks_for_tls),
        };
    }
    let context = context::read(name, from, base)?;
    let asks_for_tls = asks_for_tls || context.has_certificates();
    let (at, from) = (context.host.clone(), format!("the context {name}"));
    read(&at, from, Some(context), asks_for_tls)
}

fn read(
    at: &str,
    from: String,
    context: Option<Context>,
    asks_for_tls: bool,
) -> Result<Address, TargetError> {
    let way = parse(at.trim(), asks_for_tls).map_err(|(found, next)| {
        let what = format!("{from}: found {:?}, {found}", without_passwords(at));
        usage(what, next)
    })?;
    Ok(Address {
        at: at.trim().to_owned(),
        from,
        way,
        context,
    })
}

/// What is wrong with an address, whether or not certificates are given besides: in words, without a password.
pub(in crate::targets::compose) fn fault(at: &str) -> Option<String> {
    let (found, next) = parse(at.trim(), true).err()?;
    Some(format!(
        "found {:?}, {found}; {next}",
        without_passwords(at)
    ))
}

/// What was found and what was expected; and the next action.
type Wrong = (String, &'static str);

const NEXT: &str = "write ssh://USER@HOST, tcp://HOST:2376 with certificates, or unix:///PATH";

fn parse(at: &str, asks_for_tls: bool) -> Result<Way, Wrong> {
    let expected = |what: &str| (format!("expected {what}"), NEXT);
    let Some((scheme, rest)) = at.split_once("://") else {
        return Err(expected(
            "an address with a scheme: ssh://, tcp://, https:// or unix://",
        ));
    };
    match scheme {
        "unix" if rest.starts_with('/') => Ok(Way::Unix(PathBuf::from(rest))),
        "unix" => Err(expected("an absolute path after unix://")),
        "ssh" => ssh(at),
        "tcp" | "http" | "https" => tcp(scheme, at, asks_for_tls),
        "npipe" => Err((
            "which is a named pipe of Windows, and there is none here".to_owned(),
            NEXT,
        )),
        "fd" => Err((
            "which is how systemd hands a socket to an engine, not an address to ask".to_owned(),
            NEXT,
        )),
        _ => Err(expected("one of ssh://, tcp://, https:// and unix://")),
    }
}

fn tcp(scheme: &str, at: &str, asks_for_tls: bool) -> Result<Way, Wrong> {
    // `tcp` is no scheme whose hosts are parsed as such, and of `http` the usual port would be swallowed.
    let url = at.replacen(scheme, "lastgood", 1);
    let url = Url::parse(&url).map_err(|error| (format!("which is no address: {error}"), NEXT))?;
    let host = host(&url)?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err(("expected no user before the host".to_owned(), NEXT));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(("expected nothing after the port".to_owned(), NEXT));
    }
    if scheme == "https" || (scheme == "tcp" && asks_for_tls) {
        let usual = if scheme == "https" { 443 } else { TLS_PORT };
        let port = url.port().unwrap_or(usual);
        return Ok(Way::Tls { host, port });
    }
    if is_this_machine(&host) {
        let usual = if scheme == "http" { 80 } else { PLAIN_PORT };
        let port = url.port().unwrap_or(usual);
        return Ok(Way::Plain { host, port });
    }
    Err((
        format!(
            "which is not encrypted: everybody on the way to {host} could become root on it, expected TLS or ssh"
        ),
        "use ssh://USER@HOST; or give certificates: tls-dir, tls-ca-from with tls-cert-from and tls-key-from, or DOCKER_CERT_PATH; or, for an \
         engine whose certificate is of a public authority, write https://HOST:PORT",
    ))
}

fn ssh(at: &str) -> Result<Way, Wrong> {
    let url = Url::parse(at).map_err(|error| (format!("which is no address: {error}"), NEXT))?;
    let host = host(&url)?;
    if url.password().is_some() {
        return Err((
            "expected no password in it".to_owned(),
            "give a private key: the setting ssh-key or ssh-key-from, or the input ssh-key",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err((
            "expected nothing but a path to a socket after the host".to_owned(),
            NEXT,
        ));
    }
    let socket = match url.path() {
        "" | "/" => None,
        path if path.chars().all(is_plain) => Some(path.to_owned()),
        _ => {
            return Err((
                "expected a path of letters, digits and . _ - + @ after the host".to_owned(),
                NEXT,
            ));
        }
    };
    let user = url.username();
    if !user.chars().all(is_plain) {
        return Err((
            "expected a user of letters, digits and . _ - + @".to_owned(),
            NEXT,
        ));
    }
    Ok(Way::Ssh {
        user: Some(user.to_owned()).filter(|user| !user.is_empty()),
        host,
        port: url.port(),
        socket,
    })
}

/// A path is given to the login shell of another host: what a shell reads in another way is not let in.
fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || "/._-+@".contains(c)
}

fn host(url: &Url) -> Result<String, Wrong> {
    match url.host_str() {
        // Such a host could be taken for an option.
        Some(host) if !host.is_empty() && !host.starts_with('-') => {
            Ok(host.trim_matches(['[', ']']).to_owned())
        }
        Some(_) | None => Err(("expected a host after the scheme".to_owned(), NEXT)),
    }
}

fn is_this_machine(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
