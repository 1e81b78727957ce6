//! The command line: help, what is needed, what is refused and how.

use crate::bless;
use crate::step::Step;
use lastgood::cli::usage;
use lastgood::engine::request::{Choice, Verb};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

/// `docs/cli.md`: what `--help` prints for each verb.
#[test]
fn the_help_is_published() {
    let step = Step::shell();
    let mut page = String::from(
        "# The command line\n\nWhat `lastgood --help` and `lastgood VERB --help` print; `-h` lists the essentials only. This page is \
         generated.\n\n",
    );
    let root = step.text(&["--help"]);
    write!(page, "```text\n{}\n```\n", root.trim_end()).unwrap();
    for verb in usage::verbs() {
        let help = step.text(&[&verb, "--help"]);
        assert_eq!(help, step.text(&["help", &verb]));
        assert!(help.contains("Examples:"), "{verb} has no examples");
        let wide: Vec<&str> = help
            .lines()
            .filter(|line| line.chars().count() > 100)
            .collect();
        assert!(wide.is_empty(), "{wide:?}");
        write!(page, "\n## {verb}\n\n```text\n{}\n```\n", help.trim_end()).unwrap();
    }
    bless::check("docs/cli.md", &page);
}

#[test]
fn the_essentials_fit_on_a_screen() {
    let step = Step::shell();
    for verb in usage::verbs() {
        let help = step.text(&[&verb, "-h"]);
        assert!(
            help.lines().count() <= 45,
            "{verb} -h has {} lines",
            help.lines().count()
        );
    }
    insta::assert_snapshot!(step.text(&["history", "-h"]), @r"
    Show past rollbacks: when, from, to, why, how long, outcome

    Usage: lastgood history [OPTIONS]

    History:
          --limit <N>  How many are shown, newest first; the figures are over all [default: 20]

    Common:
      -e, --environment <NAME>  Environment of the config file; may be left out when there is only one
          --json                Give the answer on stdout as one JSON document
      -h, --help                Print help: -h the essentials, --help every option

    Examples:
      lastgood history
      lastgood history --limit 5 --json
    ");
}

#[track_caller]
fn check(argv: &[&str], wanted: &str) {
    assert_eq!(Step::shell().refusal(argv), wanted);
}

#[test]
fn a_wrong_verb_or_option_is_named_with_the_nearest_one() {
    check(
        &["rolback"],
        "error: unknown verb \"rolback\", expected rollback, deploy, watch, ready, list, record, history or report\n\
         hint: did you mean rollback?",
    );
    check(
        &["rollback", "--enviroment", "x"],
        "error: unknown option --enviroment\nhint: did you mean --environment?",
    );
    check(
        &["list", "--dry-run"],
        "error: --dry-run is not an option of list\nhint: it is one of rollback, deploy or watch; see lastgood list --help",
    );
    check(
        &["list", "-x"],
        "error: unknown option -x\nhint: see lastgood list --help",
    );
    check(
        &["list", "main"],
        "error: unexpected argument \"main\"\nhint: see lastgood list --help",
    );
    check(
        &[],
        "error: the verb is missing, expected rollback, deploy, watch, ready, list, record, history or report\n\
         hint: to see what would be done: lastgood rollback --dry-run",
    );
}

#[test]
fn a_wrong_value_is_named_with_what_was_expected() {
    let see = "hint: see lastgood rollback --help";
    let check = |option: &str, value: &str, expected: &str| {
        check(
            &["rollback", option, value],
            &format!("error: {option}: found {value:?}, expected {expected}\n{see}"),
        );
    };
    check(
        "--run-id",
        "latest",
        "a run id such as 9130000001, or the address of a run",
    );
    check("--repository", "shop", "owner/name");
    check(
        "--deadline",
        "90",
        "a duration such as 500ms, 90s, 15m, 1h or 2d",
    );
    check(
        "--expected-sha256",
        "abc",
        "64 hex digits, as sha256sum prints them",
    );
    check(
        "--failing-commit",
        "abc1234",
        "a full commit id: 40 hex digits",
    );
    check("--require-digest", "yes", "true or false");
    check(
        "--probe",
        "example.com",
        "an address such as https://example.com/health",
    );
    check(
        "--target",
        "/srv/web",
        "directory:PATH, compose:HOST@PROJECT, kubernetes:CONTEXT@NAMESPACE/KIND/NAME, canister:NETWORK@NAME or KIND:{\"setting\": \"value\"}, with or without NAME= before it",
    );
    for number in ["latest", "0", "web=", "=3"] {
        check(
            "--to-revision",
            number,
            "a number from 1 on, alone or after its slot, such as deployment/web=7",
        );
    }
}

#[test]
fn what_cannot_be_said_together_is_refused() {
    check(
        &["rollback", "--run-id", "1", "--artifact", "x"],
        "error: --run-id cannot be used with --artifact\nhint: leave one of them out",
    );
    for (other, value) in [
        ("--run-id", "1"),
        ("--artifact", "x"),
        (
            "--expected-sha256",
            "0000000000000000000000000000000000000000000000000000000000000000",
        ),
    ] {
        let refusal = Step::shell().refusal(&["rollback", "--to-revision", "3", other, value]);
        assert!(
            refusal.contains("--to-revision") && refusal.contains(other),
            "{refusal}"
        );
    }
    check(
        &["ready", "--emergency"],
        "error: --emergency is not an option of ready\nhint: it is one of rollback; see lastgood ready --help",
    );
    check(
        &["watch", "--replay", "x", "--slot", "web"],
        "error: --replay cannot be used with --slot\nhint: leave one of them out",
    );
    check(
        &["rollback", "--dry-run", "--dry-run"],
        "error: --dry-run is given twice\nhint: give it once",
    );
    check(
        &["record"],
        "error: --path is missing\nhint: see lastgood record --help",
    );
    check(
        &["deploy", "--on-unhealthy", "rolback"],
        "error: --on-unhealthy: found \"rolback\", expected rollback or fail\nhint: did you mean rollback?",
    );
}

const SIMPLE: [&str; 8] = [
    "--repository",
    "example/shop",
    "--workflow",
    "deploy.yml",
    "--target",
    "directory:/srv/web",
    "--probe",
    "home=https://www.example.com/health",
];

#[test]
fn the_simple_case_needs_no_config_file() {
    let step = Step::shell();
    let argv = [
        &["rollback"],
        &SIMPLE[..],
        &["--slot", "web", "--reason", "500s", "--dry-run"],
    ]
    .concat();
    let request = step.request(&argv);
    assert!(request.dry_run);
    assert_eq!(request.reason.as_deref(), Some("500s"));
    assert_eq!(request.environment.name, "default");
    assert_eq!(request.environment.targets[0].settings["path"], "/srv/web");
    assert_eq!(
        request.environment.targets[0].origin.at("path"),
        "target directory:/srv/web: path"
    );
    assert_eq!(request.environment.health.probes[0].name, "home");
    assert_eq!(request.github.api_url, "https://api.github.com");
    assert_eq!(request.state_dir, step.path(".lastgood"));
    let Verb::Rollback {
        from,
        expected_sha256: None,
        slots,
        emergency: false,
    } = request.verb
    else {
        panic!("a rollback")
    };
    assert_eq!((from, slots[0].0.as_str()), (Choice::Newest, "web"));
}

#[test]
fn what_is_needed_and_not_there_is_named() {
    let without = |option: &str| -> String {
        let at = SIMPLE.iter().position(|word| *word == option).unwrap();
        let rest = SIMPLE
            .iter()
            .enumerate()
            .filter(|(index, _)| !(at..at + 2).contains(index));
        let argv: Vec<&str> = ["deploy", "--artifact", "x"]
            .into_iter()
            .chain(rest.map(|(_, word)| *word))
            .collect();
        Step::shell().refusal(&argv)
    };
    insta::assert_snapshot!(without("--repository"), @r"
    error: no repository: --repository is not given, source.repository is not set, and this is no workflow run
    hint: name it: --repository owner/name
    ");
    insta::assert_snapshot!(without("--workflow"), @r"
    error: no deploy workflow: its runs are the releases to go back to
    hint: name it: --workflow deploy.yml, or source.workflow in the config
    ");
    insta::assert_snapshot!(without("--target"), @r"
    error: no target: there is no config file .github/lastgood.yml, and --target is not given
    hint: name it: --target directory:/srv/web
    ");
    insta::assert_snapshot!(without("--probe"), @r"
    error: no probe: there is no config file .github/lastgood.yml, and --probe is not given, so nothing could be judged
    hint: name an address: --probe https://example.com/health
    ");
    let mut step = Step::shell();
    step.env.variables.clear();
    let argv = [&["rollback"], &SIMPLE[..]].concat();
    insta::assert_snapshot!(step.refusal(&argv), @r#"
    error: no token: GitHub hands out artifacts only to those who have one
    hint: set GITHUB_TOKEN: a token that may read the repository's actions (export GITHUB_TOKEN="$(gh auth token)"); or do without GitHub: rollback --artifact FILE
    "#);
    insta::assert_snapshot!(Step::shell().refusal(&[&["deploy"], &SIMPLE[..]].concat()), @r"
    error: nothing to deploy: this is no workflow run, and neither --artifact nor --run-id is given
    hint: name a file or directory: lastgood deploy --artifact ./dist
    ");
}

#[test]
fn verbs_that_look_up_no_run_need_no_github() {
    let mut step = Step::shell();
    step.env.variables.clear();
    step.request(&["history"]);
    step.request(&["report"]);
    step.request(&["watch", "--replay", "probes.jsonl"]);
    step.request(&["record", "--path", "dist", "--target", "directory:/srv/web"]);
    let request = step.request(&[
        "rollback",
        "--artifact",
        "site.zip",
        "--target",
        "directory:/srv/web",
    ]);
    let Verb::Rollback { from, .. } = request.verb else {
        panic!("a rollback")
    };
    assert_eq!(from, Choice::File(step.path("site.zip")));
    step.request(&[
        "watch",
        "--probe",
        "https://example.com/",
        "--on-unhealthy",
        "fail",
    ]);
}

/// `--to-revision`: what the target keeps itself, without GitHub; and `--emergency`, which has to be said.
#[test]
fn a_revision_that_the_target_keeps_needs_no_github() {
    let mut step = Step::shell();
    step.env.variables.clear();
    let argv = ["rollback", "--target", "directory:/srv/web", "--emergency"];
    let numbers = ["--to-revision", "deployment/web=7", "--to-revision", "12"];
    let request = step.request(&[&argv[..], &numbers].concat());
    let Verb::Rollback {
        from: Choice::Numbered(numbered),
        emergency: true,
        ..
    } = request.verb
    else {
        panic!("a rollback by number")
    };
    let numbered: Vec<_> = numbered
        .iter()
        .map(|one| {
            (
                one.slot.as_ref().map(|slot| slot.0.as_str()),
                one.number.as_str(),
            )
        })
        .collect();
    assert_eq!(numbered, [(Some("deployment/web"), "7"), (None, "12")]);
}

fn binary(dir: &Path, argv: &[&str], variables: &[(&str, &str)]) -> Output {
    #[expect(clippy::disallowed_methods, reason = "the program under test")]
    Command::new(env!("CARGO_BIN_EXE_lastgood"))
        .args(argv)
        .current_dir(dir)
        .env_clear()
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn help_and_version_are_answers_and_mistakes_are_not() {
    let dir = tempfile::tempdir().unwrap();
    for argv in [
        &["--help"][..],
        &["-h"],
        &["rollback", "--help"],
        &["help"],
        &["completions", "bash"],
        &["schema"],
    ] {
        let output = binary(dir.path(), argv, &[]);
        assert_eq!(output.status.code(), Some(0), "{argv:?}");
        assert!(
            !output.stdout.is_empty() && output.stderr.is_empty(),
            "{argv:?}"
        );
    }
    let version = text(&binary(dir.path(), &["--version"], &[]).stdout);
    assert!(
        version.starts_with(concat!("lastgood ", env!("CARGO_PKG_VERSION"), " (")),
        "{version}"
    );
    let output = binary(dir.path(), &["rolback"], &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    assert!(text(&output.stderr).contains("did you mean rollback?"));
}

#[test]
fn a_mistake_is_also_said_in_json_and_to_the_workflow() {
    let dir = tempfile::tempdir().unwrap();
    let output = binary(dir.path(), &["rollback", "--json", "--run-id", "x"], &[]);
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (answer["outcome"].as_str(), answer["exit_code"].as_u64()),
        (Some("usage"), Some(2))
    );

    let outputs = dir.path().join("outputs");
    let variables = [
        ("GITHUB_ACTIONS", "true"),
        ("INPUT_VERB", "rollback"),
        ("INPUT_RUN-ID", "50%\n::warning::x"),
        ("GITHUB_OUTPUT", outputs.to_str().unwrap()),
    ];
    let output = binary(dir.path(), &[], &variables);
    assert_eq!(output.status.code(), Some(2));
    let stdout = text(&output.stdout);
    assert_eq!(stdout.lines().count(), 1, "{stdout}");
    assert!(
        stdout.starts_with("::error title=lastgood%3A usage::input `run-id`: found \"50%25\\n"),
        "{stdout}"
    );
    assert_eq!(
        std::fs::read_to_string(outputs).unwrap(),
        "outcome=usage\nexit-code=2\nchanged=false\n"
    );
}

#[test]
fn completions_know_the_verbs() {
    let step = Step::shell();
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = step.text(&["completions", shell]);
        assert!(
            script.contains("rollback") && script.contains("expected-sha256"),
            "{shell}"
        );
    }
    check(
        &["completions", "tcsh"],
        "error: <SHELL>: found \"tcsh\", expected bash, elvish, fish, powershell or zsh\nhint: did you mean zsh?",
    );
}
