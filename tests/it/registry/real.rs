//! Against a real registry: what is pushed is found, what moves or is deleted is told.

use super::process::{PASSWORD, Process};
use super::{
    DOCKER_LIST, DOCKER_MANIFEST, INDEX, MANIFEST, digest, image, index, nobody, registry, user,
};
use lastgood::targets::registry::RegistryError;

#[tokio::test]
async fn what_is_pushed_is_found_until_it_is_deleted() {
    let Some(server) = Process::start(false).await else {
        return;
    };
    let registry = registry(nobody());
    for (name, media_type) in [("team/docker", DOCKER_MANIFEST), ("team/oci", MANIFEST)] {
        let bytes = server.image(name, "v1", media_type, b"one").await;
        let first = digest(&bytes);
        let tagged = image(format!("{}/{name}:v1", server.host));
        for asked in [tagged.clone(), tagged.pinned(first)] {
            let present = registry.present(&asked).await.unwrap();
            assert_eq!(
                (present.digest, present.media_type.as_str()),
                (first, media_type)
            );
            assert!(present.platforms.is_empty());
        }
        assert_eq!(registry.moved(&tagged, &first).await, Ok(None));
        let second = digest(&server.image(name, "v1", media_type, b"two").await);
        assert_eq!(registry.moved(&tagged, &first).await, Ok(Some(second)));
        registry.present(&tagged.pinned(first)).await.unwrap();
        server.delete(name, &first).await;
        let error = registry.present(&tagged.pinned(first)).await.unwrap_err();
        assert!(matches!(error, RegistryError::Missing { .. }), "{error}");
        registry.present(&tagged).await.unwrap();
    }
    let never = image(format!("{}/never/pushed:v1", server.host));
    let error = registry.present(&never).await.unwrap_err();
    assert!(matches!(error, RegistryError::Missing { .. }), "{error}");
}

#[tokio::test]
async fn an_index_is_found_with_its_platforms() {
    let Some(server) = Process::start(false).await else {
        return;
    };
    let registry = registry(nobody());
    for (name, list, media_type) in [
        ("docker", DOCKER_LIST, DOCKER_MANIFEST),
        ("oci", INDEX, MANIFEST),
    ] {
        let amd = server.image(name, "amd", media_type, b"amd").await;
        let arm = server.image(name, "arm", media_type, b"arm").await;
        let bytes = index(list, &[("linux/amd64", &amd), ("linux/arm64/v8", &arm)]);
        server.push(name, "v1", list, &bytes).await;
        let tagged = image(format!("{}/{name}:v1", server.host));
        let present = registry
            .present(&tagged.pinned(digest(&bytes)))
            .await
            .unwrap();
        assert_eq!(
            (present.digest, present.media_type.as_str()),
            (digest(&bytes), list)
        );
        let expected = [
            ("linux/amd64".to_owned(), digest(&amd)),
            ("linux/arm64/v8".to_owned(), digest(&arm)),
        ];
        assert_eq!(present.platforms, expected);
        assert_eq!(registry.moved(&tagged, &digest(&arm)).await, Ok(None));
        assert_eq!(
            registry.moved(&tagged, &digest(b"x")).await,
            Ok(Some(digest(&bytes)))
        );
    }
}

#[tokio::test]
async fn a_registry_with_a_password_wants_the_right_one() {
    let Some(server) = Process::start(true).await else {
        return;
    };
    let bytes = server.image("app", "v1", MANIFEST, b"layer").await;
    let pinned = image(format!("{}/app@{}", server.host, digest(&bytes)));
    let known = registry(user(&server.host, "me", PASSWORD));
    assert_eq!(known.present(&pinned).await.unwrap().digest, digest(&bytes));
    let gone = pinned.pinned(digest(b"gone"));
    let error = known.present(&gone).await.unwrap_err();
    assert!(matches!(error, RegistryError::Missing { .. }), "{error}");
    for credentials in [
        nobody(),
        user(&server.host, "me", "wrong"),
        user("ghcr.io", "me", PASSWORD),
    ] {
        let error = registry(credentials).present(&pinned).await.unwrap_err();
        assert!(matches!(error, RegistryError::Unauthorized(_)), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
}
