//! Which version of a kind a server has: clusters are of many ages. Nothing is read of the objects themselves.

use super::cluster::{Cluster, failed};
use crate::targets::TargetError;
use kube::Error;
use kube::api::ApiResource;

/// The first of `versions` in which the server has `kind`, `None` when it has it in none of them.
///
/// # Errors
/// The server does not answer, or will not say.
pub(super) async fn served(
    cluster: &Cluster,
    group: &str,
    versions: &[&str],
    kind: &str,
) -> Result<Option<ApiResource>, TargetError> {
    for version in versions {
        let api_version = format!("{group}/{version}");
        let found = match cluster.client.list_api_group_resources(&api_version).await {
            Ok(found) => found,
            Err(Error::Api(status)) if status.code == 404 => continue,
            Err(error) => {
                let what = format!("could not ask whether the server has {kind} in {api_version}");
                return Err(failed(error, &what));
            }
        };
        let own = found
            .resources
            .into_iter()
            .find(|resource| resource.kind == kind && !resource.name.contains('/'));
        if let Some(resource) = own {
            return Ok(Some(ApiResource {
                group: group.to_owned(),
                version: (*version).to_owned(),
                api_version,
                kind: kind.to_owned(),
                plural: resource.name,
            }));
        }
    }
    Ok(None)
}
