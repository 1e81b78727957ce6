//! What is put back: one canister on the double of a replica, its good module and its bad one, and the good run on the double
//! of GitHub.

use crate::replica::{Replica, SeenStatus, modules};
use crate::world::{ArtifactSpec, JobSpec, RunSpec, World, zip};
use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use candid::Principal;
use ic_agent::identity::{BasicIdentity, Identity as _};

const MODULE_BYTES: usize = 1_000_000;
const CYCLES: u128 = 100_000_000_000_000;
pub(crate) const REPOSITORY: &str = "octo/shop";

/// PKCS#8 of an Ed25519 key up to its 32 bytes (RFC 8410).
const DER_ED25519: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

pub(crate) struct Scene {
    pub(crate) replica: Replica,
    pub(crate) world: World,
    pub(crate) id: Principal,
    pub(crate) good: Vec<u8>,
    bad: Vec<u8>,
    /// The key of its controller.
    pub(crate) pem: String,
}

impl Scene {
    pub(crate) async fn new() -> anyhow::Result<Self> {
        let key = [7; 32];
        let controller = BasicIdentity::from_raw_key(&key)
            .sender()
            .map_err(anyhow::Error::msg)?;
        let der = [DER_ED25519.as_slice(), key.as_slice()].concat();
        let pem = format!(
            "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n",
            STANDARD.encode(der)
        );
        let replica = Replica::start().await;
        let id = replica.create(&[controller], CYCLES);
        let good = modules::padded_to(&modules::good_v1(), MODULE_BYTES);
        let bad = modules::padded_to(&modules::bad_query(), MODULE_BYTES);
        replica.install(id, &good);
        let counted = replica.update(id, "bump");
        ensure!(
            counted.is_ok(),
            "the good module does not count: {counted:?}"
        );
        let world = World::start().await;
        let repo = world.repo(REPOSITORY);
        for _ in 0..5 {
            repo.run(RunSpec::default());
        }
        repo.run(RunSpec::default())
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("wasm", zip::zip(&[("app.wasm", &good)])));
        repo.run(RunSpec::concluded("failure"));
        Ok(Self {
            replica,
            world,
            id,
            good,
            bad,
            pem,
        })
    }

    pub(crate) const fn module_bytes(&self) -> usize {
        self.good.len()
    }

    /// The bad module is installed; snapshots of earlier rounds are gone, so that nobody meets the limit of ten.
    pub(crate) fn goes_bad(&self) {
        self.replica
            .change(self.id, |canister| canister.snapshots.clear());
        self.replica.install(self.id, &self.bad);
        self.replica.forget_calls();
    }

    /// The good module runs, with its state, and the bad one is kept.
    pub(crate) fn is_good(&self) -> anyhow::Result<()> {
        let seen = self.replica.seen(self.id);
        ensure!(
            seen.module_hash == Some(modules::hash(&self.good)),
            "it holds {:?}",
            seen.module_hash
        );
        ensure!(seen.status == SeenStatus::Running, "it does not run");
        ensure!(self.replica.count(self.id) == 1, "its state is lost");
        let kept = seen.snapshots.first().context("there is no snapshot")?;
        ensure!(
            kept.module_hash == modules::hash(&self.bad),
            "the snapshot is of {}",
            kept.module_hash
        );
        Ok(())
    }

    /// Every request since it went bad, in the order of arrival.
    pub(crate) fn requests(&self) -> String {
        let calls = self.replica.calls();
        let names: Vec<&str> = calls.iter().map(|called| called.method.as_str()).collect();
        format!("{}: {}", names.len(), names.join(", "))
    }
}
