//! Another autoscaler on a Deployment of ours: two of them would fight for ever.
//!
//! Pure. KEDA makes HorizontalPodAutoscalers too, so looking at those is enough.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;

/// The label by which KEDA marks what it makes for a ScaledObject
/// (<https://keda.sh/docs/latest/reference/scaledobject-spec/>).
const OF_KEDA: &str = "scaledobject.keda.sh/name";

/// What else scales a Deployment, in the words of a person who looks for it; nothing when nobody
/// does.
pub(crate) fn scaler(
    autoscalers: &[Arc<HorizontalPodAutoscaler>],
    deployment: &str,
) -> Option<String> {
    let mut names: Vec<String> = autoscalers
        .iter()
        .filter(|autoscaler| targets(autoscaler, deployment))
        .map(|autoscaler| described(autoscaler))
        .collect();
    names.sort();
    names.into_iter().next()
}

fn targets(autoscaler: &HorizontalPodAutoscaler, deployment: &str) -> bool {
    let target = autoscaler.spec.as_ref().map(|spec| &spec.scale_target_ref);
    target.is_some_and(|target| target.kind == "Deployment" && target.name == deployment)
}

fn described(autoscaler: &HorizontalPodAutoscaler) -> String {
    let metadata = &autoscaler.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let keda = metadata.labels.as_ref().and_then(|labels| labels.get(OF_KEDA));
    match keda {
        Some(object) => format!("ScaledObject {object} (HorizontalPodAutoscaler {name})"),
        None => format!("HorizontalPodAutoscaler {name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn autoscaler(
        name: &str,
        labels: &Value,
        kind: &str,
        target: &str,
    ) -> Arc<HorizontalPodAutoscaler> {
        let value = json!({
            "metadata": {"name": name, "labels": labels},
            "spec": {
                "maxReplicas": 5,
                "scaleTargetRef": {"apiVersion": "apps/v1", "kind": kind, "name": target},
            },
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    #[test]
    fn an_autoscaler_counts_when_its_target_is_the_deployment() {
        let none = json!({});
        let all = [
            autoscaler("other", &none, "Deployment", "orders-sms"),
            autoscaler("set", &none, "StatefulSet", "orders-email"),
        ];
        assert_eq!(scaler(&all, "orders-email"), None);
        let plain = [autoscaler("mine", &none, "Deployment", "orders-email")];
        assert_eq!(scaler(&plain, "orders-email").unwrap(), "HorizontalPodAutoscaler mine");
    }

    #[test]
    fn one_that_keda_made_is_named_by_what_a_person_would_delete() {
        let labels = json!({"scaledobject.keda.sh/name": "email"});
        let all = [autoscaler("keda-hpa-email", &labels, "Deployment", "orders-email")];
        let expected = "ScaledObject email (HorizontalPodAutoscaler keda-hpa-email)";
        assert_eq!(scaler(&all, "orders-email").unwrap(), expected);
    }
}
