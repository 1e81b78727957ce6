//! Where an image comes from: the engine, else its registry, which may be away.

use super::shop::{Shop, web};
use crate::docker::{App, Engine, Image};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A registry under an address of its own, which is away when this is dropped.
struct Registry {
    address: String,
    task: JoinHandle<()>,
}

impl Registry {
    async fn before(engine: &Engine) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let registry = engine.registry().to_owned();
        let task = tokio::spawn(async move {
            while let Ok((mut from, _)) = listener.accept().await {
                let registry = registry.clone();
                tokio::spawn(async move {
                    let mut to = TcpStream::connect(registry).await?;
                    tokio::io::copy_bidirectional(&mut from, &mut to).await
                });
            }
        });
        Self { address, task }
    }

    async fn push(&self, engine: &Engine, app: &App, name: &str) -> Image {
        let local = engine.local(app).await;
        let name = format!("{}/{name}", self.address);
        let tagged = format!("{name}:1");
        engine.docker(&["tag", &local, &tagged]).await;
        engine.docker(&["push", "--quiet", &tagged]).await;
        engine.docker(&["image", "rm", &local]).await;
        let image = engine.inspect(&tagged).await;
        let digest = image["RepoDigests"][0].as_str().unwrap();
        let (found, digest) = digest.split_once('@').unwrap();
        assert_eq!(found, name);
        Image {
            id: image["Id"].as_str().unwrap().to_owned(),
            digest: digest.to_owned(),
            name,
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// `web` runs the new image; the old one is recorded, and known to one registry alone.
async fn shop(engine: Engine, registry: &Registry, prefix: &str) -> (Shop, Image, Image) {
    let unique = format!("{prefix}-{}", std::process::id());
    let name = format!("shop/{unique}");
    let app = |version: &str| App::new(version).with("UNIQUE", &unique);
    let old = registry.push(&engine, &app("v1"), &name).await;
    let shop = Shop::of(engine, prefix, |port| web(&old.pinned(), port, "")).await;
    shop.record(11).await;
    let new = registry.push(&shop.engine, &app("v2"), &name).await;
    shop.put(&new.pinned()).await;
    shop.project.up().await;
    (shop, old, new)
}

async fn forget(shop: &Shop, image: &Image) {
    let args = ["image", "rm", "--force", &image.id];
    shop.engine.docker(&args).await;
    let found = shop.engine.try_docker(&["image", "inspect", &image.id]);
    assert!(found.await.is_err());
}

#[tokio::test]
async fn one_that_the_engine_lost_is_pulled() {
    let Some(engine) = Engine::find() else { return };
    let registry = Registry::before(&engine).await;
    let (shop, old, _new) = shop(engine, &registry, "pulled").await;
    forget(&shop, &old).await;
    let out = shop.run(&["rollback"]).await;
    out.ended(0, "restored").says("pull");
    shop.serves(&old, "v1").await;
}

#[tokio::test]
async fn the_registry_is_away_and_the_engine_has_it() {
    let Some(engine) = Engine::find() else { return };
    let registry = Registry::before(&engine).await;
    let (shop, old, _new) = shop(engine, &registry, "kept").await;
    drop(registry);
    shop.run(&["rollback"]).await.ended(0, "restored");
    shop.serves(&old, "v1").await;
}

#[tokio::test]
async fn neither_the_registry_nor_the_engine_has_it() {
    let Some(engine) = Engine::find() else { return };
    let registry = Registry::before(&engine).await;
    let (shop, old, new) = shop(engine, &registry, "lost").await;
    forget(&shop, &old).await;
    drop(registry);
    let id = shop.id().await;
    let out = shop.run(&["rollback"]).await;
    assert_ne!(out.code, Some(0), "{out}");
    out.says("web");
    assert_eq!(shop.id().await, id);
    shop.serves(&new, "v2").await;
    let ready = shop.run(&["ready"]).await;
    ready.ended(19, "not-ready");
}
