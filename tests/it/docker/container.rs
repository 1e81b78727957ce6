//! Containers as `docker inspect` describes them: what they are called, and the demo service in them.

use serde_json::Value;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Longest that a service may take to answer.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Without the slash before it.
pub fn name(container: &Value) -> String {
    let name = container["Name"].as_str().unwrap();
    name.trim_start_matches('/').to_owned()
}

/// What the service in a container answers, as soon as it does. It needs no published port.
pub async fn ask(container: &Value, path: &str) -> String {
    answered(container, &format!("GET {path} HTTP/1.0\r\n\r\n")).await
}

/// What it answers to this body.
pub async fn send(container: &Value, path: &str, body: &str) -> String {
    let length = body.len();
    let request = format!("POST {path} HTTP/1.0\r\ncontent-length: {length}\r\n\r\n{body}");
    answered(container, &request).await
}

async fn answered(container: &Value, request: &str) -> String {
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let mut networks = networks.unwrap().values();
    let address =
        networks.find_map(|network| network["IPAddress"].as_str().filter(|ip| !ip.is_empty()));
    let address = address.unwrap_or_else(|| panic!("{} is in no network", name(container)));
    let began = Instant::now();
    loop {
        if let Ok(Some(said)) = timeout(WAIT_MAX, exchanged(address, request)).await {
            return said;
        }
        let late = WAIT_MAX < began.elapsed();
        assert!(!late, "{} does not answer", name(container));
        sleep(Duration::from_millis(20)).await;
    }
}

async fn exchanged(address: &str, request: &str) -> Option<String> {
    let mut stream = TcpStream::connect((address, 8080)).await.ok()?;
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer.split_once("\r\n\r\n")?.1.to_owned())
}
