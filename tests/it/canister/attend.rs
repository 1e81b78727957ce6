//! What the target sees of canisters that are in place while it watches them, and what it keeps as evidence.

use crate::replica::{Fault, Reject, Replica, modules};
use candid::Principal;
use lastgood::model::secret::Secret;
use lastgood::model::sighting::{Sighting, Symptom};
use lastgood::model::state::{Revision, Slot, Wanted};
use lastgood::model::verdict::Severity;
use lastgood::targets::{Attended, Base, Story, Target, open};
use serde_json::json;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

const CYCLES: u128 = 100_000_000_000_000;

/// A key that was made for tests, and controls nothing anywhere.
const PEM: &str = "\
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIK3nzc84pui5zcjuQlJyakyEAF1Oh9+HEBPe+fj1UZKOoAoGCCqGSM49
AwEHoUQDQgAEcyf0IBv9n07aVRlqFPQdtcLkN19NsRynzf7vWx+TcNRrHjMrvPJ0
QHrIyQMzpG68dWS6QjYheufkXMSKWZ4F5w==
-----END EC PRIVATE KEY-----
";

/// Something that happens to a canister.
type Act<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Notes what is told. When the first line is told, something happens to the canister: the first look is over then.
#[derive(Default)]
struct Told<'a> {
    lines: Mutex<Vec<String>>,
    then: Mutex<Option<Act<'a>>>,
}

impl fmt::Debug for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Told").finish_non_exhaustive()
    }
}

impl<'a> Told<'a> {
    fn then(act: impl FnOnce() + Send + 'a) -> Self {
        let then = Mutex::new(Some(Box::new(act) as Act<'a>));
        let lines = Mutex::default();
        Self { lines, then }
    }

    fn lines(&self) -> Vec<String> {
        self.lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

impl Story for Told<'_> {
    fn progress(&self, slot: &Slot, text: &str) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(format!("{slot}: {text}"));
        let act = self
            .then
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(act) = act {
            act();
        }
    }
}

struct World {
    replica: Replica,
    id: Principal,
    target: Box<dyn Target>,
    held: Wanted,
}

/// A replica with one canister that holds this module.
async fn world(module: &[u8]) -> World {
    let principal = ic_agent::identity::Prime256v1Identity::from_pem(PEM.as_bytes())
        .map(|identity| ic_agent::Identity::sender(&identity).unwrap())
        .unwrap();
    let replica = Replica::start().await;
    let id = replica.create(&[principal], CYCLES);
    replica.install(id, module);
    let target = target(&replica.url(), id);
    let mut held = Wanted::new();
    held.insert(slot(), Revision(modules::hash(module)));
    World {
        replica,
        id,
        target,
        held,
    }
}

fn slot() -> Slot {
    Slot("api".to_owned())
}

fn target(url: &str, id: Principal) -> Box<dyn Target> {
    let settings = json!({
        "network": url,
        "canisters": [{"name": "api", "id": id.to_text()}],
        "stable": "2s",
    });
    let base = Base {
        dir: std::env::temp_dir(),
        environment: BTreeMap::from([("DFX_IDENTITY_PEM".to_owned(), PEM.to_owned())]),
        secrets: vec![Secret::new("hunter2")],
        ..Base::default()
    };
    open("canister", "backend", settings, &base).unwrap()
}

impl World {
    async fn attend(&self, told: &Told<'_>) -> Attended {
        let watching = self.target.attend(&self.held, told);
        tokio::time::timeout(Duration::from_mins(1), watching)
            .await
            .expect("it ends")
            .unwrap()
            .expect("it can tell")
    }

    /// The canister traps in a message.
    fn trap(&self) {
        self.replica.update(self.id, "bump").unwrap_err();
    }
}

#[track_caller]
fn sighted(attended: &Attended, symptom: Symptom) -> &Sighting {
    let found = attended.sightings.iter().find(|one| one.symptom == symptom);
    found.unwrap_or_else(|| panic!("no {symptom} in {:#?}", attended.sightings))
}

#[tokio::test]
async fn a_healthy_canister_is_told_in_one_line() {
    let world = world(&modules::good_v1()).await;
    let told = Told::default();
    let attended = world.attend(&told).await;
    assert_eq!(attended.sightings, []);
    assert!(Duration::from_secs(2) <= attended.watched);
    let lines = told.lines();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let hash = modules::hash(&modules::good_v1());
    let short: String = hash.chars().take("sha256:".len() + 12).collect();
    let begin = format!("api: runs {short}, ");
    assert!(lines[0].starts_with(&begin), "{lines:?}");
    assert!(
        lines[0].ends_with(" until frozen, no new traps"),
        "{lines:?}"
    );
    // Looking changes nothing.
    let methods = world.replica.methods();
    assert!(methods.iter().all(|method| method == "canister_status"));
    assert!(methods.len() < 10, "{}", methods.len());
}

#[tokio::test]
async fn one_that_somebody_stopped_is_critical_and_ends_the_watch() {
    let world = world(&modules::good_v1()).await;
    let told = Told::then(|| world.replica.stop(world.id));
    let attended = world.attend(&told).await;
    let sighting = sighted(&attended, Symptom::NotRunning);
    assert_eq!(sighting.severity, Severity::Critical);
    assert!(sighting.what.contains("is stopped"), "{}", sighting.what);
}

#[tokio::test]
async fn traps_after_the_first_look_are_serious() {
    let world = world(&modules::logs_traps()).await;
    let told = Told::then(|| {
        for _ in 0..4 {
            world.trap();
        }
    });
    let attended = world.attend(&told).await;
    let sighting = sighted(&attended, Symptom::Trapped);
    assert_eq!(sighting.severity, Severity::Serious);
    assert!(
        sighting
            .what
            .starts_with("4 traps since it is watched (at most 3)")
    );
    let last = told.lines().pop().unwrap_or_default();
    assert!(last.ends_with("4 new traps"), "{last}");
}

#[tokio::test]
async fn traps_from_before_decide_nothing() {
    let world = world(&modules::logs_traps()).await;
    world.trap();
    let attended = world.attend(&Told::default()).await;
    let sighting = sighted(&attended, Symptom::Trapped);
    assert_eq!(sighting.severity, Severity::Monitor);
    assert!(sighting.what.contains("before it was watched"));
    assert_eq!(attended.sightings.len(), 1);
}

#[tokio::test]
async fn another_module_is_somebody_else_s() {
    let world = world(&modules::good_v1()).await;
    let told = Told::then(|| world.replica.install(world.id, &modules::good_v2()));
    let attended = world.attend(&told).await;
    let sighting = sighted(&attended, Symptom::DriftedBack);
    assert_eq!(sighting.severity, Severity::Critical);
    assert!(sighting.what.contains("somebody else deployed"));
}

#[tokio::test]
async fn cycles_that_run_out_are_seen() {
    let world = world(&modules::good_v1()).await;
    let told = Told::then(|| {
        world
            .replica
            .change(world.id, |canister| canister.cycles = 1);
    });
    let attended = world.attend(&told).await;
    let sighting = sighted(&attended, Symptom::Frozen);
    assert_eq!(sighting.severity, Severity::Critical);
    assert!(sighting.advice.contains("top it up"));
}

#[tokio::test]
async fn few_cycles_of_old_are_told_and_decide_nothing() {
    let world = world(&modules::good_v1()).await;
    world.replica.change(world.id, |canister| {
        canister.cycles = canister.freezing_limit() + 3 * canister.idle_per_day;
    });
    let attended = world.attend(&Told::default()).await;
    let sighting = sighted(&attended, Symptom::CyclesLow);
    assert_eq!(sighting.severity, Severity::Monitor);
    assert!(
        sighting.what.contains("until frozen (at least 7)"),
        "{}",
        sighting.what
    );
}

#[tokio::test]
async fn a_log_that_may_not_be_read_is_said_once() {
    let world = world(&modules::good_v1()).await;
    let denied = Reject::new(406, "Caller x is not allowed to access canister logs");
    world
        .replica
        .faults(|faults| faults.always("fetch_canister_logs", Fault::Reject(denied)));
    let told = Told::default();
    let attended = world.attend(&told).await;
    assert_eq!(attended.sightings, []);
    let lines = told.lines();
    let denied = lines
        .iter()
        .filter(|line| line.contains("its log cannot be read"));
    assert_eq!(denied.count(), 1, "{lines:?}");
}

#[tokio::test]
async fn a_replica_that_goes_away_leaves_it_open() {
    let world = world(&modules::good_v1()).await;
    let told = Told::then(|| {
        world
            .replica
            .faults(|faults| faults.always("canister_status", Fault::DropBefore));
    });
    let attended = world.attend(&told).await;
    let sighting = sighted(&attended, Symptom::Unseen);
    assert_eq!(sighting.severity, Severity::Monitor);
    assert_eq!(attended.sightings.len(), 1);
}

#[tokio::test]
async fn a_network_that_is_not_there_is_unseen() {
    let world = world(&modules::good_v1()).await;
    let World {
        replica,
        id,
        target: _,
        held,
    } = world;
    let away = target(&replica.url(), id);
    drop(replica);
    let attended = away.attend(&held, &Told::default()).await.unwrap().unwrap();
    assert_eq!(
        sighted(&attended, Symptom::Unseen).severity,
        Severity::Monitor
    );
}

#[tokio::test]
async fn the_evidence_is_one_text_per_canister_without_secrets() {
    let world = world(&modules::logs_traps()).await;
    world.trap();
    world.replica.change(world.id, |canister| {
        canister.log(
            1_732_201_200_000_000_000,
            b"password hunter2\n::error::x".to_vec(),
        );
    });
    let evidence = world.target.evidence().await;
    let [(name, text)] = evidence.as_slice() else {
        panic!("{evidence:?}");
    };
    assert_eq!(name, "api.txt");
    for part in [
        &modules::hash(&modules::logs_traps()),
        "status: running",
        "== controllers\n",
        "== snapshots\nnone",
        "[TRAP]",
        "password *** ::error::x",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("hunter2"));
    assert!(world.replica.methods().iter().all(|method| {
        matches!(
            method.as_str(),
            "canister_status" | "list_canister_snapshots"
        )
    }));
}
