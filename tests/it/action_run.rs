//! The program as the runner starts a docker action's entrypoint: no arguments, every input a variable (empty when it is
//! not given), the workspace as its directory, files for outputs and summary. Names, titles and reasons are hostile.

use crate::bless;
use crate::rig::{Ended, Kind, NEW_RUN, Probes, Rig, Running, listing};
use crate::runner::{Log, outputs};
use crate::world::service::Behaviour;
use crate::world::{ArtifactSpec, JobSpec, RunSpec};
use lastgood::cli::action;
use std::collections::BTreeMap;
use std::fs;

/// Everything that a title, a branch or a reason may try at once.
const HOSTILE: &str = "::set-output name=run-id::666 <script>alert(1)</script> | pipe ` ```mermaid @everyone ##[error]x \u{1b}[31m\u{202e} [a](javascript:b) %0A::error::y";
const HOSTILE_LINES: &str =
    "first\n::error title=fake::fake\n```\n# fake\n| a | b |\n::stop-commands::x";

struct Step {
    rig: Rig,
    variables: BTreeMap<String, String>,
}

/// What a step left for people and machines.
struct Left {
    ended: Ended,
    outputs: BTreeMap<String, String>,
    summary: String,
}

impl Step {
    async fn new(probes: Probes) -> Self {
        let rig = Rig::new(Kind::Directory, probes, &Behaviour::good("new")).await;
        let repo = rig.world.repo(crate::rig::REPOSITORY);
        repo.change(|repo| {
            for run in &mut repo.runs {
                HOSTILE.clone_into(&mut run.spec.title);
            }
        });
        let hostile = |id| RunSpec::default().id(id).title(HOSTILE);
        repo.run(hostile(106).branch("x|y`<b>`::error::z"));
        repo.run(hostile(107).event("pull_request"));
        let failed = RunSpec {
            title: HOSTILE.to_owned(),
            ..RunSpec::concluded("failure").id(108)
        };
        repo.run(failed);
        repo.run(hostile(109))
            .job(JobSpec::new("deploy::error::x", "success"));
        repo.run(hostile(110))
            .job(JobSpec::new("deploy", "success"))
            .artifact(ArtifactSpec::zip("site", b"x".to_vec()).expired());
        let mut variables = rig.environment(&[
            ("GITHUB_ACTIONS", "true"),
            ("CI", "true"),
            ("GITHUB_WORKSPACE", rig.path("").to_str().unwrap()),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REF", "refs/heads/main"),
            ("GITHUB_REF_NAME", "main"),
            (
                "GITHUB_WORKFLOW_REF",
                "octo/shop/.github/workflows/deploy.yml@refs/heads/main",
            ),
            ("GITHUB_EVENT_NAME", "push"),
            ("GITHUB_ACTOR", "mallory<b>::error::a"),
            ("HOME", "/nonexistent"),
        ]);
        variables.remove("GITHUB_TOKEN");
        for name in action::names() {
            variables.insert(format!("INPUT_{}", name.to_uppercase()), String::new());
        }
        let step = Self { rig, variables };
        let token = step.rig.world.token();
        step.input("github-token", &token)
            .input("reason", HOSTILE_LINES)
    }

    fn input(mut self, name: &str, value: &str) -> Self {
        self.variables
            .insert(format!("INPUT_{}", name.to_uppercase()), value.to_owned());
        self
    }

    async fn run(&self) -> Left {
        for file in ["output", "summary"] {
            fs::write(self.rig.path(file), "").unwrap();
        }
        let ended = Running::start(&[], &self.rig.path(""), &self.variables)
            .end()
            .await;
        let read = |file| fs::read_to_string(self.rig.path(file)).unwrap();
        let left = Left {
            ended,
            outputs: outputs(&read("output")),
            summary: read("summary"),
        };
        self.check(&left);
        left
    }

    /// What holds of every step, however it ends.
    fn check(&self, left: &Left) {
        // The runner shows both streams, and hears commands in both.
        let log = Log::read(&format!("{}{}", left.ended.stdout, left.ended.stderr));
        let token = self.rig.world.token();
        // The runner masks what it hands over as a secret; what cannot begin has nothing to add to that.
        if left.ended.code != Some(2) {
            assert_eq!(log.masks, [token.as_str()]);
            assert_eq!(left.ended.stderr, "", "one story, on one stream");
        }
        for kind in ["error", "warning", "notice"] {
            assert!(log.annotations(kind).len() <= 10);
        }
        for (_, _, message) in &log.commands {
            assert!(!message.contains('\u{1b}'), "{message:?}");
        }
        self.nothing_secret(left, &token);

        let began = left.ended.code != Some(2);
        for name in documented_outputs().iter().filter(|_| began) {
            assert!(
                left.outputs.contains_key(name.as_str()),
                "{name}: {:?}",
                left.outputs
            );
        }
        let code = left.ended.code.unwrap().to_string();
        assert_eq!(left.outputs["exit-code"], code);
        assert!(left.summary.len() <= 1024 * 1024);
        let outside_code = without_code(&left.summary);
        for hostile in ["<script", "@everyone", "](javascript", "\u{1b}", "\u{202e}"] {
            assert!(
                !outside_code.contains(hostile),
                "{hostile:?} in {outside_code}"
            );
        }
        assert_eq!(
            left.summary.matches("\n```mermaid\n").count() % 2,
            left.summary.matches("xychart").count() % 2
        );
        assert!(left.summary.lines().all(|line| line != "# fake"));
    }

    /// The token and the signatures of blob URLs are nowhere but in the mask.
    fn nothing_secret(&self, left: &Left, token: &str) {
        let mut secrets = vec![token.to_owned()];
        for seen in self.rig.world.requests() {
            secrets.extend(seen.query.get("sig").cloned());
        }
        let mask = format!("::add-mask::{token}\n");
        let mut texts = vec![
            (
                "stdout".to_owned(),
                left.ended.stdout.replacen(&mask, "", 1),
            ),
            ("stderr".to_owned(), left.ended.stderr.clone()),
            ("summary".to_owned(), left.summary.clone()),
            ("outputs".to_owned(), format!("{:?}", left.outputs)),
        ];
        for place in [".lastgood", "server", "temp"] {
            if self.rig.path(place).is_dir() {
                let files = listing(&self.rig.path(place)).into_iter();
                texts.extend(files.map(|(path, bytes)| {
                    (
                        path.display().to_string(),
                        String::from_utf8_lossy(&bytes).into_owned(),
                    )
                }));
            }
        }
        for (place, text) in texts {
            for secret in &secrets {
                assert!(!text.contains(secret), "{place} shows {secret}");
            }
        }
    }
}

fn documented_outputs() -> Vec<String> {
    let text = fs::read_to_string(bless::root().join("action.yml")).unwrap();
    let action: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    action["outputs"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect()
}

/// Markdown without code spans and fences, in which nothing is read.
fn without_code(markdown: &str) -> String {
    let mut text = String::new();
    let mut fence: Option<String> = None;
    for line in markdown.lines() {
        let ticks: String = line.chars().take_while(|&c| c == '`').collect();
        match &fence {
            Some(open) if ticks.len() >= open.len() && line.trim_end() == ticks => fence = None,
            Some(_) => (),
            None if ticks.len() >= 3 => fence = Some(ticks),
            None => text.push_str(&without_spans(line)),
        }
        text.push('\n');
    }
    assert_eq!(fence, None, "a fence stays open");
    text
}

fn without_spans(line: &str) -> String {
    let (mut text, mut rest) = (String::new(), line);
    while let Some((before, from)) = rest.find('`').map(|start| rest.split_at(start)) {
        let inside = from.trim_start_matches('`');
        let close = "`".repeat(from.len() - inside.len());
        text.push_str(before);
        let Some((_code, after)) = inside.split_once(&close) else {
            return text + from;
        };
        rest = after;
    }
    text + rest
}

#[tokio::test]
async fn a_whole_rollback() {
    let step = Step::new(Probes::Yes).await;
    let config = step.rig.path(".github/lastgood.yml");
    let text = fs::read_to_string(&config).unwrap();
    // A chart needs more than one second.
    fs::write(&config, text.replace(": 50%", ": 20%")).unwrap();
    let left = step.run().await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    assert_eq!(step.rig.holds(), "good");
    let out = &left.outputs;
    assert_eq!(
        (
            &*out["outcome"],
            &*out["run-id"],
            &*out["run-attempt"],
            &*out["changed"]
        ),
        ("restored", "101", "1", "true")
    );
    assert!(
        out["digest"].starts_with("sha256:") && out["commit"].len() == 40,
        "{out:?}"
    );
    assert!(
        out["artifact-id"].parse::<u64>().is_ok() && out["duration-seconds"].parse::<f64>().is_ok()
    );
    for file in ["report", "journal"] {
        assert!(step.rig.path(&out[file]).is_file(), "{file}: {}", out[file]);
    }
    // Relative, as `action.yml` says: in a container the absolute path is another one than for the next step.
    assert!(
        !out["report"].starts_with('/') && !out["journal"].starts_with('/'),
        "{out:?}"
    );
    for part in [
        "## lastgood: restored",
        "Plan",
        "Timeline",
        "```mermaid",
        "xychart",
        "other branch",
        "artifact expired",
        "101",
    ] {
        assert!(
            left.summary.contains(part),
            "{part} is not in {}",
            left.summary
        );
    }
    let log = Log::read(&left.ended.stdout);
    assert!(
        log.groups.iter().any(|title| title == "Fetch and verify"),
        "{:?}",
        log.groups
    );
    let notices = log.annotations("notice");
    assert_eq!(notices.len(), 1, "{notices:?}");
}

#[tokio::test]
async fn a_refusal() {
    let step = Step::new(Probes::No).await;
    let config = step.rig.path(".github/lastgood.yml");
    let text = fs::read_to_string(&config).unwrap() + "    guard: { hostname: another-machine }\n";
    fs::write(&config, text).unwrap();
    let before = listing(&step.rig.path("server"));
    let left = step.run().await;
    assert_eq!(left.ended.code, Some(15), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "refused");
    assert_eq!(left.outputs["changed"], "false");
    let log = Log::read(&left.ended.stdout);
    assert!(
        log.annotations("error")
            .last()
            .unwrap()
            .contains("another-machine")
    );
    assert!(left.summary.contains("refused") && left.summary.contains("another-machine"));
    assert_eq!(listing(&step.rig.path("server")), before);
    assert!(step.rig.world.requests().is_empty());
}

#[tokio::test]
async fn no_known_good() {
    let step = Step::new(Probes::No).await.input("exclude-run", "101");
    let left = step.run().await;
    assert_eq!(left.ended.code, Some(13), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "no-known-good");
    assert_eq!(left.outputs["run-id"], "");
    for run in [101, NEW_RUN, 106, 107, 108, 109, 110] {
        assert!(
            left.summary.contains(&run.to_string()),
            "{run}: {}",
            left.summary
        );
    }
}

/// What cannot begin has its outcome as well, and an annotation that names the input.
#[tokio::test]
async fn a_wrong_input() {
    let step = Step::new(Probes::No)
        .await
        .input("run-id", "::error::x\nrun-id=6 ##[error]z");
    let left = step.run().await;
    assert_eq!(left.ended.code, Some(2), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "usage");
    let log = Log::read(&left.ended.stdout);
    assert!(log.annotations("error").last().unwrap().contains("run-id"));
    assert!(step.rig.world.requests().is_empty());
}
