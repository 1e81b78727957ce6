//! The job as lastgood does it, and nothing else: find the run, fetch, verify, unpack, check every file. Its size in memory
//! and time to start are those of the parts that do this. API, TOKEN, NAME and OUT are given as arguments.

use anyhow::{Context as _, ensure};
use async_trait::async_trait;
use lastgood::artifact::{self, FetchError, Fetched, Opened, Source, Wanted};
use lastgood::github::{self, Client, Download};
use lastgood::model::secret::Secret;
use lastgood::net::{self, Purpose};
use std::path::Path;

struct FromGithub {
    client: Client,
    artifact: u64,
}

#[async_trait]
impl Source for FromGithub {
    async fn open(&self) -> Result<Opened, FetchError> {
        match self.client.artifact_location(self.artifact).await {
            Ok(Download::SignedUrl(url)) => Ok(Opened::Url(url)),
            Ok(Download::Body(body)) => Ok(Opened::Body(body)),
            Err(error) => Err(FetchError::Source(error.failure("could not ask"))),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [api, token, name, out] = arguments.as_slice() else {
        anyhow::bail!("usage: fetch-client API TOKEN ARTIFACT DIRECTORY");
    };
    let settings = net::Settings {
        user_agent: "lastgood".to_owned(),
        ..net::Settings::default()
    };
    let http = net::client(&settings, Purpose::Api)?;
    let repo = "octo/web".parse()?;
    let limits = github::Limits::default();
    let client = Client::new(http, api, Some(&Secret::new(token)), repo, limits)?;
    let runs = client.runs("deploy.yml", 1, None).await?;
    let good = runs
        .iter()
        .find(|run| run.conclusion.as_deref() == Some("success"))
        .context("no run was successful")?;
    let artifacts = client.artifacts(good.id, Some(name)).await?;
    let artifact = artifacts.first().context("the run has no such artifact")?;
    let source = FromGithub {
        client,
        artifact: artifact.id,
    };
    let wanted = Wanted {
        name,
        size_bytes: Some(artifact.size_bytes),
        digest: artifact.digest,
    };
    let blob = net::client(&settings, Purpose::Blob)?;
    let limits = artifact::Limits::default();
    let into = Path::new(out);
    let fetched = artifact::fetch(&blob, &source, &wanted, into, &limits, &|_, _| ()).await?;
    check_files(&fetched)
}

/// Holds every file against the artifact's own SHA256SUMS, as the others do with `sha256sum -c`.
fn check_files(fetched: &Fetched) -> anyhow::Result<()> {
    let sums = std::fs::read_to_string(fetched.dir.join("SHA256SUMS"))?;
    let mut files = fetched
        .files
        .iter()
        .filter(|file| file.path != "SHA256SUMS");
    for line in sums.lines() {
        let (expected, path) = line.split_once("  ").context("a line without a name")?;
        let file = files.next().context("a file is missing")?;
        ensure!(
            file.path == path && file.sha256.hex() == expected,
            "{path} does not match"
        );
    }
    ensure!(files.next().is_none(), "there is a file too many");
    Ok(())
}
