//! What keeps a rollback from the wrong place and the wrong time.

use super::stage::Stage;
use crate::world::service::Behaviour;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

#[tokio::test]
async fn the_wrong_machine_and_the_wrong_repository_are_refused_before_anything_is_asked() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    for (guard, words) in [
        ("hostname: web-1.example", "expected web-1.example"),
        (
            "repository: octo/other",
            "found repository octo/shop, expected octo/other",
        ),
    ] {
        stage.configure(|config| guard.clone_into(&mut config.guard));
        for verb in ["rollback", "ready", "list"] {
            let out = stage.run(&[verb]).await;
            out.ended(15, "refused").says("guard: found").says(words);
        }
    }
    assert!(stage.world.requests().is_empty());
    assert!(stage.server().is_empty());
}

#[tokio::test]
async fn two_rollbacks_of_one_server_are_kept_apart() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    stage.put(&Behaviour::good("v0"));
    let restart = stage.file(
        "restart",
        "#!/bin/sh\ntouch ../../../restarting\nwhile ! test -e ../../../go; do sleep 0.05; done\n",
    );
    std::fs::set_permissions(&restart, std::fs::Permissions::from_mode(0o755)).unwrap();
    stage.configure(|config| {
        config.targets = format!(
            "{{ name: shop, kind: directory, path: server, restart: [{}], restart-deadline: 30s }}",
            restart.display()
        );
    });
    let first = stage.lastgood(&["rollback"]).json().start();
    let second = async {
        while !stage.path("restarting").exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let out = stage.run(&["rollback"]).await;
        stage.file("go", "");
        out
    };
    let (first, second) = tokio::join!(first.end(), second);
    second
        .ended(15, "refused")
        .says("is held by")
        .says("wait for it to end");
    first.ended(0, "restored");
    assert_eq!(stage.holds().as_deref(), Some("v1"));
    stage.run(&["rollback"]).await.ended(0, "already-good");
}
