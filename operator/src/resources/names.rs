//! The names of a pipeline's Kubernetes objects.
//!
//! What depends on nothing but the pipeline's own name can be found again when its spec is gone.

use warren_core::names::{PipelineId, QueueName};

use super::{queue_label, stamp};
use crate::pipeline::Holder;

/// The longest name: Services and label values have to be DNS labels
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>).
const LONGEST: usize = 63;

/// Hexadecimal digits that stand for what was cut off.
const DIGITS: usize = 8;

/// The Deployment, ConfigMap and PodDisruptionBudget of a queue's workers.
pub fn workers(pipeline: &PipelineId, queue: &QueueName) -> String {
    fitting(format!("{}-{}", pipeline.name(), queue.as_str()))
}

/// The Deployment, Service and ConfigMap of the HTTP producer.
pub fn producer(pipeline: &PipelineId) -> String {
    fitting(format!("{}-producer", pipeline.name()))
}

/// The ServiceAccount of all pods.
pub fn service_account(pipeline: &PipelineId) -> String {
    fitting(format!("{}-worker", pipeline.name()))
}

/// The Secret with the broker login of one who logs in.
pub fn broker_secret(pipeline: &PipelineId, holder: &Holder) -> String {
    fitting(format!("{}-{}-broker", pipeline.name(), queue_label(holder)))
}

/// The name itself, or where it is too long its beginning and a hash of the whole.
fn fitting(name: String) -> String {
    if name.len() <= LONGEST {
        return name;
    }
    let beginning: String = name.chars().take(LONGEST - DIGITS - 1).collect();
    let digits: String = stamp::digest(&name).chars().take(DIGITS).collect();
    format!("{}-{digits}", beginning.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipeline(name: &str) -> PipelineId {
        PipelineId::new("shop", name).unwrap()
    }

    fn queue(name: &str) -> QueueName {
        QueueName::new(name).unwrap()
    }

    #[test]
    fn names_are_those_of_the_pipeline_and_the_queue() {
        let orders = pipeline("orders");
        assert_eq!(workers(&orders, &queue("email")), "orders-email");
        assert_eq!(producer(&orders), "orders-producer");
        assert_eq!(service_account(&orders), "orders-worker");
        let email = Holder::Worker(queue("email"));
        assert_eq!(broker_secret(&orders, &email), "orders-email-broker");
        assert_eq!(broker_secret(&orders, &Holder::Producer), "orders-producer-broker");
    }

    #[test]
    fn a_long_name_is_cut_to_a_dns_label_and_stays_its_own() {
        let long = pipeline(&"a".repeat(63));
        let names = [
            workers(&long, &queue("email")),
            workers(&long, &queue("emails")),
            producer(&long),
            service_account(&long),
            broker_secret(&long, &Holder::Worker(queue("email"))),
        ];
        for name in &names {
            assert_eq!(name.len(), 63, "{name}");
            assert_eq!(names.iter().filter(|other| *other == name).count(), 1, "{name}");
        }
        // A hash that changed would orphan every object that has it in its name.
        assert_eq!(names[0], format!("{}-33692944", "a".repeat(54)));
    }

    #[test]
    fn a_name_is_not_cut_at_a_dash() {
        let name = workers(&pipeline(&format!("{}-b", "a".repeat(53))), &queue("email-email"));
        assert!(!name.contains("--"), "{name}");
        assert_eq!(workers(&pipeline(&"a".repeat(57)), &queue("email")).len(), 63);
    }
}
