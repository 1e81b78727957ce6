//! Ways into a real cluster, whether it is the right one, permissions, leases and hazards.

mod doors;
mod hazards;
mod leases;
mod ready;

use crate::cluster::{Cluster, Space, User};
use lastgood::targets::{self, Base, Target, TargetError};
use serde_json::{Value, json};
use std::path::Path;

/// A target in this space, reached as this user; `more` is laid over the settings.
fn target(cluster: &Cluster, space: &Space, user: User, more: &Value) -> Box<dyn Target> {
    open(
        &space.name,
        &cluster.kubeconfig(user),
        &cluster.server(),
        more,
    )
}

fn open(namespace: &str, kubeconfig: &Path, server: &str, more: &Value) -> Box<dyn Target> {
    let mut settings = json!({
        "namespace": namespace, "slots": ["deployment/web"], "check-images": false,
        "kubeconfig": kubeconfig, "server": server,
    });
    for (key, value) in more.as_object().expect("an object") {
        settings[key] = value.clone();
    }
    targets::open("kubernetes", "web", settings, &Base::default()).expect("the settings hold")
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(result: Result<T, TargetError>, says: &str, advises: &str) {
    match result {
        Err(TargetError::Refused { what, next, .. }) => {
            assert!(what.contains(says), "{what}, expected {says}");
            assert!(next.contains(advises), "{next}, expected {advises}");
        }
        other => panic!("{other:?}, expected it to be refused: {says}"),
    }
}
