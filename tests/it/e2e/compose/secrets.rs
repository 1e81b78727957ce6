//! Nothing that is secret is in an output, a file of ours, or on a container.

use super::shop::{NEW, Shop, of_run, web};
use crate::docker::{App, Engine};
use serde_json::json;
use std::fs;

const PASSWORD: &str = "correct-horse-battery";
/// `shop:correct-horse-battery`, as a docker `config.json` has it.
const AUTH: &str = "c2hvcDpjb3JyZWN0LWhvcnNlLWJhdHRlcnk=";
const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nbm90LWEtcmVhbC1rZXktYnV0LWFzLXNlY3JldC1hcy1vbmU\n-----END OPENSSH PRIVATE KEY-----\n";
const KEY_LINE: &str = "bm90LWEtcmVhbC1rZXktYnV0LWFzLXNlY3JldC1hcy1vbmU";

#[tokio::test]
async fn credentials_are_in_no_output_and_no_file() {
    let Some(engine) = Engine::find() else { return };
    let unique = format!("secret-{}", std::process::id());
    let name = format!("shop/{unique}");
    let good = App::new("v1").with("UNIQUE", &unique);
    let local = engine.local(&good).await;
    let good = engine.push(&good, &name, "1").await;
    // A service that tells the world what it should not, and what evidence is taken of.
    let said = format!("login as shop:{PASSWORD} with {AUTH} and {KEY_LINE}");
    let bad = App::new("v2").bad().with("SAY", &said);
    let bad = engine.push(&bad, &name, "2").await;
    let shop = Shop::of(engine, "secret", |port| web(&good.pinned(), port, "")).await;
    let settings = "registry-auth-from: SHOP_AUTH, ssh-key-from: SHOP_KEY";
    shop.configure(settings);
    let auth = json!({"auths": {shop.engine.registry(): {"auth": AUTH}}}).to_string();
    let [output, summary] = ["output", "summary"].map(|name| shop.stage.path(name));
    let secret = |args: &[&str]| {
        shop.call(args)
            .step(NEW)
            .env("SHOP_AUTH", &auth)
            .env("SHOP_KEY", KEY)
            .env("GITHUB_OUTPUT", output.to_str().unwrap())
            .env("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())
            .env("RUST_LOG", "trace")
    };
    let dir = shop.stage.path("record");
    fs::create_dir(&dir).unwrap();
    let recorded = secret(&["record", "--path", dir.to_str().unwrap()]);
    let recorded = of_run(recorded, 11).run().await;
    assert_eq!(recorded.code, Some(0), "{recorded}");
    shop.green(11, &dir);
    shop.put(&bad.pinned()).await;
    // So that it is pulled, with the login.
    for name in [&local, &good.pinned(), &format!("{}:1", good.name)] {
        shop.engine.docker(&["image", "rm", name]).await;
    }
    let ready = secret(&["ready", "-vv"]).run().await;
    let watched = secret(&["watch", "-vv"]).run().await;
    watched.ended(10, "rolled-back");
    shop.serves(&good, "v1").await;
    let history = secret(&["history"]).run().await;

    let mut texts = vec![format!("{}", shop.project.container("web").await)];
    for out in [&recorded, &ready, &watched, &history] {
        texts.extend([out.stdout.clone(), out.stderr.clone()]);
    }
    for dir in [".lastgood", "record", "temp"] {
        let files = crate::rig::listing(&shop.stage.path(dir));
        let files = files.into_values();
        texts.extend(files.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()));
    }
    for file in [output, summary] {
        texts.push(fs::read_to_string(file).unwrap());
    }
    assert!(
        texts.iter().any(|text| text.contains("login as shop:")),
        "what the service said is evidence"
    );
    for text in texts {
        for secret in [PASSWORD, AUTH, KEY_LINE] {
            assert!(!text.contains(secret), "{secret} is in\n{text}");
        }
    }
}
