//! The lease inside an engine: one at a time, over when it is not renewed, whoever was killed at whatever point.

use super::target;
use crate::docker::{Engine, Swarm};
use lastgood::targets::{Claim, Target, TargetError};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU32, Ordering};
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
    let mut c = claim("c", 4);
    c.dead = vec!["b".to_owned()];
    takes(target, &c).await;
    waits(target, &a, "c (").await;
    // Over by the clock of the engine.
    sleep(Duration::from_millis(4100)).await;
    takes(target, &a).await;
    waits(target, &c, "a (").await;
    target.release(&a).await;
}

/// Of many who ask at once, one has it: when it is free, and when the operation that has it is known to be over.
async fn goes_to_one(target: &dyn Target) {
    let mut dead = Vec::new();
    for round in 0..4 {
        let claims: Vec<Claim> = (0..6)
            .map(|i| Claim {
                dead: dead.clone(),
                ..claim(&format!("r{round}-{i}"), 60)
            })
            .collect();
        let asked = claims.iter().map(|claim| target.lease(claim));
        let answers = futures_util::future::join_all(asked).await;
        let mut taken = Vec::new();
        for (claim, answer) in claims.iter().zip(&answers) {
            match answer {
                Ok(true) => taken.push(claim),
                Err(TargetError::Held { .. } | TargetError::Unreachable { .. }) => (),
                other => panic!("{other:?}"),
            }
        }
        let [one] = taken[..] else {
            panic!("round {round}: {answers:?}");
        };
        if round % 2 == 0 {
            dead.push(one.operation.clone());
        } else {
            target.release(one).await;
        }
    }
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A project with an image as Compose builds it: its containers inherit the labels of Compose, and get a volume.
pub(super) struct Project {
    pub(super) engine: Engine,
    pub(super) name: String,
    pub(super) image: String,
}

impl Project {
    pub(super) async fn new(prefix: &str) -> Option<Self> {
        let engine = Engine::find()?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("lease-{prefix}-{}-{count}", std::process::id());
        let image = format!("{name}:v1");
        let label =
            format!("LABEL com.docker.compose.project={name} com.docker.compose.service=web");
        let instructions = ["VOLUME /data".to_owned(), label];
        engine.import(&[], &instructions, &image).await;
        let web = format!("{name}-web-1");
        engine
            .docker(&["create", "--name", &web, &image, "/web"])
            .await;
        Some(Self {
            engine,
            name,
            image,
        })
    }

    pub(super) fn target(&self) -> Box<dyn Target> {
        target(self.engine.host(), &json!({"project": self.name}))
    }

    async fn named(&self, filter: &str) -> Vec<String> {
        let list = ["ps", "--all", "--filter", filter, "--format", "{{.Names}}"];
        let listed = self.engine.docker(&list).await;
        let mut names: Vec<String> = listed.lines().map(str::to_owned).collect();
        names.sort();
        names
    }

    /// The names of its marks.
    async fn marks(&self) -> Vec<String> {
        self.named(&format!("label=lastgood.lease={}", self.name))
            .await
    }

    /// What Compose takes for containers of the project.
    pub(super) async fn containers(&self) -> Vec<String> {
        self.named(&format!("label=com.docker.compose.project={}", self.name))
            .await
    }

    /// What a renewal of `operation` leaves when it is killed after it made the next mark.
    async fn half(&self, operation: &str, seconds: u64) {
        let name = format!("lastgood-lease-{}-next-{operation}", self.name);
        let labels = [
            format!("lastgood.lease={}", self.name),
            format!("lastgood.operation={operation}"),
            "lastgood.holder=run 7".to_owned(),
            format!("lastgood.seconds={seconds}"),
            "com.docker.compose.project=".to_owned(),
        ];
        let mut args = vec!["create", "--name", &name];
        for label in &labels {
            args.extend(["--label", label.as_str()]);
        }
        args.extend([self.image.as_str(), "/x"]);
        self.engine.docker(&args).await;
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        let filter = format!("name={}", self.name);
        let list = ["ps", "--all", "--quiet", "--filter", &filter];
        let listed = self.engine.command().args(list).as_std_mut().output();
        let ids = listed.map(|listed| listed.stdout).unwrap_or_default();
        let ids = String::from_utf8_lossy(&ids).into_owned();
        let remove = ["rm", "--force", "--volumes"];
        let all = remove.into_iter().chain(ids.split_whitespace());
        drop(self.engine.command().args(all).as_std_mut().output());
        let image = ["image", "rm", &self.image];
        drop(self.engine.command().args(image).as_std_mut().output());
    }
}

/// How many volumes the engine made for a container.
pub(super) fn volumes_of(container: &Value) -> usize {
    let mounts = container["Mounts"].as_array().unwrap();
    mounts
        .iter()
        .filter(|mount| mount["Type"] == "volume")
        .count()
}

#[tokio::test]
async fn a_container_that_never_starts_keeps_two_operations_apart() {
    let Some(project) = Project::new("apart").await else {
        return;
    };
    let target = project.target();
    keeps_two_apart(&*target).await;
    assert_eq!(project.marks().await, [""; 0]);
    goes_to_one(&*target).await;
}

#[tokio::test]
async fn a_lease_is_no_container_of_the_project() {
    let Some(project) = Project::new("mark").await else {
        return;
    };
    let target = project.target();
    takes(&*target, &claim("a", 30)).await;
    takes(&*target, &claim("a", 30)).await;
    let name = format!("lastgood-lease-{}", project.name);
    assert_eq!(project.marks().await, [name.as_str()]);
    let web = format!("{}-web-1", project.name);
    assert_eq!(project.containers().await, [web]);
    let told = project.engine.inspect(&name).await;
    assert_eq!(told["State"]["Status"], "created");
    assert_eq!(volumes_of(&told), 0, "{}", told["Mounts"]);
    // Pruned in the middle: the next renewal makes it anew.
    project.engine.docker(&["rm", &name]).await;
    takes(&*target, &claim("a", 30)).await;
    assert_eq!(project.marks().await, [name.as_str()]);
}

#[tokio::test]
async fn a_renewal_that_was_killed_blocks_nobody_for_long() {
    let Some(project) = Project::new("killed").await else {
        return;
    };
    let target = project.target();
    let (a, b) = (claim("a", 4), claim("b", 30));
    // After the next mark was made.
    takes(&*target, &a).await;
    project.half("a", 4).await;
    waits(&*target, &b, "a (").await;
    sleep(Duration::from_millis(4100)).await;
    takes(&*target, &b).await;
    assert_eq!(project.marks().await.len(), 1);
    target.release(&b).await;
    // After the last one was removed.
    project.half("a", 30).await;
    waits(&*target, &b, "a (").await;
    takes(&*target, &a).await;
    assert_eq!(project.marks().await.len(), 1);
    target.release(&a).await;
    project.half("a", 1).await;
    sleep(Duration::from_millis(1100)).await;
    takes(&*target, &b).await;
    assert_eq!(project.marks().await.len(), 1);
}

pub(super) async fn a_config_keeps_two_operations_apart(swarm: &Swarm) {
    let target = super::stack(swarm, "leased");
    keeps_two_apart(&*target).await;
    goes_to_one(&*target).await;
    let off = super::target(swarm.host(), &json!({"stack": "leased", "lease": false}));
    assert!(!off.lease(&claim("x", 30)).await.unwrap());
    // It is no part of the stack.
    let listed = ["config", "ls", "--format", "{{.Name}} {{.Labels}}"];
    let listed = swarm.docker(&listed).await;
    assert!(listed.starts_with("lastgood-lease-leased"), "{listed}");
    assert!(!listed.contains("stack.namespace"), "{listed}");
}

/// Takes a lease from an engine that answers so; each answer is a status and a text for the first line of a request.
async fn taken(
    claim: &Claim,
    mut answers: impl FnMut(&str) -> (&'static str, &'static str),
) -> Result<bool, TargetError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let serve = async {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 8192];
            let length = stream.read(&mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
            let (status, body) = answers(asked.lines().next().unwrap_or_default());
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
    let asked = async { target.lease(claim).await };
    tokio::select! {
        answer = asked => answer,
        () = serve => panic!("the double ended"),
    }
}

/// An engine behind a proxy that lets nobody write.
#[tokio::test]
async fn an_engine_that_takes_no_mark_is_refused_with_the_way_out() {
    let answer = taken(&claim("a", 30), |head| match head {
        head if head.starts_with("POST") => ("403 Forbidden", "no"),
        head if head.contains("/version") => ("200 OK", r#"{"ApiVersion":"1.41"}"#),
        head if head.contains("/images/json") => ("200 OK", r#"[{"Id":"sha256:1"}]"#),
        head if head.contains("/containers/json") => ("200 OK", "[]"),
        _ => ("200 OK", "{}"),
    })
    .await;
    let Err(TargetError::Refused { what, next, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert!(what.contains("403"), "{what}");
    assert!(next.contains("lease: false"), "{next}");
}

/// A mark that was listed and is gone when it is looked at was not given back: the next one is there by then.
#[tokio::test]
async fn a_renewal_in_the_middle_of_a_look_is_no_end() {
    const LAST: &str = r#"[{"Id":"1","Names":["/lastgood-lease-shop"],"Labels":{"lastgood.operation":"a","lastgood.holder":"run 7","lastgood.seconds":"30"}}]"#;
    const NEXT: &str = r#"[{"Id":"2","Names":["/lastgood-lease-shop"],"Labels":{"lastgood.operation":"a","lastgood.holder":"run 7","lastgood.seconds":"30"}}]"#;
    let mut lists = 0;
    let answer = taken(&claim("b", 30), |head| match head {
        head if head.starts_with("POST") => ("201 Created", r#"{"Id":"3"}"#),
        head if head.contains("/version") => ("200 OK", r#"{"ApiVersion":"1.41"}"#),
        head if head.contains("/info") => ("200 OK", r#"{"SystemTime":"2026-01-01T00:00:10Z"}"#),
        head if head.contains("/images/json") => ("200 OK", r#"[{"Id":"sha256:1"}]"#),
        head if head.contains("/containers/json") && head.contains("lastgood.lease") => {
            lists += 1;
            ("200 OK", if lists == 1 { LAST } else { NEXT })
        }
        head if head.contains("/containers/json") => ("200 OK", "[]"),
        head if head.contains("/containers/1/json") => ("404 Not Found", "{}"),
        head if head.contains("/containers/2/json") => (
            "200 OK",
            r#"{"Name":"/lastgood-lease-shop","Created":"2026-01-01T00:00:00Z"}"#,
        ),
        _ => ("200 OK", "{}"),
    })
    .await;
    match answer {
        Err(TargetError::Held { what }) => assert!(what.contains("a (run 7)"), "{what}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(lists, 2);
}
