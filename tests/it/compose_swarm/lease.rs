//! The lease inside an engine: one at a time, over when it is not renewed, whoever was killed at whatever point.

use super::bed::{bed, run};
use super::target;
use crate::tools;
use lastgood::targets::{Claim, Target, TargetError};
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::time::sleep;

fn claim(operation: &str, seconds: u64) -> Claim {
    Claim {
        operation: operation.to_owned(),
        holder: "run 7 attempt 1".to_owned(),
        // Our clock is far behind the engine's, and does not count.
        now: "2020-01-01T00:00:00Z".parse().unwrap(),
        length: Duration::from_secs(seconds),
        dead: Vec::new(),
    }
}

async fn takes(target: &dyn Target, claim: &Claim) {
    assert!(target.lease(claim).await.unwrap(), "{claim:?}");
}

async fn waits(target: &dyn Target, claim: &Claim, holder: &str) {
    match target.lease(claim).await {
        Err(TargetError::Held { what }) => assert!(what.contains(holder), "{what}"),
        other => panic!("{other:?}"),
    }
}

/// What holds of every lease, wherever it lies.
async fn keeps_two_apart(target: &dyn Target) {
    let (a, b) = (claim("a", 30), claim("b", 30));
    takes(target, &a).await;
    waits(target, &b, "a (run 7 attempt 1)").await;
    takes(target, &a).await;
    takes(target, &a).await;
    waits(target, &b, "a (").await;
    // Giving back what is another's gives nothing back.
    target.release(&b).await;
    waits(target, &b, "a (").await;
    target.release(&a).await;
    takes(target, &b).await;
    // Known to be over.
    let mut c = claim("c", 1);
    c.dead = vec!["b".to_owned()];
    takes(target, &c).await;
    waits(target, &a, "c (").await;
    sleep(Duration::from_millis(1200)).await;
    takes(target, &a).await;
    waits(target, &c, "a (").await;
    target.release(&a).await;
}

/// Of many who ask at once, one has it: when it is free, and when one that is over is taken.
async fn goes_to_one(target: &dyn Target) {
    for round in 0..4 {
        let claims: Vec<Claim> = (0..6).map(|i| claim(&format!("r{round}-{i}"), 1)).collect();
        let asked = claims.iter().map(|claim| target.lease(claim));
        let answers = futures_util::future::join_all(asked).await;
        let taken = answers.iter().filter(|it| matches!(it, Ok(true))).count();
        assert!(taken <= 1, "{answers:?}");
        for answer in answers {
            match answer {
                Ok(true) | Err(TargetError::Held { .. } | TargetError::Unreachable { .. }) => (),
                other => panic!("{other:?}"),
            }
        }
        // With half of the rounds, the last one was not given back and is over.
        sleep(Duration::from_millis(1100)).await;
    }
}

/// A project on the engine of the bed with an image as Compose builds it; what it made is removed again.
struct Project {
    host: String,
    name: String,
    image: String,
}

impl Project {
    fn new(name: &str) -> Option<Self> {
        let host = tools::variable("DOCKER_HOST");
        let host = tools::or_missing(host, "engine (DOCKER_HOST)")?;
        let name = format!("swarmx-{name}-{}", std::process::id());
        let dir = tempfile::tempdir().unwrap();
        let tar = dir.path().join("empty.tar");
        fs::write(&tar, [0; 1024]).unwrap();
        let image = format!("{name}:v1");
        let label =
            format!("LABEL com.docker.compose.project={name} com.docker.compose.service=web");
        run(
            &host,
            "docker",
            &[
                "import",
                "-c",
                "VOLUME /data",
                "-c",
                &label,
                tar.to_str().unwrap(),
                &image,
            ],
        );
        let project = Self { host, name, image };
        let name = format!("{}-web-1", project.name);
        project.docker(&["create", "--name", &name, &project.image, "/web"]);
        Some(project)
    }

    #[track_caller]
    fn docker(&self, arguments: &[&str]) -> String {
        run(&self.host, "docker", arguments)
    }

    fn target(&self) -> Box<dyn Target> {
        target(&self.host, &json!({"project": self.name}))
    }

    /// The names of its marks.
    fn marks(&self) -> Vec<String> {
        let label = format!("label=lastgood.lease={}", self.name);
        let listed = self.docker(&["ps", "-a", "--filter", &label, "--format", "{{.Names}}"]);
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// What a renewal of `operation` leaves when it is killed after it made the next mark.
    fn half(&self, operation: &str, seconds: u64) -> String {
        let name = format!("lastgood-lease-{}-next-{operation}", self.name);
        let labels = [
            format!("lastgood.lease={}", self.name),
            format!("lastgood.operation={operation}"),
            "lastgood.holder=run 7".to_owned(),
            format!("lastgood.seconds={seconds}"),
            "com.docker.compose.project=".to_owned(),
        ];
        let mut arguments = vec!["create", "--name", &name];
        for label in &labels {
            arguments.extend(["--label", label.as_str()]);
        }
        arguments.extend([self.image.as_str(), "/x"]);
        self.docker(&arguments);
        name
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let mut names = self.marks();
        names.push(format!("{}-web-1", self.name));
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.docker(&[&["rm", "-fv"][..], &names].concat());
        self.docker(&["rmi", &self.image]);
    }
}

#[tokio::test]
async fn a_container_that_never_starts_keeps_two_operations_apart() {
    let Some(project) = Project::new("apart") else {
        return;
    };
    let target = project.target();
    keeps_two_apart(&*target).await;
    assert_eq!(project.marks(), Vec::<String>::new());
    goes_to_one(&*target).await;
}

#[tokio::test]
async fn a_lease_is_no_container_of_the_project() {
    let Some(project) = Project::new("mark") else {
        return;
    };
    let target = project.target();
    takes(&*target, &claim("a", 30)).await;
    takes(&*target, &claim("a", 30)).await;
    let name = format!("lastgood-lease-{}", project.name);
    assert_eq!(project.marks(), [name.as_str()]);
    let label = format!("label=com.docker.compose.project={}", project.name);
    let listed = project.docker(&["ps", "-a", "--filter", &label, "--format", "{{.Names}}"]);
    assert_eq!(listed, format!("{}-web-1", project.name));
    let told: Value =
        serde_json::from_str(&project.docker(&["inspect", "-f", "{{json .}}", &name])).unwrap();
    assert_eq!(told["State"]["Status"], "created");
    assert_eq!(
        told["Mounts"].as_array().map(Vec::len),
        Some(0),
        "{}",
        told["Mounts"]
    );
    // Pruned in the middle: the next renewal makes it anew.
    project.docker(&["rm", &name]);
    takes(&*target, &claim("a", 30)).await;
    assert_eq!(project.marks(), [name.as_str()]);
}

#[tokio::test]
async fn a_renewal_that_was_killed_blocks_nobody_for_long() {
    let Some(project) = Project::new("killed") else {
        return;
    };
    let target = project.target();
    let (a, b) = (claim("a", 2), claim("b", 30));
    // After the next mark was made.
    takes(&*target, &a).await;
    project.half("a", 2);
    waits(&*target, &b, "a (").await;
    sleep(Duration::from_millis(2100)).await;
    takes(&*target, &b).await;
    assert_eq!(project.marks().len(), 1);
    target.release(&b).await;
    // After the last one was removed.
    project.half("a", 2);
    waits(&*target, &b, "a (").await;
    takes(&*target, &a).await;
    assert_eq!(project.marks().len(), 1);
    target.release(&a).await;
    project.half("a", 1);
    sleep(Duration::from_millis(1100)).await;
    takes(&*target, &b).await;
    assert_eq!(project.marks().len(), 1);
}

#[tokio::test]
async fn a_config_of_the_swarm_keeps_two_operations_apart() {
    let Some(bed) = bed() else { return };
    let target = target(bed.host(), &json!({"stack": "leased"}));
    keeps_two_apart(&*target).await;
    goes_to_one(&*target).await;
    let off = super::target(bed.host(), &json!({"stack": "leased", "lease": false}));
    assert!(!off.lease(&claim("x", 30)).await.unwrap());
    bed.docker(&["config", "rm", "lastgood-lease-leased"]);
}

/// An engine behind a proxy that lets nobody write.
#[tokio::test]
async fn an_engine_that_takes_no_mark_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serve = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 8192];
            let length = stream.read(&mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let head = asked.lines().next().unwrap_or_default();
            let (status, body) = match head {
                head if head.starts_with("POST") => ("403 Forbidden", "no"),
                head if head.contains("/version") => ("200 OK", r#"{"ApiVersion":"1.41"}"#),
                head if head.contains("/images/json") => ("200 OK", r#"[{"Id":"sha256:1"}]"#),
                head if head.contains("/containers/json") => ("200 OK", "[]"),
                _ => ("200 OK", "{}"),
            };
            let answer = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                body.len()
            );
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    };
    let target = target(
        &format!("unix://{}", path.display()),
        &json!({"project": "shop"}),
    );
    let asked = async { target.lease(&claim("a", 30)).await };
    let answer = tokio::select! {
        answer = asked => answer,
        () = serve => panic!("the double ended"),
    };
    let Err(TargetError::Refused { what, next, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert!(what.contains("403"), "{what}");
    assert!(next.contains("lease: false"), "{next}");
}
