//! The ServiceAccount of a pipeline's pods: a name for policies to speak of, without a token.

use k8s_openapi::api::core::v1::ServiceAccount;

use super::{
    metadata::{self, Part},
    names, stamp,
};
use crate::{children::Manifest, pipeline::Pipeline};

/// The ServiceAccount of workers and producer.
pub(super) fn manifest(pipeline: &Pipeline) -> Manifest {
    let name = names::service_account(&pipeline.id);
    stamp::manifest(&ServiceAccount {
        metadata: metadata::object(pipeline, name, Part::Pipeline),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    })
}
