//! Properties of plans over random pipelines and random damage, against a broker that is a value.

use proptest::prelude::*;
use serde_json::{Value, json};
use warren_core::{
    owner,
    topology::{Argument, Change, FoundBinding, FoundQueue},
};
use warren_operator::{
    observe::Stage,
    pipeline::Pipeline,
    plan::{self, Step},
    validate,
};

use crate::{
    model::Model,
    scene::{object_of, settings},
};

const VERSIONS: [&str; 4] = ["3.10.8", "3.13.7", "4.0.5", "4.3.6"];

fn backoffs() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        (1_u32..5_000).prop_map(|ms| json!({"type": "Fixed", "initial": format!("{ms}ms")})),
        (1_u32..60).prop_map(|s| json!({"type": "Linear", "initial": format!("{s}s")})),
        (2_u32..10).prop_map(|factor| json!({"initial": "100ms", "factor": factor})),
        Just(json!({"type": "Custom", "delays": ["1s", "10s", "1h"]})),
    ]
}

fn queues() -> impl Strategy<Value = Value> {
    let one = (0_u8..6, 1_u32..100, backoffs(), any::<bool>());
    prop::collection::btree_map(0_u8..6, one, 1..5).prop_map(|queues| {
        let queues = queues.into_iter().map(|(name, (_, attempts, backoff, limited))| {
            let limits =
                if limited { json!({"maxLength": 10, "messageTtl": "1h"}) } else { json!({}) };
            json!({
                "name": format!("q{name}"),
                "handler": {"log": {}},
                "bindings": [{"routingKey": format!("k{name}")}],
                "retry": {"attempts": attempts, "backoff": backoff},
                "limits": limits,
            })
        });
        queues.collect()
    })
}

/// Pipelines of one name, so that one can follow another.
fn pipelines() -> impl Strategy<Value = Pipeline> {
    let kind = prop::sample::select(vec!["Fanout", "Topic", "Direct"]);
    let unrouted = prop::sample::select(vec!["Capture", "Drop"]);
    let users = prop::sample::select(vec!["Scoped", "Shared"]);
    (queues(), kind, unrouted, users).prop_map(|(queues, kind, unrouted, users)| {
        let object = object_of(&json!({
            "apiVersion": "warren.dev/v1alpha1",
            "kind": "MessagePipeline",
            "metadata": {"name": "orders", "namespace": "shop"},
            "spec": {
                "broker": {"secretRef": {"name": "rabbitmq"}, "users": users},
                "exchange": {"type": kind, "unrouted": unrouted},
                "queues": queues,
            },
        }));
        validate::pipeline(&object, &settings()).unwrap()
    })
}

fn brokers() -> impl Strategy<Value = Model> {
    prop::sample::select(VERSIONS.to_vec()).prop_map(Model::empty)
}

/// A broker that has what a pipeline asks for.
fn declared(mut model: Model, pipeline: &Pipeline) -> Model {
    let plan = model.plan(pipeline);
    model.carry_out(&plan);
    model
}

/// Some of the things there are.
fn some_of(model: &Model, chosen: &[prop::sample::Index]) -> Vec<String> {
    let names = model.names();
    chosen.iter().map(|index| names[index.index(names.len())].clone()).collect()
}

proptest! {
    #[test]
    fn what_was_planned_and_applied_leaves_nothing_to_plan(
        pipeline in pipelines(),
        model in brokers(),
    ) {
        let model = declared(model, &pipeline);
        prop_assert_eq!(model.plan(&pipeline).steps, []);
    }

    #[test]
    fn whatever_is_taken_away_comes_back_in_one_pass(
        pipeline in pipelines(),
        model in brokers(),
        gone in prop::collection::vec(any::<prop::sample::Index>(), 1..8),
    ) {
        let whole = declared(model, &pipeline);
        let mut damaged = whole.clone();
        for name in some_of(&whole, &gone) {
            damaged.take_away(&name);
        }
        let plan = plan::next(&pipeline, &damaged.observed(&pipeline, Stage::Declared));
        let drift: u32 = plan.drift().values().sum();
        prop_assert_eq!(u32::try_from(plan.steps.len()).unwrap(), drift);
        damaged.carry_out(&plan);
        let mut names = (damaged.names(), whole.names());
        names.0.sort();
        names.1.sort();
        prop_assert_eq!(names.0, names.1);
        prop_assert_eq!(damaged.plan(&pipeline).steps, []);
    }

    /// The type of an exchange is immutable, so it stays here as well.
    #[test]
    fn any_spec_follows_any_other_and_no_queue_is_lost(
        before in pipelines(),
        after in pipelines(),
        model in brokers(),
    ) {
        let after = Pipeline { exchange: before.exchange, ..after };
        let mut model = declared(model, &before);
        let had: Vec<String> = model.found.queues.keys().cloned().collect();
        let plan = model.plan(&after);
        model.carry_out(&plan);
        prop_assert_eq!(model.plan(&after).steps, []);
        prop_assert!(had.iter().all(|name| model.found.queues.contains_key(name)));
    }

    #[test]
    fn nothing_of_a_stranger_is_ever_written(
        pipeline in pipelines(),
        model in brokers(),
        taken in prop::collection::vec(any::<prop::sample::Index>(), 1..4),
        marked in any::<bool>(),
    ) {
        let whole = declared(model, &pipeline);
        let queues: Vec<String> = whole.found.queues.keys().cloned().collect();
        let mut model = whole.clone();
        let taken: Vec<&String> = taken.iter().map(|i| &queues[i.index(queues.len())]).collect();
        for name in &taken {
            model.found.bindings.retain(|found| found.binding.queue != **name);
            model.found.policies.remove(*name);
            let marker = marked.then(|| (owner::ARGUMENT.to_owned(), Argument::from("c/a/b/c")));
            let queue = FoundQueue { durable: true, arguments: marker.into_iter().collect() };
            model.found.queues.insert((*name).clone(), queue);
        }
        let plan = model.plan(&pipeline);
        for step in &plan.steps {
            let touched = match step {
                Step::Broker(Change::PutPolicy(policy)) => Some(&policy.name),
                Step::Broker(Change::DeclareQueue(queue)) => Some(&queue.name),
                Step::Broker(Change::Bind(binding)) => Some(&binding.queue),
                Step::Broker(Change::Unbind(found)) => Some(&found.binding.queue),
                _ => None,
            };
            prop_assert!(!touched.is_some_and(|name| taken.contains(&name)), "{}", step);
        }
        model.carry_out(&plan);
        prop_assert_eq!(model.plan(&pipeline).steps, []);
    }

    #[test]
    fn a_strangers_binding_from_our_exchange_is_never_removed(
        pipeline in pipelines(),
        model in brokers(),
    ) {
        let mut model = declared(model, &pipeline);
        let mut foreign = model.found.bindings[0].clone();
        foreign.binding.queue = "their.queue".to_owned();
        model.found.bindings.push(FoundBinding { ..foreign });
        prop_assert_eq!(model.plan(&pipeline).steps, []);
    }
}
