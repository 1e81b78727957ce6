//! A whole rollback in the container, with the files of the runner checked.

use super::job::Job;
use super::{image, rig};
use crate::docker::Engine;
use crate::rig::{NEW_RUN, Probes, Rig};
use std::fs;

/// The step of the new run, with the world's GitHub and the service on the host's loopback.
pub(super) fn job(engine: &Engine, image: &str, rig: &Rig) -> Job {
    let mut job = Job::new(engine, image, &rig.path("")).network("host");
    let ours = [
        "GITHUB_API_URL",
        "GITHUB_REPOSITORY",
        "GITHUB_RUN_ID",
        "GITHUB_RUN_ATTEMPT",
        "GITHUB_SHA",
    ];
    for (name, value) in rig.environment(&[]) {
        if ours.contains(&name.as_str()) {
            job = job.with(&name, &value);
        }
    }
    job.input("github-token", &rig.world.token())
}

#[tokio::test]
async fn puts_the_good_release_back() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let rig = rig(Probes::Yes).await;
    let job = job(&engine, &image, &rig).input("reason", "a \"bad\" deploy");
    let left = job.run().await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    assert_eq!(rig.holds(), "good");
    let out = &left.outputs;
    assert_eq!(
        (
            &*out["outcome"],
            &*out["exit-code"],
            &*out["run-id"],
            &*out["changed"]
        ),
        ("restored", "0", "101", "true")
    );
    for file in ["report", "journal"] {
        assert!(rig.path(&out[file]).is_file(), "{file}: {}", out[file]);
    }
    for part in ["## lastgood: restored", "Plan", "Timeline", "101"] {
        assert!(
            left.summary.contains(part),
            "{part} is not in {}",
            left.summary
        );
    }
    assert_eq!(left.log.masks, [rig.world.token()]);
    assert_eq!(left.log.annotations("notice").len(), 1);
    assert_eq!(rig.leftovers(), [""; 0]);
    assert!(!job.is_there().await);
    // Whoever comes next in the job is another user, and can read what is left.
    let meta = fs::metadata(rig.path(&out["report"])).unwrap();
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&meta.permissions()) & 0o444,
        0o444
    );
}

/// One binary and nothing else: no /tmp, no certificates, no names of users.
#[tokio::test]
async fn needs_nothing_of_an_operating_system() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let bare = format!("{image}-bare");
    let made = engine.docker(&["create", &image]).await;
    let dir = tempfile::TempDir::new().unwrap();
    let binary = dir.path().join("lastgood");
    engine
        .docker(&["cp", &format!("{made}:/lastgood"), binary.to_str().unwrap()])
        .await;
    engine.docker(&["rm", &made]).await;
    let entrypoint = [r#"ENTRYPOINT ["/lastgood"]"#.to_owned()];
    engine
        .import(
            &[("lastgood", &fs::read(binary).unwrap())],
            &entrypoint,
            &bare,
        )
        .await;
    let rig = rig(Probes::No).await;
    let left = job(&engine, &bare, &rig).run().await;
    assert_eq!(left.ended.code, Some(0), "{}", left.ended);
    assert_eq!(rig.holds(), "good");
    engine.docker(&["image", "rm", &bare]).await;
}

#[tokio::test]
async fn a_refusal_has_its_outputs_too() {
    let Some(engine) = Engine::find() else { return };
    let image = image(&engine).await;
    let rig = rig(Probes::No).await;
    let left = job(&engine, &image, &rig)
        .input("exclude-run", "101")
        .run()
        .await;
    assert_eq!(left.ended.code, Some(13), "{}", left.ended);
    assert_eq!(left.outputs["outcome"], "no-known-good");
    assert!(left.summary.contains(&NEW_RUN.to_string()));
    // A hyphen in the name of an input gets through: nobody's shell stands between.
    let left = job(&engine, &image, &rig)
        .input("run-id", "latest")
        .run()
        .await;
    assert_eq!(left.ended.code, Some(2), "{}", left.ended);
    assert!(left.log.annotations("error")[0].contains("run-id"));
}
