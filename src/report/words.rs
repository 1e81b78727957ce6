//! Times, durations, sizes and shares as people read them. Pure; one way for every rendering.

use super::{lines, untrusted};
use crate::model::probe::Stage;
use crate::model::verdict::Verdict;
use jiff::Timestamp;

/// `2026-11-20 14:02 UTC`.
pub fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// `2026-11-20 14:02:07 UTC`.
pub fn second(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// `14:02:07`, for a table whose heading names the day and UTC.
pub fn clock(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// `2026-11-20`, in UTC.
pub fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

/// `340 ms`, `4.2 s`, `47 s`, `3 min 12 s`, `1 h 02 min`.
pub fn duration(ms: u64) -> String {
    let seconds = (ms + 500) / 1000;
    match ms {
        0..=999 => format!("{ms} ms"),
        // Below 9.95 s, so that rounding never shows `10.0 s`.
        1000..=9949 => {
            let tenths = (ms + 50) / 100;
            format!("{}.{} s", tenths / 10, tenths % 10)
        }
        9950.. if seconds < 60 => format!("{seconds} s"),
        9950.. if seconds < 3600 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        9950.. => {
            let minutes = (seconds + 30) / 60;
            format!("{} h {:02} min", minutes / 60, minutes % 60)
        }
    }
}

/// `812 B`, `12.4 KiB`, `1.5 GiB`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut tenths = u128::from(count) * 10 / 1024;
    let mut units = UNITS.iter().peekable();
    let mut unit = "";
    while let Some(next) = units.next() {
        unit = next;
        if tenths < 10240 || units.peek().is_none() {
            break;
        }
        tenths /= 1024;
    }
    format!("{}.{} {unit}", tenths / 10, tenths % 10)
}

/// A share from 0 to 1 as `3.2 %`; whole percents from 10 % on.
pub fn percent(share: f64) -> String {
    // Adding zero takes the sign off a negative one.
    let percent = share * 100.0 + 0.0;
    if percent <= 0.0 || percent >= 9.95 {
        format!("{percent:.0} %")
    } else if percent < 0.1 {
        "<0.1 %".to_owned()
    } else {
        format!("{percent:.1} %")
    }
}

/// Milliseconds of a latency: `7.3 ms`, `120 ms`, `2.5 s`.
pub fn latency(ms: f64) -> String {
    if ms < 9.95 {
        format!("{ms:.1} ms")
    } else if ms < 999.5 {
        format!("{ms:.0} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

/// A log-likelihood ratio or its bound: `-7.59`; `none` for a bound that is never reached.
pub fn llr(number: f64) -> String {
    if number.abs() > 1e9 {
        "none".to_owned()
    } else {
        format!("{number:.2}")
    }
}

/// With a capital first letter.
pub fn capital(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next();
    let first: String = first.into_iter().flat_map(char::to_uppercase).collect();
    first + chars.as_str()
}

/// `1 probe`, `2 probes`.
pub fn count(n: u64, one: &str) -> String {
    if n == 1 {
        format!("1 {one}")
    } else {
        format!("{n} {one}s")
    }
}

/// Milliseconds as seconds with three decimals, for machines.
pub fn seconds(ms: u64) -> f64 {
    // Exact up to 2^53 ms, which is longer than any operation.
    #[expect(
        clippy::cast_precision_loss,
        reason = "285,000 years of milliseconds fit"
    )]
    let ms = ms as f64;
    ms / 1000.0
}

/// A verdict with the numbers of every signal, one line each: the answer of `watch --replay`.
pub fn verdict(stage: Stage, verdict: &Verdict) -> String {
    let mut out = format!(
        "{}: {} after {} s (severity {}): {}\n",
        lines::stage_words(stage),
        verdict.call,
        verdict.at_s,
        verdict.severity,
        untrusted::text(&verdict.why),
    );
    for evidence in &verdict.evidence {
        put!(
            out,
            "  {}; LLR {} between {} and {}; {} of {} seconds errored\n",
            lines::evidence_words(evidence),
            llr(evidence.llr),
            llr(evidence.llr_pass),
            llr(evidence.llr_fail),
            evidence.errored_seconds,
            evidence.counted_seconds
        );
    }
    for note in &verdict.notes {
        put!(out, "  {}\n", untrusted::text(note));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let check = |ms: u64, expected: &str| assert_eq!(duration(ms), expected);
        check(0, "0 ms");
        check(999, "999 ms");
        check(1000, "1.0 s");
        check(9949, "9.9 s");
        check(9950, "10 s");
        check(59_499, "59 s");
        check(59_500, "1 min 00 s");
        check(192_000, "3 min 12 s");
        check(3_599_600, "1 h 00 min");
        check(3_720_000, "1 h 02 min");
    }

    #[test]
    fn sizes_read_well() {
        let check = |count: u64, expected: &str| assert_eq!(bytes(count), expected);
        check(0, "0 B");
        check(1023, "1023 B");
        check(1024, "1.0 KiB");
        check(1_048_576, "1.0 MiB");
        check(13_000_000, "12.3 MiB");
        check(u64::MAX, "16777215.9 TiB");
    }

    #[test]
    fn shares_and_bounds_read_well() {
        assert_eq!(percent(0.0), "0 %");
        assert_eq!(percent(0.0004), "<0.1 %");
        assert_eq!(percent(0.032), "3.2 %");
        assert_eq!(percent(0.41), "41 %");
        assert_eq!(llr(f64::MIN), "none");
        assert_eq!(llr(-7.5908), "-7.59");
        assert_eq!(latency(0.04), "0.0 ms");
        assert_eq!(latency(2500.0), "2.5 s");
    }
}
