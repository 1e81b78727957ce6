//! Mistakes of the caller: exit code 2 before anything is contacted, the place named, and the nearest right one.

use super::stage::Stage;

#[tokio::test]
async fn a_mistake_is_named_before_anything_is_contacted() {
    let stage = Stage::new().await;
    stage.run_of(10, "v1");
    let cases: &[(&[&str], &[&str])] = &[
        (&["rolback"], &["rolback", "rollback"]),
        (&["rollback", "--runid", "7"], &["--runid", "--run-id"]),
        (&["rollback", "--run-id", "seven"], &["--run-id", "seven"]),
        (
            &["rollback", "--run-id", "7", "--artifact", "x"],
            &["--run-id", "--artifact"],
        ),
        (
            &["rollback", "--environment", "produktion"],
            &["produktion", "production"],
        ),
        (&["rollback", "--config", "nowhere.yml"], &["nowhere.yml"]),
        (
            &["rollback", "--expected-sha256", "abc"],
            &["--expected-sha256"],
        ),
        (&["rollback", "--artifact", "nowhere.zip"], &["nowhere.zip"]),
        (&["rollback", "--slot", "web"], &["web", "shop"]),
        (&["watch"], &["probe"]),
        (&["watch", "--replay", "nowhere.jsonl"], &["nowhere.jsonl"]),
        (
            &["deploy", "--probe", "http://127.0.0.1:9/"],
            &["--artifact"],
        ),
        (&["record", "--path", "nowhere"], &["nowhere"]),
        (
            &["report", "--journal", "nowhere"],
            &["nowhere", "lastgood history"],
        ),
    ];
    for (args, words) in cases {
        let out = stage.run(args).await;
        out.ended(2, "usage");
        for word in *words {
            out.says(word);
        }
    }
    for (missing, words) in [
        ("GITHUB_TOKEN", "set GITHUB_TOKEN"),
        ("GITHUB_REPOSITORY", "--repository owner/name"),
    ] {
        let out = stage
            .lastgood(&["rollback"])
            .json()
            .without(missing)
            .run()
            .await;
        out.ended(2, "usage").says(words);
    }
    assert!(stage.world.requests().is_empty());
    assert!(stage.server().is_empty());
    assert_eq!(stage.service.counters().requests, 0);
}

#[tokio::test]
async fn a_mistake_in_the_config_is_named_by_file_line_and_key() {
    let stage = Stage::new().await;
    let place = ".github/lastgood.yml:4:";
    for (right, wrong, words) in [
        (
            "workflow:",
            "workfow:",
            &[place, "workfow", "did you mean workflow?"],
        ),
        (
            "kind: directory",
            "kind: directroy",
            &[":5:", "directroy", "directory"],
        ),
        (
            "path: server",
            "path: server, keep: -1",
            &[":5:", "keep", "a whole number"],
        ),
        (
            "on-inconclusive: pass",
            "on-inconclusive: ignore",
            &[":6:", "ignore", "pass"],
        ),
    ] {
        stage.configure(|_default| ());
        let file = stage.path(".github/lastgood.yml");
        let text = std::fs::read_to_string(&file)
            .unwrap()
            .replace(right, wrong);
        std::fs::write(&file, text).unwrap();
        let out = stage.run(&["rollback"]).await;
        out.ended(2, "usage");
        for word in words {
            out.says(word);
        }
    }
    assert!(stage.world.requests().is_empty());
}
