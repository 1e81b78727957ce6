//! The sentences of a verdict: every one carries the numbers it rests on.

use super::signal::{Ground, Signal};
use super::watch_latency::LatencyWatch;
use super::{BASELINE_PROBES_MIN, Judge, interval, real};
use crate::model::verdict::{Call, Evidence, Verdict};

/// How the reason of a verdict begins that failed on the runner's own network.
const NETWORK: &str = "the runner's own network is in doubt";

/// Whether this verdict is inconclusive because of the runner's own network: then nothing is rolled back, whatever the policy.
pub fn is_network(verdict: &Verdict) -> bool {
    verdict.why.starts_with(NETWORK)
}

/// A verdict in one clause, for sentences about something else: the gating signal that fared worst, with its counts. The whole
/// reason, where it was not the probes that condemned: then their counts explain nothing.
pub fn headline(verdict: &Verdict) -> String {
    let is_by_probes = verdict
        .evidence
        .iter()
        .any(|evidence| verdict.why.starts_with(&format!("{}:", evidence.signal)));
    if verdict.call == Call::Unhealthy && !is_by_probes {
        return verdict.why.clone();
    }
    let share = |evidence: &&Evidence| real(evidence.failures) / real(evidence.probes.max(1));
    let gating = verdict
        .evidence
        .iter()
        .filter(|evidence| evidence.gating && 0 < evidence.probes);
    match gating.max_by(|a, b| share(a).total_cmp(&share(b))) {
        Some(worst) => format!(
            "{}: {} of {} probes failed ({})",
            worst.signal,
            worst.failures,
            worst.probes,
            percent(share(&worst))
        ),
        None => verdict.why.clone(),
    }
}

pub(super) fn healthy(judge: &Judge) -> String {
    let evidence: Vec<String> = judge
        .gating()
        .map(|signal| {
            let evidence = signal.evidence(&judge.constants);
            format!(
                "{}, log-likelihood ratio {:+.2} passed {:+.2}",
                failed(signal),
                evidence.llr,
                evidence.llr_pass
            )
        })
        .collect();
    evidence.join("; ")
}

pub(super) fn unhealthy(judge: &Judge, signal: &Signal, ground: Ground) -> String {
    let evidence = signal.evidence(&judge.constants);
    match ground {
        Ground::Confirmed => format!(
            "{}{}, log-likelihood ratio {:+.2} passed {:+.2} in the confirming test",
            failed(signal),
            mostly(signal),
            evidence.llr,
            evidence.llr_fail
        ),
        Ground::Flapping => format!(
            "{}: flapping, {} total outages within {} s of each other; {}",
            signal.name,
            judge.rules.flap_episodes,
            judge.rules.flap_window_s,
            failed(signal)
        ),
        Ground::NeverUp => format!(
            "{}: not one success in the {} s of warm-up, {} probes failed{}",
            signal.name,
            judge.next,
            signal.tally.warm_up_failures,
            mostly(signal)
        ),
    }
}

pub(super) fn slow(judge: &Judge, latency: &LatencyWatch) -> String {
    let name = judge.signals.first().map_or("", |signal| &signal.name);
    let (slow, probes) = latency.counts;
    format!(
        "{name}: latency at least doubled, {slow} of {probes} answers over {:.0} ms; at 1.25 times the baseline it would be \
         at most {}, at twice at least {}",
        latency.rule.cut_ms,
        percent(latency.rule.share_ok),
        percent(latency.rule.share_slow)
    )
}

pub(super) fn only_config(signal: &Signal) -> String {
    format!(
        "{}: every one of {} answers was about the probe itself{}; check its URL and credentials",
        signal.name,
        signal.tally.config,
        signal
            .tally
            .main_config_kind()
            .map_or(String::new(), |kind| format!(" ({kind})"))
    )
}

pub(super) fn cut(judge: &Judge) -> String {
    format!(
        "cut short after {} s; {}",
        judge.next,
        joined(judge.gating().map(failed))
    )
}

/// Why nothing can be said although the time is over; `None` when there was enough to judge by.
fn unmeasured(judge: &Judge) -> Option<String> {
    if judge.control.mostly_silent() {
        return Some(format!(
            "{NETWORK}: the control URL did not answer in {} of {} s",
            judge.control.silent_seconds, judge.control.seconds
        ));
    }
    let signal = judge.gating().find(|signal| signal.tally.probes == 0)?;
    Some(if 0 < signal.tally.config {
        only_config(signal)
    } else {
        format!(
            "{}: no data in {} s, not one probe",
            signal.name, judge.next
        )
    })
}

/// The reason of a detect stage that ran to its cap.
pub(super) fn undecided(judge: &Judge) -> String {
    if let Some(why) = unmeasured(judge) {
        return why;
    }
    if 0 < judge.doubted {
        return format!(
            "{NETWORK}: {} alarms while the control URL did not answer either",
            judge.doubted
        );
    }
    let open: Vec<&Signal> = judge.gating().filter(|signal| !signal.passed()).collect();
    if open.is_empty()
        && let Some(latency) = judge.latency.as_ref().filter(|latency| latency.undecided())
    {
        let (slow, probes) = latency.counts;
        return format!(
            "latency undecided after {} s: {slow} of {probes} answers over {:.0} ms",
            judge.next, latency.rule.cut_ms
        );
    }
    format!(
        "undecided after {} s: {}; healthy is at most {}, unhealthy at least {}",
        judge.next,
        joined(open.into_iter().map(failed)),
        percent(judge.rules.healthy_error_rate),
        percent(judge.rules.unhealthy_error_rate)
    )
}

/// The verdict of a baseline that ran its time.
pub(super) fn baseline(judge: &Judge) -> (Call, String) {
    if let Some(why) = unmeasured(judge) {
        return (Call::Inconclusive, why);
    }
    let limit = judge.rules.unhealthy_error_rate;
    for signal in judge.gating() {
        let (failures, probes) = (signal.tally.failures, signal.tally.probes);
        let (low, _) = interval::anytime(failures, probes);
        // The second condition only matters for a handful of probes: one failure in ten is no proof of anything.
        if limit * real(probes) <= real(failures) && judge.rules.healthy_error_rate < low {
            let why = format!(
                "{}{} before anything was changed; the limit is {}",
                failed(signal),
                mostly(signal),
                percent(limit)
            );
            return (Call::AlreadyUnhealthy, why);
        }
        if probes < BASELINE_PROBES_MIN {
            let why = format!(
                "{}: {probes} probes in {} s, expected at least {BASELINE_PROBES_MIN}",
                signal.name, judge.next
            );
            return (Call::Inconclusive, why);
        }
    }
    (Call::Healthy, joined(judge.gating().map(failed)))
}

/// The verdict of a bake that ran its time without an alarm.
pub(super) fn bake(judge: &Judge) -> (Call, String) {
    if let Some(why) = unmeasured(judge) {
        return (Call::Inconclusive, why);
    }
    for signal in judge.gating() {
        let counted_s = signal.tally.counted_s;
        if 2 * counted_s < judge.rules.cap_s {
            let why = format!(
                "{}: only {counted_s} of {} s could be measured, expected at least half",
                signal.name, judge.rules.cap_s
            );
            return (Call::Inconclusive, why);
        }
    }
    let why = format!(
        "no alarm in {} s: {}",
        judge.next,
        joined(judge.gating().map(failed))
    );
    (Call::Healthy, why)
}

pub(super) fn notes(judge: &Judge, call: Call) -> Vec<String> {
    let mut notes = Vec::new();
    for signal in &judge.signals {
        let name = &signal.name;
        let observed = if signal.gating {
            ""
        } else {
            " (observed only)"
        };
        if let Some(warm_up_s @ 1..) = signal.warm_up_s
            && 0 < signal.tally.warm_up_failures
        {
            notes.push(format!(
                "{name}: {} probes failed in the first {warm_up_s} s and were not counted{observed}",
                signal.tally.warm_up_failures
            ));
        }
        if signal.condemned {
            notes.push(format!("{name}: would be unhealthy{observed}"));
        }
        match signal.outages() {
            // The reason of the verdict tells of them.
            _ if signal.condemned || call == Call::Unhealthy => (),
            0 => (),
            1 => notes.push(format!("{name}: 1 transient outage{observed}")),
            outages => notes.push(format!("{name}: {outages} transient outages{observed}")),
        }
        if 0 < signal.tally.config {
            let kind = signal.tally.main_config_kind().unwrap_or_default();
            notes.push(format!(
                "{name}: {} answers were about the probe itself ({kind}) and were not counted{observed}",
                signal.tally.config
            ));
        }
        if !signal.gating && 0 < signal.tally.failures {
            notes.push(format!("{}{observed}", failed(signal)));
        }
    }
    notes.extend(judge.latency.as_ref().and_then(LatencyWatch::note));
    if 0 < judge.void_s {
        notes.push(format!(
            "{} s were not counted: the control URL did not answer in them",
            judge.void_s
        ));
    }
    notes
}

/// `web: 88 of 110 probes failed (80 %, 66 % to 90 %)`.
fn failed(signal: &Signal) -> String {
    let (failures, probes) = (signal.tally.failures, signal.tally.probes);
    if probes == 0 {
        return format!("{}: no probe was counted", signal.name);
    }
    let (low, high) = interval::anytime(failures, probes);
    format!(
        "{}: {failures} of {probes} probes failed ({}, 95 % interval {} to {})",
        signal.name,
        percent(real(failures) / real(probes)),
        percent(low),
        percent(high)
    )
}

/// `, mostly HTTP 503`.
fn mostly(signal: &Signal) -> String {
    signal
        .tally
        .main_kind()
        .map_or(String::new(), |kind| format!(", mostly {kind}"))
}

fn joined(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join("; ")
}

/// Two digits that matter: `0 %`, `0.12 %`, `3.2 %`, `41 %`.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 0.005 {
        "0 %".to_owned()
    } else if percent < 1.0 {
        format!("{percent:.2} %")
    } else if percent < 10.0 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}
