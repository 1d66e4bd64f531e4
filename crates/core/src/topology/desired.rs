//! What should be on the broker for a pipeline.

use std::time::Duration;

use super::{
    Argument, Arguments, Binding, BrokerFacts, Exchange, ExchangeKind, Policy, PolicyReach, Queue,
    Topology,
};
use crate::{
    config::Unrouted,
    duration::millis,
    names::{Prefix, QueueName},
    owner::{self, Owner},
};

/// The delivery limit of dead-letter queues from 4.0 on.
///
/// A dead letter may arrive with a delivery count, and with the broker's default of 20 a few peeks
/// would make it vanish, because a dead-letter queue has nowhere to dead-letter to. -1 would mean
/// unlimited to newer brokers and "drop at the first return" to older ones.
const DEAD_DELIVERY_LIMIT: i64 = 1_000_000;

/// What of a pipeline shapes its broker objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// The prefix of every name, and the name of the ingress exchange.
    pub prefix: Prefix,
    /// The marker on every object.
    pub owner: Owner,
    /// The type of the ingress exchange.
    pub exchange: ExchangeKind,
    /// What becomes of messages that no binding matches.
    pub unrouted: Unrouted,
    /// The queues.
    pub queues: Vec<QueueLayout>,
}

/// What of a queue shapes its broker objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLayout {
    /// Its name.
    pub name: QueueName,
    /// Which messages of the ingress exchange it gets.
    pub bindings: Vec<BindingRule>,
    /// The delays of its retry tiers.
    pub tiers: Vec<Duration>,
    /// What its policies set.
    pub limits: QueueLimits,
}

/// One binding of a queue to the ingress exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindingRule {
    /// The routing key.
    pub routing_key: String,
    /// Header values to match, with `x-match`; of a headers exchange only.
    pub arguments: Arguments,
}

/// The tunable limits of a queue. Nothing means no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueLimits {
    /// Returned deliveries before the broker dead-letters a message itself.
    pub delivery_limit: u32,
    /// The most messages.
    pub max_length: Option<u64>,
    /// The most bytes.
    pub max_length_bytes: Option<u64>,
    /// How long a message may wait in the main queue.
    pub message_ttl: Option<Duration>,
    /// How long a delivery may stay unacknowledged.
    pub consumer_timeout: Duration,
    /// The most bytes in the dead-letter queue.
    pub dead_max_length_bytes: Option<u64>,
    /// How long a dead letter is kept.
    pub dead_retention: Option<Duration>,
}

/// All objects of the pipeline, as they should be on this broker.
pub fn desired(layout: &Layout, facts: BrokerFacts) -> Topology {
    let of = Objects { layout, facts };
    let queues = &layout.queues;
    let mut topology = Topology {
        policies: queues.iter().flat_map(|q| [of.main_policy(q), of.dead_policy(q)]).collect(),
        exchanges: vec![of.internal_exchange(), of.unrouted_exchange(), of.ingress_exchange()],
        queues: queues.iter().map(|q| of.dead_queue(q)).collect(),
        bindings: queues.iter().map(|q| of.dead_binding(q)).collect(),
    };
    topology.policies.extend([of.tier_policy(), of.unrouted_policy()]);
    topology.queues.extend(queues.iter().map(|q| of.main_queue(q)));
    topology.bindings.extend(queues.iter().map(|q| of.return_binding(q)));
    for queue in queues {
        for tier in &queue.tiers {
            topology.queues.push(of.tier_queue(queue, *tier));
            topology.bindings.push(of.tier_binding(queue, *tier));
        }
    }
    if layout.unrouted == Unrouted::Capture {
        topology.queues.push(of.unrouted_queue());
        topology.bindings.push(of.unrouted_binding());
    }
    topology.bindings.extend(queues.iter().flat_map(|q| of.ingress_bindings(q)));
    topology
}

struct Objects<'a> {
    layout: &'a Layout,
    facts: BrokerFacts,
}

impl Objects<'_> {
    fn prefix(&self) -> &Prefix {
        &self.layout.prefix
    }

    fn marked(&self, arguments: impl IntoIterator<Item = (&'static str, Argument)>) -> Arguments {
        let marker = (owner::ARGUMENT, self.layout.owner.to_string().into());
        arguments
            .into_iter()
            .chain([marker])
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn internal_exchange(&self) -> Exchange {
        let kind = ExchangeKind::Direct;
        Exchange { name: self.prefix().internal(), kind, arguments: self.marked([]) }
    }

    fn unrouted_exchange(&self) -> Exchange {
        let kind = ExchangeKind::Fanout;
        Exchange { name: self.prefix().unrouted(), kind, arguments: self.marked([]) }
    }

    fn ingress_exchange(&self) -> Exchange {
        let alternate = ("alternate-exchange", self.prefix().unrouted().into());
        Exchange {
            name: self.prefix().to_string(),
            kind: self.layout.exchange,
            arguments: self.marked([alternate]),
        }
    }

    fn dead_queue(&self, queue: &QueueLayout) -> Queue {
        let name = self.prefix().dead(&queue.name);
        Queue { name, arguments: self.marked([quorum()]) }
    }

    fn main_queue(&self, queue: &QueueLayout) -> Queue {
        let name = self.prefix().main(&queue.name);
        let arguments = self.marked(self.dead_lettering(queue.name.dead_key()));
        Queue { name, arguments }
    }

    fn tier_queue(&self, queue: &QueueLayout, tier: Duration) -> Queue {
        let name = self.prefix().tier(&queue.name, tier);
        let ttl = ("x-message-ttl", whole_millis(tier));
        let route = self.dead_lettering(queue.name.return_key());
        Queue { name, arguments: self.marked(route.into_iter().chain([ttl])) }
    }

    fn unrouted_queue(&self) -> Queue {
        Queue { name: self.prefix().unrouted(), arguments: self.marked([quorum()]) }
    }

    /// At-least-once dead-lettering needs `reject-publish`; without it the broker falls back to
    /// at-most-once and says so in its log alone.
    fn dead_lettering(&self, key: String) -> [(&'static str, Argument); 5] {
        [
            quorum(),
            ("x-dead-letter-exchange", self.prefix().internal().into()),
            ("x-dead-letter-routing-key", key.into()),
            ("x-dead-letter-strategy", "at-least-once".into()),
            ("x-overflow", "reject-publish".into()),
        ]
    }

    fn dead_binding(&self, queue: &QueueLayout) -> Binding {
        self.internal_binding(self.prefix().dead(&queue.name), queue.name.dead_key())
    }

    fn return_binding(&self, queue: &QueueLayout) -> Binding {
        self.internal_binding(self.prefix().main(&queue.name), queue.name.return_key())
    }

    fn tier_binding(&self, queue: &QueueLayout, tier: Duration) -> Binding {
        self.internal_binding(self.prefix().tier(&queue.name, tier), queue.name.retry_key(tier))
    }

    fn internal_binding(&self, queue: String, routing_key: String) -> Binding {
        let source = self.prefix().internal();
        Binding { source, queue, routing_key, arguments: Arguments::new() }
    }

    fn unrouted_binding(&self) -> Binding {
        let name = self.prefix().unrouted();
        Binding {
            source: name.clone(),
            queue: name,
            routing_key: String::new(),
            arguments: Arguments::new(),
        }
    }

    fn ingress_bindings(&self, queue: &QueueLayout) -> Vec<Binding> {
        let to_binding = |rule: &BindingRule| Binding {
            source: self.prefix().to_string(),
            queue: self.prefix().main(&queue.name),
            routing_key: rule.routing_key.clone(),
            arguments: rule.arguments.clone(),
        };
        queue.bindings.iter().map(to_binding).collect()
    }

    fn main_policy(&self, queue: &QueueLayout) -> Policy {
        let limits = &queue.limits;
        let consumer_timeout = self
            .facts
            .has_queue_consumer_timeout()
            .then(|| ("consumer-timeout", whole_millis(limits.consumer_timeout)));
        let definition = [
            Some(("overflow", "reject-publish".into())),
            Some(("delivery-limit", i64::from(limits.delivery_limit).into())),
            consumer_timeout,
            limits.max_length.map(|n| ("max-length", whole(n))),
            limits.max_length_bytes.map(|n| ("max-length-bytes", whole(n))),
            limits.message_ttl.map(|ttl| ("message-ttl", whole_millis(ttl))),
        ];
        let reach = PolicyReach::Main(queue.name.as_str());
        self.policy(self.prefix().main(&queue.name), reach, definition)
    }

    fn dead_policy(&self, queue: &QueueLayout) -> Policy {
        let limits = &queue.limits;
        let own = [
            limits.dead_max_length_bytes.map(|n| ("max-length-bytes", whole(n))),
            limits.dead_retention.map(|ttl| ("message-ttl", whole_millis(ttl))),
        ];
        let reach = PolicyReach::Dead(queue.name.as_str());
        let definition = self.keeping().into_iter().chain(own);
        self.policy(self.prefix().dead(&queue.name), reach, definition)
    }

    fn tier_policy(&self) -> Policy {
        let definition = [Some(("overflow", "reject-publish".into()))];
        self.policy(self.prefix().tier_policy(), PolicyReach::Tiers, definition)
    }

    fn unrouted_policy(&self) -> Policy {
        self.policy(self.prefix().unrouted(), PolicyReach::Unrouted, self.keeping())
    }

    /// The definition of a queue whose messages wait for a person.
    fn keeping(&self) -> [Option<(&'static str, Argument)>; 2] {
        let limited = self.facts.limits_deliveries_by_default();
        [
            Some(("overflow", "reject-publish".into())),
            limited.then(|| ("delivery-limit", DEAD_DELIVERY_LIMIT.into())),
        ]
    }

    fn policy(
        &self,
        name: String,
        reach: PolicyReach<'_>,
        definition: impl IntoIterator<Item = Option<(&'static str, Argument)>>,
    ) -> Policy {
        let quorum_only = self.facts.has_queue_type_policies();
        Policy {
            name,
            pattern: reach.pattern(self.prefix()),
            apply_to: if quorum_only { "quorum_queues" } else { "queues" },
            definition: definition
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        }
    }
}

/// Always sent, because without it the vhost's default type would decide.
fn quorum() -> (&'static str, Argument) {
    ("x-queue-type", "quorum".into())
}

fn whole_millis(duration: Duration) -> Argument {
    whole(millis(duration))
}

fn whole(number: u64) -> Argument {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}
