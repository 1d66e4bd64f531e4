//! Somebody else edits what the operator made: what is ours is put back, what is not stays.

use std::time::Duration;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::harness::{story, until};

const READY: Duration = Duration::from_secs(60);
/// A write of the scaler is at most some ticks away, and does not wait for the interval of a minute.
const CORRECTED: Duration = Duration::from_secs(45);

#[test]
fn a_kubectl_scale_is_corrected_by_the_scaler() {
    story("scale", async |scene| {
        let mut fixed = scene.queue("email");
        fixed["scaling"] = json!({"mode": "Fixed", "minReplicas": 1});
        let manifest = scene.manifest("orders", &[fixed, scene.queue("audit")]);
        let orders = scene.create(&manifest).await;
        orders.until_ready(READY).await;
        for (queue, wanted, within) in [("email", 1, CORRECTED), ("audit", 0, READY)] {
            let deployment = format!("deployment/{}", orders.deployment(queue));
            let scale = ["scale", &deployment, "--replicas=3", "-n", &scene.namespace];
            scene.cluster.kubectl(&scale).await;
            orders.until_replicas(queue, wanted, within).await;
        }
        orders.until_ready(READY).await;
    });
}

#[test]
fn a_field_of_somebody_else_stays_and_a_field_of_ours_is_put_back() {
    story("edits", async |scene| {
        let orders = scene.create(&scene.manifest("orders", &[scene.queue("email")])).await;
        orders.until_ready(READY).await;
        let name = orders.deployment("email");
        let deployments = orders.deployments();
        let before = deployments.get(&name).await.unwrap();
        let edit = json!({
            "metadata": {"annotations": {"team": "red"}, "labels": {"cost-centre": "42"}},
            "spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}},
        });
        let edited =
            PatchParams { field_manager: Some("somebody".to_owned()), ..Default::default() };
        deployments.patch(&name, &edited, &Patch::Merge(edit)).await.unwrap();
        until(READY, "the grace period is ours again", async || {
            let now = deployments.get(&name).await.map_err(|error| error.to_string())?;
            if now.spec == before.spec { Ok(()) } else { Err(format!("{:?}", now.spec)) }
        })
        .await;
        let now = deployments.get(&name).await.unwrap();
        assert_eq!(now.metadata.annotations.unwrap()["team"], "red");
        assert_eq!(now.metadata.labels.unwrap()["cost-centre"], "42");
    });
}
