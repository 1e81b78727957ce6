//! What the operator is told when GitHub did not give what was asked for: outcome, message, and exactly one next action.

use super::error::{GithubError, Missing};
use crate::model::outcome::{Failure, Outcome};

impl GithubError {
    /// This error as the end of a command. `context` says what was being done, such as `could not list the runs`.
    pub fn failure(self, context: &str) -> Failure {
        let (outcome, hint) = (self.outcome(), self.hint());
        Failure::new(
            outcome,
            anyhow::Error::new(self).context(context.to_owned()),
        )
        .hint(hint)
    }

    /// "Could not ask" is told apart from "asked, and it is not there".
    fn outcome(&self) -> Outcome {
        match self {
            Self::RateLimited { .. }
            | Self::SlowDown { .. }
            | Self::Page { .. }
            | Self::Unreachable { .. }
            | Self::Unreadable { .. } => Outcome::Unreachable,
            Self::NotFound { what } | Self::Gone { what } => match what {
                Missing::Run(_) | Missing::Artifact(_) | Missing::Comparison { .. } => {
                    Outcome::NoKnownGood
                }
                Missing::Repository(_) | Missing::Workflow { .. } => Outcome::Error,
            },
            Self::TokenRejected { .. }
            | Self::MissingPermission { .. }
            | Self::OrganisationPolicy { .. }
            | Self::Forbidden { .. }
            | Self::Refused { .. } => Outcome::Error,
        }
    }

    fn hint(&self) -> String {
        match self {
            Self::TokenRejected { .. } => {
                "pass a token that is valid now: in a workflow, github-token: ${{ github.token }}".to_owned()
            }
            Self::RateLimited { limit, .. } if limit == "60" => {
                "give a token: without one GitHub allows 60 requests an hour".to_owned()
            }
            Self::RateLimited { until, .. } => match until {
                Some(until) => format!(
                    "run again after {until}, or use a GitHub App token, which has a limit of its own"
                ),
                None => "use a GitHub App token, which has a limit of its own".to_owned(),
            },
            Self::SlowDown { .. } => "run again in a few minutes, with fewer jobs at once".to_owned(),
            Self::MissingPermission { needed, .. } => format!(
                "give the job this block: permissions: {{ {} }}",
                needed.replace(';', ",")
            ),
            Self::OrganisationPolicy { authorise: Some(url), .. } => {
                format!("authorise the token for single sign-on at {url}")
            }
            Self::OrganisationPolicy { authorise: None, said } => {
                if said.to_lowercase().contains("ip allow list") {
                    "put the runner's address on the organisation's IP allow list".to_owned()
                } else {
                    "authorise the token for the organisation's single sign-on in GitHub's token settings"
                        .to_owned()
                }
            }
            Self::Forbidden { .. } => {
                "use a token whose owner may read this repository's Actions".to_owned()
            }
            Self::NotFound { what } => not_found_hint(what),
            Self::Gone { .. } => {
                "choose a newer run, and raise retention-days of actions/upload-artifact".to_owned()
            }
            Self::Refused { .. } => {
                "correct the value that GitHub names, in the inputs or in .github/lastgood.yml".to_owned()
            }
            Self::Page { .. } => {
                "check GITHUB_API_URL and the proxy, then https://www.githubstatus.com, and run again".to_owned()
            }
            Self::Unreachable { certificate: true, host, .. } => format!(
                "give the CA that signed the certificate of {host} with ca-file or SSL_CERT_FILE"
            ),
            Self::Unreachable { certificate: false, .. } => {
                "look at https://www.githubstatus.com and the runner's network, or use --artifact FILE".to_owned()
            }
            Self::Unreadable { .. } => {
                "check that GITHUB_API_URL is the API of GitHub or GitHub Enterprise Server".to_owned()
            }
        }
    }
}

fn not_found_hint(what: &Missing) -> String {
    match what {
        Missing::Repository(_) => {
            "check repository; a private one needs a token with access to it".to_owned()
        }
        Missing::Workflow { known, .. } if known.is_empty() => {
            "check the workflow's file name; this repository lists no workflows to this token"
                .to_owned()
        }
        Missing::Workflow { known, .. } => {
            format!("set workflow to one of: {}", known.join(", "))
        }
        Missing::Run(_) => {
            "choose another run id: this one was deleted, or is of another repository".to_owned()
        }
        Missing::Artifact(_) => "choose another run: this one's artifact was deleted".to_owned(),
        Missing::Comparison { .. } => {
            "choose a run whose commit is still in the repository: a force push may have removed it"
                .to_owned()
        }
    }
}
