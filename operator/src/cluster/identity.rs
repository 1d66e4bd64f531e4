//! Which cluster this is, for the owner markers on brokers that several clusters share.

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};

use super::fault::{Fault, within};
use crate::settings::ClusterId;

/// The namespace that every cluster has, once.
const NAMESPACE: &str = "kube-system";

/// Why this cluster has no name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    /// The operator may not look.
    #[error(
        "namespace kube-system may not be read, so this cluster has no id of its own: set \
         WARREN_CLUSTER_ID, or grant `get` on that namespace: {0}"
    )]
    Forbidden(Fault),
    /// The API server does not answer, or not yet.
    #[error("namespace kube-system cannot be read: {0}")]
    Unavailable(Fault),
    /// The API server gives it no uid.
    #[error("namespace kube-system has no uid: set WARREN_CLUSTER_ID")]
    NoUid,
}

/// The id that was given, else the uid of namespace `kube-system`.
///
/// # Errors
/// When that cannot be read.
pub(crate) async fn of(client: &Client, id: &ClusterId) -> Result<String, IdentityError> {
    if let ClusterId::Given(id) = id {
        return Ok(id.clone());
    }
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let found = within(namespaces.get_metadata(NAMESPACE)).await.map_err(|fault| {
        if fault.is_forbidden() {
            IdentityError::Forbidden(fault)
        } else {
            IdentityError::Unavailable(fault)
        }
    })?;
    found.uid().ok_or(IdentityError::NoUid)
}
