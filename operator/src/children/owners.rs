//! Who says how many replicas a Deployment has, as the API server keeps books on it
//! (<https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>).

use serde_json::Value;

use super::{Manifest, OPERATOR};

/// Whether somebody but the operator's own applies owns the number of replicas.
///
/// Only then may an apply leave it out: a field that its only owner drops falls back to its
/// default, here to 1.
pub(crate) fn has_another_scaler(deployment: &Manifest) -> bool {
    let entries = deployment.0.pointer("/metadata/managedFields").and_then(Value::as_array);
    let mut owners = entries.into_iter().flatten().filter(|entry| owns_replicas(entry));
    owners.any(|entry| !is_ours(entry))
}

/// The number of replicas that a Deployment has.
pub(crate) fn replicas(deployment: &Manifest) -> u32 {
    let said = deployment.0.pointer("/spec/replicas").and_then(Value::as_u64);
    // The API server's own default; it never leaves the field out.
    said.and_then(|number| u32::try_from(number).ok()).unwrap_or(1)
}

fn owns_replicas(entry: &Value) -> bool {
    entry.pointer("/fieldsV1/f:spec/f:replicas").is_some()
}

fn is_ours(entry: &Value) -> bool {
    let text = |field| entry.get(field).and_then(Value::as_str).unwrap_or_default();
    (text("manager"), text("operation"), text("subresource")) == (OPERATOR, "Apply", "")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn deployment(owners: &[(&str, &str, &str, Value)]) -> Manifest {
        let entries: Vec<Value> = owners
            .iter()
            .map(|(manager, operation, subresource, fields)| {
                json!({"manager": manager, "operation": operation, "subresource": subresource,
                       "fieldsType": "FieldsV1", "fieldsV1": fields})
            })
            .collect();
        Manifest(json!({"metadata": {"managedFields": entries}, "spec": {"replicas": 4}}))
    }

    fn of_replicas() -> Value {
        json!({"f:spec": {"f:replicas": {}}})
    }

    #[test]
    fn whoever_owns_the_replicas_beside_the_operator_counts() {
        let ours = ("warren-operator", "Apply", "", of_replicas());
        assert!(!has_another_scaler(&deployment(&[])));
        assert!(!has_another_scaler(&deployment(std::slice::from_ref(&ours))));
        for other in [
            ("warren-scaler", "Apply", "scale"),
            ("kubectl", "Update", "scale"),
            ("kube-controller-manager", "Update", "scale"),
            // Not an apply: what it owns stays when an apply leaves the field out.
            ("warren-operator", "Update", ""),
        ] {
            let (manager, operation, subresource) = other;
            let other = (manager, operation, subresource, of_replicas());
            assert!(has_another_scaler(&deployment(&[ours.clone(), other])), "{manager}");
        }
        let status = ("kube-controller-manager", "Update", "status", json!({"f:status": {}}));
        assert!(!has_another_scaler(&deployment(&[ours, status])));
    }

    #[test]
    fn a_deployment_without_a_number_has_one_replica() {
        assert_eq!(replicas(&deployment(&[])), 4);
        assert_eq!(replicas(&Manifest(json!({"spec": {}}))), 1);
    }
}
