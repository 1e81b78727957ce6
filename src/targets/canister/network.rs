//! The connection to one network: its address, the key that its answers are verified with, and who we are. Which canister is
//! asked what is not known here.

use super::call::{self, CallError};
use super::recent::Recent;
use crate::net::{self, Purpose};
use anyhow::Context as _;
use candid::Principal;
use ic_agent::agent::AgentBuilder;
use ic_agent::{Agent, Identity};
use std::sync::Arc;
use url::Url;

/// Longest answer that is read: two messages of the network.
const ANSWER_BYTES_MAX: usize = 5 * 1024 * 1024;

/// More than the probes of one question that may be under way: each may need the keys of the subnet besides.
const PROBES_MAX: usize = 128;

/// A network, connected.
#[derive(Clone)]
pub(super) struct Network {
    /// As the settings name it.
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) agent: Agent,
    /// Who we are to it.
    pub(super) principal: Principal,
    identity: Arc<dyn Identity>,
    http: reqwest::Client,
    /// Looks that a plan is made of, for what the plan may lose.
    pub(super) planned: Arc<Recent>,
    /// Looks that are compared with right before and right after a change.
    pub(super) compared: Arc<Recent>,
}

impl std::fmt::Debug for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Network")
            .field("name", &self.name)
            .field("url", &self.url.as_str())
            .field("principal", &self.principal.to_text())
            .finish_non_exhaustive()
    }
}

/// The key that certificates are verified with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RootKey {
    /// The one that is built in.
    Mainnet,
    /// DER bytes that the settings give.
    Given(Vec<u8>),
    /// Whatever the address says: for a network of this machine only.
    Fetch,
}

impl Network {
    /// Connects; a network of this machine is asked for its key.
    pub(super) async fn connect(
        name: &str,
        url: &Url,
        root_key: &RootKey,
        identity: Arc<dyn Identity>,
        settings: &net::Settings,
    ) -> Result<Self, CallError> {
        let set_up = || {
            let http = net::client(settings, Purpose::Api)?;
            let principal = identity.sender().map_err(anyhow::Error::msg)?;
            let agent = builder(url, Arc::clone(&identity))
                .with_http_client(http.clone())
                .build()
                .context("could not set up the agent")?;
            anyhow::Ok((agent, principal, http))
        };
        let (agent, principal, http) =
            set_up().map_err(|error| CallError::Unreadable(format!("{error:#}")))?;
        match root_key {
            RootKey::Mainnet => (),
            RootKey::Given(der) => agent.set_root_key(der.clone()),
            RootKey::Fetch => call::read(agent.fetch_root_key()).await?,
        }
        Ok(Self {
            name: name.to_owned(),
            url: url.clone(),
            agent,
            principal,
            identity,
            http,
            planned: Arc::default(),
            compared: Arc::default(),
        })
    }

    /// The network as the settings name it, and where that is.
    pub(super) fn place(&self) -> String {
        let url = self.url.as_str().trim_end_matches('/');
        if self.name.trim_end_matches('/') == url {
            url.to_owned()
        } else {
            format!("{} ({url})", self.name)
        }
    }

    /// An agent for the probes of one question: it sends each request once, so that what a boundary node says of too many
    /// requests is heard and not waited out, and it waits for no other question's answers.
    pub(super) fn for_probes(&self) -> Result<Agent, CallError> {
        let agent = builder(&self.url, Arc::clone(&self.identity))
            .with_arc_http_middleware(Arc::new(self.http.clone()))
            .with_max_concurrent_requests(PROBES_MAX)
            .build()
            .map_err(|error| {
                CallError::Unreadable(format!("could not set up the agent: {error}"))
            })?;
        agent.set_root_key(self.agent.read_root_key());
        Ok(agent)
    }
}

fn builder(url: &Url, identity: Arc<dyn Identity>) -> AgentBuilder {
    Agent::builder()
        .with_url(url.as_str())
        .with_arc_identity(identity)
        .with_verify_query_signatures(true)
        .with_max_response_body_size(ANSWER_BYTES_MAX)
}
