//! Log lines of containers, in bounded amounts: read, and searched for those that count as errors.
//! How many are too many is `decide::rollout::stable`'s.

use super::cluster::Cluster;
use futures_util::io::AsyncReadExt as _;
use futures_util::stream::{self, StreamExt as _};
use jiff::Timestamp;
use k8s_openapi::api::core::v1 as api;
use kube::api::{Api, LogParams};
use regex_lite::Regex;
use std::time::Duration;
use tokio::time::timeout;

/// How far back a scan reads, in seconds.
const BACK_S: i64 = 120;

/// Of each container, per scan.
const SCAN_BYTES_MAX: u32 = 1024 * 1024;
const SCAN_LINES_MAX: i64 = 20_000;

/// Containers that one scan reads, and how many at a time.
const CONTAINERS_MAX: usize = 100;
const AT_ONCE: usize = 8;

/// Longest wait for the lines of one container.
const LINES_MAX: Duration = Duration::from_secs(10);

/// A longer line is no message; only its start is searched.
const LINE_BYTES_MAX: usize = 16 * 1024;

/// What a scan found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    /// Lines that count as errors.
    pub(super) lines: usize,
    /// Pods that have any.
    pub(super) pods: usize,
    /// One of them, as written.
    pub(super) first: String,
    /// Containers whose lines could not be read, and why the first could not.
    pub(super) unread: usize,
    pub(super) trouble: Option<String>,
}

/// Searches the last two minutes of every container of these pods, but nothing from before `since` (the server's clock).
pub(super) async fn scan(
    cluster: &Cluster,
    namespace: &str,
    pods: &[&api::Pod],
    pattern: &Regex,
    since: Option<Timestamp>,
) -> Scan {
    let containers: Vec<(String, String)> = pods
        .iter()
        .flat_map(|pod| {
            let name = pod.metadata.name.clone().unwrap_or_default();
            running(pod).map(move |container| (name.clone(), container))
        })
        .take(CONTAINERS_MAX)
        .collect();
    let reading = containers.into_iter().map(|(pod, container)| async move {
        let params = LogParams {
            container: Some(container),
            since_seconds: Some(BACK_S),
            tail_lines: Some(SCAN_LINES_MAX),
            timestamps: true,
            ..LogParams::default()
        };
        let bytes = read(cluster, namespace, &pod, params, SCAN_BYTES_MAX).await;
        (pod, bytes.map(|bytes| errors(&bytes, pattern, since)))
    });
    let mut found: Vec<_> = stream::iter(reading)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut scan = Scan::default();
    let mut last = None;
    for (pod, errors) in found {
        match errors {
            Ok((0, _)) => (),
            Ok((lines, first)) => {
                scan.lines += lines;
                scan.pods += usize::from(last.as_ref() != Some(&pod));
                last = Some(pod);
                if scan.first.is_empty() {
                    scan.first = first;
                }
            }
            Err(why) => {
                scan.unread += 1;
                scan.trouble.get_or_insert(why);
            }
        }
    }
    scan
}

/// Containers that have lines: those that run now or ran before.
fn running(pod: &api::Pod) -> impl Iterator<Item = String> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter()
        .chain(main)
        .flatten()
        .filter(|status| {
            let state = status.state.as_ref();
            state.is_some_and(|state| state.running.is_some()) || 0 < status.restart_count
        })
        .map(|status| status.name.clone())
}

/// How many lines match, and the first that does, without its timestamp.
fn errors(bytes: &[u8], pattern: &Regex, since: Option<Timestamp>) -> (usize, String) {
    let mut count = 0;
    let mut first = String::new();
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = String::from_utf8_lossy(line.get(..LINE_BYTES_MAX).unwrap_or(line));
        let (at, text) = match line.split_once(' ') {
            Some((at, text)) => (at.parse::<Timestamp>().ok(), text),
            None => (None, line.as_ref()),
        };
        // Without a time of its own it is what is left of a line.
        let text = if at.is_some() { text } else { line.as_ref() };
        let is_before = at.zip(since).is_some_and(|(at, since)| at < since);
        if !is_before && pattern.is_match(text) {
            count += 1;
            if first.is_empty() {
                text.trim().clone_into(&mut first);
            }
        }
    }
    (count, first)
}

/// Reads what a container wrote, at most `bytes_max`. The error is in the server's words.
pub(super) async fn read(
    cluster: &Cluster,
    namespace: &str,
    pod: &str,
    mut params: LogParams,
    bytes_max: u32,
) -> Result<Vec<u8>, String> {
    params.limit_bytes = Some(bytes_max.into());
    let pods: Api<api::Pod> = Api::namespaced(cluster.client.clone(), namespace);
    let reading = async {
        let stream = pods
            .log_stream(pod, &params)
            .await
            .map_err(|error| match error {
                kube::Error::Api(status) => format!("{} ({})", status.message, status.code),
                other => other.to_string(),
            })?;
        let mut bytes = Vec::new();
        // A server may give slightly more than it was asked for.
        let mut stream = Box::pin(stream).take(bytes_max.into());
        stream
            .read_to_end(&mut bytes)
            .await
            .map_err(|error| error.to_string())?;
        Ok(bytes)
    };
    timeout(LINES_MAX, reading)
        .await
        .unwrap_or_else(|_elapsed| Err(format!("no answer within {} s", LINES_MAX.as_secs())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, since: Option<&str>, count: usize, first: &str) {
        let pattern = Regex::new("(?i)error").unwrap();
        let since = since.map(|since| since.parse().unwrap());
        let found = errors(text.as_bytes(), &pattern, since);
        assert_eq!(found, (count, first.to_owned()));
    }

    #[test]
    fn lines_count_from_the_change_on() {
        let text = "2026-11-21T15:00:00.5Z Error: one\n2026-11-21T15:00:10Z fine\n2026-11-21T15:00:20Z error two\n";
        check(text, None, 2, "Error: one");
        check(text, Some("2026-11-21T15:00:01Z"), 1, "error two");
        check(text, Some("2026-11-21T16:00:00Z"), 0, "");
        check("", None, 0, "");
        check(
            "half an error",
            Some("2026-11-21T15:00:01Z"),
            1,
            "half an error",
        );
        // A time stamp is no text to be searched.
        check("2026-11-21T15:00:00Z\n", None, 0, "");
    }

    #[test]
    fn bytes_that_are_no_text_are_searched_all_the_same() {
        let pattern = Regex::new("error").unwrap();
        assert_eq!(errors(b"\xff\xfe error\n", &pattern, None).0, 1);
    }
}
