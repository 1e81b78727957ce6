//! One request on a connection of its own, and the class of its answer.
//!
//! The classes: an expected status with a matching body is well. 401, 403, 404, 407 and 429 say that the probe is wrong,
//! never that the service is. Every other status, a body that does not match, and no answer at all count against the
//! service.

use super::failure;
use super::settings::{Method, Signal};
use crate::model::probe::Class;
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
    /// Of an answer that came, whole or not.
    pub(super) status: Option<u16>,
    pub(super) class: Class,
}

/// Asks a signal.
pub(super) async fn service(http: &Client, signal: &Signal, deadline: Duration) -> Answer {
    let method = match signal.method {
        Method::Get => reqwest::Method::GET,
        Method::Head => reqwest::Method::HEAD,
        Method::Post => reqwest::Method::POST,
    };
    let mut request = http.request(method, signal.url.clone());
    for (name, value) in &signal.headers {
        let mut value = HeaderValue::from_str(value.expose())
            .expect("the values of a signal are valid header values");
        value.set_sensitive(true);
        request = request.header(name, value);
    }
    let host = signal.url.host_str().unwrap_or_default();
    exchange(request, host, deadline, |status, body| {
        classify(signal, status, body)
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
            why: format!("timeout after {} ms", deadline.as_millis()),
        },
    };
    Answer { status, class }
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

fn classify(signal: &Signal, status: u16, body: &[u8]) -> Class {
    let why = format!("HTTP {status}");
    if !signal.expect_status.contains(status) {
        return match status {
            401 | 403 | 404 | 407 | 429 => Class::Config { why },
            _ => Class::Fail { why },
        };
    }
    match &signal.expect_body {
        Some(expected) if !expected.holds(body) => Class::Fail {
            why: "body does not match".to_owned(),
        },
        Some(_) | None => Class::Ok,
    }
}
