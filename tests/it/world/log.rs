//! What the servers of the world were asked, for assertions after the fact.

use super::faults::Route;
use axum::http::request::Parts;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Which of the two origins was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Server {
    Api,
    Blob,
}

/// One request, and the status it was answered with.
#[derive(Debug, Clone)]
pub struct Seen {
    pub server: Server,
    /// Counts from 1 per server; equal numbers came over one connection.
    pub connection: u64,
    pub method: String,
    /// Path as sent, `/api/v3` included.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// Names in lower case, in the order sent, repeated when sent twice.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    /// `None`: nothing that the double knows.
    pub route: Option<Route>,
    /// 0 while it is being answered, or when the connection was cut before any answer.
    pub status: u16,
}

impl Seen {
    pub fn new(server: Server, connection: u64, parts: &Parts, body: Bytes) -> Self {
        let query = parts.uri.query().unwrap_or_default();
        let headers = parts.headers.iter().map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        Self {
            server,
            connection,
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            query: url::form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            headers: headers.collect(),
            body,
            route: None,
            status: 0,
        }
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found == name);
        found.map(|(_, value)| value.as_str())
    }

    /// How often a header was sent.
    pub fn times(&self, name: &str) -> usize {
        self.headers
            .iter()
            .filter(|(found, _)| found == name)
            .count()
    }

    /// Headers that must be sent at most once, and were sent more often. A client that adds its own `User-Agent` to one
    /// that its library sets is the usual cause.
    pub fn doubled(&self) -> Vec<String> {
        const ONCE: [&str; 7] = [
            "accept",
            "authorization",
            "content-type",
            "host",
            "range",
            "user-agent",
            "x-github-api-version",
        ];
        let doubled = ONCE.iter().filter(|name| self.times(name) > 1);
        doubled
            .map(|name| {
                format!(
                    "{} {}: {name} was sent {} times",
                    self.method,
                    self.path,
                    self.times(name)
                )
            })
            .collect()
    }
}
