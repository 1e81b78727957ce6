//! GitHub's JSON as it comes over the wire, and its reading into the vocabulary. Only what the judgment needs is read;
//! whatever the official schema lets be absent or null may be absent or null here. No requests.

use crate::model::candidate::{Artifact, Job, Run};
use crate::model::ids::{CommitSha, RunId};
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

/// One page of a list.
#[derive(Debug)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Items on the page, the unreadable ones included.
    pub(super) listed: usize,
}

/// Reads a page item by item: an odd item is left out and told of, and never takes the page with it.
pub(super) fn page<T, W>(body: &[u8]) -> Result<Page<T>, serde_json::Error>
where
    W: DeserializeOwned + Into<T>,
{
    #[derive(Deserialize)]
    struct Items<'a> {
        #[serde(
            borrow,
            alias = "workflow_runs",
            alias = "jobs",
            alias = "artifacts",
            alias = "workflows"
        )]
        items: Vec<&'a RawValue>,
    }

    let raw = serde_json::from_slice::<Items<'_>>(body)?.items;
    let mut items = Vec::with_capacity(raw.len());
    for (position, item) in raw.iter().enumerate() {
        match serde_json::from_str::<W>(item.get()) {
            Ok(item) => items.push(item.into()),
            Err(error) => {
                tracing::warn!(position, %error, "left out an item that cannot be read");
            }
        }
    }
    Ok(Page {
        items,
        listed: raw.len(),
    })
}

#[derive(Debug, Deserialize)]
pub(super) struct WireRun {
    id: u64,
    run_attempt: Option<u32>,
    #[serde(default)]
    run_number: u64,
    display_title: Option<String>,
    event: String,
    status: Option<String>,
    conclusion: Option<String>,
    head_branch: Option<String>,
    head_sha: String,
    path: String,
    run_started_at: Option<String>,
    created_at: Option<String>,
    repository: Option<WireRepository>,
    head_repository: Option<WireRepository>,
    #[serde(default)]
    html_url: String,
}

#[derive(Debug, Deserialize)]
struct WireRepository {
    id: Option<u64>,
}

impl From<WireRun> for Run {
    fn from(wire: WireRun) -> Self {
        Self {
            id: RunId(wire.id),
            attempt: wire.run_attempt,
            number: wire.run_number,
            title: wire.display_title,
            event: wire.event,
            status: wire.status,
            conclusion: wire.conclusion,
            branch: wire.head_branch,
            sha: CommitSha(wire.head_sha),
            path: wire.path,
            started_at: time(wire.run_started_at.as_deref()),
            created_at: time(wire.created_at.as_deref()),
            repository_id: wire.repository.and_then(|repository| repository.id),
            head_repository_id: wire.head_repository.and_then(|repository| repository.id),
            url: wire.html_url,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireJob {
    name: String,
    status: Option<String>,
    conclusion: Option<String>,
}

impl From<WireJob> for Job {
    fn from(wire: WireJob) -> Self {
        Self {
            name: wire.name,
            status: wire.status,
            conclusion: wire.conclusion,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireArtifact {
    id: u64,
    name: String,
    size_in_bytes: u64,
    expired: bool,
    created_at: Option<String>,
    expires_at: Option<String>,
    digest: Option<String>,
}

impl From<WireArtifact> for Artifact {
    fn from(wire: WireArtifact) -> Self {
        let digest = wire.digest.and_then(|text| match text.parse() {
            Ok(digest) => Some(digest),
            Err(error) => {
                tracing::warn!(artifact = wire.id, %error, "taken as an artifact without digest");
                None
            }
        });
        Self {
            id: wire.id,
            name: wire.name,
            size_bytes: wire.size_in_bytes,
            expired: wire.expired,
            created_at: time(wire.created_at.as_deref()),
            expires_at: time(wire.expires_at.as_deref()),
            digest,
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct WireComparison {
    pub(super) status: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct WireWorkflow {
    path: String,
}

impl From<WireWorkflow> for String {
    /// The file's name, which is what `workflow` takes.
    fn from(wire: WireWorkflow) -> Self {
        match wire.path.rsplit_once('/') {
            Some((_folder, file)) => file.to_owned(),
            None => wire.path,
        }
    }
}

/// The body of an error answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct WireError {
    #[serde(default)]
    pub(super) message: String,
    /// Texts, or objects with `message`, or with `resource`, `field` and `code`.
    #[serde(default)]
    pub(super) errors: Vec<serde_json::Value>,
}

/// A time that cannot be read is as good as none.
fn time(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"id":7,"event":"push","head_sha":"a","path":"w.yml","head_branch":null,"name":null,
        "head_commit":null,"status":null,"head_repository":null,"run_started_at":"2026-01-02T03:04:05Z"}"#;

    #[test]
    fn one_odd_item_leaves_the_page_readable() {
        let body = format!(r#"{{"total_count":3,"workflow_runs":[{RUN},{{"id":"odd"}},{RUN}]}}"#);
        let page = page::<Run, WireRun>(body.as_bytes()).unwrap();
        assert_eq!((page.items.len(), page.listed), (2, 3));
        let run = page.items.first().unwrap();
        assert_eq!(run.id, RunId(7));
        assert_eq!((run.branch.as_ref(), run.head_repository_id), (None, None));
        assert_eq!(run.started_at, "2026-01-02T03:04:05Z".parse().ok());
    }

    #[test]
    fn an_artifact_may_lack_its_digest_and_times() {
        #[track_caller]
        fn digest(field: &str) -> bool {
            let body = format!(
                r#"{{"artifacts":[{{"id":1,"name":"site","size_in_bytes":5,"expired":false,"created_at":null,
                "expires_at":null,"workflow_run":{{}}{field}}}]}}"#
            );
            let page = page::<Artifact, WireArtifact>(body.as_bytes()).unwrap();
            page.items.first().unwrap().digest.is_some()
        }
        assert!(!digest(""));
        assert!(!digest(r#","digest":null"#));
        assert!(!digest(r#","digest":"sha512:00""#));
        let hex = "0".repeat(64);
        assert!(digest(&format!(r#","digest":"sha256:{hex}""#)));
    }

    #[test]
    fn a_job_may_lack_its_attempt() {
        let body = br#"{"jobs":[{"name":"deploy","status":"requested","conclusion":null,"runner_id":99999999999}]}"#;
        assert_eq!(page::<Job, WireJob>(body).unwrap().items.len(), 1);
    }
}
