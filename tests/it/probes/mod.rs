//! Probes against a loopback server that answers badly in every way it can.

mod asked;
mod faults;

use faults::Faults;
use lastgood::model::probe::{Aim, Class, Probe};
use lastgood::net;
use lastgood::probes::{Prober, Signal, SignalSettings, Tick};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use url::Url;

/// The client that the product probes with.
fn http() -> reqwest::Client {
    net::client(&net::Settings::default(), net::Purpose::Probe).unwrap()
}

fn signal(url: &str, more: &serde_json::Value) -> Signal {
    let mut settings = json!({"name": "home", "url": url});
    settings
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let settings: SignalSettings = serde_json::from_value(settings).unwrap();
    let env = BTreeMap::from([("TOKEN".to_owned(), "Bearer hunter2".to_owned())]);
    Signal::resolve(&settings, &env).unwrap()
}

/// A watch of a few seconds.
struct Watch {
    signals: Vec<Signal>,
    control: Option<String>,
    rate: u32,
    deadline: Duration,
    seconds: u64,
}

impl Watch {
    fn of(signals: Vec<Signal>) -> Self {
        Self {
            signals,
            control: None,
            rate: 1,
            deadline: Duration::from_secs(1),
            seconds: 1,
        }
    }

    /// Watches until the last second is done. Panics when that takes longer than the deadline and a second.
    async fn ticks(self) -> Vec<Tick> {
        let (tx, mut rx) = mpsc::channel(1024);
        let cancel = CancellationToken::new();
        let control: Option<Url> = self.control.map(|url| url.parse().unwrap());
        let longest = Duration::from_secs(self.seconds + 1) + self.deadline;
        let prober = Prober::start(
            http(),
            self.signals,
            control,
            self.rate,
            self.deadline,
            tx,
            cancel.clone(),
        );
        let mut ticks = Vec::new();
        let collecting = async {
            while let Some(tick) = rx.recv().await {
                let last = tick == Tick::SecondDone(self.seconds - 1);
                ticks.push(tick);
                if last {
                    break;
                }
            }
        };
        tokio::time::timeout(longest, collecting)
            .await
            .expect("no probe may hang");
        cancel.cancel();
        tokio::time::timeout(Duration::from_secs(5), prober)
            .await
            .unwrap()
            .unwrap();
        ticks
    }

    async fn probes(self) -> Vec<Probe> {
        probes(self.ticks().await)
    }
}

fn probes(ticks: Vec<Tick>) -> Vec<Probe> {
    let probe = |tick| match tick {
        Tick::Probe(probe) => Some(probe),
        Tick::SecondDone(_) => None,
    };
    ticks.into_iter().filter_map(probe).collect()
}

fn fail(why: &str) -> Class {
    Class::Fail {
        why: why.to_owned(),
    }
}

fn config(why: &str) -> Class {
    Class::Config {
        why: why.to_owned(),
    }
}

#[track_caller]
fn check(probe: &Probe, status: Option<u16>, class: &Class) {
    assert_eq!((probe.status, &probe.class), (status, class), "{probe:?}");
}

/// Probes a path once.
async fn once(url: &str, more: &serde_json::Value) -> Probe {
    let mut watch = Watch::of(vec![signal(url, more)]);
    watch.deadline = Duration::from_millis(1500);
    let probes = watch.probes().await;
    probes.into_iter().find(|probe| probe.due_ms == 0).unwrap()
}

#[tokio::test]
async fn every_answer_has_its_class() {
    let server = Faults::serve().await;
    let cases = [
        ("/", json!({}), Some(200), Class::Ok),
        ("/redirect", json!({}), Some(302), Class::Ok),
        (
            "/redirect",
            json!({"expect-status": 200}),
            Some(302),
            fail("HTTP 302"),
        ),
        ("/503", json!({}), Some(503), fail("HTTP 503")),
        (
            "/503",
            json!({"expect-status": "503"}),
            Some(503),
            Class::Ok,
        ),
        ("/418", json!({}), Some(418), fail("HTTP 418")),
        ("/401", json!({}), Some(401), config("HTTP 401")),
        ("/403", json!({}), Some(403), config("HTTP 403")),
        ("/404", json!({}), Some(404), config("HTTP 404")),
        (
            "/404",
            json!({"expect-status": "4xx"}),
            Some(404),
            Class::Ok,
        ),
        ("/407", json!({}), Some(407), config("HTTP 407")),
        ("/429", json!({}), Some(429), config("HTTP 429")),
        ("/", json!({"expect-body": "ok"}), Some(200), Class::Ok),
        ("/", json!({"expect-body": "/^o.$/"}), Some(200), Class::Ok),
        (
            "/",
            json!({"expect-body": "healthy"}),
            Some(200),
            fail("body does not match"),
        ),
        (
            "/flood",
            json!({"expect-body": "xxx"}),
            Some(200),
            Class::Ok,
        ),
        (
            "/method",
            json!({"expect-body": "/^post$/", "method": "POST"}),
            Some(200),
            Class::Ok,
        ),
        ("/method", json!({"method": "HEAD"}), Some(200), Class::Ok),
        (
            "/secret",
            json!({"headers-from-env": {"Authorization": "TOKEN"}}),
            Some(200),
            Class::Ok,
        ),
        ("/secret", json!({}), Some(401), config("HTTP 401")),
        ("/close-asked", json!({}), Some(200), Class::Ok),
    ];
    let signals = cases.iter().enumerate().map(|(index, (path, more, _, _))| {
        let mut signal = signal(&server.url(path), more);
        signal.name = index.to_string();
        signal
    });
    let probes = Watch::of(signals.collect()).probes().await;
    for (index, (_, _, status, class)) in cases.iter().enumerate() {
        let name = index.to_string();
        let probe = probes.iter().find(|probe| probe.signal == name).unwrap();
        check(probe, *status, class);
    }
}

#[tokio::test]
async fn every_broken_connection_has_stable_words() {
    let server = Faults::serve().await;
    let closed = "connection closed before the answer was complete";
    let cases = [
        ("/hang", None, "timeout after 1500 ms"),
        ("/stuck-body", Some(200), "timeout after 1500 ms"),
        ("/reset", None, "connection reset"),
        ("/close", None, closed),
        ("/cut", Some(200), closed),
        ("/garbage", None, "not HTTP"),
    ];
    for (path, status, why) in cases {
        check(
            &once(&server.url(path), &json!({})).await,
            status,
            &fail(why),
        );
    }
    let refusing = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let probe = once(&format!("http://{refusing}/"), &json!({})).await;
    check(&probe, None, &fail("connection refused"));
    assert!(
        (probe.latency_ms - 1500.0).abs() < 0.001,
        "the deadline stands for it"
    );
    let probe = once(&format!("https://{}/", server.at), &json!({})).await;
    check(&probe, None, &fail("TLS: the answer is not TLS"));
}

#[tokio::test]
async fn a_name_that_does_not_exist_counts_against_the_service() {
    let mut watch = Watch::of(vec![signal("http://lastgood-test.invalid/", &json!({}))]);
    watch.deadline = Duration::from_secs(5);
    let probe = watch.probes().await.remove(0);
    // Behind a resolver that does not answer at all, the deadline is faster.
    let expected = [
        fail("DNS: cannot resolve lastgood-test.invalid"),
        fail("timeout after 5000 ms"),
    ];
    assert!(expected.contains(&probe.class), "{probe:?}");
}

#[tokio::test]
async fn the_schedule_is_open_although_the_server_hangs() {
    let server = Faults::serve().await;
    let mut watch = Watch::of(vec![signal(&server.url("/hang"), &json!({}))]);
    watch.rate = 10;
    watch.seconds = 3;
    let began = Instant::now();
    let ticks = watch.ticks().await;
    assert!(began.elapsed() < Duration::from_secs(5));
    // In order, each after all of its probes.
    let mut seen = 0;
    for tick in &ticks {
        match tick {
            Tick::Probe(_) => seen += 1,
            Tick::SecondDone(second) => assert!(10 * (second + 1) <= seen),
        }
    }
    let mut due: Vec<u64> = probes(ticks)
        .iter()
        .inspect(|probe| check(probe, None, &fail("timeout after 1000 ms")))
        .map(|probe| probe.due_ms)
        .filter(|due_ms| *due_ms < 3000)
        .collect();
    due.sort_unstable();
    assert_eq!(due, (0..30).map(|index| index * 100).collect::<Vec<_>>());
}

#[tokio::test]
async fn each_probe_has_a_connection_of_its_own() {
    let server = Faults::serve().await;
    let mut watch = Watch::of(vec![signal(&server.url("/"), &json!({}))]);
    watch.rate = 20;
    let probes = watch.probes().await;
    assert!(20 <= probes.len());
    assert!(
        probes.iter().all(|probe| probe.class == Class::Ok),
        "{probes:?}"
    );
    assert!(probes.len() <= server.connections.load(Ordering::SeqCst));
}

#[tokio::test]
async fn latency_counts_from_the_due_time() {
    let server = Faults::serve().await;
    let probe = once(&server.url("/slow"), &json!({})).await;
    check(&probe, Some(200), &Class::Ok);
    assert!(
        300.0 <= probe.latency_ms && probe.latency_ms < 1500.0,
        "{probe:?}"
    );
}

#[tokio::test]
async fn what_piles_up_beyond_the_cap_is_a_failure_of_its_own() {
    let server = Faults::serve().await;
    let mut watch = Watch::of(vec![signal(&server.url("/hang"), &json!({}))]);
    watch.rate = 50;
    watch.seconds = 2;
    watch.deadline = Duration::from_millis(1800);
    let probes = watch.probes().await;
    let why = fail("50 probes in flight: no answer in time");
    let capped: Vec<&Probe> = probes.iter().filter(|probe| probe.class == why).collect();
    assert!(!capped.is_empty());
    assert!(
        capped
            .iter()
            .all(|probe| 1000 <= probe.due_ms && probe.status.is_none())
    );
    let second = |wanted: u64| {
        probes
            .iter()
            .filter(|probe| probe.due_ms / 1000 == wanted)
            .count()
    };
    assert_eq!((second(0), second(1)), (50, 50));
}

#[tokio::test]
async fn a_signal_that_hangs_never_fails_another() {
    let server = Faults::serve().await;
    let mut hanging = signal(&server.url("/hang"), &json!({"gating": false}));
    hanging.name = "hanging".to_owned();
    let mut watch = Watch::of(vec![hanging, signal(&server.url("/"), &json!({}))]);
    watch.rate = 50;
    watch.seconds = 2;
    watch.deadline = Duration::from_millis(1800);
    let probes = watch.probes().await;
    let home: Vec<&Probe> = probes
        .iter()
        .filter(|probe| probe.signal == "home")
        .collect();
    assert!(100 <= home.len());
    assert!(
        home.iter().all(|probe| probe.class == Class::Ok),
        "{home:?}"
    );
}

#[tokio::test]
async fn any_answer_of_the_control_url_shows_that_the_network_is_there() {
    let server = Faults::serve().await;
    let refusing = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    for (control, class) in [
        (server.url("/503"), Class::Ok),
        (format!("http://{refusing}/"), fail("connection refused")),
    ] {
        let mut watch = Watch::of(vec![signal(&server.url("/hang"), &json!({}))]);
        watch.control = Some(control);
        watch.rate = 5;
        watch.seconds = 2;
        let probes = watch.probes().await;
        let controls: Vec<&Probe> = probes
            .iter()
            .filter(|probe| probe.aim == Aim::Control && probe.due_ms < 2000)
            .collect();
        let due: Vec<u64> = controls.iter().map(|probe| probe.due_ms).collect();
        assert_eq!(due, [0, 1000]);
        assert!(
            controls.iter().all(|probe| probe.class == class),
            "{controls:?}"
        );
    }
}

#[tokio::test]
async fn a_stall_of_this_machine_is_never_a_failure_of_the_service() {
    let server = Faults::serve().await;
    let (tx, mut rx) = mpsc::channel(1024);
    let cancel = CancellationToken::new();
    let signals = vec![signal(&server.url("/"), &json!({}))];
    let prober = Prober::start(
        http(),
        signals,
        None,
        20,
        Duration::from_secs(1),
        tx,
        cancel.clone(),
    );
    assert!(matches!(rx.recv().await, Some(Tick::Probe(_))));
    // The whole runtime stands still, as a runner that is paused or starved.
    std::thread::sleep(Duration::from_millis(2500));
    let mut probes = Vec::new();
    loop {
        match rx.recv().await.unwrap() {
            Tick::Probe(probe) => probes.push(probe),
            Tick::SecondDone(second) if 3 <= second => break,
            Tick::SecondDone(_) => (),
        }
    }
    cancel.cancel();
    prober.await.unwrap();
    assert!(
        probes.iter().all(|probe| probe.class == Class::Ok),
        "{probes:?}"
    );
    assert!(
        probes.len() < 60,
        "probes of the stall were left out: {}",
        probes.len()
    );
}

#[tokio::test]
async fn probing_ends_when_nobody_listens() {
    let server = Faults::serve().await;
    let (tx, rx) = mpsc::channel(1);
    let signals = vec![signal(&server.url("/"), &json!({}))];
    let prober = Prober::start(
        http(),
        signals,
        None,
        20,
        Duration::from_secs(1),
        tx,
        CancellationToken::new(),
    );
    drop(rx);
    tokio::time::timeout(Duration::from_secs(5), prober)
        .await
        .unwrap()
        .unwrap();
}
