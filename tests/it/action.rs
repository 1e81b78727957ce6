//! The action: its inputs are the options of the command line, and `action.yml` says so.

use crate::bless;
use crate::step::Step;
use lastgood::cli::action;
use lastgood::engine::request::{Choice, Deployed, OnUnhealthy, Verb};
use lastgood::model::ids::RunId;
use std::time::Duration;

#[test]
fn inputs_are_a_spelling_of_the_options() {
    let step = Step::workflow()
        .with("INPUT_TARGET", "web=directory:/srv/web\n")
        .with(
            "INPUT_PROBE",
            "home=https://www.example.com/?a=1,2\nhttps://www.example.com/b",
        )
        .with("INPUT_RUN-ID", "9130000001")
        .with("INPUT_EXCLUDE-RUN", "1, 2\n3")
        .with("INPUT_DRY-RUN", "true")
        .with("INPUT_REASON", "--run-id=5 is bad")
        .with("INPUT_DEPLOY-JOB", "")
        .with("INPUT_RATE-LIMIT-WAIT", "30s");
    let request = step.request(&[]);
    let source = &request.environment.source;
    assert_eq!(source.workflow, "deploy.yml");
    assert_eq!(source.branch.as_deref(), Some("main"));
    assert_eq!(source.exclude_runs, [RunId(1), RunId(2), RunId(3)]);
    assert_eq!(source.deploy_job, None);
    assert_eq!(
        source.failing_commit, None,
        "a run that is named may be of this commit"
    );
    assert_eq!(request.reason.as_deref(), Some("--run-id=5 is bad"));
    assert_eq!(request.environment.health.probes.len(), 2);
    assert_eq!(
        request.environment.health.probes[0]
            .page()
            .unwrap()
            .url
            .query(),
        Some("a=1,2")
    );
    assert_eq!(request.github.rate_limit_wait, Duration::from_secs(30));
    assert_eq!(request.github.token.as_ref().unwrap().expose(), "ghs_input");
    assert!(request.dry_run && request.output.in_actions);
    assert_eq!(request.context.run_id, Some(RunId(42)));
    assert_eq!(
        request.context.run_url.as_deref(),
        Some("https://github.com/example/shop/actions/runs/42")
    );
    let Verb::Rollback { from, .. } = request.verb else {
        panic!("a rollback")
    };
    assert_eq!(from, Choice::Run(RunId(9_130_000_001)));
}

#[test]
fn a_deploy_step_deploys_this_runs_artifact() {
    let step = Step::workflow()
        .with("INPUT_VERB", "deploy")
        .with("INPUT_TARGET", "directory:/srv/web")
        .with("INPUT_PROBE", "https://www.example.com/health")
        .with("INPUT_ON-UNHEALTHY", "fail");
    let request = step.request(&[]);
    assert_eq!(request.environment.policy.on_unhealthy, OnUnhealthy::Fail);
    assert_eq!(
        request.environment.source.failing_commit.as_deref(),
        Some("1111111111111111111111111111111111111111")
    );
    let Verb::Deploy { release, .. } = request.verb else {
        panic!("a deploy")
    };
    assert_eq!(release, Deployed::Run(RunId(42)));
}

#[test]
fn an_emergency_step_says_how_far_it_goes() {
    let step = Step::workflow()
        .with("INPUT_TARGET", "directory:/srv/web")
        .with("INPUT_TO-REVISION", "deployment/web=7, deployment/api=3")
        .with("INPUT_EMERGENCY", "true");
    let Verb::Rollback {
        from: Choice::Numbered(numbered),
        emergency: true,
        ..
    } = step.request(&[]).verb
    else {
        panic!("a rollback by number")
    };
    assert_eq!(numbered.len(), 2);
}

/// The text of a kubeconfig is an input that never becomes an argument, and what is secret in it is masked.
#[test]
fn a_kubeconfig_is_a_secret_and_a_path_is_not() {
    let target = |value: &str| {
        Step::workflow()
            .with("INPUT_TARGET", "directory:/srv/web")
            .with("INPUT_KUBECONFIG", value)
            .request(&[])
    };
    let text = "clusters:\n- name: prod\nusers:\n- name: ci\n  user: {token: hunter2-hunter2}\n";
    let request = target(text);
    let secrets: Vec<&str> = request
        .secrets
        .iter()
        .map(lastgood::model::secret::Secret::expose)
        .collect();
    assert_eq!(secrets, ["ghs_input", "hunter2-hunter2"]);
    assert_eq!(request.process.variables["INPUT_KUBECONFIG"], text);
    assert!(!format!("{request:?}").contains("hunter2"));
    assert_eq!(target("deploy/kubeconfig").secrets.len(), 1);
}

/// The key of an identity and its password are inputs that never become arguments; every line of the key is masked, also where a
/// secret store wrote its line breaks as `\n`.
#[test]
fn an_identity_is_a_secret_and_a_path_is_not() {
    let secrets = |inputs: &[(&str, &str)]| {
        let step = Step::workflow().with("INPUT_TARGET", "directory:/srv/web");
        let step = inputs
            .iter()
            .fold(step, |step, (name, value)| step.with(name, value));
        let request = step.request(&[]);
        assert!(!format!("{request:?}").contains("hunter2"));
        let secrets = request.secrets.iter();
        secrets
            .map(|secret| secret.expose().to_owned())
            .collect::<Vec<_>>()
    };
    let key = "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\nAB==\n-----END PRIVATE KEY-----\n";
    let masked = [
        "ghs_input",
        "-----BEGIN PRIVATE KEY-----",
        "hunter2hunter2",
        "-----END PRIVATE KEY-----",
    ];
    assert_eq!(secrets(&[("INPUT_IDENTITY", key)]), masked);
    assert_eq!(secrets(&[("DFX_IDENTITY_PEM", key)]), masked);
    let password = [("INPUT_IDENTITY", key), ("INPUT_IDENTITY-PASSWORD", "pw")];
    assert!(secrets(&password).contains(&"pw".to_owned()));
    let one_line = key.trim().replace('\n', "\\n");
    let found = secrets(&[("INPUT_IDENTITY", &one_line)]);
    assert!(found.contains(&one_line) && found.contains(&"hunter2hunter2".to_owned()));
    assert_eq!(
        secrets(&[("INPUT_IDENTITY", "deploy/identity.pem")]).len(),
        1
    );
}

#[test]
fn a_state_conflict_has_a_policy() {
    use lastgood::engine::request::OnStateConflict;
    let policy = |value: &str| {
        let step = Step::workflow()
            .with("INPUT_TARGET", "directory:/srv/web")
            .with("INPUT_ON-STATE-CONFLICT", value);
        step.request(&[]).environment.policy.on_state_conflict
    };
    assert_eq!(policy(""), OnStateConflict::Stop);
    assert_eq!(policy("snapshot"), OnStateConflict::Snapshot);
    assert_eq!(policy("skip-pre-upgrade"), OnStateConflict::SkipPreUpgrade);
}

#[test]
fn typed_arguments_win_over_inputs() {
    let step = Step::workflow().with("INPUT_VERB", "list");
    assert_eq!(step.request(&["history"]).verb, Verb::History { limit: 20 });
}

#[test]
fn a_wrong_input_is_named() {
    let refusal = |name: &str, value: &str| Step::workflow().with(name, value).refusal(&[]);
    insta::assert_snapshot!(refusal("INPUT_RUN_ID", "7"), @r"
    error: unknown input `run_id`
    hint: did you mean `run-id`?
    ");
    insta::assert_snapshot!(refusal("INPUT_RUN-ID", "latest"), @r#"
    error: input `run-id`: found "latest", expected a run id such as 9130000001, or the address of a run
    hint: see the inputs of action.yml
    "#);
    insta::assert_snapshot!(refusal("INPUT_DRY-RUN", "yes"), @r#"
    error: input `dry-run`: found "yes", expected true or false
    hint: write `dry-run: true` in the step's `with:`
    "#);
    insta::assert_snapshot!(refusal("INPUT_VERB", "rolback"), @r#"
    error: input `verb`: found "rolback", expected rollback, deploy, watch, ready, list, record, history or report
    hint: did you mean rollback?
    "#);
    insta::assert_snapshot!(refusal("INPUT_REPLAY", "x"), @r"
    error: input `replay` is not used by the verb rollback
    hint: leave it out; it is for watch
    ");
    insta::assert_snapshot!(refusal("INPUT_JSON", "true"), @r"
    error: unknown input `json`
    hint: leave it out: that option is for a terminal
    ");
    let both = Step::workflow()
        .with("INPUT_RUN-ID", "1")
        .with("INPUT_ARTIFACT", "x");
    insta::assert_snapshot!(both.refusal(&[]), @r"
    error: input `artifact` cannot be used with input `run-id`
    hint: leave one of them out
    ");
    insta::assert_snapshot!(Step::workflow().refusal(&[]), @r"
    error: no target: there is no config file .github/lastgood.yml, and input `target` is not given
    hint: name it: `target: directory:/srv/web`
    ");
}

#[test]
fn an_emergency_workflow_must_name_the_deploy_workflow() {
    let step = Step::workflow()
        .with(
            "GITHUB_WORKFLOW_REF",
            "example/shop/.github/workflows/rollback.yml@refs/heads/main",
        )
        .with("INPUT_TARGET", "directory:/srv/web");
    insta::assert_snapshot!(step.refusal(&[]), @r"
    error: no deploy workflow: this runs in rollback.yml, which rolls back and deploys nothing
    hint: name it: `workflow: deploy.yml`, or source.workflow in the config
    ");
    let request = step.with("INPUT_WORKFLOW", "deploy.yml").request(&[]);
    assert_eq!(request.environment.source.workflow, "deploy.yml");
}

/// `action.yml` has the inputs that the command line has, the outputs that the report writes, and no more.
#[test]
fn the_action_does_not_drift_from_the_command_line() {
    let text = std::fs::read_to_string(bless::root().join("action.yml")).unwrap();
    let action: serde_json::Value = serde_saphyr::from_str(&text).unwrap();
    let inputs = action["inputs"].as_object().unwrap();
    let mut names: Vec<&str> = inputs.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, action::names());
    for (name, input) in inputs {
        assert!(!input["description"].as_str().unwrap().is_empty(), "{name}");
        let default = input.get("default").and_then(serde_json::Value::as_str);
        // Any other default would be an input that is always set, and so refused by verbs that do not have it.
        let wanted = match name.as_str() {
            action::TOKEN_INPUT => Some("${{ github.token }}"),
            action::VERB_INPUT => Some("rollback"),
            _ => None,
        };
        assert_eq!(default, wanted, "{name}");
    }
    let outputs: Vec<&str> = action["outputs"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        outputs,
        [
            "outcome",
            "exit-code",
            "run-id",
            "run-attempt",
            "commit",
            "digest",
            "artifact-id",
            "duration-seconds",
            "changed",
            "report",
            "journal",
            "summary",
            "passed-over",
        ]
    );
}
