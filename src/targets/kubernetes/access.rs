//! How the API server is reached: which address, which certificates, which credentials. Nothing is asked of it here.

use super::cluster::{Cluster, failed};
use super::settings::Settings;
use crate::targets::{Base, TargetError};
use anyhow::Context as _;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

pub(super) async fn open(settings: &Settings, base: &Base) -> Result<Cluster, TargetError> {
    let path = settings
        .kubeconfig
        .clone()
        .or_else(|| base.environment.get("KUBECONFIG").cloned())
        .unwrap_or_default();
    let kubeconfig =
        Kubeconfig::read_from(base.dir.join(path)).context("could not read the kubeconfig")?;
    let options = KubeConfigOptions {
        context: settings.context.clone(),
        ..KubeConfigOptions::default()
    };
    let context = options
        .context
        .clone()
        .or_else(|| kubeconfig.current_context.clone());
    let config = Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .context("could not use the kubeconfig")?;
    let server = config.cluster_url.to_string();
    let client =
        Client::try_from(config).map_err(|error| failed(error, "could not set up the client"))?;
    Ok(Cluster {
        client,
        server,
        context,
    })
}
