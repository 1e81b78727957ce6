//! Which HTTP statuses count as an answer that was hoped for.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A set of HTTP statuses, 100 to 599. Written `200`, `2xx`, `200-204`, or several of them with commas or as a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

/// What was written where statuses were expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found status {found:?}, expected such as 200, 2xx or 200-204 (from 100 to 599)")]
pub struct BadStatus {
    pub found: String,
}

impl StatusSet {
    pub fn contains(&self, status: u16) -> bool {
        self.0.iter().any(|range| range.contains(&status))
    }
}

/// Success and redirection: a redirect is an answer, and it is not followed.
impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![200..=399])
    }
}

impl FromStr for StatusSet {
    type Err = BadStatus;

    fn from_str(text: &str) -> Result<Self, BadStatus> {
        let ranges = text.split(',').map(|part| {
            range(part.trim()).ok_or_else(|| BadStatus {
                found: part.trim().to_owned(),
            })
        });
        ranges.collect::<Result<_, _>>().map(Self)
    }
}

fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let number = |text: &str| {
        let digits = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text.parse().ok().filter(|_| digits)?;
        (100..=599).contains(&number).then_some(number)
    };
    if let Some(hundreds) = text.strip_suffix("xx") {
        let first = number(&format!("{hundreds}00"))?;
        return Some(first..=first + 99);
    }
    match text.split_once('-') {
        Some((first, last)) => {
            let (first, last) = (number(first.trim())?, number(last.trim())?);
            (first <= last).then_some(first..=last)
        }
        None => number(text).map(|only| only..=only),
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = self
            .0
            .iter()
            .map(|range| match (range.start(), range.end()) {
                (first, last) if first == last => first.to_string(),
                (first, last) => format!("{first}-{last}"),
            });
        f.write_str(&parts.collect::<Vec<_>>().join(","))
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Statuses)
    }
}

struct Statuses;

impl<'de> Visitor<'de> for Statuses {
    type Value = StatusSet;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a status such as 200, 2xx or 200-204, or a list of them")
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<StatusSet, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<StatusSet, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<StatusSet, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<StatusSet, A::Error> {
        let mut ranges = Vec::new();
        while let Some(StatusSet(more)) = list.next_element()? {
            ranges.extend(more);
        }
        if ranges.is_empty() {
            let what = "found an empty list, expected at least one status";
            return Err(A::Error::custom(what));
        }
        Ok(StatusSet(ranges))
    }
}

impl JsonSchema for StatusSet {
    fn schema_name() -> Cow<'static, str> {
        "StatusSet".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        let number = json_schema!({ "type": "integer", "minimum": 100, "maximum": 599 });
        let part = "([1-5][0-9]{2}( *- *[1-5][0-9]{2})?|[1-5]xx)";
        let text =
            json_schema!({ "type": "string", "pattern": format!("^ *{part}( *, *{part})* *$") });
        json_schema!({
            "description": "Statuses: 200, 2xx, 200-204, or several of them.",
            "anyOf": [number, text, { "type": "array", "minItems": 1, "items": { "anyOf": [number, text] } }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn check(written: serde_json::Value, expected: &str) {
        let schema = schemars::schema_for!(StatusSet);
        let valid = jsonschema::is_valid(schema.as_value(), &written);
        match serde_json::from_value::<StatusSet>(written) {
            Ok(set) => {
                assert_eq!(set.to_string(), expected);
                assert!(valid, "the schema refuses it");
            }
            Err(error) => {
                assert!(error.to_string().contains(expected), "{error}");
            }
        }
    }

    #[test]
    fn every_spelling() {
        check(json!(200), "200");
        check(json!("200"), "200");
        check(json!("2xx"), "200-299");
        check(json!("200-204, 301"), "200-204,301");
        check(json!([200, "3xx"]), "200,300-399");
        check(json!("20x"), "found status \"20x\", expected such as");
        check(json!("204-200"), "found status");
        check(json!("+99"), "found status");
        check(json!(99), "found status \"99\"");
        check(json!(-1), "found status \"-1\"");
        check(json!("600"), "found status");
        check(json!(""), "found status \"\"");
        check(json!([]), "found an empty list");
        check(json!(true), "expected a status such as");
    }

    #[test]
    fn the_default_takes_redirects_for_answers() {
        let set = StatusSet::default();
        assert!(set.contains(204) && set.contains(302));
        assert!(!set.contains(404) && !set.contains(503) && !set.contains(101));
    }
}
