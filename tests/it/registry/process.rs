//! Debian's `docker-registry` as a process of its own, and pushing to it by plain HTTP.

#![expect(
    clippy::disallowed_methods,
    reason = "a real registry is started, as an operator would"
)]

use super::{descriptor, digest};
use crate::tools;
use lastgood::model::payload::Digest;
use reqwest::{Client, Method, RequestBuilder};
use std::fmt::Write as _;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::timeout;

/// The one user of a registry with a password: `me` with `correct horse`, as `htpasswd -B` writes it.
const HTPASSWD: &str = "me:$2b$05$x7yt61kH9W4LF9xSOEVWM.XMNsJutAY2k6IGVv5slOt0vyCv7Bhh.\n";

pub(super) const PASSWORD: &str = "correct horse";

pub(super) struct Process {
    /// `127.0.0.1:port`.
    pub(super) host: String,
    child: Child,
    http: Client,
    has_password: bool,
    _directory: TempDir,
}

impl Process {
    /// `None` when `docker-registry` is not installed, after saying so.
    pub(super) async fn start(has_password: bool) -> Option<Self> {
        let program = tools::or_missing(
            tools::program("docker-registry"),
            "docker-registry (Debian package docker-registry)",
        )?;
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let host = free.local_addr().unwrap().to_string();
        let mut config = format!(
            "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
             storage:\n  filesystem: {{rootdirectory: {}}}\n  delete: {{enabled: true}}\n\
             http: {{addr: '{host}', secret: test}}\n",
            at("data").display()
        );
        if has_password {
            fs::write(at("htpasswd"), HTPASSWD).unwrap();
            let path = at("htpasswd");
            writeln!(
                config,
                "auth: {{htpasswd: {{realm: test, path: {}}}}}",
                path.display()
            )
            .unwrap();
        }
        fs::write(at("config.yml"), config).unwrap();
        drop(free);
        let child = Command::new(program)
            .arg("serve")
            .arg(at("config.yml"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(at("log")).unwrap())
            .spawn()
            .unwrap();
        lastgood::net::install_tls_provider();
        let mut process = Self {
            host,
            child,
            http: Client::builder().no_proxy().build().unwrap(),
            has_password,
            _directory: directory,
        };
        let ready = timeout(Duration::from_secs(20), process.ready()).await;
        assert!(ready.is_ok(), "docker-registry does not answer after 20 s");
        Some(process)
    }

    async fn ready(&mut self) {
        while self.request(Method::GET, "/v2/").send().await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("docker-registry ended: {status}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with('/') {
            format!("http://{}{path}", self.host)
        } else {
            path.to_owned()
        };
        let request = self.http.request(method, url);
        if self.has_password {
            request.basic_auth("me", Some(PASSWORD))
        } else {
            request
        }
    }

    async fn blob(&self, name: &str, bytes: &[u8]) {
        let begin = self.request(Method::POST, &format!("/v2/{name}/blobs/uploads/"));
        let begun = begin.send().await.unwrap().error_for_status().unwrap();
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let join = if location.contains('?') { '&' } else { '?' };
        let location = format!("{location}{join}digest={}", digest(bytes));
        let put = self.request(Method::PUT, &location);
        let done = put.body(bytes.to_vec()).send().await.unwrap();
        assert_eq!(done.status(), 201);
    }

    /// Pushes a manifest or index under a tag or digest.
    pub(super) async fn push(&self, name: &str, reference: &str, media_type: &str, bytes: &[u8]) {
        let put = self.request(Method::PUT, &format!("/v2/{name}/manifests/{reference}"));
        let put = put.header("content-type", media_type).body(bytes.to_vec());
        let done = put.send().await.unwrap();
        let status = done.status();
        assert_eq!(status, 201, "{}", done.text().await.unwrap());
    }

    /// Pushes a whole image of one layer, and gives its manifest.
    pub(super) async fn image(
        &self,
        name: &str,
        tag: &str,
        media_type: &str,
        layer: &[u8],
    ) -> Vec<u8> {
        let config =
            br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
        self.blob(name, config).await;
        self.blob(name, layer).await;
        let bytes = super::manifest(media_type, config, layer);
        assert!(descriptor(media_type, &bytes)["size"].is_number());
        self.push(name, tag, media_type, &bytes).await;
        bytes
    }

    /// As a cleanup policy would.
    pub(super) async fn delete(&self, name: &str, digest: &Digest) {
        let delete = self.request(Method::DELETE, &format!("/v2/{name}/manifests/{digest}"));
        assert_eq!(delete.send().await.unwrap().status(), 202);
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}
