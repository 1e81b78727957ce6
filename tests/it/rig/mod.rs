//! A machine to stop things on: the real program with its own server, service, GitHub and scratch directory; its journal
//! is followed while it runs, and it can be sent signals. What is expected of it is said by the tests.

mod journal;
mod program;

pub(crate) use journal::{Journal, Point};
pub(crate) use program::{Ended, Running, lives, send};

use crate::world::service::{Behaviour, Service};
use crate::world::{ArtifactSpec, JobSpec, RunSpec, World, zip};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

pub(crate) const REPOSITORY: &str = "octo/shop";
pub(crate) const GOOD_RUN: u64 = 101;
pub(crate) const NEW_RUN: u64 = 105;
pub(crate) const NEW_COMMIT: &str = "bad0bad0bad0bad0bad0bad0bad0bad0bad0bad0";

/// How releases get onto the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    Command,
}

/// Whether the service is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Probes {
    No,
    Yes,
}

pub(crate) struct Rig {
    dir: TempDir,
    pub(crate) world: World,
    pub(crate) service: Service,
}

impl Rig {
    /// A server that runs release `old`, a good run with release `good`, and a run that deploys `new`, which behaves so.
    /// The program that puts a release in place (or restarts it) can be held: [`Rig::hold`].
    pub(crate) async fn new(kind: Kind, probes: Probes, new: &Behaviour) -> Self {
        let dir = TempDir::new().unwrap();
        let rig = Self {
            world: World::start().await,
            service: Service::start(&dir.path().join("server")).await,
            dir,
        };
        for name in ["server/releases/by-hand", "temp", "bin"] {
            fs::create_dir_all(rig.path(name)).unwrap();
        }
        for (name, text) in files(&Behaviour::good("old")) {
            fs::write(rig.path("server/releases/by-hand").join(name), text).unwrap();
        }
        symlink("releases/by-hand", rig.path("server/current")).unwrap();
        rig.script("restart", &format!("{HOLD}exit 0\n"));
        rig.script("observe", OBSERVE);
        rig.script("apply", &format!("{HOLD}{APPLY}"));
        let target = match kind {
            Kind::Directory => "kind: directory, path: server, restart: [../../../bin/restart]",
            Kind::Command => {
                "kind: command, observe: [bin/observe], apply: [bin/apply], payload: ."
            }
        };
        rig.configure(target, probes);
        let repo = rig.world.repo(REPOSITORY);
        repo.run(RunSpec::default().id(GOOD_RUN))
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("site", zipped(&Behaviour::good("good"))));
        repo.run(RunSpec::in_progress().id(NEW_RUN).sha(NEW_COMMIT))
            .artifact(ArtifactSpec::zip("site", zipped(new)));
        rig
    }

    fn configure(&self, target: &str, probes: Probes) {
        let health = match probes {
            Probes::No => "    policy: { on-inconclusive: pass }\n".to_owned(),
            Probes::Yes => format!(
                "    health: {{ probes: [{{ name: home, url: \"{}\" }}], control-url: \"{}\", rate: 20, healthy-error-rate: 0.1%, unhealthy-error-rate: 50%, warm-up: 1s, cap: 30s, baseline: 1s }}\n",
                self.service.health_url(),
                self.service.control_url(),
            ),
        };
        let config = format!(
            "version: 1\nenvironments:\n  production:\n    source: {{ workflow: deploy.yml, branch: main, artifact: site, deploy-job: deploy }}\n    targets: [{{ name: shop, {target} }}]\n{health}"
        );
        fs::create_dir_all(self.path(".github")).unwrap();
        fs::write(self.path(".github/lastgood.yml"), config).unwrap();
    }

    fn script(&self, name: &str, text: &str) {
        let path = self.path("bin").join(name);
        fs::write(
            &path,
            text.replace("@ROOT@", self.dir.path().to_str().unwrap()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    /// The next program that changes the server stops before it does anything, once: [`Rig::is_held`] says when.
    pub(crate) fn hold(&self) {
        fs::write(self.path("hold"), "").unwrap();
    }

    /// Whether a program is being held; its process id.
    pub(crate) fn is_held(&self) -> Option<u32> {
        let text = fs::read_to_string(self.path("held")).ok()?;
        text.trim().parse().ok()
    }

    /// The held program goes on: with 0 it does its work, with another code it ends at once.
    pub(crate) fn let_go(&self, code: u8) {
        let (new, file) = (self.path("go.new"), self.path("go"));
        fs::write(&new, code.to_string()).unwrap();
        fs::rename(new, file).unwrap();
    }

    /// The program as a command in a shell on the server.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    pub(crate) fn start_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        Running::start(args, self.dir.path(), &self.environment(variables))
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end().await
    }

    /// The variables that every command gets, as a step of the new run, and these.
    pub(crate) fn environment(&self, more: &[(&str, &str)]) -> BTreeMap<String, String> {
        let usual = [
            ("PATH", "/usr/bin:/bin"),
            ("GITHUB_API_URL", &self.world.api_url()),
            ("GITHUB_REPOSITORY", REPOSITORY),
            ("GITHUB_TOKEN", &self.world.token()),
            ("GITHUB_RUN_ID", &NEW_RUN.to_string()),
            ("GITHUB_RUN_ATTEMPT", "1"),
            ("GITHUB_SHA", NEW_COMMIT),
            ("RUNNER_TEMP", self.path("temp").to_str().unwrap()),
            ("TMPDIR", self.path("temp").to_str().unwrap()),
            ("GITHUB_OUTPUT", self.path("output").to_str().unwrap()),
            (
                "GITHUB_STEP_SUMMARY",
                self.path("summary").to_str().unwrap(),
            ),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let more = more
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        usual.into_iter().chain(more).collect()
    }

    /// The journals so far, oldest first.
    pub(crate) fn journals(&self) -> Vec<Journal> {
        Journal::all(&self.path(".lastgood"))
    }

    /// The version behind `current`, which is whole.
    pub(crate) fn holds(&self) -> String {
        let current = self.path("server/current");
        let text = fs::read_to_string(current.join("service.json")).unwrap();
        let behaviour: Behaviour = serde_json::from_str(&text).unwrap();
        for (name, text) in files(&behaviour) {
            assert_eq!(fs::read_to_string(current.join(name)).unwrap(), text);
        }
        let names = fs::read_dir(&current).unwrap().count();
        assert_eq!(names, files(&behaviour).len(), "nothing but the release");
        behaviour.version
    }

    /// What is neither a release nor in use: half copies, downloads, links that were never switched to, markers.
    pub(crate) fn leftovers(&self) -> Vec<String> {
        let hidden = |place: &str| {
            let entries = fs::read_dir(self.path(place)).into_iter().flatten();
            let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            let place = place.to_owned();
            names
                .filter(|name| name.starts_with('.') && name != ".lastgood-lease")
                .map(move |name| format!("{place}/{name}"))
        };
        let mut found: Vec<String> = hidden("server").chain(hidden("server/releases")).collect();
        found.extend(hidden("temp"));
        found
    }

    /// Leases that were not given back.
    pub(crate) fn leases(&self) -> Vec<&str> {
        let mut leases = vec!["server/.lastgood-lease", ".lastgood/lease"];
        leases.retain(|lease| fs::metadata(self.path(lease)).is_ok_and(|meta| meta.len() != 0));
        leases
    }

    /// `history --json`.
    pub(crate) async fn history(&self) -> Value {
        let ended = self.run(&["history", "--json"]).await;
        serde_json::from_str(&ended.stdout).unwrap()
    }
}

pub(crate) fn files(behaviour: &Behaviour) -> [(&'static str, String); 3] {
    let page = format!("<h1>The shop, {}</h1>\n", behaviour.version);
    [
        ("index.html", page),
        ("service.json", behaviour.to_json()),
        ("weight.txt", behaviour.version.repeat(20_000)),
    ]
}

/// A release as upload-artifact would zip it.
pub(crate) fn zipped(behaviour: &Behaviour) -> Vec<u8> {
    let files = files(behaviour);
    let files: Vec<(&str, &[u8])> = files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes()))
        .collect();
    zip::zip(&files)
}

/// Whoever takes the file `hold` is held; it gives up by itself in a minute, whatever becomes of the test.
const HOLD: &str = "#!/bin/sh
cd @ROOT@ || exit 9
if mv hold taken 2>/dev/null; then
  echo $$ >held.new && mv held.new held
  tries=0
  while ! [ -e go ]; do
    tries=$((tries + 1))
    [ $tries -lt 1200 ] || exit 8
    sleep 0.05
  done
  code=$(cat go)
  [ \"$code\" = 0 ] || exit \"$code\"
fi
";

/// The revision of a release lies beside it.
const OBSERVE: &str = "#!/bin/sh
cd @ROOT@/server || exit 9
revision=null
[ -e \"$(readlink current).revision\" ] && revision=\"\\\"$(cat \"$(readlink current).revision\")\\\"\"
echo \"{\\\"slots\\\": {\\\"shop\\\": {\\\"revision\\\": $revision}}}\"
";

const APPLY: &str = "ask=$(cat)
to=$(echo \"$ask\" | sed -n 's/.*\"to\":\"\\([^\"]*\\)\".*/\\1/p')
path=$(echo \"$ask\" | sed -n 's/.*\"path\":\"\\([^\"]*\\)\".*/\\1/p')
[ -n \"$to\" ] && [ -n \"$path\" ] || exit 7
cd server || exit 9
name=$(echo \"$to\" | tr : -)
rm -rf \"releases/$name\"
cp -R \"$path\" \"releases/$name\" || exit 6
echo \"$to\" >\"releases/$name.revision\"
ln -sfn \"releases/$name\" current
";

/// A directory's files, for comparing before and after.
pub(crate) fn listing(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.is_symlink() {
            let to = fs::read_link(&path).unwrap();
            all.insert(path, to.into_os_string().into_encoded_bytes());
        } else if meta.is_dir() {
            all.extend(listing(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}
