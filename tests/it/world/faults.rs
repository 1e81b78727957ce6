//! What goes wrong, where, and how often. A fault is asked for by a test; nothing here is random.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// The calls that the double knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Route {
    Repo,
    Workflows,
    Workflow,
    /// Runs of one workflow.
    WorkflowRuns,
    /// Runs of all workflows of a repository.
    RepoRuns,
    Run,
    Attempt,
    Jobs,
    AttemptJobs,
    RunArtifacts,
    RepoArtifacts,
    Artifact,
    /// The redirect to the blob store.
    Zip,
    Compare,
    RateLimit,
    Deployments,
    CreateDeployment,
    Statuses,
    CreateStatus,
    CreateIssue,
    Attestations,
    /// The blob store itself.
    Blob,
}

/// One thing that goes wrong.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer instead of the real one.
    Answer {
        status: u16,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// The real answer, late.
    Delay(Duration),
    /// The connection ends without an answer.
    Drop,
    /// The real answer with its real length; the connection ends after this many bytes of the body.
    Truncate(usize),
    /// The same with a TCP reset.
    Reset(usize),
    /// The same, but the connection stays open and silent.
    Stall(usize),
    /// The real answer with this byte of the body flipped.
    Tamper(usize),
    /// The real answer without this header.
    Without(&'static str),
    /// 200 with the whole body although a range was asked for.
    IgnoreRange,
    /// The redirect already followed, as some proxies do: 200 with the artifact itself. Only for [`Route::Zip`].
    BodyInstead,
    /// Nothing goes wrong: takes a place in the queue, for "the third one fails".
    Nothing,
}

impl Fault {
    /// A bare status with GitHub's kind of body.
    pub fn status(status: u16) -> Self {
        Self::json(
            status,
            &[],
            &format!(r#"{{"message":"Fault","status":"{status}"}}"#),
        )
    }

    /// A JSON answer.
    pub fn json(status: u16, headers: &[(&str, String)], body: &str) -> Self {
        let mut headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        headers.push((
            "content-type".to_owned(),
            "application/json; charset=utf-8".to_owned(),
        ));
        Self::Answer {
            status,
            headers,
            body: body.to_owned(),
        }
    }

    /// A page for people where a machine was asking: GitHub's unicorn, a proxy's login.
    pub fn html(status: u16) -> Self {
        let headers = vec![(
            "content-type".to_owned(),
            "text/html; charset=utf-8".to_owned(),
        )];
        let body = "<!DOCTYPE html>\n<html><title>Unicorn!</title><p>No server is currently available.</html>\n";
        Self::Answer {
            status,
            headers,
            body: body.to_owned(),
        }
    }

    /// 302 that leads nowhere.
    pub fn redirect_without_location() -> Self {
        Self::Answer {
            status: 302,
            headers: Vec::new(),
            body: String::new(),
        }
    }

    /// 302 to any place.
    pub fn redirect(location: &str) -> Self {
        let headers = vec![("location".to_owned(), location.to_owned())];
        Self::Answer {
            status: 302,
            headers,
            body: String::new(),
        }
    }

    /// 429 that says how long to wait.
    pub fn too_many_requests(retry_after_s: u64) -> Self {
        let body = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#;
        Self::json(429, &[("retry-after", retry_after_s.to_string())], body)
    }

    /// 403 with nothing left of the primary limit, until `reset_unix` (seconds of Unix time).
    pub fn rate_limit_used_up(reset_unix: i64) -> Self {
        let headers = [
            ("x-ratelimit-limit", "1000".to_owned()),
            ("x-ratelimit-remaining", "0".to_owned()),
            ("x-ratelimit-used", "1000".to_owned()),
            ("x-ratelimit-reset", reset_unix.to_string()),
            ("x-ratelimit-resource", "core".to_owned()),
        ];
        Self::json(
            403,
            &headers,
            r#"{"message":"API rate limit exceeded for installation."}"#,
        )
    }

    /// 403 of the secondary limit, which says nothing about how long.
    pub fn secondary_limit() -> Self {
        let body = r#"{"message":"You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}"#;
        Self::json(403, &[], body)
    }

    /// 403 of an organisation that wants single sign-on.
    pub fn saml() -> Self {
        let body = r#"{"message":"Resource protected by organization SAML enforcement. You must grant your Personal Access token access to this organization."}"#;
        let sso =
            "required; url=https://github.com/orgs/octo/sso?authorization_request=A".to_owned();
        Self::json(403, &[("x-github-sso", sso)], body)
    }

    /// 403 of the blob store for a signed URL that is too old.
    pub fn uri_expired() -> Self {
        let body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>AuthenticationFailed</Code><Message>Uri expired</Message></Error>";
        let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
        Self::Answer {
            status: 403,
            headers,
            body: body.to_owned(),
        }
    }
}

/// The faults that are waiting, per route.
#[derive(Debug, Default)]
pub struct Faults {
    waiting: BTreeMap<Route, VecDeque<(Fault, Option<u32>)>>,
}

impl Faults {
    /// `times` is `None` for ever.
    pub fn push(&mut self, route: Route, fault: Fault, times: Option<u32>) {
        if times != Some(0) {
            let queue = self.waiting.entry(route).or_default();
            queue.push_back((fault, times));
        }
    }

    pub fn clear(&mut self, route: Route) {
        self.waiting.remove(&route);
    }

    /// The fault that the next request to `route` meets; used up by this.
    pub fn next(&mut self, route: Route) -> Option<Fault> {
        let queue = self.waiting.get_mut(&route)?;
        let (fault, left) = queue.front_mut()?;
        let fault = fault.clone();
        match left {
            None => (),
            Some(0 | 1) => drop(queue.pop_front()),
            Some(more) => *more -= 1,
        }
        Some(fault)
    }
}
