//! Values that unit tests begin with.

use jiff::Timestamp;
use serde_json::Value;
use warren_api::{MessagePipeline, schema};

use crate::{
    pipeline::Pipeline,
    settings::{Identity, ImagePull, Settings},
    validate::{self, Violation},
};

/// What the operator is told in tests.
pub(crate) fn settings() -> Settings {
    Settings {
        identity: Identity::Local,
        worker_image: "warren-worker:test".to_owned(),
        producer_image: "warren-producer:test".to_owned(),
        pull: ImagePull::default(),
    }
}

/// The pipeline `shop/orders` with one queue, `email`, and these further lines in the queue.
pub(crate) fn with_queue(lines: &str) -> MessagePipeline {
    with_spec("", &format!("{{name: email, handler: {{log: {{}}}}, {lines}}}"))
}

/// The pipeline `shop/orders` with these further lines in the spec and these queues.
pub(crate) fn with_spec(lines: &str, queues: &str) -> MessagePipeline {
    let yaml = format!(
        "{{apiVersion: warren.dev/v1alpha1, kind: MessagePipeline, \
         metadata: {{name: orders, namespace: shop, generation: 1}}, \
         spec: {{broker: {{secretRef: {{name: rabbitmq}}}}, queues: [{queues}], {lines}}}}}"
    );
    let value: Value = serde_saphyr::from_str(&yaml).unwrap();
    serde_json::from_value(schema::with_defaults(&value)).unwrap()
}

/// The smallest pipeline.
pub(crate) fn smallest() -> Pipeline {
    valid(&with_queue(""))
}

/// The pipeline of an object that must be valid.
pub(crate) fn valid(object: &MessagePipeline) -> Pipeline {
    validate::pipeline(object, &settings()).unwrap()
}

/// All that is wrong with an object, as `path: message`.
pub(crate) fn refused(object: &MessagePipeline) -> Vec<String> {
    let verdict = validate::pipeline(object, &settings());
    verdict.err().map_or_else(Vec::new, |all| all.iter().map(Violation::to_string).collect())
}

/// A moment.
pub(crate) fn noon() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}
