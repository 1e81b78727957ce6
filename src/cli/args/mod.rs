//! The arguments as clap reads them: one struct per verb, made of shared groups. Only what the user wrote: nothing is
//! looked up, defaults are applied by `config::resolve`.

mod groups;
mod probe;
mod values;
mod verbs;

pub use groups::{
    ChangeArgs, ChoiceArgs, Common, GitHubArgs, HealthArgs, PolicyArgs, SourceArgs, TargetArgs,
};
pub use probe::{Asked, ProbeArg};
pub use values::{Color, NumberedArg, RevisionArg, TargetArg};
pub use verbs::{Completions, Deploy, History, List, Ready, Record, Report, Rollback, Verb, Watch};

use super::help;
use clap::{Arg, ArgAction, CommandFactory as _, Parser};
use std::env::consts::{ARCH, OS};

/// Everything that was typed.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "lastgood",
    about = "Rolls a deployment back to the last release that was proven good, and proves that it worked",
    disable_help_subcommand = true,
    disable_help_flag = true,
    subcommand_required = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    max_term_width = 100,
    after_help = help::ROOT
)]
pub struct Cli {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub verb: Verb,
}

/// Which options a help text lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Help {
    /// `-h`: what is needed every day.
    Short,
    /// `--help`: every option.
    Full,
}

/// The command line's definition.
pub fn command(help: Help) -> clap::Command {
    let linked = if cfg!(target_feature = "crt-static") {
        "static"
    } else {
        "dynamic"
    };
    let (version, arch, os) = (env!("CARGO_PKG_VERSION"), ARCH, OS);
    let command = Cli::command()
        .version(format!("{version} ({arch}-{os}, {linked})"))
        .disable_version_flag(true)
        .arg(
            Arg::new("help")
                .short('h')
                .long("help")
                .action(ArgAction::HelpShort)
                .global(true)
                .help_heading("Common")
                .help("Print help: -h the essentials, --help every option"),
        )
        .arg(
            Arg::new("version")
                .short('V')
                .long("version")
                .action(ArgAction::Version)
                .help_heading("Common")
                .help("Print the version"),
        );
    match help {
        Help::Short => command,
        Help::Full => command
            .mut_args(|arg| arg.hide_short_help(false))
            .mut_subcommands(|verb| verb.mut_args(|arg| arg.hide_short_help(false))),
    }
}

/// The groups of a verb, empty where the verb has none: what `config::resolve` reads.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    pub github: GitHubArgs,
    pub source: SourceArgs,
    pub choice: ChoiceArgs,
    pub targets: TargetArgs,
    pub health: HealthArgs,
    pub changes: ChangeArgs,
    pub policy: PolicyArgs,
}
