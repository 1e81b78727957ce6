//! What the double refuses, and what it will not forgive.

use super::{client, furnished, get, json_of, location};
use serde_json::json;

#[tokio::test]
async fn refusals_come_in_githubs_order_and_words() {
    let world = furnished().await;
    let url = format!("{}/repos/octo/web/actions/runs", world.api_url());
    let bare = client();
    assert_eq!(bare.get(&url).send().await.unwrap().status(), 401);
    assert_eq!(
        bare.get(&url)
            .bearer_auth("wrong")
            .send()
            .await
            .unwrap()
            .status(),
        401
    );
    let weak = world.token_with(&["contents: read"]);
    let refused = bare.get(&url).bearer_auth(&weak).send().await.unwrap();
    assert_eq!(refused.status(), 403);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("Resource not accessible by integration")
    );
    let reader = world.token_with(&["deployments: read"]);
    let create = bare
        .post(format!("{}/repos/octo/web/deployments", world.api_url()))
        .bearer_auth(&reader);
    assert_eq!(
        create
            .json(&json!({"ref": "main"}))
            .send()
            .await
            .unwrap()
            .status(),
        403
    );
    let old = bare
        .get(&url)
        .bearer_auth(world.token())
        .header("x-github-api-version", "1999-01-01");
    assert_eq!(old.send().await.unwrap().status(), 400);
    assert_eq!(get(&world, "repos/octo/unknown").await.status(), 404);
    assert_eq!(
        get(&world, "repos/octo/web/compare/aaa...gone")
            .await
            .status(),
        404
    );
    assert_eq!(
        get(&world, "repos/octo/web/attestations/sha256:11")
            .await
            .status(),
        404
    );
    world.set_requests_left(1);
    assert_eq!(
        get(&world, "repos/octo/web").await.headers()["x-ratelimit-remaining"],
        "0"
    );
    assert_eq!(get(&world, "repos/octo/web").await.status(), 403);
    assert_eq!(
        json_of(&world, "rate_limit").await["resources"]["core"]["remaining"],
        0
    );
}

#[tokio::test]
async fn a_token_that_reaches_the_blob_store_is_a_violation() {
    let world = furnished().await;
    let url = location(&world).await;
    let leaked = client()
        .get(&url)
        .bearer_auth(world.token())
        .send()
        .await
        .unwrap();
    assert_eq!(leaked.status(), 400);
    let doubled = client()
        .get(&url)
        .header("user-agent", "a")
        .header("user-agent", "b");
    doubled.send().await.unwrap();
    let violations = world.violations();
    assert_eq!(violations.len(), 2, "{violations:?}");
    assert!(violations[0].contains("Authorization"), "{violations:?}");
    assert!(violations[1].contains("user-agent"), "{violations:?}");
}
