//! Durations in settings, written as in the rest of the config: one number and one unit, never a bare number.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// `500ms`, `90s`, `15m` or `1h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

impl Time {
    pub(crate) const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    fn parse(text: &str) -> Option<Self> {
        /// More would be a mistake of units; the ranges of the settings end far below.
        const DIGITS_MAX: usize = 9;
        let end = text.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = text.split_at_checked(end)?;
        if DIGITS_MAX < number.len() {
            return None;
        }
        let number: u64 = number.parse().ok()?;
        let duration = match unit {
            "ms" => Duration::from_millis(number),
            "s" => Duration::from_secs(number),
            "m" => Duration::from_secs(number * 60),
            "h" => Duration::from_secs(number * 3600),
            _ => return None,
        };
        Some(Self(duration))
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            ms if ms % 60_000 == 0 && 0 < ms => write!(f, "{}m", ms / 60_000),
            ms if ms % 1000 == 0 => write!(f, "{}s", ms / 1000),
            ms => write!(f, "{ms}ms"),
        }
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TimeReader)
    }
}

/// So that a schema can name a default.
impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

struct TimeReader;

impl Visitor<'_> for TimeReader {
    type Value = Time;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as 90s, 15m or 1h")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
        Time::parse(text).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9]{1,9}(ms|s|m|h)$" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let shown = Time::parse(text).map(|time| time.to_string());
        assert_eq!(shown.as_deref(), expected);
        let schema = schemars::schema_for!(Time);
        let valid = jsonschema::is_valid(schema.as_value(), &text.into());
        assert_eq!(valid, expected.is_some(), "the schema says otherwise");
    }

    #[test]
    fn one_number_and_one_unit() {
        check("500ms", Some("500ms"));
        check("90s", Some("90s"));
        check("60s", Some("1m"));
        check("2h", Some("120m"));
        check("0s", Some("0s"));
        check("90", None);
        check("s", None);
        check("1.5s", None);
        check("-1s", None);
        check("1 s", None);
        check("1d", None);
        check("9999999999s", None);
    }
}
