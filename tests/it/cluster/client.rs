//! Clients of the cluster for tests, from a kubeconfig as any program would have it.

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use std::path::Path;

pub async fn of(kubeconfig: &Path) -> Client {
    let kubeconfig = Kubeconfig::read_from(kubeconfig).expect("the keeper wrote a kubeconfig");
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .expect("the kubeconfig names everything");
    Client::try_from(config).expect("the kubeconfig has all that a client needs")
}
