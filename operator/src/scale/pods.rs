//! What a Deployment and its pods say about how many workers there are.
//!
//! Pure. A pod that is on its way out finishes what it holds and counts no more.

use std::sync::Arc;

use k8s_openapi::{
    api::{apps::v1::Deployment, core::v1::Pod},
    apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry,
};
use warren_core::scaling::Replicas;

use crate::{children::OPERATOR, cluster::replicas::SCALER};

/// A pod that takes work, and where it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ReadyPod {
    /// Its name.
    pub(crate) name: String,
    /// Its address; nothing in the moment before it is known.
    pub(crate) address: Option<String>,
}

/// How many workers are asked for.
pub(crate) fn asked_for(deployment: &Deployment) -> Replicas {
    // The API server fills the field in; its own default for a missing one is 1.
    let replicas = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    Replicas::new(u32::try_from(replicas).unwrap_or_default())
}

/// The pods that take work.
pub(crate) fn ready(pods: &[Arc<Pod>]) -> Vec<ReadyPod> {
    let ready = pods.iter().filter(|pod| !is_leaving(pod) && is_ready(pod));
    ready
        .filter_map(|pod| {
            let address = pod.status.as_ref().and_then(|status| status.pod_ip.clone());
            Some(ReadyPod { name: pod.metadata.name.clone()?, address })
        })
        .collect()
}

/// How many they are.
pub(crate) fn count(pods: &[ReadyPod]) -> Replicas {
    Replicas::saturating(pods.len() as u64)
}

/// Whether the pod is on its way out.
pub(crate) fn is_leaving(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_some()
}

fn is_ready(pod: &Pod) -> bool {
    condition(pod, "Ready").is_some_and(|(status, _)| status == "True")
}

/// Status and message of a condition of the pod.
pub(crate) fn condition<'a>(pod: &'a Pod, wanted: &str) -> Option<(&'a str, &'a str)> {
    let mut conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let found = conditions.find(|condition| condition.type_ == wanted)?;
    Some((found.status.as_str(), found.message.as_deref().unwrap_or_default()))
}

/// Whether the number of replicas was handed over: somebody but the operator's own applies owns it,
/// be it the scaler or whoever wrote `kubectl scale` since, whom the scaler corrects.
///
/// Before that the operator's applies still carry the number, and would put an older one back.
pub(crate) fn is_handed_over(deployment: &Deployment) -> bool {
    let mut entries = deployment.metadata.managed_fields.iter().flatten();
    entries.any(|entry| owns_replicas(entry) && !is_apply_of_operator(entry))
}

/// Whether the scaler owns the number of replicas, and nobody else: a number that somebody else
/// writes is theirs from then on.
pub(crate) fn is_by_scaler(deployment: &Deployment) -> bool {
    let entries = deployment.metadata.managed_fields.iter().flatten();
    let mut owners = entries.filter(|entry| owns_replicas(entry)).peekable();
    owners.peek().is_some() && owners.all(|entry| entry.manager.as_deref() == Some(SCALER))
}

fn is_apply_of_operator(entry: &ManagedFieldsEntry) -> bool {
    let is = |text: &Option<String>, wanted: &str| text.as_deref() == Some(wanted);
    is(&entry.manager, OPERATOR) && is(&entry.operation, "Apply") && entry.subresource.is_none()
}

fn owns_replicas(entry: &ManagedFieldsEntry) -> bool {
    let fields = entry.fields_v1.as_ref();
    fields.is_some_and(|fields| fields.0.pointer("/f:spec/f:replicas").is_some())
}

/// Whether the Deployment was made for the pipeline of this uid.
pub(crate) fn is_ours(deployment: &Deployment, uid: &str) -> bool {
    let mut owners = deployment.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.controller == Some(true) && owner.uid == uid)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn deployment(value: Value) -> Deployment {
        serde_json::from_value(value).unwrap()
    }

    fn pod(name: &str, ready: &str, leaving: bool) -> Arc<Pod> {
        let mut metadata = json!({"name": name, "namespace": "shop"});
        if leaving {
            metadata["deletionTimestamp"] = json!("2026-11-21T12:00:00Z");
        }
        let status = json!({
            "podIP": "10.0.0.7",
            "conditions": [
                {"type": "PodScheduled", "status": "True"},
                {"type": "Ready", "status": ready},
            ],
        });
        Arc::new(serde_json::from_value(json!({"metadata": metadata, "status": status})).unwrap())
    }

    #[test]
    fn a_pod_counts_while_it_is_ready_and_not_on_its_way_out() {
        let pods = [
            pod("a", "True", false),
            pod("b", "False", false),
            pod("c", "True", true),
            Arc::new(Pod::default()),
        ];
        let expected = ReadyPod { name: "a".to_owned(), address: Some("10.0.0.7".to_owned()) };
        assert_eq!(ready(&pods), [expected]);
    }

    #[test]
    fn the_number_asked_for_is_that_of_the_spec() {
        for (spec, expected) in [
            (json!({"replicas": 7}), 7),
            (json!({"replicas": 0}), 0),
            (json!({}), 1),
            (json!({"replicas": -1}), 0),
        ] {
            let mut value = json!({"spec": {"selector": {}, "template": {}}});
            value["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
            assert_eq!(asked_for(&deployment(value)).get(), expected, "{spec}");
        }
    }

    #[test]
    fn a_deployment_is_handed_over_once_somebody_but_the_operator_owns_the_number() {
        let owned = |manager: &str, operation: &str, subresource: Option<&str>, fields: Value| {
            let entry = json!({
                "manager": manager, "operation": operation, "subresource": subresource,
                "apiVersion": "apps/v1", "fieldsType": "FieldsV1", "fieldsV1": fields,
            });
            is_handed_over(&deployment(json!({"metadata": {"managedFields": [entry]}})))
        };
        let replicas = || json!({"f:spec": {"f:replicas": {}}});
        assert!(owned("warren-scaler", "Apply", Some("scale"), replicas()));
        assert!(owned("kubectl", "Update", Some("scale"), replicas()), "kubectl scale");
        assert!(!owned("warren-scaler", "Apply", Some("scale"), json!({"f:metadata": {}})));
        assert!(!owned("warren-operator", "Apply", None, replicas()));
        assert!(!is_handed_over(&Deployment::default()));
    }

    #[test]
    fn a_number_is_the_scalers_while_nobody_else_owns_it() {
        let owned = |managers: &[&str]| {
            let entry = |manager: &&str| {
                json!({
                    "manager": manager, "operation": "Apply", "subresource": "scale",
                    "apiVersion": "apps/v1", "fieldsType": "FieldsV1",
                    "fieldsV1": {"f:spec": {"f:replicas": {}}},
                })
            };
            let entries: Vec<Value> = managers.iter().map(entry).collect();
            is_by_scaler(&deployment(json!({"metadata": {"managedFields": entries}})))
        };
        assert!(owned(&[SCALER]));
        assert!(!owned(&["keda-operator"]));
        assert!(!owned(&[SCALER, "kubectl"]));
        assert!(!owned(&[]));
    }

    #[test]
    fn a_deployment_is_ours_by_its_controller_alone() {
        let owned = |uid: &str, controller: bool| {
            let owner = json!({
                "apiVersion": "warren.dev/v1alpha1", "kind": "MessagePipeline", "name": "orders",
                "uid": uid, "controller": controller,
            });
            is_ours(&deployment(json!({"metadata": {"ownerReferences": [owner]}})), "u-1")
        };
        assert!(owned("u-1", true));
        assert!(!owned("u-1", false));
        assert!(!owned("u-2", true));
    }
}
