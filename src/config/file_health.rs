//! The `health` section of the config file as it is written. What the numbers mean for the verdict is told in
//! `docs/verdict.md` and known by `decide::judge`.

use super::units::{Share, Time};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Unexpected, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// How it is judged whether the service is well.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Health {
    /// What is asked. At most 4 may be gating.
    #[schemars(extend("default" = []))]
    pub probes: Option<Vec<Probe>>,
    /// An address outside of the service that is up whenever the network of this machine is. When it fails too, the
    /// failures are not held against the service.
    #[schemars(extend("format" = "uri"))]
    pub control_url: Option<String>,
    /// Requests per second and probe after a change.
    #[schemars(range(min = 1, max = 50), extend("default" = 10))]
    pub rate: Option<u64>,
    /// Share of failed requests of a healthy service.
    #[schemars(extend("default" = "1%"))]
    pub healthy_error_rate: Option<Share>,
    /// Share of failed requests that must be rolled back.
    #[schemars(extend("default" = "5%"))]
    pub unhealthy_error_rate: Option<Share>,
    /// Failures are ignored until the first success, at most this long (at most 10 minutes).
    #[schemars(extend("default" = "60s"))]
    pub warm_up: Option<Time>,
    /// After this time without a verdict the result is `inconclusive`.
    #[schemars(extend("default" = "180s"))]
    pub cap: Option<Time>,
    /// How long the service is watched further after a healthy verdict; `0s` for not at all.
    #[schemars(extend("default" = "0s"))]
    pub bake: Option<Time>,
    /// Requests per second and probe while baking.
    #[schemars(range(min = 1, max = 50), extend("default" = 2))]
    pub bake_rate: Option<u64>,
    /// `deploy`: how long the service is measured before the change; `0s` for not at all.
    #[schemars(extend("default" = "30s"))]
    pub baseline: Option<Time>,
    /// What answers that are much slower than the baseline lead to.
    #[schemars(extend("default" = "warn"))]
    pub latency: Option<Latency>,
}

/// What slow answers lead to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Latency {
    /// They are said and decide nothing.
    Warn,
    /// They are as bad as failures.
    Gate,
    /// They are not tested.
    Off,
}

/// One thing that is asked: an address (`url`), or a canister (`query`).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(extend("oneOf" = [{"required": ["url"]}, {"required": ["query"]}]))]
pub struct Probe {
    /// Name of the signal in verdicts and reports. Default: host and path of the address, or `slot.method` of the query.
    pub name: Option<String>,
    /// `http://` or `https://`. Redirects are not followed.
    #[schemars(extend("format" = "uri"))]
    pub url: Option<String>,
    /// A query that a target of kind `canister` asks, in place of `url`. Of the other keys only `name` and `gating` go with it.
    pub query: Option<Query>,
    /// Through which place of a target it is asked, for a service without an address that this machine can reach:
    /// `deployment/web:8001`, `service/web:http` or `other-namespace/deployment/web:8001`. The address must be `http://`; its
    /// path is asked there, with its host as the `Host` header.
    pub via: Option<String>,
    /// The HTTP method.
    #[schemars(extend("default" = "GET"))]
    pub method: Option<Method>,
    /// The statuses of a good answer: `200`, `2xx`, or a list of such.
    #[schemars(extend("default" = ["2xx", "3xx"]))]
    pub expect_status: Option<Statuses>,
    /// Text that a good answer contains, or `/a regular expression/` that it matches.
    pub expect_body: Option<String>,
    /// Whether this probe decides; otherwise it is only reported.
    #[schemars(extend("default" = true))]
    pub gating: Option<bool>,
    /// Request headers and the names of the environment variables that hold their values.
    #[schemars(extend("default" = {}))]
    pub headers_from_env: Option<BTreeMap<String, String>>,
}

/// A query of a canister.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Query {
    /// The canister, as its target names the slot.
    #[schemars(length(min = 1))]
    pub slot: String,
    /// A query method. Update methods are refused: a health check must not change state.
    #[schemars(length(min = 1))]
    pub method: String,
    /// The arguments as Candid text in parentheses: `(record { limit = 10 : nat })`.
    #[schemars(extend("default" = "()"))]
    pub arguments: Option<String>,
    /// Text that the reply, printed as Candid text on one line, contains, or `/a regular expression/` that it matches.
    /// Without it any reply is well.
    pub expect: Option<String>,
}

/// The methods that change nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    Get,
    Head,
}

/// One status or a list of them, each `200` or `2xx`, kept as texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statuses(pub Vec<String>);

impl JsonSchema for Statuses {
    fn schema_name() -> Cow<'static, str> {
        "Statuses".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let one = json_schema!({
            "anyOf": [
                { "type": "integer", "minimum": 100, "maximum": 599 },
                { "type": "string", "pattern": "^[1-5]([0-9][0-9]|xx)$" },
            ]
        });
        json_schema!({
            "description": "A status such as 200 or 2xx, or a list of such.",
            "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }],
        })
    }
}

impl<'de> Deserialize<'de> for Statuses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusesReader)
    }
}

/// One element of the list.
struct Status(String);

impl Status {
    fn code<E: de::Error>(code: u64, reader: &dyn de::Expected) -> Result<Self, E> {
        match code {
            100..=599 => Ok(Self(code.to_string())),
            _ => Err(E::invalid_value(Unexpected::Unsigned(code), reader)),
        }
    }

    fn text<E: de::Error>(text: &str, reader: &dyn de::Expected) -> Result<Self, E> {
        match text.as_bytes() {
            [b'1'..=b'5', b'x', b'x'] | [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => {
                Ok(Self(text.to_owned()))
            }
            _ => Err(E::invalid_value(Unexpected::Str(text), reader)),
        }
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StatusReader)
    }
}

struct StatusReader;

impl Visitor<'_> for StatusReader {
    type Value = Status;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200 or 2xx")
    }

    fn visit_u64<E: de::Error>(self, code: u64) -> Result<Status, E> {
        Status::code(code, &self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Status, E> {
        Status::text(text, &self)
    }
}

struct StatusesReader;

impl<'de> Visitor<'de> for StatusesReader {
    type Value = Statuses;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200 or 2xx, or a list of such")
    }

    fn visit_u64<E: de::Error>(self, code: u64) -> Result<Statuses, E> {
        Status::code(code, &self).map(|status| Statuses(vec![status.0]))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Statuses, E> {
        Status::text(text, &self).map(|status| Statuses(vec![status.0]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Statuses, A::Error> {
        let mut statuses = Vec::new();
        while let Some(Status(status)) = list.next_element()? {
            statuses.push(status);
        }
        if statuses.is_empty() {
            return Err(de::Error::invalid_length(0, &self));
        }
        Ok(Statuses(statuses))
    }
}
