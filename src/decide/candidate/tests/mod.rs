//! Runs, jobs and artifacts, one line a case.

mod properties;

use super::*;
use crate::model::payload::Digest;

fn policy() -> Policy {
    Policy {
        workflow: "deploy.yml".to_owned(),
        branch: Some("main".to_owned()),
        artifact: "app".to_owned(),
        size_limit_bytes: 1000,
        ..Policy::default()
    }
}

fn run() -> Run {
    Run {
        id: RunId(7),
        attempt: Some(1),
        number: 7,
        title: Some("Deploy prod".to_owned()),
        event: "push".to_owned(),
        status: Some("completed".to_owned()),
        conclusion: Some("success".to_owned()),
        branch: Some("main".to_owned()),
        sha: CommitSha("a".repeat(40)),
        path: ".github/workflows/deploy.yml".to_owned(),
        started_at: Some(Timestamp::from_second(1000).unwrap()),
        created_at: Some(Timestamp::from_second(900).unwrap()),
        repository_id: Some(1),
        head_repository_id: Some(1),
        url: String::new(),
    }
}

/// `expected`: the rejection's word, or `good`.
#[track_caller]
fn check(change: impl Fn(&mut Run, &mut Policy), expected: &str) {
    let (mut run, mut policy) = (run(), policy());
    change(&mut run, &mut policy);
    let found = screen(&run, &policy);
    assert_eq!(found.map_or_else(|why| why.word(), |()| "good"), expected);
}

#[test]
fn runs() {
    check(|_, _| (), "good");
    check(|_, policy| policy.own_run = Some(RunId(7)), "own run");
    check(|_, policy| policy.exclude_runs = vec![RunId(7)], "excluded");
    check(
        |run, _| run.status = Some("in_progress".to_owned()),
        "not completed",
    );
    check(|run, _| run.status = None, "not completed");
    check(
        |run, _| run.conclusion = Some("failure".to_owned()),
        "not successful",
    );
    check(|run, _| run.conclusion = None, "not successful");
    check(|run, _| run.branch = Some("dev".to_owned()), "other branch");
    check(|run, _| run.branch = None, "other branch");
    check(|_, policy| policy.branch = None, "good");
    check(
        |_, policy| policy.failing_sha = Some(CommitSha("a".repeat(40))),
        "failing commit",
    );
    check(
        |_, policy| policy.bad_runs = [(RunId(7), "rolled back".to_owned())].into(),
        "marked bad",
    );
    check(
        |run, policy| policy.bad_shas = [(run.sha.clone(), "rolled back".to_owned())].into(),
        "marked bad",
    );
    check(
        |_, policy| policy.title = Some("*staging*".to_owned()),
        "other title",
    );
    check(|_, policy| policy.title = Some("* prod".to_owned()), "good");
    check(
        |run, policy| {
            run.title = None;
            policy.title = Some("x".to_owned());
        },
        "other title",
    );
}

#[test]
fn events() {
    let event = |name: &'static str, listed: &'static [&'static str], expected| {
        check(
            |run, policy| {
                run.event = name.to_owned();
                policy.events = listed.iter().map(|&text| text.to_owned()).collect();
            },
            expected,
        );
    };
    for name in DEFAULT_EVENTS {
        event(name, &[], "good");
    }
    event("workflow_run", &[], "event not allowed");
    event("workflow_run", &["workflow_run"], "good");
    event("push", &["workflow_dispatch"], "event not allowed");
    event("pull_request", &["pull_request"], "event not allowed");
    event(
        "pull_request_target",
        &["pull_request_target"],
        "event not allowed",
    );
    event(
        "pull_request_review",
        &["pull_request_review"],
        "event not allowed",
    );
}

#[test]
fn forks() {
    check(|run, _| run.head_repository_id = Some(2), "fork");
    check(|run, _| run.head_repository_id = None, "fork"); // the fork was deleted
    check(|run, _| run.repository_id = None, "fork");
    check(
        |run, _| (run.repository_id, run.head_repository_id) = (None, None),
        "fork",
    );
}

#[test]
fn workflows() {
    let path = |path: &'static str, workflow: &'static str, expected| {
        check(
            |run, policy| {
                run.path = path.to_owned();
                policy.workflow = workflow.to_owned();
            },
            expected,
        );
    };
    path(".github/workflows/deploy.yml@main", "deploy.yml", "good");
    path(
        ".github/workflows/deploy.yml@refs/heads/main",
        "deploy.yml",
        "good",
    );
    path(
        ".github/workflows/deploy.yml",
        ".github/workflows/deploy.yml",
        "good",
    );
    path(
        ".github/workflows/deploy@v2.yml@main",
        "deploy@v2.yml",
        "good",
    );
    path(
        ".github/workflows/deploy.yml.bak",
        "deploy.yml",
        "other workflow",
    );
    path(
        ".github/workflows/my-deploy.yml",
        "deploy.yml",
        "other workflow",
    );
    path(
        "other/.github/workflows/deploy.yml",
        "deploy.yml",
        "other workflow",
    );
    path("dynamic/pages/deploy.yml", "deploy.yml", "other workflow");
    path("", "deploy.yml", "other workflow");
    check(
        |run, policy| {
            run.path = ".github/workflows/rollback.yml@main".to_owned();
            policy.workflow = "rollback.yml".to_owned();
            policy.rollback_workflows = vec!["rollback.yml".to_owned()];
        },
        "own rollback",
    );
}

fn job(name: &str, conclusion: &str) -> Job {
    Job {
        name: name.to_owned(),
        status: Some("completed".to_owned()),
        conclusion: Some(conclusion.to_owned()),
    }
}

/// `jobs`: `name: conclusion; …`.
#[track_caller]
fn check_job(jobs: &str, wanted: &str, expected: Result<&str, &str>) {
    let jobs: Vec<Job> = jobs
        .split("; ")
        .map(|text| text.split_once(": ").unwrap())
        .map(|(name, conclusion)| job(name, conclusion))
        .collect();
    let found = deploy_job(&jobs, wanted);
    assert_eq!(
        found.map_err(|why| why.to_string()),
        expected.map(str::to_owned).map_err(str::to_owned)
    );
}

#[test]
fn deploy_jobs() {
    check_job("test: success; deploy: success", "deploy", Ok("deploy"));
    check_job(
        "test: success; deploy: skipped",
        "deploy",
        Err("job deploy was skipped: nothing was deployed"),
    );
    check_job(
        "deploy (prod): success; call / deploy: success",
        "deploy",
        Err("has no job deploy (jobs: deploy (prod), call / deploy)"),
    );
    check_job(
        "deploy (prod): success; deploy (dev): failure",
        "deploy (prod)",
        Ok("deploy (prod)"),
    );
    check_job("call / deploy: success", "* / deploy", Ok("call / deploy"));
    check_job(
        "a: failure; call / deploy: success",
        "*deploy*",
        Ok("call / deploy"),
    );
    check_job(
        "deploy (eu): success; deploy (us): success",
        "deploy (*)",
        Ok("deploy (eu), deploy (us)"),
    );
    check_job(
        "deploy (eu): success; deploy (us): cancelled",
        "deploy (*)",
        Err("job deploy (us) was cancelled: nothing was deployed"),
    );
    check_job(
        "deploy *: success; deploy x: failure",
        "deploy *",
        Ok("deploy *"),
    );
    assert!(deploy_job(&[], "deploy").is_err());
    let running = Job {
        conclusion: None,
        status: Some("in_progress".to_owned()),
        ..job("deploy", "")
    };
    assert_eq!(
        deploy_job(&[running], "deploy").unwrap_err().to_string(),
        "job deploy was in_progress: nothing was deployed"
    );
}

fn an_artifact(name: &str) -> Artifact {
    Artifact {
        id: 1,
        name: name.to_owned(),
        size_bytes: 1000,
        expired: false,
        created_at: Some(Timestamp::from_second(1100).unwrap()),
        expires_at: Some(Timestamp::from_second(9000).unwrap()),
        digest: Some(Digest::from_bytes([7; 32])),
    }
}

/// `expected`: the name and the number of warnings, or the rejection's word.
#[track_caller]
fn check_artifact(artifacts: &[Artifact], wanted: &str, expected: Result<(&str, usize), &str>) {
    let mut policy = policy();
    wanted.clone_into(&mut policy.artifact);
    let found = artifact(artifacts, &run(), &policy);
    assert_eq!(
        found
            .map(|(artifact, warnings)| (artifact.name, warnings.len()))
            .map_err(|why| why.word()),
        expected.map(|(name, warnings)| (name.to_owned(), warnings))
    );
}

#[test]
fn artifacts() {
    let expired = |name| Artifact {
        expired: true,
        ..an_artifact(name)
    };
    check_artifact(
        &[an_artifact("app"), an_artifact("logs")],
        "app",
        Ok(("app", 0)),
    );
    check_artifact(&[an_artifact("logs")], "app", Err("no artifact"));
    check_artifact(&[], "app", Err("no artifact"));
    check_artifact(
        &[an_artifact("app"), an_artifact("app")],
        "app",
        Err("several artifacts"),
    );
    check_artifact(
        &[an_artifact("app-1"), an_artifact("app-2")],
        "app-*",
        Err("several artifacts"),
    );
    check_artifact(
        &[an_artifact("app-1"), expired("app-2")],
        "app-*",
        Ok(("app-1", 0)),
    );
    check_artifact(&[expired("app")], "app", Err("artifact expired"));
    let large = Artifact {
        size_bytes: 1001,
        ..an_artifact("app")
    };
    check_artifact(&[large], "app", Err("artifact too large"));
    let bare = Artifact {
        digest: None,
        ..an_artifact("app")
    };
    check_artifact(std::slice::from_ref(&bare), "app", Ok(("app", 1)));
    let strict = Policy {
        require_digest: true,
        ..policy()
    };
    assert_eq!(
        artifact(&[bare], &run(), &strict).unwrap_err().word(),
        "no digest"
    );
}

#[test]
fn an_artifact_of_an_earlier_attempt_is_warned_of() {
    let rerun = Run {
        attempt: Some(2),
        started_at: Some(Timestamp::from_second(2000).unwrap()),
        ..run()
    };
    let (_, warnings) = artifact(&[an_artifact("app")], &rerun, &policy()).unwrap();
    assert_eq!(
        warnings,
        ["artifact app was made before attempt 2 of run 7: an earlier attempt uploaded it"]
    );
}

#[test]
fn ancestors() {
    assert_eq!(ancestor("ahead"), Ok(()));
    assert_eq!(ancestor("identical"), Ok(()));
    for status in ["behind", "diverged", ""] {
        assert_eq!(ancestor(status).unwrap_err().word(), "not an ancestor");
    }
}

#[test]
fn the_most_frequent_reason() {
    let passed = |why| PassedOver {
        run: RunId(1),
        sha: CommitSha(String::new()),
        started_at: None,
        url: String::new(),
        why,
    };
    assert_eq!(most_frequent(&[]), None);
    assert_eq!(most_frequent(&[passed(Rejection::Older)]), None);
    let all = [
        Rejection::Fork,
        Rejection::OwnRun,
        Rejection::Fork,
        Rejection::Older,
    ]
    .map(passed);
    assert_eq!(most_frequent(&all), Some(("fork", 2)));
    let tie = [Rejection::OwnRun, Rejection::Fork].map(passed);
    assert_eq!(most_frequent(&tie), Some(("own run", 1)));
}
