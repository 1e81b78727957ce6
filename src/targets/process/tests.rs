//! Programs that end, hang, fork, flood and lie.

use super::*;
use std::time::Instant;

fn sh(script: &str) -> Program {
    Program {
        argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
        cwd: PathBuf::from("/"),
        env: [("PATH".to_owned(), "/usr/bin:/bin".to_owned())].into(),
        deadline: Duration::from_secs(20),
        secrets: vec![Secret::new("hunter2")],
    }
}

fn hasty(script: &str) -> Program {
    Program {
        deadline: Duration::from_millis(300),
        ..sh(script)
    }
}

fn alive(pid: &str) -> bool {
    let id = pid.parse().ok().and_then(rustix::process::Pid::from_raw);
    // A zombie that nobody reaped (there is no init in some containers) is not alive.
    let zombie = std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| stat.contains(") Z "));
    !zombie && rustix::process::test_kill_process(id.unwrap()).is_ok()
}

/// Waits until the file holds a line, and answers it.
async fn line_of(path: &Path) -> String {
    for _ in 0..500 {
        match std::fs::read_to_string(path) {
            Ok(text) if text.ends_with('\n') => return text.trim().to_owned(),
            _ => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
    panic!("{} was not written within 10 s", path.display());
}

async fn gone(pid: &str) {
    for _ in 0..500 {
        if !alive(pid) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("process {pid} is still alive after 10 s");
}

#[tokio::test]
async fn input_output_and_exit_code_go_through() {
    let ended = run(
        &sh("cat; echo to-stderr hunter2 >&2; exit 3"),
        b"in".to_vec(),
    )
    .await
    .unwrap();
    assert_eq!(ended.stdout.whole().unwrap(), b"in");
    assert_eq!(
        ended.describe(&[Secret::new("hunter2")]),
        "exit code 3: to-stderr ***"
    );
}

#[tokio::test]
async fn only_the_given_environment_is_seen() {
    let mut program = sh("env | sort");
    program.env.insert("GIVEN".to_owned(), "1".to_owned());
    let seen = run(&program, Vec::new()).await.unwrap().stdout.text(&[]);
    assert!(seen.contains("GIVEN=1"));
    assert!(!seen.contains("HOME=") && !seen.contains("CARGO"), "{seen}");
}

#[tokio::test]
async fn a_program_that_ignores_its_input_and_floods_is_bounded() {
    let ended = run(&sh("yes | head -c 3000000"), vec![b'x'; 1_000_000])
        .await
        .unwrap();
    assert!(ended.status.success());
    assert!(ended.stdout.whole().is_none());
    assert!(ended.stdout.text(&[]).len() < 70_000);
}

#[tokio::test]
async fn what_cannot_be_started_is_explained() {
    for (argv0, expected) in [
        ("no-such-program", "no-such-program is not in PATH"),
        ("/etc/hostname-not-there", "does not exist"),
        ("/etc/passwd", "is not executable"),
    ] {
        let program = Program {
            argv: vec![argv0.to_owned()],
            ..sh("")
        };
        let error = run(&program, Vec::new()).await.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test]
async fn the_deadline_ends_the_whole_group() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pid");
    let script = format!("sleep 600 & echo $! > {}; wait", file.display());
    let started = Instant::now();
    let error = run(&hasty(&script), Vec::new()).await.unwrap_err();
    assert!(matches!(error, RunError::Deadline { .. }), "{error}");
    assert!(started.elapsed() < GRACE, "TERM was enough");
    gone(&line_of(&file).await).await;
}

#[tokio::test]
async fn a_program_that_ignores_term_is_killed_after_the_grace() {
    let started = Instant::now();
    let script = "trap '' TERM; echo stubborn; while :; do sleep 0.1; done";
    let error = run(&hasty(script), Vec::new()).await.unwrap_err();
    assert!(
        error.to_string().ends_with("was stopped: stubborn"),
        "{error}"
    );
    assert!(GRACE <= started.elapsed() && started.elapsed() < GRACE + Duration::from_secs(5));
}

#[tokio::test]
async fn dropping_the_future_ends_the_group_politely() {
    let dir = tempfile::tempdir().unwrap();
    let (pid, bye) = (dir.path().join("pid"), dir.path().join("bye"));
    let script = format!(
        "trap 'echo bye > {}; exit' TERM; echo $$ > {}; while :; do sleep 0.1; done",
        bye.display(),
        pid.display()
    );
    let program = sh(&script);
    let id = tokio::select! {
        ended = run(&program, Vec::new()) => panic!("must not end by itself: {ended:?}"),
        id = line_of(&pid) => id,
    };
    assert_eq!(line_of(&bye).await, "bye");
    gone(&id).await;
}

#[test]
fn ending_the_runtime_ends_the_group_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let program = sh(&format!(
        "trap '' TERM; echo $$ > {}; sleep 600",
        pid.display()
    ));
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let id = runtime().block_on(async {
        tokio::select! {
            ended = run(&program, Vec::new()) => panic!("must not end by itself: {ended:?}"),
            id = line_of(&pid) => id,
        }
    });
    runtime().block_on(gone(&id));
}

#[tokio::test]
async fn a_daemon_that_is_left_behind_neither_hangs_us_nor_dies() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("sleep 30 & echo $! > {}; echo started", pid.display());
    let started = Instant::now();
    let ended = run(&sh(&script), Vec::new()).await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(ended.stdout.text(&[]), "started\n");
    let id = line_of(&pid).await;
    assert!(alive(&id));
    let id = id
        .parse()
        .ok()
        .and_then(rustix::process::Pid::from_raw)
        .unwrap();
    rustix::process::kill_process(id, rustix::process::Signal::KILL).unwrap();
}
