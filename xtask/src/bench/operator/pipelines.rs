//! Pipelines that have nothing to do: each has one queue, no producer, and else what it has by
//! default. Plain data.

use serde_json::{Value, json};
use warren_core::names::{PipelineId, QueueName};

use super::NAMESPACE;

/// The Secret with the broker's login.
pub(super) const SECRET: &str = "rabbitmq";
/// What their only queues are called.
const QUEUE: &str = "all";

/// So many of them, as one manifest.
pub(super) fn manifest(count: u16) -> Value {
    let pipelines = names(count).map(|name| {
        json!({
            "apiVersion": "warren.dev/v1alpha1",
            "kind": "MessagePipeline",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "spec": {
                "broker": {"secretRef": {"name": SECRET}},
                "queues": [{
                    "name": QUEUE,
                    "bindings": [{"routingKey": "#"}],
                    "handler": {"log": {}},
                }],
            },
        })
    });
    json!({"apiVersion": "v1", "kind": "List", "items": pipelines.collect::<Vec<_>>()})
}

/// What their queues are called on the broker, one a line.
pub(super) fn queues(count: u16) -> String {
    let queue = |name: String| {
        let prefix = PipelineId::new(NAMESPACE, name).and_then(|id| id.default_prefix());
        let main = prefix.and_then(|prefix| Ok(prefix.main(&QueueName::new(QUEUE)?)));
        main.expect("short words of lower-case letters make names") + "\n"
    };
    names(count).map(queue).collect()
}

fn names(count: u16) -> impl Iterator<Item = String> {
    (1..=count).map(|number| format!("idle-{number}"))
}

#[cfg(test)]
mod tests {
    use warren_api::MessagePipeline;

    use super::*;

    #[test]
    fn every_item_is_a_pipeline_and_has_a_queue_of_its_own() {
        let manifest = manifest(3);
        let items = manifest["items"].as_array().expect("a list");
        for item in items {
            let pipeline: MessagePipeline =
                serde_json::from_value(item.clone()).expect("a pipeline");
            assert_eq!(
                pipeline.spec.broker.secret_ref.map(|secret| secret.name).as_deref(),
                Some(SECRET)
            );
        }
        assert_eq!(items.len(), 3);
        assert_eq!(queues(2), "warren-bench.idle-1.all\nwarren-bench.idle-2.all\n");
    }
}
