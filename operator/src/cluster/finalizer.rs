//! Puts the finalizer on a pipeline and takes it away; when, others decide.

use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
};
use serde_json::json;
use warren_api::{
    MessagePipeline,
    metadata::{FINALIZER, GROUP, KIND, VERSION},
};

use super::fault::{Fault, within};
use crate::children::OPERATOR;

/// How often it is tried to take it away while others write to the object.
const ATTEMPTS: usize = 3;

/// Puts it on the object with this uid: one of the same name that is made anew is refused.
///
/// # Errors
/// When it is not on.
pub(crate) async fn put(
    pipelines: &Api<MessagePipeline>,
    name: &str,
    uid: &str,
) -> Result<(), Fault> {
    let held = json!({
        "apiVersion": format!("{GROUP}/{VERSION}"),
        "kind": KIND,
        "metadata": {"name": name, "uid": uid, "finalizers": [FINALIZER]},
    });
    let manager = PatchParams::apply(OPERATOR).force();
    within(pipelines.patch_metadata(name, &manager, &Patch::Apply(held))).await.map(|_| ())
}

/// Takes it away from the object with this uid, whoever put it there; one that is gone has none.
///
/// # Errors
/// When it may still be on.
pub(crate) async fn take(
    pipelines: &Api<MessagePipeline>,
    name: &str,
    uid: &str,
) -> Result<(), Fault> {
    let mut last = Ok(());
    for _ in 0..ATTEMPTS {
        last = take_once(pipelines, name, uid).await;
        if !last.as_ref().is_err_and(Fault::is_conflict) {
            break;
        }
    }
    last
}

/// The list is written as a whole, so the version says that it is the one that was read.
async fn take_once(pipelines: &Api<MessagePipeline>, name: &str, uid: &str) -> Result<(), Fault> {
    let Some(found) = within(pipelines.get_metadata_opt(name)).await? else {
        return Ok(());
    };
    let is_another = found.uid().as_deref() != Some(uid);
    let has_it = found.finalizers().iter().any(|finalizer| finalizer == FINALIZER);
    if is_another || !has_it {
        return Ok(());
    }
    let others: Vec<&String> =
        found.finalizers().iter().filter(|finalizer| *finalizer != FINALIZER).collect();
    let version = found.resource_version();
    let patch = json!({"metadata": {"resourceVersion": version, "finalizers": others}});
    let manager =
        PatchParams { field_manager: Some(OPERATOR.to_owned()), ..PatchParams::default() };
    match within(pipelines.patch_metadata(name, &manager, &Patch::Merge(patch))).await {
        Err(fault) if fault.is_not_found() => Ok(()),
        result => result.map(|_| ()),
    }
}
