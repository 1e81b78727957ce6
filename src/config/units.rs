//! Durations, sizes and percentages as people write them: strictly one number and one unit, never a bare number.
//! The same types read the config file and the arguments.

use super::problem::Problem;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserialize, Deserializer, Unexpected, Visitor};
use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What was written where a quantity was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {found:?}, expected {expected}")]
pub struct BadUnit {
    pub found: String,
    pub expected: &'static str,
}

/// A duration: `500ms`, `90s`, `15m`, `1h`, `2d`. At most 365 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub Duration);

/// A number of bytes: `64KiB`, `500MB`, `2GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// A share from 0 to 1, written as a percentage: `1%`, `0.5%`.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Share(pub f64);

/// One written quantity: how it reads, and what a reader of the schema is told.
trait Unit: FromStr<Err = BadUnit> {
    const NAME: &'static str;
    const EXPECTED: &'static str;
    const PATTERN: &'static str;
}

impl Unit for Time {
    const NAME: &'static str = "Duration";
    const EXPECTED: &'static str = "a duration such as 500ms, 90s, 15m, 1h or 2d";
    const PATTERN: &'static str = r"^[0-9]{1,12}(ms|s|m|h|d)$";
}

impl Unit for Size {
    const NAME: &'static str = "Size";
    const EXPECTED: &'static str = "a size such as 64KiB, 500MB or 2GiB";
    const PATTERN: &'static str = r"^[0-9]{1,18}(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$";
}

impl Unit for Share {
    const NAME: &'static str = "Percentage";
    const EXPECTED: &'static str = "a percentage from 0% to 100%, such as 1% or 0.5%";
    const PATTERN: &'static str = r"^(100(\.0{1,6})?|[0-9]{1,2}(\.[0-9]{1,6})?)%$";
}

fn bad<T: Unit>(found: &str) -> BadUnit {
    BadUnit {
        found: found.to_owned(),
        expected: T::EXPECTED,
    }
}

/// Digits and what follows them.
fn split(text: &str, digits_max: usize) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    if number.len() > digits_max {
        return None;
    }
    Some((number.parse().ok()?, unit))
}

impl FromStr for Time {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        const YEAR_MS: u64 = 365 * 24 * 3600 * 1000;
        let read = || {
            let (number, unit) = split(text, 12)?;
            let unit_ms = match unit {
                "ms" => 1,
                "s" => 1_000,
                "m" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            number.checked_mul(unit_ms).filter(|&ms| ms <= YEAR_MS)
        };
        read()
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| bad::<Self>(text))
    }
}

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let read = || {
            let (number, unit) = split(text, 18)?;
            let unit_bytes: u64 = match unit {
                "B" => 1,
                "KB" => 1_000,
                "MB" => 1_000_000,
                "GB" => 1_000_000_000,
                "TB" => 1_000_000_000_000,
                "KiB" => 1 << 10,
                "MiB" => 1 << 20,
                "GiB" => 1 << 30,
                "TiB" => 1 << 40,
                _ => return None,
            };
            number.checked_mul(unit_bytes)
        };
        read().map(Self).ok_or_else(|| bad::<Self>(text))
    }
}

impl FromStr for Share {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Self, BadUnit> {
        let read = || {
            let number = text.strip_suffix('%')?;
            let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
            let digits = |part: &str, max: usize| {
                (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit())
            };
            if !digits(whole, 3) || !digits(fraction, 6) {
                return None;
            }
            let share = number.parse::<f64>().ok()? / 100.0;
            (share <= 1.0).then_some(share)
        };
        read().map(Self).ok_or_else(|| bad::<Self>(text))
    }
}

impl fmt::Display for Time {
    /// The largest unit that divides it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.as_millis();
        for (unit_ms, unit) in [
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ] {
            if ms >= unit_ms && ms.is_multiple_of(unit_ms) {
                return write!(f, "{}{unit}", ms / unit_ms);
            }
        }
        match ms {
            0 => f.write_str("0s"),
            ms => write!(f, "{ms}ms"),
        }
    }
}

impl fmt::Display for Share {
    /// As it is written: at most six digits after the point, none that say nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{:.6}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// Reads a text and nothing else, so that `90` is refused where `90s` is meant.
struct TextOf<T>(std::marker::PhantomData<T>);

impl<T: Unit> Visitor<'_> for TextOf<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse()
            .map_err(|_bad: BadUnit| E::invalid_value(Unexpected::Str(text), &self))
    }
}

macro_rules! unit {
    ($name:ty) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(TextOf(std::marker::PhantomData))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                <Self as Unit>::NAME.into()
            }

            fn json_schema(_generator: &mut SchemaGenerator) -> Schema {
                let mut about = <Self as Unit>::EXPECTED.to_owned();
                if let Some(first) = about.get_mut(..1) {
                    first.make_ascii_uppercase();
                }
                json_schema!({
                    "type": "string",
                    "description": format!("{about}."),
                    "pattern": <Self as Unit>::PATTERN,
                })
            }
        }
    };
}

unit!(Time);
unit!(Size);
unit!(Share);

impl From<BadUnit> for Problem {
    fn from(bad: BadUnit) -> Self {
        Self::found(format!("{:?}", bad.found), bad.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "reads better in a table")]
    fn check<T: Unit + PartialEq + fmt::Debug>(text: &str, wanted: Option<T>) {
        let pattern = regex_lite::Regex::new(T::PATTERN).unwrap();
        assert_eq!(text.parse::<T>().ok(), wanted, "{text}");
        if wanted.is_some() {
            assert!(pattern.is_match(text), "the schema refuses {text}");
        }
    }

    #[test]
    fn a_duration_has_one_number_and_one_unit() {
        let seconds = |s| Some(Time(Duration::from_secs(s)));
        check("90s", seconds(90));
        check("15m", seconds(900));
        check("1h", seconds(3600));
        check("2d", seconds(172_800));
        check("0s", seconds(0));
        check("500ms", Some(Time(Duration::from_millis(500))));
        for wrong in [
            "", "90", "s", "1.5h", "-1s", "1h30m", "90 s", "90S", "9999999d", "1min",
        ] {
            check::<Time>(wrong, None);
        }
    }

    #[test]
    fn quantities_are_written_as_they_are_read() {
        for text in ["500ms", "90s", "15m", "1h", "2d", "0s"] {
            assert_eq!(text.parse::<Time>().unwrap().to_string(), text);
        }
        for text in ["0%", "7%", "0.5%", "100%", "12.345678%"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn a_size_has_a_unit() {
        check("2GiB", Some(Size(2 << 30)));
        check("500MB", Some(Size(500_000_000)));
        check("0B", Some(Size(0)));
        for wrong in [
            "",
            "2",
            "2G",
            "GiB",
            "1.5GiB",
            "99999999999999999TiB",
            "2gib",
        ] {
            check::<Size>(wrong, None);
        }
    }

    #[test]
    fn a_share_is_a_percentage() {
        check("1%", Some(Share(0.01)));
        check("0.5%", Some(Share(0.005)));
        check("100%", Some(Share(1.0)));
        for wrong in ["", "1", "0.01", "101%", "-1%", ".5%", "1.%", "1e1%", "%"] {
            check::<Share>(wrong, None);
        }
    }
}
