//! Weights of routes against a server of our own: the test cluster has no Gateway API.

use super::*;
use crate::model::release::Release;
use crate::targets::{Base, Way};
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use kube::client::Body;
use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

/// An API server that has one HTTPRoute, in one version. The server that the integration tests start has no Gateway API.
#[derive(Clone)]
struct Server {
    version: &'static str,
    route: Arc<Mutex<Value>>,
    /// Somebody else changes the route before the next so many patches.
    others: Arc<Mutex<u32>>,
}

impl Server {
    fn new(version: &'static str, stable: u32, canary: u32) -> Self {
        let route = json!({
            "apiVersion": format!("gateway.networking.k8s.io/{version}"), "kind": "HTTPRoute",
            "metadata": {"name": "web", "namespace": "shop", "resourceVersion": "1", "generation": 1},
            "spec": {"rules": [{"matches": [{"path": {"value": "/"}}], "backendRefs": [
                {"name": "stable", "port": 80, "weight": stable}, {"name": "canary", "port": 80, "weight": canary}]}]},
        });
        Self {
            version,
            route: Arc::new(Mutex::new(route)),
            others: Arc::default(),
        }
    }

    fn answer(&self, method: &Method, path: &str, body: &[u8]) -> (StatusCode, Value) {
        let group = format!("/apis/gateway.networking.k8s.io/{}", self.version);
        if path == group {
            return (
                StatusCode::OK,
                json!({"kind": "APIResourceList", "groupVersion": group.trim_start_matches("/apis/"), "resources": [
                    {"name": "httproutes", "singularName": "httproute", "namespaced": true, "kind": "HTTPRoute", "verbs": ["get"]}]}),
            );
        }
        if path != format!("{group}/namespaces/shop/httproutes/web") {
            return status(StatusCode::NOT_FOUND);
        }
        let mut route = self.route.lock().unwrap();
        if method == Method::GET {
            return (StatusCode::OK, route.clone());
        }
        let mut others = self.others.lock().unwrap();
        if 0 < *others {
            *others -= 1;
            touch(&mut route);
        }
        let patch: json_patch::Patch = serde_json::from_slice(body).unwrap();
        if json_patch::patch(&mut route, &patch).is_err() {
            return status(StatusCode::UNPROCESSABLE_ENTITY);
        }
        touch(&mut route);
        (StatusCode::OK, route.clone())
    }

    /// A target whose cluster this is.
    fn target(&self, steps: &[u8]) -> (Kubernetes, Place) {
        let settings = json!({"namespace": "shop", "slots": ["httproute/web"], "context": "test", "steps": steps, "rollout-deadline": "1s"});
        let kubernetes = Kubernetes::new("shop", settings, &Base::default()).unwrap();
        let cluster = Cluster {
            client: kube::Client::new(self.clone(), "shop"),
            server: "https://test".to_owned(),
            context: None,
        };
        kubernetes.cluster.set(cluster).unwrap();
        let place = Place::parse("httproute/web", "shop").unwrap();
        (kubernetes, place)
    }

    fn edit(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.route.lock().unwrap());
    }
}

fn touch(route: &mut Value) {
    let version: u64 = route["metadata"]["resourceVersion"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();
    route["metadata"]["resourceVersion"] = json!((version + 1).to_string());
}

fn status(code: StatusCode) -> (StatusCode, Value) {
    let text = code.canonical_reason().unwrap();
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": text, "reason": text, "code": code.as_u16()}),
    )
}

impl tower_service::Service<Request<Body>> for Server {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let server = self.clone();
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            let (code, answer) = server.answer(&head.method, head.uri.path(), &body);
            let body = Body::from(serde_json::to_vec(&answer).unwrap());
            Ok(Response::builder().status(code).body(body).unwrap())
        })
    }
}

const GOOD: &str = "rule0:stable=100,canary=0";

fn change(from: &str, to: &str) -> Change {
    Change::Install {
        slot: Slot("httproute/web".to_owned()),
        from: Some(Revision(from.to_owned())),
        to: Revision(to.to_owned()),
    }
}

fn facts(manifest: Option<&Release>) -> ReleaseFacts<'_> {
    ReleaseFacts {
        run: None,
        commit: None,
        manifest,
        environment: "production",
        way: Way::Back,
        emergency: false,
        on_state_conflict: crate::model::plan::OnStateConflict::Stop,
        allowed: &[],
        story: None,
    }
}

async fn held(target: &(Kubernetes, Place)) -> String {
    let held = observe(&target.0, &target.1).await.unwrap().unwrap();
    held.revision.unwrap().0
}

async fn bring(target: &(Kubernetes, Place), from: &str, to: &str) -> Result<(), TargetError> {
    apply(&target.0, &target.1, &change(from, to), &facts(None)).await
}

#[track_caller]
fn refused(answer: Result<(), TargetError>, text: &str) {
    match answer {
        Err(TargetError::Refused { what, .. }) => assert!(what.contains(text), "{what}"),
        other => panic!("expected a refusal with {text:?}, found {other:?}"),
    }
}

#[tokio::test]
async fn weights_go_back_in_steps_whatever_the_version() {
    for version in ["v1", "v1beta1"] {
        let server = Server::new(version, 0, 100);
        let target = server.target(&[50, 25, 10]);
        let whole = change(&held(&target).await, GOOD);
        let mut steps = path(&target.0, &whole);
        assert_eq!(steps.len(), 3);
        steps.push(whole.to().clone());
        for step in steps {
            bring(&target, &held(&target).await, &step.0).await.unwrap();
            assert_eq!(held(&target).await, step.0);
        }
        let pin = record(&target.0, &target.1).await.unwrap();
        assert_eq!(
            pin.recorded,
            Some(json!({"rules": [{"stable": 100, "canary": 0}]}))
        );
        let route = server.route.lock().unwrap();
        assert_eq!(
            route["spec"]["rules"][0]["matches"][0]["path"]["value"],
            "/"
        );
    }
}

#[tokio::test]
async fn a_weight_that_is_not_written_is_one() {
    let server = Server::new("v1", 0, 1);
    server.edit(|route| {
        let backends = &mut route["spec"]["rules"][0]["backendRefs"];
        backends[1].as_object_mut().unwrap().shift_remove("weight");
    });
    let target = server.target(&[]);
    assert_eq!(held(&target).await, "rule0:stable=0,canary=1");
    bring(&target, "rule0:stable=0,canary=1", GOOD)
        .await
        .unwrap();
    assert_eq!(held(&target).await, GOOD);
}

#[tokio::test]
async fn a_writer_in_between_is_noticed() {
    let server = Server::new("v1", 50, 50);
    let target = server.target(&[]);
    *server.others.lock().unwrap() = 2;
    bring(&target, "rule0:stable=50,canary=50", GOOD)
        .await
        .unwrap();
    assert_eq!(held(&target).await, GOOD);
    let answer = bring(
        &target,
        "rule0:stable=50,canary=50",
        "rule0:stable=0,canary=100",
    )
    .await;
    assert!(
        matches!(answer, Err(TargetError::Conflict { .. })),
        "{answer:?}"
    );
    *server.others.lock().unwrap() = 100;
    let answer = bring(&target, GOOD, "rule0:stable=0,canary=100").await;
    refused(answer, "somebody else keeps changing it");
}

#[tokio::test]
async fn other_backends_and_other_drivers_are_refused() {
    let server = Server::new("v1", 50, 50);
    let target = server.target(&[]);
    let now = "rule0:stable=50,canary=50";
    refused(
        bring(&target, now, "rule0:stable=100,green=0").await,
        "other backends",
    );
    for (place, sign, driver) in [
        (
            "annotations",
            json!({"app.kubernetes.io/managed-by": "flagger"}),
            "Flagger",
        ),
        (
            "labels",
            json!({"rollouts.argoproj.io/gatewayapi-canary": "in-progress"}),
            "Argo Rollouts",
        ),
        (
            "ownerReferences",
            json!([{"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "web", "uid": "1"}]),
            "Argo Rollouts",
        ),
        (
            "ownerReferences",
            json!([{"apiVersion": "flagger.app/v1beta1", "kind": "Canary", "name": "web", "uid": "1"}]),
            "Flagger",
        ),
    ] {
        server.edit(|route| route["metadata"][place] = sign);
        refused(
            bring(&target, now, GOOD).await,
            &format!("driven by {driver}"),
        );
        server.edit(|route| {
            let metadata = route["metadata"].as_object_mut().unwrap();
            metadata.shift_remove(place);
        });
    }
    // Argo CD owns nothing of the weights; whether it undoes the change is a hazard, not a refusal of the route.
    server.edit(|route| {
        route["metadata"]["annotations"] = json!({"argocd.argoproj.io/tracking-id": "shop:web"});
    });
    bring(&target, now, GOOD).await.unwrap();
}

#[tokio::test]
async fn a_cluster_without_the_gateway_api_is_refused() {
    let target = Server::new("v1alpha2", 1, 1).target(&[]);
    refused(
        observe(&target.0, &target.1).await.map(drop),
        "the cluster has no HTTPRoute",
    );
}

#[test]
fn a_gateway_that_lags_is_waited_for() {
    let lagging = |observed: i64, status: &str| {
        let route = json!({"metadata": {"name": "web"}, "status": {"parents": [{"controllerName": "example.com/gateway", "conditions": [
            {"type": "Accepted", "status": status, "observedGeneration": observed}]}]}});
        pending(&serde_json::from_value(route).unwrap(), 2)
    };
    assert_eq!(lagging(1, "True"), ["example.com/gateway"]);
    assert_eq!(lagging(2, "False"), ["example.com/gateway"]);
    assert!(lagging(2, "True").is_empty());
    let silent = json!({"metadata": {"name": "web"}, "status": {"parents": []}});
    assert!(pending(&serde_json::from_value(silent).unwrap(), 2).is_empty());
}
