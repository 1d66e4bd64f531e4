//! What of a spec still counts when its pipeline is deleted: as much as can be understood.

use warren_api::{DeletionSpec, MessagePipeline, MessagePipelineStatus};
use warren_core::{
    names::{Prefix, QueueName},
    topology::{self, BrokerFacts, BrokerVersion, Topology},
};

use super::{Path, Report, broker, duration, identity, owner, policy, prefix};
use crate::{departing::Departing, finalizer, pipeline::Deletion, settings::Settings};

/// Reads what is known of a deleted pipeline from its spec and its last status; nothing when it is
/// not deleted, or cannot have had any objects because its own name is not one.
pub fn departing(
    object: &MessagePipeline,
    status: &MessagePipelineStatus,
    settings: &Settings,
) -> Option<Departing> {
    let spec = &object.spec;
    let at = Path::root("spec");
    // What is wrong is nobody's concern any more.
    let ignored = &mut Report::of_schema(Vec::new());
    let id = identity(object, ignored)?;
    let owner = owner(object, &id, &settings.identity, ignored)?;
    let recorded = status.exchange.as_deref().and_then(|exchange| Prefix::new(exchange).ok());
    let prefix = recorded.or_else(|| prefix(spec.name_prefix.as_deref(), &id, &at, ignored))?;
    let known = status.broker.as_ref();
    Some(Departing {
        names: names(object, status, settings, &prefix),
        broker: broker::read(&spec.broker, &at, ignored),
        vhost: known.and_then(|broker| broker.vhost.clone()),
        users: broker::users(&spec.broker),
        deletion: deletion(&spec.deletion, ignored),
        since: object.metadata.deletion_timestamp.as_ref()?.0,
        is_forced: finalizer::is_forced(object),
        id,
        owner,
        prefix,
    })
}

/// A duration that is none is as if it were not given.
fn deletion(spec: &DeletionSpec, ignored: &mut Report) -> Deletion {
    let usual = DeletionSpec::default();
    let at = Path::root("spec.deletion");
    let drain = duration::read(&spec.drain, &at, ignored);
    let drain = drain.or_else(|| duration::read(&usual.drain, &at, ignored));
    let timeout = duration::read(&spec.timeout, &at, ignored);
    let timeout = timeout.or_else(|| duration::read(&usual.timeout, &at, ignored));
    Deletion {
        policy: policy(spec.policy),
        drain: drain.unwrap_or_default(),
        timeout: timeout.unwrap_or_default(),
    }
}

fn names(
    object: &MessagePipeline,
    status: &MessagePipelineStatus,
    settings: &Settings,
    prefix: &Prefix,
) -> Vec<String> {
    let version = status.broker.as_ref().and_then(|broker| broker.version.as_ref()?.parse().ok());
    let facts = BrokerFacts { version: version.unwrap_or(BrokerVersion::OLDEST) };
    if let Ok(pipeline) = super::pipeline(object, settings) {
        let Topology { policies, exchanges, queues, .. } =
            topology::desired(&pipeline.layout(), facts);
        let queues = queues.into_iter().map(|queue| format!("queue {}", queue.name));
        let exchanges = exchanges.into_iter().map(|exchange| format!("exchange {}", exchange.name));
        let policies = policies.into_iter().map(|policy| format!("policy {}", policy.name));
        return queues.chain(exchanges).chain(policies).collect();
    }
    let queues = status.queues.iter().filter_map(|queue| QueueName::new(queue.name.as_str()).ok());
    let queues = queues.flat_map(|queue| [prefix.main(&queue), prefix.dead(&queue)]);
    let queues = queues.chain([prefix.unrouted()]).map(|name| format!("queue {name}"));
    let exchanges = [prefix.to_string(), prefix.internal(), prefix.unrouted()];
    queues.chain(exchanges.map(|name| format!("exchange {name}"))).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use warren_api::{BrokerStatus, QueueStatus};

    use super::*;
    use crate::{
        fixtures::{noon, refused, settings, with_spec},
        pipeline::DeletionPolicy,
    };

    const QUEUE: &str = "{name: email, handler: {log: {}}}";

    fn read(lines: &str, status: &MessagePipelineStatus) -> Departing {
        let mut object = with_spec(lines, QUEUE);
        object.metadata.deletion_timestamp = Some(Time(noon()));
        departing(&object, status, &settings()).unwrap()
    }

    #[test]
    fn a_valid_spec_says_everything() {
        let lines = "deletion: {policy: Delete, drain: 5s, timeout: 1m}";
        let read = read(lines, &MessagePipelineStatus::default());
        let expected = Deletion {
            policy: DeletionPolicy::Delete,
            drain: Duration::from_secs(5),
            timeout: Duration::from_mins(1),
        };
        assert_eq!(read.deletion, expected);
        assert_eq!(read.since, noon());
        assert!(read.names.contains(&"queue shop.orders.email.retry.1000".to_owned()));
        assert!(read.names.contains(&"policy shop.orders.unrouted".to_owned()));
    }

    #[test]
    fn an_invalid_spec_still_says_how_to_end() {
        let status = MessagePipelineStatus {
            exchange: Some("old.prefix".to_owned()),
            broker: Some(BrokerStatus { vhost: Some("blue".to_owned()), ..Default::default() }),
            queues: vec![QueueStatus {
                name: "sms".to_owned(),
                retry_mode: None,
                revision: None,
                scaling: None,
            }],
            ..MessagePipelineStatus::default()
        };
        let lines = "namePrefix: no prefix, deletion: {drain: soon, timeout: 2m}";
        assert_eq!(refused(&with_spec(lines, QUEUE)).len(), 2, "two faults");
        let read = read(lines, &status);
        assert_eq!(read.deletion.drain, Duration::from_mins(1));
        assert_eq!(read.deletion.timeout, Duration::from_mins(2));
        assert_eq!(read.prefix.as_str(), "old.prefix");
        assert_eq!(read.vhost.as_deref(), Some("blue"));
        assert_eq!(read.broker.unwrap().secret, "rabbitmq");
        assert!(read.names.contains(&"queue old.prefix.sms.dead".to_owned()), "{:?}", read.names);
    }

    #[test]
    fn a_pipeline_that_nobody_deleted_is_not_departing() {
        let status = MessagePipelineStatus::default();
        let object = with_spec("", QUEUE);
        assert_eq!(departing(&object, &status, &settings()), None);
        assert_ne!(Timestamp::UNIX_EPOCH, noon());
    }
}
