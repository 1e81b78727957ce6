//! A service on 127.0.0.1 that is well, or is for a while, and keeps what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Ends with the runtime of the test.
pub(super) struct Service {
    pub(super) address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Service {
    /// Answers 200.
    pub(super) async fn start() -> Self {
        Self::well_for(usize::MAX).await
    }

    /// Answers 200 to so many requests, then 500.
    pub(super) async fn well_for(count: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, count, Arc::clone(&kept)));
            }
        });
        Self { address, heads }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/healthz", self.address)
    }

    /// The first request, in small letters; empty when there was none.
    pub(super) fn first_head(&self) -> String {
        let heads = self.heads.lock().unwrap();
        heads.first().cloned().unwrap_or_default()
    }
}

async fn answer(mut stream: TcpStream, count: usize, heads: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).to_lowercase();
    let status = {
        let mut heads = heads.lock().unwrap();
        heads.push(head);
        if heads.len() <= count { 200 } else { 500 }
    };
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    // A prober that has its verdict does not wait for the last answers.
    drop(stream.write_all(answer.as_bytes()).await);
}
