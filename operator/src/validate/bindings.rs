//! `spec.exchange` and the bindings from it, which depend on its type.

use std::collections::BTreeMap;

use warren_api::{BindingSpec, ExchangeSpec, ExchangeType, QueueSpec, Unrouted as UnroutedSpec};
use warren_core::{
    config::Unrouted,
    topology::{Argument, BindingRule, ExchangeKind},
};

use super::{path::Path, report::Report};

/// The rules between the type of the exchange and the bindings of all queues.
pub(super) fn judge(exchange: &ExchangeSpec, queues: &[QueueSpec], at: &Path, report: &mut Report) {
    let needs = matches!(exchange.kind, ExchangeType::Direct | ExchangeType::Headers);
    let all_given = queues.iter().all(|queue| queue.bindings.is_some());
    let message = "exchange types Direct and Headers need bindings at every queue";
    report.require(!needs || all_given, at, message);

    let mut bindings = queues.iter().flat_map(|queue| queue.bindings.iter().flatten());
    let has_arguments = bindings.any(|binding| !binding.arguments.is_empty());
    let message =
        "arguments of bindings are for exchange type Headers: leave them out, or choose it";
    report.require(exchange.kind == ExchangeType::Headers || !has_arguments, at, message);
}

/// The bindings of a queue; not given, the one that gets everything.
pub(super) fn read(given: Option<&[BindingSpec]>, exchange: ExchangeType) -> Vec<BindingRule> {
    let Some(given) = given else {
        let routing_key = if exchange == ExchangeType::Topic { "#" } else { "" };
        return vec![BindingRule {
            routing_key: routing_key.to_owned(),
            arguments: BTreeMap::new(),
        }];
    };
    let rule = |binding: &BindingSpec| BindingRule {
        routing_key: binding.routing_key.clone(),
        arguments: binding
            .arguments
            .iter()
            .map(|(name, value)| (name.clone(), Argument::from(value.as_str())))
            .collect(),
    };
    let mut rules = Vec::new();
    for binding in given.iter().map(rule) {
        // The broker has one binding of a kind, however often it is written.
        if !rules.contains(&binding) {
            rules.push(binding);
        }
    }
    rules
}

pub(super) fn kind(kind: ExchangeType) -> ExchangeKind {
    match kind {
        ExchangeType::Fanout => ExchangeKind::Fanout,
        ExchangeType::Topic => ExchangeKind::Topic,
        ExchangeType::Direct => ExchangeKind::Direct,
        ExchangeType::Headers => ExchangeKind::Headers,
    }
}

pub(super) fn unrouted(unrouted: UnroutedSpec) -> Unrouted {
    match unrouted {
        UnroutedSpec::Capture => Unrouted::Capture,
        UnroutedSpec::Drop => Unrouted::Drop,
    }
}
