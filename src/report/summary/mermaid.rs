//! The path of a log-likelihood ratio between its bounds, as a Mermaid chart. Only numbers and a cleaned name go in.

use crate::model::verdict::Evidence;

/// Points of the drawn line, at most: more cannot be told apart at the width of a summary.
const POINTS_MAX: u64 = 60;

/// A chart, or `None` when there are fewer than two points to draw.
pub(super) fn llr_chart(evidence: &Evidence) -> Option<String> {
    let (first, last) = (evidence.llr_path.first()?.0, evidence.llr_path.last()?.0);
    let (seconds, values) = sampled(&evidence.llr_path, first, last)?;
    let bounds: Vec<f64> = [evidence.llr_fail, evidence.llr_pass]
        .into_iter()
        .filter(|bound| bound.abs() < 1e9)
        .collect();
    let all = || values.iter().chain(&bounds).copied();
    let low = (all().fold(0.0, f64::min) - 0.5).floor();
    let high = (all().fold(0.0, f64::max) + 0.5).ceil();
    let mut out = format!(
        "```mermaid\nxychart-beta\n    title \"{}\"\n    x-axis \"second of the watch\" {} --> {}\n    y-axis \"log-likelihood ratio\" {low:.0} --> {high:.0}\n",
        title(&evidence.signal),
        seconds.0,
        seconds.1,
    );
    let numbers: Vec<String> = values.iter().map(|value| format!("{value:.2}")).collect();
    put!(out, "    line [{}]\n", numbers.join(", "));
    for bound in bounds {
        // Mermaid spreads the values of a line evenly over the axis: two make a level line.
        put!(out, "    line [{bound:.2}, {bound:.2}]\n");
    }
    out.push_str("```\n");
    Some(out)
}

/// First and last second drawn, and the value at every step between: Mermaid has no x for a point, so the steps are
/// even and whole. Between two known points the earlier one still stood.
fn sampled(path: &[(u64, f64)], first: u64, last: u64) -> Option<((u64, u64), Vec<f64>)> {
    let span = last.checked_sub(first)?;
    let step = span.div_ceil(POINTS_MAX - 1).max(1);
    let steps = span / step;
    if steps == 0 {
        return None;
    }
    // Counted back from the last second, which is where the verdict fell.
    let start = last - steps * step;
    let mut values = Vec::new();
    for at in 0..=steps {
        let second = start + at * step;
        let known = path.partition_point(|&(known, _llr)| known <= second);
        let (_second, value) = path.get(known.saturating_sub(1))?;
        values.push(*value);
    }
    Some(((start, last), values))
}

/// Letters, digits and a few signs: a quote or a line break would end the title.
fn title(signal: &str) -> String {
    let clean: String = signal
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_./ ".contains(c) {
                c
            } else {
                ' '
            }
        })
        .take(40)
        .collect();
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_point_is_the_verdict() {
        let path: Vec<(u64, f64)> = (0..=180_u32)
            .map(|n| (u64::from(n), f64::from(n)))
            .collect();
        let ((start, last), values) = sampled(&path, 0, 180).unwrap();
        assert_eq!((start, last), (0, 180));
        assert!(values.len() <= 60);
        assert_eq!(values.last(), Some(&180.0));
        assert_eq!(values.first(), Some(&0.0));
    }

    #[test]
    fn gaps_hold_the_value_before_them() {
        let (range, values) = sampled(&[(1, 1.0), (2, 2.0), (6, 0.0)], 1, 6).unwrap();
        assert_eq!(range, (1, 6));
        assert_eq!(values, [1.0, 2.0, 2.0, 2.0, 2.0, 0.0]);
    }

    #[test]
    fn one_point_is_no_line() {
        assert_eq!(sampled(&[(5, 1.0)], 5, 5), None);
        assert_eq!(sampled(&[], 0, 5), None);
    }

    #[test]
    fn a_hostile_name_stays_in_its_title() {
        assert_eq!(title("api\"\n    line [1]"), "api      line  1");
    }
}
