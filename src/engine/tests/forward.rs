//! Probes that go through a target.

use super::fake::{Fake, Look};
use super::service::Service;
use super::{operation, probe};
use crate::engine::forward::through;
use crate::engine::health::Ward;
use crate::engine::request::Means;
use crate::model::outcome::Outcome;
use crate::model::secret::Secret;
use crate::model::verdict::Call;
use crate::probes::{Method, Page, StatusSet};
use std::net::SocketAddr;

const VIA: &str = "deployment/web:8001";

fn forwarding(slots: &str) -> Fake {
    let to: SocketAddr = ([127, 0, 0, 1], 4711).into();
    Fake::new("fake", slots).with(|world| world.forwards = [Some(to)].into())
}

fn page(url: &str) -> Page {
    Page {
        url: url.parse().unwrap(),
        method: Method::Get,
        headers: Vec::new(),
        expect_status: StatusSet::default(),
        expect_body: None,
    }
}

#[tokio::test]
async fn the_address_becomes_a_local_one_and_the_host_stays() {
    let table = [
        (
            "http://shop.test/healthz?deep=1",
            "/healthz?deep=1",
            "shop.test",
        ),
        ("http://shop.test:80/", "/", "shop.test"),
        ("http://shop.test:8080/a", "/a", "shop.test:8080"),
        ("http://10.0.0.7/", "/", "10.0.0.7"),
        ("http://[fd00::1]:81/", "/", "[fd00::1]:81"),
    ];
    for (url, path, host) in table {
        let fake = forwarding("deployment/web=1");
        let (operation, _dir) = operation(&[&fake], |_| ());
        let mut page = page(url);
        through(&operation, VIA, "web", &mut page).await.unwrap();
        assert_eq!(page.url.as_str(), format!("http://127.0.0.1:4711{path}"));
        let headers = page.headers.iter();
        let headers: Vec<_> = headers
            .map(|(name, it)| (name.as_str(), it.expose()))
            .collect();
        assert_eq!(headers, [("host", host)]);
        assert_eq!(fake.asked(), [format!("forward {VIA}")]);
    }
}

#[tokio::test]
async fn a_host_that_was_given_is_kept() {
    let fake = forwarding("deployment/web=1");
    let (operation, _dir) = operation(&[&fake], |_| ());
    let mut page = page("http://shop.test/");
    page.headers = vec![("Host".to_owned(), Secret::new("inner.test"))];
    through(&operation, VIA, "web", &mut page).await.unwrap();
    assert_eq!(page.headers.len(), 1);
}

#[tokio::test]
async fn https_is_refused_before_the_target_is_asked() {
    let fake = forwarding("deployment/web=1");
    let (operation, _dir) = operation(&[&fake], |_| ());
    let mut page = page("https://shop.test/");
    let failure = through(&operation, VIA, "web", &mut page)
        .await
        .unwrap_err();
    assert_eq!(failure.kind, Outcome::Usage);
    assert_eq!(
        failure.to_string(),
        "probe web: found https://shop.test/, expected an http:// address: deployment/web:8001 is reached without TLS"
    );
    assert!(fake.asked().is_empty());
}

#[tokio::test]
async fn the_way_is_that_of_the_target_whose_slot_it_is() {
    let other = forwarding("deployment/web2=1").with(|world| world.looks = [Look::Well].into());
    let owner = forwarding("deployment/web=1");
    let (both, _dir) = operation(&[&other, &owner], |_| ());
    through(&both, VIA, "web", &mut page("http://shop.test/"))
        .await
        .unwrap();
    assert_eq!((other.asked().len(), owner.asked().len()), (0, 1));

    // A Service is no slot: the target that can look into its cluster leads there.
    let (only, _dir) = operation(&[&forwarding("current=1"), &other], |_| ());
    through(
        &only,
        "service/web:80",
        "web",
        &mut page("http://shop.test/"),
    )
    .await
    .unwrap();
    assert_eq!(other.asked().len(), 1);

    let (none, _dir) = operation(&[&forwarding("current=1")], |_| ());
    let failure = through(&none, VIA, "web", &mut page("http://shop.test/"))
        .await
        .unwrap_err();
    assert_eq!(failure.kind, Outcome::Usage);
}

#[tokio::test]
async fn a_way_that_could_not_be_opened_is_tried_again() {
    let service = Service::start().await;
    let fake = Fake::new("fake", "deployment/web=1")
        .with(|world| world.forwards = [None, Some(service.address)].into());
    let (operation, _dir) = operation(&[&fake], |request| {
        let mut probe = probe("http://shop.test/healthz");
        if let Means::Http(page) = &mut probe.means {
            page.via = Some(VIA.to_owned());
        }
        request.environment.health.probes.push(probe);
    });
    let mut ward = Ward::open(&operation).unwrap().unwrap();
    assert_eq!(ward.judge().await.unwrap().call, Call::Inconclusive);
    assert_eq!(ward.judge().await.unwrap().call, Call::Healthy);
    let head = service.first_head();
    assert!(
        head.starts_with("get /healthz ") && head.contains("\r\nhost: shop.test\r\n"),
        "{head}"
    );
    // Open once, used by every stage after.
    ward.judge().await.unwrap();
    assert_eq!(fake.asked().len(), 2);
}
