//! The shop on the Internet Computer: a replica with canisters, a repository with runs, and the config that joins them.

use super::keys::{self, OWNER};
use crate::e2e::output::Output;
use crate::e2e::stage::{Call, Stage};
use crate::replica::{Kind, Replica, SeenStatus, modules};
use crate::world::{ArtifactSpec, JobSpec, RunSpec};
use candid::Principal;
use serde_json::Value;
use std::fs;

/// The canister that most stories are about.
pub(super) const NAME: &str = "user_service";
/// The run that deploys, in [`Shop::deploy`].
pub(super) const NEW: u64 = 20;
pub(super) const CYCLES: u128 = 100_000_000_000_000;
/// How often the counter was bumped when the shop opens.
pub(super) const COUNT: u64 = 3;

/// Everything that changes a canister and may be done to one.
const CHANGES: [&str; 9] = [
    "stop_canister",
    "start_canister",
    "take_canister_snapshot",
    "load_canister_snapshot",
    "delete_canister_snapshot",
    "install_code",
    "install_chunked_code",
    "upload_chunk",
    "clear_chunk_store",
];
const LOOKS: [&str; 5] = [
    "canister_status",
    "list_canister_snapshots",
    "read_canister_snapshot_metadata",
    "read_canister_snapshot_data",
    "stored_chunks",
];

pub(super) struct Shop {
    pub(super) stage: Stage,
    pub(super) replica: Replica,
    /// Of [`NAME`].
    pub(super) id: Principal,
}

impl Shop {
    /// One canister that runs v1 and has counted to [`COUNT`]; run 11 recorded v1.
    pub(super) async fn open() -> Self {
        let shop = Self::empty().await;
        shop.fill(shop.id);
        shop.record(11, &[("user_service.wasm", modules::good_v1())])
            .await;
        shop
    }

    /// One empty canister, and no runs.
    pub(super) async fn empty() -> Self {
        Self::on(Replica::start().await).await
    }

    /// The same on a replica that was started in another way.
    pub(super) async fn on(replica: Replica) -> Self {
        let id = replica.create(&[keys::principal(OWNER)], CYCLES);
        let stage = Stage::new().await;
        let shop = Self { stage, replica, id };
        shop.configure("");
        shop
    }

    /// One more canister, filled like the first.
    pub(super) fn another(&self) -> Principal {
        let id = self.replica.create(&[keys::principal(OWNER)], CYCLES);
        self.fill(id);
        id
    }

    pub(super) fn fill(&self, id: Principal) {
        self.replica.install(id, &modules::good_v1());
        for _ in 0..COUNT {
            self.replica.update(id, "bump").unwrap();
        }
    }

    /// The canister, and more settings.
    pub(super) fn configure(&self, more: &str) {
        self.configure_with(&self.member(), more, "");
    }

    /// The same with a probe: a query, at a pace that gives a verdict in seconds.
    pub(super) fn judged(&self, more: &str) {
        let probe = format!(
            "probes: [{{ name: version, query: {{ slot: {NAME}, method: version, arguments: \"()\", expect: \"v\" }} }}], rate: 20, warm-up: 2s, cap: 30s, baseline: 2s"
        );
        self.configure_with(&self.member(), more, &probe);
    }

    pub(super) fn configure_with(&self, canisters: &str, more: &str, health: &str) {
        let network = format!(
            "network: \"{}\", root-key: {}",
            self.replica.url(),
            self.replica.root_key_hex()
        );
        self.configure_on(&network, canisters, more, health);
    }

    pub(super) fn configure_on(&self, network: &str, canisters: &str, more: &str, health: &str) {
        let mut more = more.to_owned();
        if !more.contains("stable:") {
            let rest = if more.is_empty() { "" } else { ", " };
            more = format!("stable: 1s{rest}{more}");
        }
        self.stage.configure(|config| {
            config.targets = format!(
                "{{ name: backend, kind: canister, {network}, canisters: [{canisters}], stop-deadline: 3s, {more} }}"
            );
            config.health = Some(health.to_owned());
            "".clone_into(&mut config.policy);
        });
    }

    /// The canister as the settings name it.
    pub(super) fn member(&self) -> String {
        format!("{{ name: {NAME}, id: {} }}", self.id)
    }

    /// A green run that recorded these files before it uploaded them; what it wrote down.
    pub(super) async fn record(&self, run: u64, files: &[(&str, Vec<u8>)]) -> Value {
        let dir = self.stage.path(&format!("record-{run}"));
        fs::create_dir(&dir).unwrap();
        for (name, bytes) in files {
            fs::write(dir.join(name), bytes).unwrap();
        }
        let out = self
            .stage
            .lastgood(&["record", "--path", dir.to_str().unwrap()])
            .json()
            .env("GITHUB_RUN_ID", &run.to_string())
            .env("GITHUB_RUN_ATTEMPT", "1")
            .env("GITHUB_SHA", &sha(run))
            .run()
            .await;
        assert_eq!(out.code, Some(0), "{out}");
        let text = fs::read_to_string(dir.join("lastgood.json")).unwrap();
        let mut files = files.to_vec();
        files.push(("lastgood.json", text.clone().into_bytes()));
        self.green(run, &files);
        serde_json::from_str(&text).unwrap()
    }

    /// A green run whose artifact has these files.
    pub(super) fn green(&self, id: u64, files: &[(&str, Vec<u8>)]) {
        let run = self
            .stage
            .repo()
            .run(RunSpec::default().id(id).sha(&sha(id)));
        run.job(JobSpec::new("deploy", "success"));
        run.artifact(ArtifactSpec::zip("site", zipped(files)));
    }

    /// The run [`NEW`], still going, whose artifact has this module.
    pub(super) fn deploying(&self, wasm: &[u8]) {
        self.deploying_all(&[("user_service.wasm", wasm.to_vec())]);
    }

    pub(super) fn deploying_all(&self, files: &[(&str, Vec<u8>)]) {
        let head = crate::e2e::stage::HEAD;
        let run = RunSpec::in_progress().id(NEW).sha(head);
        let run = self.stage.repo().run(run);
        run.artifact(ArtifactSpec::zip("site", zipped(files)));
    }

    /// A command of the controller.
    pub(super) fn call(&self, args: &[&str]) -> Call<'_> {
        self.stage
            .lastgood(args)
            .json()
            .env("DFX_IDENTITY_PEM", OWNER)
    }

    /// Runs it, and looks at what was asked of the network.
    pub(super) async fn ended(&self, call: Call<'_>) -> Output {
        let out = call.run().await;
        self.nothing_forbidden();
        self.nothing_secret(&[&out.stdout, &out.stderr]);
        println!("{out}");
        out
    }

    pub(super) async fn run(&self, args: &[&str]) -> Output {
        self.ended(self.call(args)).await
    }

    /// `deploy` in the run [`NEW`].
    pub(super) async fn deploy(&self, args: &[&str]) -> Output {
        let args: Vec<&str> = ["deploy"].iter().chain(args).copied().collect();
        self.ended(self.call(&args).step(NEW)).await
    }

    /// The calls so far that change something, in their order.
    pub(super) fn changes(&self) -> Vec<String> {
        let mut methods = self.replica.methods();
        methods.retain(|method| CHANGES.contains(&method.as_str()));
        methods
    }

    /// No method of a canister was called, no setting changed, nothing uninstalled, created or deleted.
    #[track_caller]
    pub(super) fn nothing_forbidden(&self) {
        for called in self.replica.calls() {
            let known = CHANGES
                .iter()
                .chain(&LOOKS)
                .any(|one| *one == called.method);
            assert!(called.kind != Kind::Call || known, "{called:?}");
        }
    }

    /// No line of a key and no password is in these texts, or in any file of the state directory.
    #[track_caller]
    pub(super) fn nothing_secret(&self, texts: &[&str]) {
        let keys = [OWNER, keys::STRANGER, keys::ENCRYPTED];
        let mut secrets: Vec<&str> = keys.iter().flat_map(|key| key.lines()).collect();
        secrets.retain(|line| !line.starts_with('-'));
        secrets.push(keys::PASSWORD);
        let state = self.stage.path(".lastgood");
        let files = state.is_dir().then(|| crate::rig::listing(&state));
        let files = files.unwrap_or_default().into_values();
        let files = files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let texts = texts.iter().map(|text| (*text).to_owned());
        for text in texts.chain(files) {
            for secret in &secrets {
                assert!(!text.contains(secret), "{secret:?} is in\n{text}");
            }
        }
    }

    /// The network certifies this module, the canister runs, and has counted to this.
    #[track_caller]
    pub(super) fn holds(&self, wasm: &[u8], count: u64) {
        self.this_holds(self.id, wasm, count);
    }

    #[track_caller]
    pub(super) fn this_holds(&self, id: Principal, wasm: &[u8], count: u64) {
        let seen = self.replica.seen(id);
        assert_eq!(seen.module_hash, Some(modules::hash(wasm)));
        assert_eq!(seen.status, SeenStatus::Running);
        assert_eq!(self.replica.count(id), count);
    }

    /// The network certifies this module; whether it runs and what it counted is not asked.
    #[track_caller]
    pub(super) fn certifies(&self, wasm: &[u8]) {
        let seen = self.replica.seen(self.id);
        assert_eq!(seen.module_hash, Some(modules::hash(wasm)));
    }

    pub(super) fn snapshots(&self) -> usize {
        self.replica.seen(self.id).snapshots.len()
    }
}

/// The commit of a run.
pub(super) fn sha(run: u64) -> String {
    format!("{run:040x}")
}

/// Files as upload-artifact would zip them.
pub(super) fn zipped(files: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (*name, bytes.as_slice()))
        .collect();
    crate::world::zip::zip(&files)
}
