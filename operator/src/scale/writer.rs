//! I/O out: a number of workers is written, and before it becomes smaller those pods are marked
//! that should go.
//!
//! Marking is best effort: a missing right or a slow answer only means that others may go. It takes
//! its time, so that it is looked again before the number is written.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warren_broker::management::{ApiError, Management};
use warren_core::names::{PipelineId, Prefix};

use super::{
    order::{Order, Written},
    pods, staff,
    victims::{self, CHEAP, COST, Load, Staff},
};
use crate::{
    children::{ChildError, ChildErrorKind},
    cluster::{
        fault::{Fault, within},
        replicas::{self, Order as ScaleOrder, SCALER},
        stores::Stores,
    },
};

/// How long it may take to find out who should go, and to mark them. Fewer workers are never
/// urgent, but the decision grows old.
const MARK_WITHIN: Duration = Duration::from_secs(3);

/// How many pods are marked at once.
const AT_ONCE: usize = 8;

/// Writes the numbers of one queue's workers.
pub(crate) struct Writer {
    /// The API server.
    pub(crate) client: Client,
    /// What was seen of it.
    pub(crate) stores: Stores,
    /// Whose workers they are.
    pub(crate) pipeline: PipelineId,
    /// The uid of that pipeline.
    pub(crate) uid: String,
    /// Who knows what each worker holds; nothing where nobody can be asked.
    pub(crate) broker: Option<Holdings>,
    /// What the names of the workers' connections begin with.
    pub(crate) prefix: Prefix,
}

/// Who knows what the workers of a virtual host hold.
pub(crate) struct Holdings {
    /// The broker.
    pub(crate) management: Management,
    /// The virtual host.
    pub(crate) vhost: String,
}

impl Writer {
    /// Carries an order out unless it is withdrawn first; `staff` are the pods as they are now.
    ///
    /// The order comes back as it was carried out: about a later version of the Deployment, where
    /// that changed in the meantime and its number of replicas did not.
    pub(crate) async fn write(
        &self,
        order: Order,
        staff: &Staff,
        withdrawn: &CancellationToken,
    ) -> (Order, Written) {
        let excess = order.from.get().saturating_sub(order.to.get());
        let choice = staff.choice(excess);
        if choice == 0 {
            let written = became(self.scale(&order).await);
            return (order, written);
        }
        let marked = self.mark(&order, staff, choice, withdrawn).await;
        let latest = self.latest(&order);
        let written = match &latest {
            _ if withdrawn.is_cancelled() => Written::Withdrawn,
            Some(latest) => became(self.scale(latest).await),
            None => Written::Overtaken,
        };
        if written != Written::Done {
            self.set_costs(&marked, &Value::Null).await;
        }
        (latest.unwrap_or(order), written)
    }

    /// The order about the Deployment as it is by now; nothing when somebody else changed its
    /// number.
    fn latest(&self, order: &Order) -> Option<Order> {
        let seen = staff::deployment(&self.stores, &self.pipeline, &self.uid, &order.deployment)?;
        let resource_version = seen.metadata.resource_version.clone()?;
        let is_same = pods::asked_for(&seen) == order.from;
        is_same.then(|| Order { resource_version, ..order.clone() })
    }

    async fn scale(&self, order: &Order) -> Result<(), Fault> {
        let order = ScaleOrder {
            namespace: self.pipeline.namespace(),
            deployment: &order.deployment,
            resource_version: &order.resource_version,
            replicas: order.to.get(),
        };
        replicas::apply(&self.client, order).await
    }

    /// Marks the pods that hold the least; which ones may be marked now.
    async fn mark(
        &self,
        order: &Order,
        staff: &Staff,
        choice: usize,
        withdrawn: &CancellationToken,
    ) -> Vec<String> {
        let load = withdrawn.run_until_cancelled(timeout(MARK_WITHIN, self.load(order)));
        let Some(Ok(Some(load))) = load.await else {
            return Vec::new();
        };
        let victims = staff.victims(choice, &load);
        let cheap = Value::from(CHEAP);
        let marking = timeout(MARK_WITHIN, self.set_costs(&victims, &cheap));
        let _ = withdrawn.run_until_cancelled(marking).await;
        victims
    }

    async fn load(&self, order: &Order) -> Option<Load> {
        let Holdings { management, vhost } = self.broker.as_ref()?;
        let asked = tokio::try_join!(management.connections(vhost), management.channels(vhost));
        let unknown = |error: ApiError| tracing::debug!(%error, "what workers hold is not known");
        let (connections, channels) = asked.map_err(unknown).ok()?;
        let prefix = self.prefix.as_str();
        Some(victims::load(prefix, order.queue.as_str(), &connections, &channels))
    }

    async fn set_costs(&self, pods: &[String], cost: &Value) {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), self.pipeline.namespace());
        let patch = Patch::Merge(json!({"metadata": {"annotations": {COST: cost}}}));
        let manager =
            PatchParams { field_manager: Some(SCALER.to_owned()), ..PatchParams::default() };
        let set = async |pod: &String| {
            if let Err(fault) = within(api.patch_metadata(pod, &manager, &patch)).await {
                tracing::debug!(pod, %fault, "deletion cost not set");
            }
        };
        stream::iter(pods).for_each_concurrent(AT_ONCE, set).await;
    }
}

fn became(result: Result<(), Fault>) -> Written {
    let fault = match result {
        Ok(()) => return Written::Done,
        // The next look sees that it is gone.
        Err(fault) if fault.is_not_found() => return Written::Overtaken,
        Err(fault) => fault,
    };
    let ChildError { kind, message } = fault.into();
    match kind {
        ChildErrorKind::Conflict => Written::Overtaken,
        ChildErrorKind::Refused => Written::Refused(message),
        ChildErrorKind::Unavailable => Written::Unanswered(message),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::apps::v1::Deployment;
    use kube::runtime::{reflector::store::Writer as StoreWriter, watcher::Event};
    use std::sync::Arc;
    use warren_core::{names::QueueName, scaling::Replicas};

    use super::*;
    use crate::cluster::{fake::Fake, scope::Scope, stores::Shelf};

    const SCALE: &str = "PATCH /apis/apps/v1/namespaces/shop/deployments/orders-email/scale";

    /// The Deployment of the workers, as the watch shows it by now.
    fn deployment(replicas: u32, version: &str) -> Deployment {
        let owner = json!({
            "apiVersion": "warren.dev/v1alpha1", "kind": "MessagePipeline", "name": "orders",
            "uid": "u-1", "controller": true,
        });
        let value = json!({
            "metadata": {
                "name": "orders-email", "namespace": "shop", "resourceVersion": version,
                "ownerReferences": [owner],
            },
            "spec": {"replicas": replicas, "selector": {}, "template": {}},
        });
        serde_json::from_value(value).unwrap()
    }

    fn stores(seen: Deployment) -> Stores {
        let mut deployments = StoreWriter::default();
        deployments.apply_watcher_event(&Event::Apply(seen));
        let shelf = Shelf { deployments: deployments.as_reader(), ..Shelf::empty() };
        Stores::new(vec![(Scope::Cluster, shelf)])
    }

    /// Carries out 6 → 3 of version 7, while the watch shows this; the versions that were written
    /// to as well.
    async fn written(seen: Deployment, withdrawn: bool) -> (Order, Written, Vec<String>) {
        let fake = Fake::default().answers(SCALE, 200, json!({"metadata": {}}));
        let pipeline = PipelineId::new("shop", "orders").unwrap();
        let writer = Writer {
            client: fake.client(),
            stores: stores(seen),
            pipeline,
            uid: "u-1".to_owned(),
            broker: None,
            prefix: Prefix::new("shop.orders").unwrap(),
        };
        let order = Order {
            queue: QueueName::new("email").unwrap(),
            deployment: "orders-email".to_owned(),
            resource_version: "7".to_owned(),
            from: Replicas::new(6),
            to: Replicas::new(3),
        };
        let pod = |number: u32| -> Arc<Pod> {
            let status = json!({"conditions": [{"type": "Ready", "status": "True"}]});
            let metadata = json!({"name": format!("orders-email-{number}")});
            let pod = json!({"metadata": metadata, "status": status});
            Arc::new(serde_json::from_value(pod).unwrap())
        };
        let pods: Vec<Arc<Pod>> = (0..6).map(pod).collect();
        let token = CancellationToken::new();
        if withdrawn {
            token.cancel();
        }
        let (order, written) = writer.write(order, &Staff::of(&pods), &token).await;
        let asked = fake.asked().into_iter();
        let version = |body: &Value| body["metadata"]["resourceVersion"].as_str().unwrap().into();
        (order, written, asked.map(|asked| version(&asked.body)).collect())
    }

    #[tokio::test]
    async fn a_scale_down_follows_a_deployment_that_changed_while_pods_were_marked() {
        let (order, result, versions) = written(deployment(6, "9"), false).await;
        assert_eq!((result, versions), (Written::Done, vec!["9".to_owned()]));
        assert_eq!(order.resource_version, "9", "the keeper knows what it was written to");
    }

    #[tokio::test]
    async fn a_number_that_somebody_else_wrote_meanwhile_is_decided_anew() {
        let (_, result, versions) = written(deployment(8, "9"), false).await;
        assert_eq!((result, versions), (Written::Overtaken, vec![]));
    }

    #[tokio::test]
    async fn an_order_that_was_withdrawn_in_time_is_not_written() {
        let (_, result, versions) = written(deployment(6, "7"), true).await;
        assert_eq!((result, versions), (Written::Withdrawn, vec![]));
    }
}
