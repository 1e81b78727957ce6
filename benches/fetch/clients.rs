//! The programs that are compared: how each is started, and what it took.

use crate::table::Measured;
use anyhow::{Context as _, ensure};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::Command;

/// Longer than the slowest takes on a busy machine.
const TIME_MAX: Duration = Duration::from_mins(3);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Client {
    Lastgood,
    Node,
    Gh,
    Shell,
}

impl Client {
    pub(crate) const ALL: [Self; 4] = [Self::Lastgood, Self::Node, Self::Gh, Self::Shell];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Lastgood => "lastgood",
            Self::Node => "@actions/artifact",
            Self::Gh => "gh",
            Self::Shell => "curl+unzip",
        }
    }
}

/// One job.
pub(crate) struct Run<'a> {
    pub(crate) api: &'a str,
    pub(crate) token: &'a str,
    pub(crate) name: &'a str,
    pub(crate) out: &'a Path,
    pub(crate) root: &'a Path,
    pub(crate) node: &'a str,
}

/// Runs one client once in an empty directory, under GNU time.
pub(crate) async fn run(client: Client, run: &Run<'_>) -> anyhow::Result<Measured> {
    let out = run
        .out
        .display()
        .to_string()
        .replace('@', "")
        .replace("actions/", "");
    let out = Path::new(&out);
    fs::create_dir_all(out)?;
    let figures = out.with_extension("time");
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%U %S %M", "-o"]).arg(&figures);
    let scripts = run.root.join("benches/fetch/clients");
    match client {
        Client::Lastgood => {
            let program = std::env::current_exe()?.with_file_name("fetch-client");
            command
                .arg(program)
                .args([run.api, run.token, run.name])
                .arg(out)
        }
        Client::Node => command.arg(run.node).arg(scripts.join("node.mjs")),
        Client::Gh => command.arg(scripts.join("gh.sh")),
        Client::Shell => command.arg(scripts.join("shell.sh")),
    };
    command
        .env("API", run.api)
        .env("TOKEN", run.token)
        .env("NAME", run.name)
        .env("OUT", out)
        .env("PACKAGES", run.root.join("tests/.cache/npm"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true);
    let began = Instant::now();
    let status = tokio::time::timeout(TIME_MAX, command.status()).await??;
    let wall = began.elapsed();
    ensure!(status.success(), "it ended with {status}");
    let (cpu_s, peak_kib) = figures_of(&figures)?;
    let measured = Measured {
        wall_s: wall.as_secs_f64(),
        cpu_s,
        peak_mib: peak_kib / 1024.0,
    };
    for left in [out.to_owned(), out.with_extension("home")] {
        if left.exists() {
            fs::remove_dir_all(left)?;
        }
    }
    for left in [figures, out.with_extension("zip")] {
        if left.exists() {
            fs::remove_file(left)?;
        }
    }
    Ok(measured)
}

/// CPU seconds of receiving the artifact and throwing it away.
pub(crate) async fn receive(
    api: &str,
    token: &str,
    id: u64,
    root: &Path,
    out: &Path,
) -> anyhow::Result<f64> {
    let figures = out.join("time");
    let status = Command::new("/usr/bin/time")
        .args(["-f", "%U %S %M", "-o"])
        .arg(&figures)
        .arg(root.join("benches/fetch/clients/receive.sh"))
        .env("API", api)
        .env("TOKEN", token)
        .env("ID", id.to_string())
        .status()
        .await?;
    ensure!(status.success(), "receiving ended with {status}");
    Ok(figures_of(&figures)?.0)
}

/// CPU seconds and KiB, as GNU time wrote them.
fn figures_of(file: &Path) -> anyhow::Result<(f64, f64)> {
    let text = fs::read_to_string(file)?;
    let mut fields = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || {
        fields
            .next()
            .context("GNU time wrote less than expected")?
            .map_err(anyhow::Error::from)
    };
    Ok((next()? + next()?, next()?))
}
