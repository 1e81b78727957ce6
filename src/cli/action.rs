//! The action is a spelling of the command line: the inputs of a workflow step (`INPUT_*`) become arguments, which one
//! parser reads. Input names are the option names. Credentials are inputs too and never become arguments.

use super::args::{self, Help};
use super::env::Env;
use super::usage::{self, Spelling};
use crate::config::problem::one_of;
use crate::decide::alike::nearest;
use crate::model::outcome::Failure;
use clap::ArgAction;
use std::ffi::OsString;

/// Options that are no inputs: they are about a person's terminal.
pub const NOT_INPUTS: [&str; 6] = ["help", "version", "color", "verbose", "quiet", "json"];

/// Inputs that are no options.
pub const TOKEN_INPUT: &str = "github-token";
/// How clusters are reached: the text or the path of a kubeconfig. Targets read it from the environment.
pub const KUBECONFIG_INPUT: &str = "kubeconfig";
/// Who changes canisters: the text or the path of a private key in PEM, and the password of one that is encrypted. Targets
/// read them from the environment.
pub const IDENTITY_INPUT: &str = "identity";
pub const IDENTITY_PASSWORD_INPUT: &str = "identity-password";
/// Where a Docker engine is, the text or the path of a private key for `ssh://`, and the lines of a `known_hosts` file about its host.
/// Targets read them from the environment.
pub const DOCKER_HOST_INPUT: &str = "docker-host";
pub const SSH_KEY_INPUT: &str = "ssh-key";
pub const SSH_KNOWN_HOSTS_INPUT: &str = "ssh-known-hosts";
/// Credentials of registries: the text of a docker `config.json`. Targets read it from the environment.
pub const REGISTRY_AUTH_INPUT: &str = "registry-auth";
/// Which verb; `rollback` when it is not given.
pub const VERB_INPUT: &str = "verb";

/// Every input that never becomes an argument.
const BESIDES_OPTIONS: [&str; 9] = [
    VERB_INPUT,
    TOKEN_INPUT,
    KUBECONFIG_INPUT,
    IDENTITY_INPUT,
    IDENTITY_PASSWORD_INPUT,
    DOCKER_HOST_INPUT,
    SSH_KEY_INPUT,
    SSH_KNOWN_HOSTS_INPUT,
    REGISTRY_AUTH_INPUT,
];

/// Options of which a comma is part of a value: their lists are by line alone.
const BY_LINE: [&str; 2] = ["probe", "target"];

/// Whether the arguments are to be taken from the inputs: a step of a workflow, inputs, and nothing typed.
pub fn is_step(argv: &[OsString], env: &Env) -> bool {
    argv.len() <= 1 && env.in_actions() && inputs(env).next().is_some()
}

/// The inputs that are set: name in lower case with hyphens, and value. The runner keeps hyphens (`INPUT_RUN-ID`).
fn inputs(env: &Env) -> impl Iterator<Item = (String, &str)> {
    env.variables
        .iter()
        .filter_map(|(name, value)| {
            Some((name.strip_prefix("INPUT_")?.to_lowercase(), value.trim()))
        })
        .filter(|(_, value)| !value.is_empty())
}

/// The kubeconfig that was given as an input: its text, or its path.
pub fn kubeconfig(env: &Env) -> Option<&str> {
    input(env, KUBECONFIG_INPUT)
}

/// The identity that was given as an input: the text of its key, or the path.
pub fn identity(env: &Env) -> Option<&str> {
    input(env, IDENTITY_INPUT)
}

/// The password of that key.
pub fn identity_password(env: &Env) -> Option<&str> {
    input(env, IDENTITY_PASSWORD_INPUT)
}

/// The private key for `ssh://` that was given as an input: its text, or its path.
pub fn ssh_key(env: &Env) -> Option<&str> {
    input(env, SSH_KEY_INPUT)
}

/// The credentials of registries that were given as an input.
pub fn registry_auth(env: &Env) -> Option<&str> {
    input(env, REGISTRY_AUTH_INPUT)
}

/// The token that was given as an input.
pub fn token(env: &Env) -> Option<&str> {
    input(env, TOKEN_INPUT)
}

fn input<'a>(env: &'a Env, wanted: &str) -> Option<&'a str> {
    inputs(env)
        .find(|(name, _)| name == wanted)
        .map(|(_, value)| value)
}

/// The inputs as an argv that clap reads.
pub fn argv(env: &Env) -> Result<Vec<OsString>, Failure> {
    let verb = inputs(env)
        .find(|(name, _)| name == VERB_INPUT)
        .map_or("rollback", |(_, value)| value);
    if !usage::verbs().iter().any(|known| known == verb) {
        return Err(usage::unknown_verb(verb, Spelling::Input));
    }
    let mut command = args::command(Help::Full);
    command.build();
    let command = command.find_subcommand(verb).expect("a verb that is known");
    let mut argv = vec!["lastgood".to_owned(), verb.to_owned()];
    for (name, value) in inputs(env) {
        if BESIDES_OPTIONS.contains(&name.as_str()) {
            continue;
        }
        let option = command
            .get_arguments()
            .find(|arg| arg.get_long() == Some(&name) && !NOT_INPUTS.contains(&name.as_str()))
            .ok_or_else(|| unknown(&name, verb))?;
        match option.get_action() {
            ArgAction::SetTrue => match value {
                "true" => argv.push(format!("--{name}")),
                "false" => (),
                _ => {
                    return Err(usage::failure(
                        format!("input `{name}`: found {value:?}, expected true or false"),
                        format!("write `{name}: true` in the step's `with:`"),
                    ));
                }
            },
            ArgAction::Append => {
                let by_line = BY_LINE.contains(&name.as_str());
                let items = value
                    .split(|c| c == '\n' || (c == ',' && !by_line))
                    .map(str::trim)
                    .filter(|item| !item.is_empty());
                argv.extend(items.map(|item| format!("--{name}={item}")));
            }
            _ => argv.push(format!("--{name}={value}")),
        }
    }
    Ok(argv.into_iter().map(OsString::from).collect())
}

fn unknown(name: &str, verb: &str) -> Failure {
    if NOT_INPUTS.contains(&name) {
        return usage::failure(
            format!("unknown input `{name}`"),
            "leave it out: that option is for a terminal",
        );
    }
    let having = usage::verbs_with(name);
    if !having.is_empty() {
        return usage::failure(
            format!("input `{name}` is not used by the verb {verb}"),
            format!("leave it out; it is for {}", one_of(&having)),
        );
    }
    let known = names();
    let hint = match nearest(name, known.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known inputs: {}", known.join(", ")),
    };
    usage::failure(format!("unknown input `{name}`"), hint)
}

/// Every input of the action, sorted.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> = usage::verbs()
        .iter()
        .flat_map(|verb| usage::options_of(verb))
        .filter(|name| !NOT_INPUTS.contains(&name.as_str()))
        .chain(BESIDES_OPTIONS.map(str::to_owned))
        .collect();
    names.sort();
    names.dedup();
    names
}
