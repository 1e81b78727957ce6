//! What goes wrong when a test asks for it, in answers and on the wire.

use super::{client, furnished, get, ids, json_of, location};
use crate::github_schema;
use crate::world::{ArtifactSpec, Fault, Route, RunSpec};
use std::time::Duration;

#[tokio::test]
async fn faults_strike_in_turn_and_end() {
    let world = furnished().await;
    let path = "repos/octo/web/actions/runs";
    world.fault_times(Route::RepoRuns, 2, Fault::status(502));
    world.fault(Route::RepoRuns, Fault::html(200));
    world.fault(Route::RepoRuns, Fault::too_many_requests(7));
    world.fault(Route::RepoRuns, Fault::rate_limit_used_up(99));
    let mut seen = Vec::new();
    for _request in 0..6 {
        seen.push(get(&world, path).await.status().as_u16());
    }
    assert_eq!(seen, [502, 502, 200, 429, 403, 200]);
    world.fault_always(Route::RepoRuns, Fault::Drop);
    let url = format!("{}/{path}", world.api_url());
    client()
        .get(&url)
        .bearer_auth(world.token())
        .send()
        .await
        .unwrap_err();
    world.heal(Route::RepoRuns);
    assert_eq!(get(&world, path).await.status(), 200);
    world.fault(Route::Zip, Fault::Without("location"));
    world.fault(Route::Zip, Fault::BodyInstead);
    let artifact = ids(
        &json_of(&world, "repos/octo/web/actions/artifacts").await,
        "artifacts",
    )[0];
    let path = format!("repos/octo/web/actions/artifacts/{artifact}/zip");
    assert!(!get(&world, &path).await.headers().contains_key("location"));
    assert!(
        get(&world, &path)
            .await
            .bytes()
            .await
            .unwrap()
            .starts_with(b"PK")
    );
}

#[tokio::test]
async fn bodies_break_on_the_wire() {
    let world = github_schema::world().await;
    let bytes = vec![7_u8; 400_000];
    world
        .repo("octo/web")
        .run(RunSpec::default())
        .artifact(ArtifactSpec::raw("app.wasm", bytes.clone()));
    let url = location(&world).await;
    for fault in [
        Fault::Truncate(150_000),
        Fault::Reset(150_000),
        Fault::Stall(150_000),
    ] {
        world.fault(Route::Blob, fault.clone());
        let silent = matches!(fault, Fault::Stall(_));
        let patience = Duration::from_secs(if silent { 3 } else { 20 });
        let quick = client().get(&url).timeout(patience).send().await.unwrap();
        assert_eq!(quick.headers()["content-length"], "400000");
        let (mut response, mut got) = (quick, 0);
        let error = loop {
            match response.chunk().await {
                Ok(Some(chunk)) => got += chunk.len(),
                Ok(None) => panic!("{fault:?}: the body must not look whole"),
                Err(error) => break error,
            }
        };
        // A reset may overtake bytes that were on their way.
        let whole = !matches!(fault, Fault::Reset(_));
        assert!(
            got == 150_000 || (!whole && got < 150_000),
            "{fault:?}: {got} bytes, then {error}"
        );
        assert_eq!(error.is_timeout(), silent, "{fault:?}: {error:?}");
    }
    world.fault(Route::Blob, Fault::Tamper(200_000));
    let tampered = client()
        .get(&url)
        .send()
        .await
        .unwrap()
        .bytes()
        .await
        .unwrap();
    let differ: Vec<usize> = (0..bytes.len())
        .filter(|&at| tampered[at] != bytes[at])
        .collect();
    assert_eq!(differ, [200_000]);
    world.fault(Route::Blob, Fault::IgnoreRange);
    let whole = client()
        .get(&url)
        .header("range", "bytes=5-")
        .send()
        .await
        .unwrap();
    assert_eq!(whole.status(), 200);
    world.fault(Route::Blob, Fault::Delay(Duration::from_millis(300)));
    let hurried = client()
        .get(&url)
        .timeout(Duration::from_millis(100))
        .send()
        .await;
    assert!(hurried.unwrap_err().is_timeout());
}
