//! The whole story on one machine: a GitHub and a service on loopback, a bad deploy, its detection, the rollback and the
//! report. The doubles are the tests' own; everything `lastgood` does here is what it does in production.
//!
//! `cargo run --release --example demo`

#[path = "../tests/it/world/mod.rs"]
pub mod world;

use lastgood::cli::{self, env::Env};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use world::service::{Behaviour, Service};
use world::{ArtifactSpec, JobSpec, RunSpec, World};

const REPOSITORY: &str = "octo/shop";
const GOOD_RUN: u64 = 101;
const BAD_RUN: u64 = 105;
const BAD_COMMIT: &str = "bad0bad0bad0bad0bad0bad0bad0bad0bad0bad0";

fn main() -> ExitCode {
    let place = Place::fresh();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime for the doubles");
    let (world, service) =
        runtime.block_on(async { (World::start().await, Service::start(&place.server).await) });
    place.configure(&service);
    let stage = Stage {
        place,
        world,
        service,
    };
    stage.release_history();
    let ended = stage.play();
    drop(stage);
    runtime.shutdown_background();
    ended
}

/// Where everything of the demo lies.
struct Place {
    root: PathBuf,
    /// The release directory of the "server".
    server: PathBuf,
}

impl Place {
    fn fresh() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/demo");
        fs::remove_dir_all(&root).ok();
        let server = root.join("server");
        fs::create_dir_all(&server).expect("the demo's directory can be made");
        Self { root, server }
    }

    fn configure(&self, service: &Service) {
        let config = format!(
            "version: 1
environments:
  production:
    source: {{ workflow: deploy.yml, branch: main, artifact: site, deploy-job: deploy }}
    targets:
      - {{ name: shop, kind: directory, path: {server} }}
    health:
      probes:
        - {{ name: home, url: \"{health}\", expect-status: 200 }}
      control-url: {control}
      rate: 20
      warm-up: 5s
      baseline: 5s
",
            server = self.server.display(),
            health = service.health_url(),
            control = service.control_url(),
        );
        let dir = self.root.join(".github");
        fs::create_dir_all(&dir).expect("a directory for the config");
        fs::write(dir.join("lastgood.yml"), &config).expect("the config can be written");
        let health = config.find("    health:").expect("the config has probes");
        let unjudged = format!(
            "{}    policy: {{ on-inconclusive: pass }}\n",
            config.split_at(health).0
        );
        fs::write(dir.join("setup.yml"), unjudged).expect("the config can be written");
    }

    /// The files of a release, in a directory of its own.
    fn release(&self, name: &str, behaviour: &Behaviour) -> PathBuf {
        let dir = self.root.join("build").join(name);
        fs::create_dir_all(&dir).expect("a directory for a release");
        fs::write(dir.join("service.json"), behaviour.to_json()).expect("a release can be written");
        fs::write(
            dir.join("index.html"),
            format!("<h1>The shop, {name}</h1>\n"),
        )
        .expect("a page can be written");
        dir
    }
}

struct Stage {
    place: Place,
    world: World,
    service: Service,
}

impl Stage {
    /// What happened before: a good release, and four runs that look good and are not.
    fn release_history(&self) {
        let repo = self.world.repo(REPOSITORY);
        let good = self.place.release("v1", &Behaviour::good("v1"));
        self.lastgood(
            GOOD_RUN,
            None,
            &[
                "record",
                "--environment",
                "production",
                "--path",
                &good.display().to_string(),
                "--quiet",
            ],
            true,
        );
        let green = |id| RunSpec::default().id(id);
        repo.run(green(GOOD_RUN).title("Sell more things"))
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("site", zipped(&good)));
        let other = zipped(&self.place.release("other", &Behaviour::good("other")));
        repo.run(green(102).title("Change the docs"))
            .job(JobSpec::new("deploy", "skipped"))
            .artifact(ArtifactSpec::zip("site", other.clone()));
        repo.run(
            RunSpec::from_fork("mallory")
                .id(103)
                .title("Totally harmless"),
        )
        .job(JobSpec::new("deploy", "success"))
        .artifact(ArtifactSpec::zip("site", other.clone()));
        repo.run(green(104).title("Paint it blue"))
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("site", other).expired());
        let bad = self.place.release("v2", &Behaviour::failing("v2", 0.3));
        repo.run(
            RunSpec::in_progress()
                .id(BAD_RUN)
                .sha(BAD_COMMIT)
                .title("Faster checkout"),
        )
        .artifact(ArtifactSpec::zip("site", zipped(&bad)));
    }

    fn play(&self) -> ExitCode {
        let run = GOOD_RUN.to_string();
        let setup = [
            "rollback",
            "--config",
            ".github/setup.yml",
            "--run-id",
            &run,
            "--state-dir",
            "setup",
            "--quiet",
        ];
        self.lastgood(1, None, &setup, true);
        say(
            "The shop runs release v1, deployed by run 101. Since then there were three green runs that prove nothing:",
        );
        say("102 skipped its deploy job, 103 is a fork's, and the artifact of 104 has expired.");
        say(
            "Now run 105 deploys v2. It answers 3 requests of 10 with an error; nobody knows that yet.",
        );
        say("");
        say("$ lastgood deploy --environment production");
        let ended = self.lastgood(
            BAD_RUN,
            Some(BAD_COMMIT),
            &["deploy", "--environment", "production"],
            false,
        );
        let told = self.service.counters();
        let page =
            fs::read_to_string(self.place.server.join("current/index.html")).unwrap_or_default();
        say("");
        say(&format!("The server holds:  {}", page.trim()));
        say(&format!(
            "The service saw:   {} requests of ours, {} of them met an error",
            told.requests, told.errors
        ));
        say("");
        say("$ lastgood history");
        self.lastgood(BAD_RUN, None, &["history"], false);
        say(
            "Left to look at, in target/demo/.lastgood: report.md (the incident report), journal.jsonl, probes.jsonl.",
        );
        if ended == ExitCode::from(10) {
            ExitCode::SUCCESS
        } else {
            ended
        }
    }

    /// Runs the product in this process, as a step of the given run.
    fn lastgood(&self, run: u64, sha: Option<&str>, args: &[&str], must_succeed: bool) -> ExitCode {
        let mut variables = BTreeMap::from([
            ("GITHUB_API_URL", self.world.api_url()),
            ("GITHUB_SERVER_URL", self.world.api_url()),
            ("GITHUB_REPOSITORY", REPOSITORY.to_owned()),
            ("GITHUB_TOKEN", self.world.token()),
            ("GITHUB_RUN_ID", run.to_string()),
            ("GITHUB_RUN_ATTEMPT", "1".to_owned()),
        ]);
        variables.extend(sha.map(|sha| ("GITHUB_SHA", sha.to_owned())));
        let mut env = Env::read().expect("the environment can be read");
        env.dir.clone_from(&self.place.root);
        env.variables = variables
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        let argv = std::iter::once("lastgood")
            .chain(args.iter().copied())
            .map(OsString::from)
            .collect();
        let ended = cli::run(argv, &env);
        assert!(
            !must_succeed || ended == ExitCode::SUCCESS,
            "setting the stage failed: {args:?}"
        );
        ended
    }
}

/// A release as upload-artifact would zip it.
fn zipped(dir: &Path) -> Vec<u8> {
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(dir)
        .expect("a release can be listed")
        .map(|entry| entry.expect("a release can be listed").path())
        .map(|path| {
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            (name, fs::read(&path).expect("a release can be read"))
        })
        .collect();
    files.sort();
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
        .collect();
    world::zip::zip(&files)
}

#[expect(clippy::print_stdout, reason = "the demo tells its story")]
fn say(line: &str) {
    println!("{line}");
}
