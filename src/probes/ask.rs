//! One request on a connection of its own, and the class of its answer; or one question to a target, which classes its
//! answer itself.
//!
//! The classes: an expected status with a matching body is well. 401, 403, 404, 407 and 429 say that the probe is wrong,
//! never that the service is. Every other status, a body that does not match, and no answer at all count against the
//! service.

use super::failure;
use super::settings::{Means, Method, Page, Signal};
use crate::model::probe::{self, Ask, Class};
use reqwest::header::{CONNECTION, HeaderValue};
use reqwest::{Client, RequestBuilder, Response};
use std::time::Duration;
use tokio::time::timeout;
use url::Url;

/// As much of a body as is read and matched: a health answer is short, and a watch makes thousands.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What a probe found.
#[derive(Debug)]
pub(super) struct Answer {
    /// Of an HTTP answer that came, whole or not.
    pub(super) status: Option<u16>,
    /// Whether there was an answer, whole or not: without one there is no latency.
    pub(super) answered: bool,
    pub(super) class: Class,
}

impl Answer {
    /// None came.
    pub(super) const fn missing(why: String) -> Self {
        Self {
            status: None,
            answered: false,
            class: Class::Fail { why },
        }
    }
}

/// Asks a signal.
pub(super) async fn service(http: &Client, signal: &Signal, deadline: Duration) -> Answer {
    match &signal.means {
        Means::Http(page) => request(http, page, deadline).await,
        Means::Query(ask) => query(ask, deadline).await,
    }
}

async fn query(ask: &Ask, deadline: Duration) -> Answer {
    match timeout(deadline, ask.ask()).await {
        Ok(probe::Answer { answered, class }) => Answer {
            status: None,
            answered,
            class,
        },
        Err(_elapsed) => Answer::missing(late(deadline)),
    }
}

fn late(deadline: Duration) -> String {
    format!("timeout after {} ms", deadline.as_millis())
}

async fn request(http: &Client, page: &Page, deadline: Duration) -> Answer {
    let method = match page.method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
    };
    let mut request = http.request(method, page.url.clone());
    for (name, value) in &page.headers {
        let mut value = HeaderValue::from_str(value.expose())
            .expect("the values of a signal are valid header values");
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let host = page.url.host_str().unwrap_or_default();
    exchange(request, host, deadline, |status, body| {
        classify(page, status, body)
    })
    .await
}

/// Asks the control URL. Any answer will do: it shows that this machine reaches the network.
pub(super) async fn control(http: &Client, url: &Url, deadline: Duration) -> Answer {
    let host = url.host_str().unwrap_or_default();
    exchange(http.get(url.clone()), host, deadline, |_status, _body| {
        Class::Ok
    })
    .await
}

/// One request and the start of its body; a whole answer is classified by `class`.
async fn exchange(
    request: RequestBuilder,
    host: &str,
    deadline: Duration,
    class: impl FnOnce(u16, &[u8]) -> Class,
) -> Answer {
    let mut status = None;
    let asking = async {
        // A connection that is kept would hold on to one instance behind a load balancer.
        let request = request.header(CONNECTION, HeaderValue::from_static("close"));
        let response = request.send().await?;
        let code = response.status().as_u16();
        status = Some(code);
        Ok((code, body(response).await?))
    };
    let class = match timeout(deadline, asking).await {
        Ok(Ok((code, body))) => class(code, &body),
        Ok(Err(error)) => Class::Fail {
            why: failure::words(&error, host),
        },
        Err(_elapsed) => Class::Fail {
            why: late(deadline),
        },
    };
    Answer {
        status,
        answered: status.is_some(),
        class,
    }
}

async fn body(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while body.len() < BODY_BYTES_MAX
        && let Some(chunk) = response.chunk().await?
    {
        let room = chunk.len().min(BODY_BYTES_MAX - body.len());
        body.extend_from_slice(chunk.get(..room).unwrap_or_default());
    }
    Ok(body)
}

fn classify(page: &Page, status: u16, body: &[u8]) -> Class {
    let why = format!("HTTP {status}");
    if !page.expect_status.contains(status) {
        return match status {
            401 | 403 | 404 | 407 | 429 => Class::Config { why },
            _ => Class::Fail { why },
        };
    }
    match &page.expect_body {
        Some(expected) if !expected.holds(body) => Class::Fail {
            why: "body does not match".to_owned(),
        },
        Some(_) | None => Class::Ok,
    }
}
