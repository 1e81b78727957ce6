//! Images of Compose services on a real engine: what is observed, recorded, kept and asked for, and what is refused. No container is
//! changed by any of it.

mod bed;
mod kept;

use crate::compose_bed::{Told, facts, release};
use bed::Bed;
use lastgood::decide::diff;
use lastgood::decide::guard::{self, Permission};
use lastgood::model::payload::{Measured, Payloads, Shape};
use lastgood::model::release::Pin;
use lastgood::model::state::{Phase, Revision, Slot};
use lastgood::targets::TargetError;
use serde_json::json;

const WEB: &str = "services:\n  web:\n    image: IMAGE:v1\n    stop_grace_period: 0s\n";

fn web() -> Slot {
    Slot("web".to_owned())
}

fn digest(name: &str) -> Revision {
    Revision(name.split_once('@').unwrap().1.to_owned())
}

/// `{"web": pin}` of an image that the registry does not have.
fn absent(bed: &Bed) -> (Slot, Pin) {
    let revision = format!("sha256:{}", "a".repeat(64));
    let pin = Pin {
        images: vec![format!("{}@{revision}", bed.repository())],
        revision: Revision(revision),
        payload: None,
        recorded: None,
    };
    (web(), pin)
}

#[track_caller]
fn bad_release(error: &TargetError, text: &str) {
    assert!(matches!(error, TargetError::BadRelease { .. }), "{error:?}");
    assert!(error.to_string().contains(text), "{error}");
}

#[tokio::test]
async fn what_runs_is_recorded_and_nothing_is_left_to_plan() {
    let Some(bed) = Bed::find(WEB) else { return };
    let v1 = bed.push("v1").await;
    bed.compose(&["up", "-d", "--scale", "web=2"]).await;
    let target = bed.target(&json!({}), &[]);
    let pins = target.record().await.unwrap().unwrap();
    let pin = &pins[&web()];
    assert_eq!(pin.revision, digest(&v1));
    assert_eq!(pin.images, std::slice::from_ref(&v1));
    let recorded = pin.recorded.as_ref().unwrap();
    assert_eq!(recorded["image"], format!("{}:v1", bed.repository()));
    assert_eq!(
        (&recorded["replicas"], recorded.get("built")),
        (&json!(2), None)
    );
    assert!(recorded["platform"].as_str().unwrap().starts_with("linux/"));
    assert_eq!(target.protect(&pins).await.unwrap(), [""; 0]);

    let told = Told::default();
    let release = release(pins);
    let facts = facts(Some(&release), &told);
    let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
    let state = target.observe().await.unwrap();
    assert_eq!(state[&web()].phase, Phase::Running);
    assert_eq!(diff::plan(&state, &wanted).changes, []);
    let findings = target.preflight(&Payloads::none()).await;
    assert!(findings.iter().all(|finding| finding.ok), "{findings:#?}");

    // One replica of another image, and then none that runs.
    bed.push("v2").await;
    bed.write(&WEB.replace("v1", "v2"));
    bed.compose(&["up", "-d", "--scale", "web=3", "--no-recreate"])
        .await;
    let state = target.observe().await.unwrap();
    let held = state[&web()].revision.clone().unwrap();
    assert!(held.0.starts_with("mixed:"), "{held}");
    assert_eq!(diff::plan(&state, &wanted).changes.len(), 1);
    let error = target.record().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("its replicas run different images"),
        "{error}"
    );
    bed.compose(&["up", "-d", "--scale", "web=1", "-t", "0"])
        .await;
    bed.compose(&["kill", "web"]).await;
    let error = target.record().await.unwrap_err();
    assert!(
        error.to_string().contains("does not run (exit code 137)"),
        "{error}"
    );
    assert_eq!(
        target.observe().await.unwrap()[&web()].phase,
        Phase::Stopped
    );
}

#[tokio::test]
async fn an_image_of_another_name_is_the_same_revision_when_it_is_asked_for() {
    let Some(bed) = Bed::find(WEB) else { return };
    let v1 = bed.push("v1").await;
    let other = v1.replace("/app@", "/copy@");
    let copy = format!("{}:v1", bed.repository().replace("/app", "/copy"));
    bed.docker(&["tag", &format!("{}:v1", bed.repository()), &copy])
        .await;
    bed.docker(&["push", "-q", &copy]).await;
    bed.compose(&["up", "-d"]).await;
    let target = bed.target(&json!({}), &[]);
    let id = bed
        .docker(&["image", "inspect", "-f", "{{.Id}}", &copy])
        .await;
    for revision in [digest(&v1), digest(&other), Revision(id)] {
        let pin = Pin {
            revision,
            payload: None,
            images: Vec::new(),
            recorded: None,
        };
        let (told, release) = (Told::default(), release([(web(), pin)]));
        let facts = facts(Some(&release), &told);
        let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
        let state = target.observe().await.unwrap();
        assert_eq!(diff::plan(&state, &wanted).changes, []);
    }
}

#[tokio::test]
async fn an_image_that_nobody_has_is_refused_before_anything_is_touched() {
    let Some(bed) = Bed::find(WEB) else { return };
    bed.push("v1").await;
    bed.compose(&["up", "-d"]).await;
    let before = bed.containers().await;
    let target = bed.target(&json!({}), &[]);
    let (told, release) = (Told::default(), release([absent(&bed)]));
    let facts = facts(Some(&release), &told);
    let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    let error = target.hazards(&plan, &facts).await.unwrap_err();
    bad_release(&error, "is not in its registry");
    let findings = target.preflight(&Payloads::none()).await;
    let image = findings
        .iter()
        .find(|finding| finding.check == "image")
        .unwrap();
    assert!(!image.ok, "{image:?}");
    assert!(!target.keeps(&plan.changes[0].to().clone()).await);
    assert_eq!(bed.containers().await, before);
}

#[tokio::test]
async fn an_image_of_the_registry_alone_can_be_had_and_a_moved_tag_is_told() {
    let Some(bed) = Bed::find(WEB) else { return };
    let v1 = bed.push("v1").await;
    bed.compose(&["up", "-d"]).await;
    let target = bed.target(&json!({}), &[]);
    let pins = target.record().await.unwrap().unwrap();
    // v2 under the same tag; v1 goes from the engine.
    bed.build(&format!("{}:v1", bed.repository()), "v2").await;
    bed.docker(&["push", "-q", &format!("{}:v1", bed.repository())])
        .await;
    bed.compose(&["up", "-d", "-t", "0"]).await;
    bed.docker(&["rmi", &v1]).await;
    let target = bed.target(&json!({}), &[]);
    let (told, release) = (Told::default(), release(pins));
    let facts = facts(Some(&release), &told);
    let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    assert_eq!(target.hazards(&plan, &facts).await.unwrap(), []);
    let text = told.text();
    assert!(
        text.contains(&format!("goes to {v1}, which is pulled")),
        "{text}"
    );
    assert!(text.contains("has moved"), "{text}");
    assert!(target.keeps(&digest(&v1)).await);

    // The engine pulls it, and what is in place answers to what was wanted.
    let permission = Permission { allow: Vec::new() };
    let permitted = guard::permit(plan, &permission).unwrap();
    for change in permitted.changes() {
        target.apply(change, None, &facts).await.unwrap();
    }
    let state = target.observe().await.unwrap();
    assert_eq!(diff::plan(&state, &wanted).changes, []);
    assert!(
        told.text().contains(&format!("pulls {v1}")),
        "{}",
        told.text()
    );
}

#[tokio::test]
async fn what_was_built_here_is_kept_and_let_go_by_count() {
    let Some(bed) = Bed::find("services:\n  web:\n    image: NAME\n    stop_grace_period: 0s\n")
    else {
        return;
    };
    let name = format!("{}-web", bed.name);
    bed.write(&format!(
        "services:\n  web:\n    image: {name}\n    stop_grace_period: 0s\n"
    ));
    let target = bed.target(&json!({"keep": 1}), &[]);
    let mut ids = Vec::new();
    for version in ["v1", "v2", "v3"] {
        ids.push(bed.build(&name, version).await);
        bed.compose(&["up", "-d", "-t", "0"]).await;
        let pins = target.record().await.unwrap().unwrap();
        let pin = &pins[&web()];
        assert_eq!(
            (&pin.revision.0, pin.images.len()),
            (ids.last().unwrap(), 0)
        );
        assert_eq!(pin.recorded.as_ref().unwrap()["built"], true);
        let kept = target.protect(&pins).await.unwrap();
        assert!(kept[0].contains("lastgood/"), "{kept:?}");
        assert_eq!(target.protect(&pins).await.unwrap(), kept);
        // Containers are listed by the second in which they were made.
        tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    }
    // Compose does not take what keeps an image for a container of its own, and no volume was made for it.
    assert_eq!(bed.containers().await.len(), 1);
    assert_eq!(bed.compose(&["ps", "-aq"]).await.lines().count(), 1);
    let keeping = bed
        .docker(&[
            "ps",
            "-aq",
            "--filter",
            &format!("label=lastgood.project={}", bed.name),
        ])
        .await;
    for id in keeping.lines() {
        assert!(
            !bed.docker(&["inspect", "-f", "{{json .Mounts}}", id])
                .await
                .contains("\"volume\"")
        );
    }
    let label = format!("label=com.docker.compose.project={}", bed.name);
    bed.docker(&["image", "prune", "-af", "--filter", &label])
        .await;
    for id in &ids {
        bed.docker(&["image", "inspect", id]).await;
    }
    // v1 can still be planned for.
    let pin = Pin {
        revision: Revision(ids[0].clone()),
        payload: None,
        images: Vec::new(),
        recorded: Some(json!({"built": true})),
    };
    let (told, release) = (Told::default(), release([(web(), pin)]));
    let facts = facts(Some(&release), &told);
    let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    assert_eq!(target.hazards(&plan, &facts).await.unwrap(), []);
    assert!(
        told.text().contains("which the engine has"),
        "{}",
        told.text()
    );

    let gone = target.retire(&[Revision(ids[0].clone())]).await.unwrap();
    assert_eq!(gone.len(), 1, "{gone:?}");
    bed.docker(&["image", "inspect", &ids[0]]).await;
    let left = bed
        .docker(&["images", "-aq", "--no-trunc", "--filter", &label])
        .await;
    assert!(!left.contains(&ids[1]), "{left}");
    let error = {
        let pin = Pin {
            revision: Revision(ids[1].clone()),
            payload: None,
            images: Vec::new(),
            recorded: Some(json!({"built": true})),
        };
        let release = self::release([(web(), pin)]);
        let facts = self::facts(Some(&release), &told);
        let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
        let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
        target.hazards(&plan, &facts).await.unwrap_err()
    };
    bad_release(&error, "was built on an engine");
}

#[tokio::test]
async fn a_job_that_has_ended_is_left_alone() {
    let Some(bed) = Bed::find(
        "services:\n  web:\n    image: IMAGE:v1\n    stop_grace_period: 0s\n  job:\n    image: IMAGE:v1\n    environment: {EXIT_AFTER_MS: 0, EXIT_CODE: 0}\n",
    ) else {
        return;
    };
    let v1 = bed.push("v1").await;
    bed.compose(&["up", "-d"]).await;
    bed.docker(&["wait", &format!("{}-job-1", bed.name)]).await;
    let target = bed.target(&json!({}), &[]);
    assert_eq!(
        target.observe().await.unwrap()[&Slot("job".to_owned())].phase,
        Phase::Running
    );
    let pins = target.record().await.unwrap().unwrap();
    assert_eq!(pins.len(), 2);
    let (told, release) = (Told::default(), release(pins));
    let facts = facts(Some(&release), &told);
    let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
    assert_eq!(wanted.keys().collect::<Vec<_>>(), [&web()]);
    assert_eq!(wanted[&web()], digest(&v1));
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    target.hazards(&plan, &facts).await.unwrap();
    assert!(told.text().contains("job: NOT changed"), "{}", told.text());
}

#[tokio::test]
async fn what_is_not_there_is_told_with_what_is() {
    let Some(bed) = Bed::find(WEB) else { return };
    bed.push("v1").await;
    bed.compose(&["up", "-d"]).await;
    let error = bed
        .target(&json!({"services": ["api"]}), &[])
        .observe()
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no container of service api") && text.contains("the project has web"),
        "{text}"
    );
    let error = bed
        .target(&json!({"project": "nope"}), &[])
        .observe()
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no container of project nope") && text.contains(&bed.name),
        "{text}"
    );

    let target = bed.target(&json!({}), &[]);
    let told = Told::default();
    let (_, pin) = absent(&bed);
    let other = release([(Slot("frontend".to_owned()), pin)]);
    let error = target
        .wanted(&facts(Some(&other), &told), &Payloads::none())
        .await
        .unwrap_err();
    bad_release(&error, "the release names frontend, and nothing of project");

    let file = bed.dir().join("images.txt");
    for (text, says) in [
        ("{{garbage", "expected NAME@sha256:DIGEST"),
        ("web=shop/web:1", "expected NAME@sha256:DIGEST"),
        ("", "found no images"),
    ] {
        std::fs::write(&file, text).unwrap();
        let measured = Measured {
            path: file.clone(),
            shape: Shape::File,
            size_bytes: 0,
            digest: format!("sha256:{}", "0".repeat(64)).parse().unwrap(),
        };
        let payload = Payloads::shared(Some(measured));
        let error = target
            .wanted(&facts(None, &told), &payload)
            .await
            .unwrap_err();
        bad_release(&error, says);
    }
}

#[tokio::test]
async fn a_registry_that_lets_nobody_in_is_told_and_does_not_stop_the_way_back() {
    let Some(bed) = Bed::find(WEB) else { return };
    bed.push("v1").await;
    bed.compose(&["up", "-d"]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let registry = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = vec![0; 4096];
            if stream.read(&mut request).await.is_ok() {
                let body =
                    r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#;
                let answer = format!(
                    "HTTP/1.1 401 Unauthorized\r\nDocker-Distribution-Api-Version: registry/2.0\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                    body.len()
                );
                drop(stream.write_all(answer.as_bytes()).await);
            }
        }
    });
    let config =
        json!({"auths": {registry.to_string(): {"username": "u", "password": "wrong-password"}}})
            .to_string();
    let target = bed.target(&json!({"registry-auth-from": "AUTH"}), &[("AUTH", &config)]);
    let (_, mut pin) = absent(&bed);
    pin.images = vec![format!("{registry}/shop/web@{}", pin.revision)];
    // The repository of what runs is asked too; there it is missing for sure.
    let (told, release) = (Told::default(), release([(web(), pin)]));
    let facts = facts(Some(&release), &told);
    let wanted = target.wanted(&facts, &Payloads::none()).await.unwrap();
    let plan = diff::plan(&target.observe().await.unwrap(), &wanted);
    assert_eq!(target.hazards(&plan, &facts).await.unwrap(), []);
    let text = told.text();
    assert!(
        text.contains("it is not known whether") && text.contains("renew the login"),
        "{text}"
    );
    assert!(!text.contains("wrong-password"), "{text}");

    let target = bed.target(&json!({"registry-auth-from": "AUTH"}), &[]);
    target.wanted(&facts, &Payloads::none()).await.unwrap();
    let error = target.hazards(&plan, &facts).await.unwrap_err();
    assert!(
        error.to_string().contains("the variable AUTH is not set"),
        "{error}"
    );
    server.abort();
}
