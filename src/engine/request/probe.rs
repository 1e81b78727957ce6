//! What is asked to judge a release: addresses, and queries that a target answers.

use crate::model::secret::Secret;
use crate::model::state::Slot;
use url::Url;

/// One thing that is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    pub name: String,
    pub gating: bool,
    pub means: Means,
}

impl Probe {
    /// The address, when it is one.
    pub const fn page(&self) -> Option<&Page> {
        match &self.means {
            Means::Http(page) => Some(page),
            Means::Query(_) => None,
        }
    }
}

/// How it is asked.
#[derive(Debug, Clone, PartialEq)]
pub enum Means {
    Http(Page),
    Query(Query),
}

/// A query that the target of a slot asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    pub slot: Slot,
    pub method: String,
    /// Candid values in parentheses (valid as a text; whether they fit the method, the target says).
    pub arguments: String,
    /// Text to be contained in the reply, or `/regular expression/` (valid).
    pub expect: Option<String>,
}

/// An address, and what it must answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    pub url: Url,
    /// Through which place of a target it is asked: `deployment/web:8001`. `None`: directly.
    pub via: Option<String>,
    /// `GET` or `HEAD`.
    pub method: String,
    /// Each `200` or `2xx`; never empty.
    pub expect_status: Vec<String>,
    /// Text to be contained, or `/regular expression/` (valid).
    pub expect_body: Option<String>,
    pub headers: Vec<(String, Secret)>,
}
