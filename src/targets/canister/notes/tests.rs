//! Notes of one run are found by the next; what cannot be read or written is told and ends nothing.

use super::*;
use crate::model::state::Slot;
use crate::targets::Story;
use crate::targets::canister::network::{Network, RootKey};
use candid::Principal;
use ic_agent::identity::AnonymousIdentity;
use std::sync::Arc;
use tempfile::TempDir;

#[derive(Debug, Default)]
struct Told(Mutex<Vec<String>>);

impl Story for Told {
    fn progress(&self, _slot: &Slot, text: &str) {
        self.0.lock().unwrap().push(text.to_owned());
    }
}

async fn network(url: &str) -> Network {
    Network::connect(
        "local",
        &url.parse().unwrap(),
        &RootKey::Mainnet,
        Arc::new(AnonymousIdentity),
        &crate::net::Settings::default(),
    )
    .await
    .unwrap()
}

struct World {
    dir: TempDir,
    network: Network,
    slot: Slot,
    told: Told,
}

impl World {
    async fn new() -> Self {
        let network = network("http://127.0.0.1:1").await;
        Self {
            dir: tempfile::tempdir().unwrap(),
            network,
            slot: Slot("user_service".to_owned()),
            told: Told::default(),
        }
    }

    fn site(&self, id: u8) -> Site<'_> {
        Site {
            network: &self.network,
            slot: &self.slot,
            id: Principal::from_slice(&[id]),
            story: Some(&self.told),
        }
    }

    /// As another run of the program would open them.
    fn notes(&self) -> Notes {
        Notes::new(self.dir.path())
    }

    fn file(&self) -> PathBuf {
        self.dir.path().join(NAME)
    }

    fn told(&self) -> Vec<String> {
        std::mem::take(&mut *self.told.0.lock().unwrap())
    }

    fn took(&self, canister: u8, id: &str, instead_of: Option<&str>) {
        let site = self.site(canister);
        let noted = Noted {
            place: Place::of(&site),
            id: id.to_owned(),
            revision: "sha256:00".to_owned(),
            taken_at_ns: 7,
            operation: "op".to_owned(),
        };
        self.notes().took(&site, noted, instead_of);
    }

    #[track_caller]
    fn holds(&self, canister: u8, expected: &[&str]) {
        let found = self.notes().snapshots(&self.site(canister));
        let found: Vec<&str> = found.iter().map(|one| one.id.as_str()).collect();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn what_one_run_notes_another_finds() {
    let world = World::new().await;
    world.holds(1, &[]);
    world.took(1, "01", None);
    world.took(1, "02", None);
    world.took(2, "01", None);
    world.holds(1, &["01", "02"]);
    world.took(1, "03", Some("01"));
    world.holds(1, &["02", "03"]);
    // Another canister's snapshot of the same name is another one.
    world.holds(2, &["01"]);
    world.notes().keep_only(&world.site(1), &["03".to_owned()]);
    world.holds(1, &["03"]);
    world.holds(2, &["01"]);
    assert_eq!(world.told(), [""; 0]);
    let mode = fs::metadata(world.file()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o644);
}

#[tokio::test]
async fn a_stop_is_remembered_until_the_start() {
    let world = World::new().await;
    let (one, two) = (world.site(1), world.site(2));
    world.notes().started(&one);
    assert!(!world.file().exists());
    world.notes().stops(&one, 10, "op");
    world.notes().stops(&one, 20, "op");
    world.notes().stops(&two, 30, "op");
    assert_eq!(world.notes().stopped_since(&one), Some(20));
    world.notes().started(&one);
    assert_eq!(world.notes().stopped_since(&one), None);
    assert_eq!(world.notes().stopped_since(&two), Some(30));
}

#[tokio::test]
async fn notes_that_cannot_be_read_are_put_aside_and_told_of() {
    for damaged in ["{", "[]", r#"{"version":9,"snapshots":[]}"#, "\u{0}"] {
        let world = World::new().await;
        fs::write(world.file(), damaged).unwrap();
        world.holds(1, &[]);
        let told = world.told();
        assert!(told[0].contains("could not be read"), "{told:?}");
        assert!(told[0].ends_with("going on without it"), "{told:?}");
        world.took(1, "01", None);
        world.holds(1, &["01"]);
        let aside = world.dir.path().join("canister-snapshots.json.damaged");
        assert_eq!(fs::read_to_string(aside).unwrap(), damaged);
    }
}

#[tokio::test]
async fn notes_that_cannot_be_written_end_nothing() {
    let world = World::new().await;
    let nowhere = world.dir.path().join("file");
    fs::write(&nowhere, "").unwrap();
    let notes = Notes::new(&nowhere);
    notes.stops(&world.site(1), 10, "op");
    let told = world.told();
    assert!(
        told.iter()
            .any(|text| text.contains("could not be written")),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_network_is_the_same_by_another_address() {
    let mut world = World::new().await;
    world.took(1, "01", None);
    world.network = network("http://localhost:1").await;
    world.holds(1, &["01"]);
    world.network.agent.set_root_key(vec![1, 2, 3]);
    world.holds(1, &[]);
}

#[tokio::test]
async fn notes_of_old_name_the_address() {
    let world = World::new().await;
    let site = world.site(1);
    let canister = site.id.to_text();
    let old = format!(
        r#"{{"version":1,"snapshots":[{{"network":"http://127.0.0.1:1/","canister":"{canister}","id":"01","revision":"sha256:00","taken-at-ns":1,"operation":"op"}}]}}"#
    );
    fs::write(world.file(), old).unwrap();
    world.holds(1, &["01"]);
    world.took(1, "02", Some("01"));
    world.holds(1, &["02"]);
    assert_eq!(world.told(), [""; 0]);
}
