//! The calls, each bounded: pages, bytes, time, tries, waiting. What an answer says is read by `wire`, what a refusal
//! means by `error`.

use super::error::{GithubError, Missing};
use super::transport::{Answer, Call, Transport, Wanted};
use super::wire::{self, WireArtifact, WireComparison, WireJob, WireRun, WireWorkflow};
use crate::model::candidate::{Artifact, Job, Run};
use crate::model::ids::{CommitSha, RepoName, RunId};
use crate::model::secret::Secret;
use serde::de::DeserializeOwned;
use std::fmt;
use std::time::Duration;
use url::Url;

/// GitHub's largest page.
const PER_PAGE: usize = 100;

/// Pages of jobs, artifacts or workflows that are read: a run has at most 256 jobs per matrix, so 1,000 is plenty.
const PAGES_MAX: u32 = 10;

/// How long to try, and how long to wait.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// For one request, until its answer is read.
    pub deadline: Duration,
    /// For all calls of one client together, with their tries and pauses; waiting for a rate limit is counted apart.
    pub total: Duration,
    /// For all the waiting for a rate limit that one call does. Beyond it the call gives up and says when the limit ends.
    pub rate_limit_wait_max: Duration,
    /// Pauses between tries are 1, 2, 4, 8 and 16 of these.
    pub backoff_unit: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            deadline: Duration::from_secs(30),
            total: Duration::from_mins(2),
            rate_limit_wait_max: Duration::from_mins(2),
            backoff_unit: Duration::from_secs(1),
        }
    }
}

/// One repository's Actions, through GitHub's REST API.
pub struct Client {
    transport: Transport,
    repo: RepoName,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("repo", &self.repo)
            .finish_non_exhaustive()
    }
}

/// Where an artifact's bytes are.
#[derive(Debug)]
pub enum Download {
    /// A signed URL, valid for about a minute: a secret. Fetch it without the token.
    SignedUrl(Url),
    /// The bytes themselves: some proxies follow the redirect on their own.
    Body(reqwest::Response),
}

impl Client {
    /// `http` must not follow redirects (`net::Purpose::Api`); `api_url` may have a base path, as on GitHub Enterprise
    /// Server. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `api_url` is not an http or https URL, or the token cannot be sent in a header.
    pub fn new(
        http: reqwest::Client,
        api_url: &str,
        token: Option<&Secret>,
        repo: RepoName,
        limits: Limits,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            transport: Transport::new(http, api_url, token, limits)?,
            repo,
        })
    }

    /// One page of a workflow's runs, newest first; `page` counts from 1. Without `filtered_by_branch` the list is right
    /// but mixed; with it GitHub's search index answers, for successful runs only, and may be stale (cli/cli#5440).
    ///
    /// # Errors
    /// A missing workflow is told with the workflow files that there are.
    pub async fn runs(
        &self,
        workflow: &str,
        page: u32,
        filtered_by_branch: Option<&str>,
    ) -> Result<Vec<Run>, GithubError> {
        let file = workflow.rsplit('/').next().unwrap_or(workflow);
        let mut path = format!(
            "/actions/workflows/{}/runs?per_page={PER_PAGE}&page={page}&exclude_pull_requests=true",
            encode(file)
        );
        if let Some(branch) = filtered_by_branch {
            path = format!("{path}&branch={}&status=success", encode(branch));
        }
        let missing = Missing::Workflow {
            file: file.to_owned(),
            known: Vec::new(),
        };
        let found = self
            .get(&path, &missing, "actions: read", page_of::<Run, WireRun>)
            .await;
        match found {
            Ok(page) => Ok(page.items),
            Err(GithubError::NotFound { .. }) => Err(self.missing_workflow(file).await),
            Err(error) => Err(error),
        }
    }

    /// A 404 on a workflow can mean the file, the repository, or the token: one more request tells them apart.
    async fn missing_workflow(&self, file: &str) -> GithubError {
        let what = match self.workflows().await {
            Ok(known) => Missing::Workflow {
                file: file.to_owned(),
                known,
            },
            Err(GithubError::NotFound { what }) => what,
            Err(_) => Missing::Workflow {
                file: file.to_owned(),
                known: Vec::new(),
            },
        };
        GithubError::NotFound { what }
    }

    /// One run, as its latest attempt left it.
    pub async fn run(&self, id: RunId) -> Result<Run, GithubError> {
        let path = format!("/actions/runs/{id}?exclude_pull_requests=true");
        let what = Missing::Run(id);
        let run = self.get(&path, &what, "actions: read", json::<WireRun>);
        run.await.map(Run::from)
    }

    /// The jobs of a run's latest attempt.
    pub async fn jobs(&self, id: RunId) -> Result<Vec<Job>, GithubError> {
        let path = format!("/actions/runs/{id}/jobs?filter=latest");
        self.list::<Job, WireJob>(&path, &Missing::Run(id)).await
    }

    /// The artifacts of a run, expired ones included. `name` must be exact: GitHub knows no patterns.
    pub async fn artifacts(
        &self,
        id: RunId,
        name: Option<&str>,
    ) -> Result<Vec<Artifact>, GithubError> {
        let name = name.map_or_else(String::new, |name| format!("&name={}", encode(name)));
        let path = format!("/actions/runs/{id}/artifacts?direction=desc{name}");
        self.list::<Artifact, WireArtifact>(&path, &Missing::Run(id))
            .await
    }

    /// How `head` (a branch or commit) stands to `base`: `ahead`, `behind`, `identical` or `diverged`.
    ///
    /// # Errors
    /// `NotFound` also when one of them is no longer in the repository.
    pub async fn compare(&self, base: &CommitSha, head: &str) -> Result<String, GithubError> {
        let path = format!("/compare/{}...{}?per_page=1", encode(&base.0), encode(head));
        let what = Missing::Comparison {
            base: base.clone(),
            head: head.to_owned(),
        };
        let comparison = self.get(&path, &what, "contents: read", json::<WireComparison>);
        Ok(comparison.await?.status)
    }

    /// The file names of the repository's workflows.
    pub async fn workflows(&self) -> Result<Vec<String>, GithubError> {
        let what = Missing::Repository(self.repo.clone());
        self.list::<String, WireWorkflow>("/actions/workflows?", &what)
            .await
    }

    /// Where to fetch an artifact, valid for about a minute: ask again for every try.
    ///
    /// # Errors
    /// `Gone` when it has expired.
    pub async fn artifact_location(&self, artifact: u64) -> Result<Download, GithubError> {
        let path = format!("{}/actions/artifacts/{artifact}/zip", self.base());
        let call = Call {
            path: &path,
            what: &Missing::Artifact(artifact),
            needed: "actions: read",
            wanted: Wanted::Artifact,
        };
        self.transport
            .ask(&call, |answer| match answer {
                Answer::Elsewhere(url) => Ok(Download::SignedUrl(url)),
                Answer::Body(response) => Ok(Download::Body(response)),
                Answer::Json(_) => Err("JSON, where an artifact was expected".to_owned()),
            })
            .await
    }

    /// HTTP requests sent so far, repeated ones included.
    pub fn requests(&self) -> u32 {
        self.transport.requests()
    }

    pub fn repo(&self) -> &RepoName {
        &self.repo
    }

    async fn list<T, W>(&self, path: &str, what: &Missing) -> Result<Vec<T>, GithubError>
    where
        W: DeserializeOwned + Into<T>,
    {
        let mut items = Vec::new();
        for number in 1..=PAGES_MAX {
            let path = format!("{path}&per_page={PER_PAGE}&page={number}");
            let page = self
                .get(&path, what, "actions: read", page_of::<T, W>)
                .await?;
            items.extend(page.items);
            if page.listed < PER_PAGE {
                break;
            }
        }
        Ok(items)
    }

    async fn get<T>(
        &self,
        path: &str,
        what: &Missing,
        needed: &str,
        read: fn(&[u8]) -> Result<T, serde_json::Error>,
    ) -> Result<T, GithubError> {
        let path = format!("{}{path}", self.base());
        let call = Call {
            path: &path,
            what,
            needed,
            wanted: Wanted::Json,
        };
        let read_json = move |answer| match answer {
            Answer::Json(body) => read(&body).map_err(|error| error.to_string()),
            Answer::Elsewhere(_) | Answer::Body(_) => {
                Err("no JSON, where JSON was expected".to_owned())
            }
        };
        self.transport.ask(&call, read_json).await
    }

    fn base(&self) -> String {
        format!("/repos/{}", self.repo)
    }
}

fn json<W: DeserializeOwned>(body: &[u8]) -> Result<W, serde_json::Error> {
    serde_json::from_slice(body)
}

fn page_of<T, W>(body: &[u8]) -> Result<wire::Page<T>, serde_json::Error>
where
    W: DeserializeOwned + Into<T>,
{
    wire::page::<T, W>(body)
}

/// Percent-encodes everything that has a meaning in a path or query.
fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            other => {
                const HEX: &[u8; 16] = b"0123456789ABCDEF";
                encoded.push('%');
                for digit in [other >> 4, other & 0xf] {
                    encoded.push(char::from(HEX[usize::from(digit)]));
                }
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        assert_eq!(super::encode("deploy.yml"), "deploy.yml");
        assert_eq!(
            super::encode("a/../b?c=d&e#f"),
            "a%2F..%2Fb%3Fc%3Dd%26e%23f"
        );
        assert_eq!(super::encode("r\u{e9}lease x"), "r%C3%A9lease%20x");
    }
}
