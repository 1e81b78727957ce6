//! An engine that only says who it is and what it speaks.

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::task::JoinHandle;

/// Who it says it is.
pub(super) const NAME: &str = "web-1";
pub(super) const VERSION: &str =
    r#"{"Version": "28.0.1", "ApiVersion": "1.48", "MinAPIVersion": "1.24"}"#;

/// A double at a socket, for as long as it is held.
pub(super) struct Double {
    pub(super) socket: PathBuf,
    task: JoinHandle<()>,
}

impl Drop for Double {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Double {
    pub(super) fn at(&self) -> String {
        format!("unix://{}", self.socket.display())
    }
}

pub(super) fn start(dir: &Path) -> Double {
    answering(dir, VERSION)
}

/// A double whose answer to `/version` is this text.
pub(super) fn answering(dir: &Path, version: &'static str) -> Double {
    let socket = dir.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            drop(tokio::spawn(serve(stream, version)));
        }
    });
    Double { socket, task }
}

/// What stands before an engine and answers everything with this status.
pub(super) fn failing(dir: &Path, status: u16) -> Double {
    let socket = dir.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |_: Request<Incoming>| async move {
                let answer = Response::builder().status(status);
                Ok::<_, Infallible>(answer.body(Full::<Bytes>::from("<html>sorry")).unwrap())
            });
            drop(tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            ));
        }
    });
    Double { socket, task }
}

/// A double that answers no list of containers until so many are asked for at the same time.
pub(super) fn together(dir: &Path, count: usize) -> Double {
    let socket = dir.join("docker.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            let service = service_fn(move |request: Request<Incoming>| {
                let asked = Arc::clone(&asked);
                async move {
                    if request.uri().path().ends_with("/containers/json") {
                        asked.fetch_add(1, Ordering::SeqCst);
                        while asked.load(Ordering::SeqCst) < count {
                            tokio::time::sleep(Duration::from_millis(10)).await;
                        }
                        return Ok(Response::new(Full::from("[]")));
                    }
                    Ok::<_, Infallible>(answer(request.uri().path(), VERSION))
                }
            });
            drop(tokio::spawn(
                http1::Builder::new().serve_connection(TokioIo::new(stream), service),
            ));
        }
    });
    Double { socket, task }
}

/// Answers on one connection.
pub(super) async fn serve<S>(stream: S, version: &'static str)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = service_fn(move |request: Request<Incoming>| async move {
        assert!(
            request.headers().contains_key("user-agent"),
            "nobody asks an engine without saying who asks: {request:?}"
        );
        Ok::<_, Infallible>(answer(request.uri().path(), version))
    });
    // Err: the other side went away, as some tests mean it to.
    drop(
        http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .await,
    );
}

fn answer(path: &str, version: &'static str) -> Response<Full<Bytes>> {
    let body = match path {
        "/_ping" => "OK".to_owned(),
        "/version" => version.to_owned(),
        "/v1.48/info" => format!(
            r#"{{"ID": "7TRN:IPZB", "Name": "{NAME}", "Swarm": {{"LocalNodeState": "inactive"}}}}"#
        ),
        other => {
            let text = format!(r#"{{"message": "page not found: {other}"}}"#);
            let mut absent = Response::new(Full::from(text));
            *absent.status_mut() = hyper::StatusCode::NOT_FOUND;
            return absent;
        }
    };
    Response::new(Full::from(body))
}
