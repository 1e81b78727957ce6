//! Who asks, for what: argv, `INPUT_*` and the environment. The only reader of either, and of the files that say what is
//! asked for (the config, the user's certificates). What is done about it is not known here.

pub mod action;
pub mod args;
pub mod env;
mod help;
mod print;
pub mod usage;

use crate::config::resolve::{self, Inputs};
use crate::config::{Document, defaults, schema};
use crate::engine::{self, request::Request};
use crate::model::outcome::{Failure, Outcome};
use crate::targets::REGISTRY;
use args::{Cli, Help, Verb};
use clap::FromArgMatches as _;
use clap::error::ErrorKind;
use env::Env;
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use usage::Spelling;

/// What the arguments ask for.
#[derive(Debug)]
pub enum Asked {
    /// Text for stdout, and nothing else: help, version, completions, schema.
    Text(String),
    Request(Box<Request>),
}

/// One command from its arguments to its exit code. `argv` begins with the program's name.
pub fn run(argv: Vec<OsString>, env: &Env) -> ExitCode {
    let wants_json = argv.iter().any(|word| word == "--json");
    match ask(argv, env) {
        Ok(Asked::Text(text)) => print::text(&text),
        Ok(Asked::Request(request)) => dispatch(*request, env, wants_json),
        Err(failure) => print::failure(&failure, env, wants_json),
    }
}

/// The settings of every kind of target, for the schema of the config file.
pub fn target_schemas() -> Vec<(&'static str, schemars::Schema)> {
    REGISTRY
        .iter()
        .map(|entry| (entry.kind, (entry.schema)()))
        .collect()
}

/// Carries the request out. One thread waits for sockets; hashing and inflating have threads of their own.
fn dispatch(request: Request, env: &Env, wants_json: bool) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            print::error_line(&format!("error: could not start: {error}"));
            return ExitCode::from(Outcome::Error.exit_code());
        }
    };
    let finished = match runtime.block_on(engine::run(request)) {
        Ok(finished) => finished,
        Err(failure) => return print::failure(&failure, env, wants_json),
    };
    // A blocking step that was given up must not hold the exit up.
    runtime.shutdown_background();
    match print::text(&finished.stdout) {
        ExitCode::SUCCESS => ExitCode::from(finished.outcome.exit_code()),
        failed => failed,
    }
}

/// Reads arguments, inputs, config file and certificates. Contacts nothing.
pub fn ask(argv: Vec<OsString>, env: &Env) -> Result<Asked, Failure> {
    let (argv, spelling) = if action::is_step(&argv, env) {
        (action::argv(env)?, Spelling::Input)
    } else {
        (spelled_out(argv), Spelling::Flag)
    };
    let cli = match parse(&argv, spelling)? {
        Parsed::Cli(cli) => cli,
        Parsed::Text(text) => return Ok(Asked::Text(text)),
    };
    match &cli.verb {
        Verb::Completions(completions) => {
            return print::completions(completions.shell).map(Asked::Text);
        }
        Verb::Schema => return Ok(Asked::Text(schema::text(&target_schemas()))),
        Verb::Rollback(_)
        | Verb::Deploy(_)
        | Verb::Watch(_)
        | Verb::Ready(_)
        | Verb::List(_)
        | Verb::Record(_)
        | Verb::History(_)
        | Verb::Report(_) => (),
    }
    let document = config(&cli, env, spelling)?;
    let ca_pem = certificates(&cli, env, spelling)?;
    let inputs = Inputs {
        cli: &cli,
        spelling,
        document: document.as_ref(),
        ca_pem: ca_pem.as_deref(),
        env,
    };
    resolve::resolve(inputs).map(|request| Asked::Request(Box::new(request)))
}

/// `lastgood help rollback` is `lastgood rollback --help`.
fn spelled_out(mut argv: Vec<OsString>) -> Vec<OsString> {
    if argv.get(1).is_some_and(|word| word == "help") {
        argv.remove(1);
        argv.truncate(2);
        argv.push("--help".into());
    }
    argv
}

enum Parsed {
    Cli(Box<Cli>),
    Text(String),
}

fn parse(argv: &[OsString], spelling: Spelling) -> Result<Parsed, Failure> {
    let help = if argv.iter().any(|word| word == "--help") {
        Help::Full
    } else {
        Help::Short
    };
    let matches = args::command(help).try_get_matches_from(argv);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches));
    match cli {
        Ok(cli) => Ok(Parsed::Cli(Box::new(cli))),
        Err(error) => match error.kind() {
            ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                Ok(Parsed::Text(error.render().to_string()))
            }
            _ => Err(usage::refused(&error, verb_of(argv).as_deref(), spelling)),
        },
    }
}

/// The verb among the arguments, for messages.
fn verb_of(argv: &[OsString]) -> Option<String> {
    let known = usage::verbs();
    argv.iter()
        .skip(1)
        .filter_map(|word| word.to_str())
        .find(|word| known.iter().any(|verb| verb == word))
        .map(str::to_owned)
}

/// Reads the config file: the one that is named must be there, the usual one may be.
fn config(cli: &Cli, env: &Env, spelling: Spelling) -> Result<Option<Document>, Failure> {
    let named = cli.common.config.as_deref();
    let path = named.unwrap_or(Path::new(defaults::CONFIG_FILE));
    match std::fs::read_to_string(env.dir.join(path)) {
        Ok(text) => Document::read(&path.to_string_lossy(), &text)
            .map(Some)
            .map_err(Failure::from),
        Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let option = match named {
                Some(_) => format!("{}: ", spelling.of("config")),
                None => String::new(),
            };
            let hint = match error.kind() {
                std::io::ErrorKind::NotFound if env.in_actions() => {
                    "check the repository out before this step (actions/checkout)"
                }
                _ => "name a config file that can be read",
            };
            let path = path.display();
            Err(usage::failure(format!("{option}{path}: {error}"), hint))
        }
    }
}

/// Reads the user's certificates, from the option or `SSL_CERT_FILE`.
fn certificates(cli: &Cli, env: &Env, spelling: Spelling) -> Result<Option<Vec<u8>>, Failure> {
    let typed = cli.verb.parts().github.ca_file;
    let (path, said_by) = match (typed, env.get("SSL_CERT_FILE")) {
        (Some(path), _) => (path, spelling.of("ca-file")),
        (None, Some(path)) => (path.into(), "SSL_CERT_FILE".to_owned()),
        (None, None) => return Ok(None),
    };
    let wrong = |found: String| {
        let path = path.display();
        usage::failure(
            format!("{said_by}: {path}: {found}"),
            "name a PEM file with certificates",
        )
    };
    let pem = std::fs::read(env.dir.join(&path)).map_err(|error| wrong(error.to_string()))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if pem.windows(begin.len()).any(|window| window == begin) {
        Ok(Some(pem))
    } else {
        Err(wrong("found no certificate, expected PEM".to_owned()))
    }
}
