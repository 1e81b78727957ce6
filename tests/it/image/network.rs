//! TLS and names in the container: the roots are in the binary, and names are asked of the engine's own server.

use super::job::Job;
use super::{image, rig};
use crate::docker::{App, Engine};
use crate::rig::Probes;
use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An HTTPS server that knows nothing, with a certificate that nobody has signed. Its URL and certificate, and how many
/// requests have got through.
async fn server() -> (String, String, Arc<AtomicUsize>) {
    lastgood::net::install_tls_provider();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, count) = (acceptor.clone(), Arc::clone(&count));
            tokio::spawn(async move {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    return;
                };
                let mut head = [0; 4096];
                if stream.read(&mut head).await.is_ok_and(|count| 0 < count) {
                    count.fetch_add(1, Ordering::Relaxed);
                    let answer = "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
                    drop(stream.write_all(answer.as_bytes()).await);
                    drop(stream.shutdown().await);
                }
            });
        }
    });
    (url, made.cert.pem(), asked)
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_when_it_is_named() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let rig = rig(Probes::No).await;
    let (url, certificate, asked) = server().await;
    fs::write(rig.path("ca.pem"), certificate).unwrap();
    let list = || {
        Job::new(&engine, &image, &rig.path(""))
            .network("host")
            .with("GITHUB_API_URL", &url)
            .with("GITHUB_REPOSITORY", crate::rig::REPOSITORY)
            .input("github-token", "ghs_x")
            .input("verb", "list")
            .input("deadline", "3s")
    };
    let left = list().run().await;
    assert_eq!(left.ended.code, Some(18), "{}", left.ended);
    let told = left.log.annotations("error").join("\n");
    assert!(told.contains("certificate"), "{told}");
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    let left = list().input("ca-file", "ca.pem").run().await;
    assert_ne!(left.ended.code, Some(18), "{}", left.ended);
    assert!(0 < asked.load(Ordering::Relaxed));
}

#[tokio::test]
async fn names_of_a_network_are_found() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let app = engine.local(&App::new("v1")).await;
    let network = format!("names-{}", std::process::id());
    engine.docker(&["network", "create", &network]).await;
    let args = [
        "run",
        "--detach",
        "--rm",
        "--network",
        &network,
        "--network-alias",
        "shop",
        &app,
    ];
    let shop = engine.docker(&args).await;
    let rig = rig(Probes::No).await;
    let config = "version: 1\nenvironments:\n  production:\n    source: { workflow: deploy.yml }\n    targets: [{ name: shop, kind: directory, path: server }]\n    health: { probes: [{ name: home, url: \"http://shop:8080/health\" }], rate: 20, healthy-error-rate: 0.1%, unhealthy-error-rate: 50%, warm-up: 5s, cap: 30s }\n";
    fs::write(rig.path(".github/lastgood.yml"), config).unwrap();
    let watch = Job::new(&engine, &image, &rig.path(""))
        .network(&network)
        .with("GITHUB_REPOSITORY", crate::rig::REPOSITORY)
        .input("github-token", "ghs_x")
        .input("verb", "watch");
    let left = watch.run().await;
    engine.docker(&["rm", "--force", &shop]).await;
    engine.docker(&["network", "rm", &network]).await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "healthy");
}
