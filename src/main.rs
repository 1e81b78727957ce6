//! Arguments and environment in, exit code out.

use lastgood::cli;
use std::process::ExitCode;

fn main() -> std::io::Result<ExitCode> {
    let env = cli::env::Env::read()?;
    Ok(cli::run(std::env::args_os().collect(), &env))
}
