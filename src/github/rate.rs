//! What an answer of GitHub's says of its rate limits. How long to wait for them is decided by `decide::pace`.

use crate::decide::pace::RateHeaders;
use http::HeaderMap;

/// The headers, and when the answer was given by the server's own clock (`Date`, in Unix seconds): a wrong clock on the
/// runner cannot lengthen or shorten a wait.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) headers: RateHeaders,
    pub(super) now_unix: Option<i64>,
}

impl Limit {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<i64>().ok();
        let count = |name: &str| number(name).and_then(|count| u64::try_from(count).ok());
        let date = headers.get(http::header::DATE);
        Self {
            headers: RateHeaders {
                retry_after_s: count("retry-after"),
                remaining: count("x-ratelimit-remaining"),
                reset_unix: number("x-ratelimit-reset"),
            },
            now_unix: date
                .and_then(|date| date.to_str().ok())
                .and_then(|date| jiff::fmt::rfc2822::parse(date).ok())
                .map(|date| date.timestamp().as_second()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_not_there() {
        #[track_caller]
        fn check(name: &'static str, value: &'static str, wanted: Limit) {
            let headers = [(name.parse().unwrap(), value.parse().unwrap())];
            assert_eq!(Limit::read(&headers.into_iter().collect()), wanted);
        }
        let retry_after = |retry_after_s| Limit {
            headers: RateHeaders {
                retry_after_s,
                ..RateHeaders::default()
            },
            now_unix: None,
        };
        check("retry-after", "7", retry_after(Some(7)));
        check("retry-after", " 7 ", retry_after(Some(7)));
        check("retry-after", "-7", retry_after(None));
        check(
            "retry-after",
            "Fri, 31 Dec 1999 23:59:59 GMT",
            retry_after(None),
        );
        let at = |now_unix| Limit {
            now_unix,
            ..Limit::default()
        };
        check("date", "Thu, 01 Jan 1970 00:16:40 GMT", at(Some(1000)));
        check("date", "now", at(None));
    }
}
