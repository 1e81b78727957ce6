//! A loopback server that answers badly in every way it can.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A server whose path names its fault.
pub(super) struct Faults {
    pub(super) at: SocketAddr,
    /// Accepted so far.
    pub(super) connections: Arc<AtomicUsize>,
}

impl Faults {
    pub(super) async fn serve() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((stream, _peer)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(async move { drop(answer(stream).await) });
            }
        });
        Self { at, connections }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.at)
    }
}

/// Answers one request, and a second one on the same connection with a status that no test expects.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await?;
        head.push(byte);
        if byte == 0x16 && head.len() == 1 {
            // A TLS client says hello.
            return stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap_or_default();
    let plain = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let text = match path {
        "/hang" => return std::future::pending().await,
        "/slow" => {
            tokio::time::sleep(Duration::from_millis(300)).await;
            plain("200 OK", "ok")
        }
        "/reset" => {
            stream.set_zero_linger()?;
            return Ok(());
        }
        "/close" => return Ok(()),
        "/cut" => "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\ncut".to_owned(),
        "/stuck-body" => {
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
                .await?;
            return std::future::pending().await;
        }
        "/garbage" => "220 smtp.example ready\r\n".to_owned(),
        "/flood" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
            // Until the client has enough and hangs up.
            while stream.write_all(&[b'x'; 8192]).await.is_ok() {}
            return Ok(());
        }
        "/redirect" => {
            "HTTP/1.1 302 Found\r\nLocation: /503\r\nContent-Length: 0\r\n\r\n".to_owned()
        }
        "/secret" if head.contains("authorization: bearer hunter2") => plain("200 OK", "ok"),
        "/secret" => plain("401 Unauthorized", ""),
        "/method" => plain("200 OK", head.split(' ').next().unwrap_or_default()),
        "/close-asked" if head.contains("connection: close") => plain("200 OK", "ok"),
        path => {
            let status = path.trim_start_matches('/');
            match status.parse::<u16>() {
                Ok(status) => plain(&format!("{status} Whatever"), "down for maintenance"),
                Err(_) => plain("200 OK", "ok"),
            }
        }
    };
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}
