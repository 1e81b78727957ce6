//! `.github/lastgood.yml` as it is written. Everything is optional here that has a default; the defaults live in
//! `config::defaults` and are applied by `config::resolve`. No secret ever stands in this file, only the names of the
//! environment variables that hold them.
//!
//! No `flatten`, no `untagged`: both lose the key and the line of a mistake. Doc comments become the schema's and the
//! reference's text.

pub use super::file_health::{Health, Latency, Method, Probe, Query, Statuses};
use super::units::{Size, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// The config file of lastgood, `.github/lastgood.yml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct File {
    /// Version of this format: 1.
    #[schemars(range(min = 1, max = 1))]
    pub version: u64,
    /// Where journals, probe logs and the lease lie. Relative to the working directory; `--state-dir` overrides it.
    #[schemars(extend("default" = ".lastgood"))]
    pub state_dir: Option<String>,
    /// The places that releases are deployed to, by name.
    #[schemars(extend("minProperties" = 1))]
    pub environments: BTreeMap<String, Environment>,
}

/// One place that releases are deployed to.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Environment {
    /// Where good releases come from.
    pub source: Option<Source>,
    /// What holds the release: one target or several.
    pub targets: Option<Vec<Target>>,
    /// How it is judged whether the service is well.
    pub health: Option<Health>,
    /// What is done about a verdict, and what is allowed.
    pub policy: Option<Policy>,
    /// Checked before anything else: this is the machine and the repository that are meant, or nothing happens.
    pub guard: Option<Guard>,
}

/// Where good releases come from: the runs of a deploy workflow and their artifact.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Source {
    /// `owner/name`. Default: the repository of the workflow that runs this (`GITHUB_REPOSITORY`).
    pub repository: Option<String>,
    /// File name of the deploy workflow, such as `deploy.yml`. Default: the workflow that runs this.
    pub workflow: Option<String>,
    /// Only runs of this branch. Default: the branch of the workflow run, when it runs on one.
    pub branch: Option<String>,
    /// Only runs started by these events. Events that a pull request can start are never allowed.
    #[schemars(extend("default" = ["push", "workflow_dispatch", "schedule", "release", "repository_dispatch"], "minItems" = 1))]
    pub events: Option<Vec<String>>,
    /// Name of the artifact that holds the release; `*` and `?` match. Exactly one artifact of a run must match.
    #[schemars(extend("default" = "*"))]
    pub artifact: Option<String>,
    /// The job that deploys: it must have succeeded, since a green run may have skipped it. A name as GitHub shows it
    /// (`deploy (prod)`, `call / deploy`), or a pattern.
    pub deploy_job: Option<String>,
    /// Pattern for the run's title (`run-name:`), to tell environments apart that one workflow serves.
    pub title: Option<String>,
    /// Refuse artifacts whose digest GitHub does not know (uploaded before upload-artifact v4, or on GHES).
    #[schemars(extend("default" = true))]
    pub require_digest: Option<bool>,
    /// The release's commit must be an ancestor of the branch. One more request per candidate.
    #[schemars(extend("default" = false))]
    pub require_ancestor: Option<bool>,
    /// Workflows that roll back: their runs are green and deployed an older commit than their own.
    #[schemars(extend("default" = ["rollback.yml"]))]
    pub rollback_workflows: Option<Vec<String>>,
    /// How many candidates are looked into before giving up.
    #[schemars(range(min = 1, max = 100), extend("default" = 10))]
    pub max_candidates: Option<u64>,
    /// How many pages of 100 runs are read before giving up.
    #[schemars(range(min = 1, max = 10), extend("default" = 3))]
    pub max_pages: Option<u64>,
    /// Largest artifact that is fetched.
    #[schemars(extend("default" = "2GiB"))]
    pub size_limit: Option<Size>,
}

/// What is done about a verdict, and what is allowed.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Policy {
    /// `deploy` and `watch`: what an unhealthy release leads to.
    #[schemars(extend("default" = "rollback"))]
    pub on_unhealthy: Option<OnUnhealthy>,
    /// What it leads to when the evidence is not enough for a verdict.
    #[schemars(extend("default" = "fail"))]
    pub on_inconclusive: Option<OnInconclusive>,
    /// Canisters: what is done when a module cannot be put back because the state does not fit it. `stop`: nothing further.
    /// `snapshot`: the state of before the deploy is put back too, every write since is lost. `skip-pre-upgrade`: the bad
    /// module is not asked to save its state, what it holds in memory alone is lost.
    #[schemars(extend("default" = "stop"))]
    pub on_state_conflict: Option<OnStateConflict>,
    /// Hazards that are accepted, by name: `mutable-tag`, or `mutable-tag:web` for one slot.
    #[schemars(extend("default" = []))]
    pub allow: Option<Vec<String>>,
    /// How long a used-up rate limit of GitHub is waited for.
    #[schemars(extend("default" = "2m"))]
    pub rate_limit_wait: Option<Time>,
    /// How long GitHub is asked in all before giving up (outcome `unreachable`).
    #[schemars(extend("default" = "10m"))]
    pub deadline: Option<Time>,
}

/// What an unhealthy release leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnUnhealthy {
    Rollback,
    Fail,
}

/// What it leads to when there is no verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnInconclusive {
    Fail,
    Pass,
    Rollback,
}

/// What is done when the state does not fit the release that is put back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum OnStateConflict {
    Stop,
    Snapshot,
    SkipPreUpgrade,
}

/// What must be so before anything happens.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Guard {
    /// The host name of the machine that this runs on (for targets on the machine itself).
    pub hostname: Option<String>,
    /// The repository that this runs for, `owner/name`.
    pub repository: Option<String>,
}

/// One target: the keys that every kind has; the kind's own settings stand beside them.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub name: Option<String>,
    pub kind: String,
    pub group: Option<u64>,
    pub payload: Option<String>,
    /// All other keys, for the kind to read.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// The keys that every kind of target has; the settings of its kind stand beside them.
#[derive(JsonSchema)]
#[schemars(rename_all = "kebab-case")]
#[expect(dead_code, reason = "read by its schema alone")]
pub(super) struct TargetCommon {
    /// Name of the target, and of its slot when it has one slot. Default: the kind.
    name: Option<String>,
    /// What the target is.
    kind: String,
    /// Targets of a lower group are changed first; those of one group in the order of the file.
    #[schemars(range(min = 0, max = 100), extend("default" = 0))]
    group: Option<u64>,
    /// What the target needs from the artifact: a path or pattern of one file, or `.` for the whole tree. Default: what
    /// the kind needs.
    payload: Option<String>,
}

impl JsonSchema for Target {
    fn schema_name() -> Cow<'static, str> {
        "Target".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        TargetCommon::json_schema(generator)
    }
}

impl<'de> Deserialize<'de> for Target {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(TargetReader)
    }
}

struct TargetReader;

impl<'de> Visitor<'de> for TargetReader {
    type Value = Target;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping with kind and the kind's settings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Target, A::Error> {
        let mut target = Target {
            name: None,
            kind: String::new(),
            group: None,
            payload: None,
            settings: serde_json::Map::new(),
        };
        let mut kind = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "name" => target.name = map.next_value()?,
                "kind" => kind = Some(map.next_value()?),
                "group" => target.group = map.next_value()?,
                "payload" => target.payload = map.next_value()?,
                _ => {
                    target.settings.insert(key, map.next_value()?);
                }
            }
        }
        target.kind = kind.ok_or_else(|| de::Error::missing_field("kind"))?;
        Ok(target)
    }
}
