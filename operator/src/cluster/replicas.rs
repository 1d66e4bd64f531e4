//! The one way in which a number of replicas is written: by applying `/scale` as `warren-scaler`.
//!
//! An apply records who owns the number, also when it stays the same; a merge of the same value
//! would not, and the operator's next apply without `replicas` would then make it 1. The version
//! keeps a decision that rests on an older object from being written.

use k8s_openapi::api::apps::v1::Deployment;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::json;

use super::fault::{Fault, within};

/// The field manager of every number of replicas.
pub(crate) const SCALER: &str = "warren-scaler";

/// A number for a Deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order<'a> {
    /// Its namespace.
    pub(crate) namespace: &'a str,
    /// Its name.
    pub(crate) deployment: &'a str,
    /// The version of it that the number was made for.
    pub(crate) resource_version: &'a str,
    /// The number.
    pub(crate) replicas: u32,
}

/// Writes a number of replicas.
///
/// # Errors
/// When it was not written, by [`Fault::is_conflict`] because the Deployment is another by now.
pub(crate) async fn apply(client: &Client, order: Order<'_>) -> Result<(), Fault> {
    let Order { namespace, deployment, resource_version, replicas } = order;
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let scale = json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": {
            "name": deployment,
            "namespace": namespace,
            "resourceVersion": resource_version,
        },
        "spec": {"replicas": replicas},
    });
    let manager = PatchParams::apply(SCALER).force();
    within(deployments.patch_scale(deployment, &manager, &Patch::Apply(scale))).await.map(|_| ())
}
