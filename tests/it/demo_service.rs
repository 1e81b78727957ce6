//! The demo service: that it is as well as the release in place, and notices when that changes.

use crate::world::service::{Behaviour, Counters, Service};
use reqwest::Client;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

fn client() -> Client {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(10))
        .build()
        .unwrap()
}

async fn status(url: &str) -> u16 {
    client()
        .get(url)
        .send()
        .await
        .map_or(0, |response| response.status().as_u16())
}

/// Puts a release in place as the `directory` target does: a link that is renamed over the old one.
fn put(root: &Path, name: &str, behaviour: &Behaviour) {
    let release = root.join("releases").join(name);
    fs::create_dir_all(&release).unwrap();
    fs::write(release.join("service.json"), behaviour.to_json()).unwrap();
    fs::write(release.join("index.html"), format!("page of {name}")).unwrap();
    symlink(&release, root.join("next")).unwrap();
    fs::rename(root.join("next"), root.join("current")).unwrap();
}

#[tokio::test]
async fn it_is_as_well_as_the_release_in_place() {
    let root = tempfile::tempdir().unwrap();
    let service = Service::start(root.path()).await;
    assert_eq!(
        status(&service.health_url()).await,
        503,
        "no release in place"
    );
    put(root.path(), "one", &Behaviour::good("1"));
    assert_eq!(status(&service.health_url()).await, 200);
    let page = client()
        .get(service.url())
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert_eq!(page, "page of one");

    put(root.path(), "two", &Behaviour::failing("2", 0.25));
    let mut failed = 0;
    for _request in 0..8 {
        failed += u32::from(status(&service.health_url()).await == 500);
    }
    assert_eq!(failed, 2, "a quarter, evenly spread");
    put(root.path(), "one", &Behaviour::good("1"));
    assert_eq!(status(&service.health_url()).await, 200);
    assert_eq!(
        service.counters(),
        Counters {
            requests: 12,
            errors: 3,
            control: 0
        }
    );
}

#[tokio::test]
async fn trouble_from_outside_can_be_laid_over_a_release() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "one", &Behaviour::good("1"));
    let service = Service::start(root.path()).await;
    service.override_with(Some(Behaviour {
        drops: true,
        ..Behaviour::failing("1", 1.0)
    }));
    assert_eq!(
        status(&service.health_url()).await,
        0,
        "the connection ends without an answer"
    );
    assert_eq!(
        status(&service.control_url()).await,
        204,
        "the network is well"
    );
    service.override_with(Some(Behaviour {
        latency_ms: 200,
        ..Behaviour::good("1")
    }));
    let before = Instant::now();
    assert_eq!(status(&service.health_url()).await, 200);
    assert!(Duration::from_millis(200) <= before.elapsed());
    service.override_with(None);
    assert_eq!(status(&service.health_url()).await, 200);
    assert_eq!(service.counters().control, 1);
}
