//! Reading specs: what is filled in, what is refused, and where.

use std::time::Duration;

use warren_core::{
    config::HandlerConfig,
    retry::Backoff,
    scaling::{Bounds, Mode},
};

use super::*;
use crate::{
    fixtures::{refused, settings, smallest, valid, with_queue, with_spec},
    pipeline::{Origin, Users, VhostChoice},
};

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn only_queue(lines: &str) -> Queue {
    valid(&with_queue(lines)).queues.remove(0)
}

/// The one thing that is wrong with a queue of these lines.
fn refusal(lines: &str) -> String {
    let all = refused(&with_queue(lines));
    assert_eq!(all.len(), 1, "{lines}: {all:#?}");
    all.into_iter().next().unwrap()
}

#[test]
fn what_is_not_given_is_filled_in_as_the_api_says() {
    let pipeline = smallest();
    assert_eq!(pipeline.prefix.as_str(), "shop.orders");
    assert_eq!(pipeline.broker.vhost, VhostChoice::OfSecret);
    assert_eq!(pipeline.users, Users::Scoped);
    assert_eq!(pipeline.owner.to_string().split('/').next(), Some("local"));
    let queue = &pipeline.queues[0];
    let exponential = Backoff::Exponential { initial: secs(1), max: secs(3600), factor: 5 };
    assert_eq!((queue.retry.attempts(), queue.retry.backoff()), (5, &exponential));
    assert_eq!((queue.worker.concurrency, queue.worker.prefetch), (10, 10));
    assert_eq!((queue.worker.task_timeout, queue.worker.drain_timeout), (secs(60), secs(60)));
    assert_eq!(queue.limits.consumer_timeout, secs(1800));
    assert_eq!(queue.consumer_timeout, Origin::Derived);
    assert_eq!(queue.scaling.mode, Mode::Auto(Bounds::new(0, 10).unwrap()));
    assert_eq!(queue.scaling.scale_down_window, secs(180));
    assert_eq!(queue.worker.pods.image, settings().worker_image);
}

#[test]
fn derived_timeouts_follow_the_handler() {
    let of_http = |timeout: &str| {
        let queue =
            format!("{{name: email, handler: {{http: {{url: 'http://h/', timeout: {timeout}}}}}}}");
        let queue = valid(&with_spec("", &queue)).queues.remove(0);
        (queue.worker.task_timeout, queue.limits.consumer_timeout)
    };
    assert_eq!(of_http("10s"), (secs(60), secs(1800)));
    assert_eq!(of_http("31s"), (secs(61), secs(1800)));
    assert_eq!(of_http("20m"), (secs(1230), secs(2460)));
}

#[test]
fn a_given_value_stands_between_those_that_are_derived() {
    for (lines, path) in [
        ("limits: {consumerTimeout: 60s}", "spec.queues[0].limits.consumerTimeout"),
        ("worker: {prefetch: 9}", "spec.queues[0].worker.prefetch"),
        ("breaker: {openFor: 6m}", "spec.queues[0].breaker.openFor"),
        ("retry: {backoff: {type: Fixed, initial: 2h}}", "spec.queues[0].retry.backoff.initial"),
    ] {
        assert!(refusal(lines).starts_with(&format!("{path}: ")), "{}", refusal(lines));
    }
    assert_eq!(only_queue("worker: {concurrency: 3}").worker.prefetch, 3);
    assert_eq!(only_queue("worker: {taskTimeout: 5m}").worker.drain_timeout, secs(300));
    assert_eq!(only_queue("limits: {consumerTimeout: 61s}").consumer_timeout, Origin::Asked);
}

#[test]
fn a_handler_as_long_as_the_longest_task_has_no_task_timeout_above_it() {
    let all = refused(&with_spec(
        "",
        "{name: email, handler: {exec: {command: [a], timeout: 24h}}, worker: {image: i}}",
    ));
    assert_eq!(all.len(), 1, "{all:#?}");
    assert!(all[0].starts_with("spec.queues[0].worker.taskTimeout: "), "{all:#?}");
}

#[test]
fn bounds_of_replicas_follow_each_other() {
    let mode = |lines: &str| only_queue(&format!("scaling: {{{lines}}}")).scaling.mode;
    assert_eq!(mode("minReplicas: 20"), Mode::Auto(Bounds::new(20, 20).unwrap()));
    assert_eq!(mode("maxReplicas: 3"), Mode::Auto(Bounds::new(0, 3).unwrap()));
    assert!(matches!(mode("mode: Fixed, minReplicas: 20"), Mode::Fixed(n) if n.get() == 20));
    assert!(
        valid(&with_spec("suspend: true", "{name: email, handler: {log: {}}}")).queues[0]
            .scaling
            .suspended
    );
}

#[test]
fn a_prefix_the_broker_would_refuse_is_refused_here() {
    let queue = "{name: email, handler: {log: {}}}";
    let given = refused(&with_spec("namePrefix: amq.orders", queue));
    assert!(given[0].starts_with("spec.namePrefix: amq.orders begins with amq."), "{given:?}");
    let mut object = with_spec("", queue);
    object.metadata.namespace = Some("amq".to_owned());
    assert!(refused(&object)[0].contains("amq.orders begins with amq."));
    object.spec.name_prefix = Some("amqp.orders".to_owned());
    assert_eq!(refused(&object), [""; 0]);
}

/// RabbitMQ makes one term of virtual host and name and keeps it under 256 bytes.
#[test]
fn names_must_fit_beside_the_virtual_host() {
    let long = "x".repeat(150);
    let mut object = with_spec(&format!("namePrefix: {long}"), "{name: email, handler: {log: {}}}");
    // 150 + ".email.retry.125000" = 169 bytes, the separator, and the virtual host.
    for (vhost, fits) in [("v".repeat(85), true), ("v".repeat(86), false)] {
        object.spec.broker.vhost = Some(vhost);
        assert_eq!(refused(&object).is_empty(), fits);
    }
}

#[test]
fn two_queues_of_one_name_are_refused() {
    let queue = "{name: email, handler: {log: {}}}";
    let all = refused(&with_spec("", &format!("{queue}, {queue}")));
    assert!(all.iter().any(|v| v.starts_with("spec.queues[1]: Duplicate value")), "{all:?}");
}

#[test]
fn exit_codes_are_codes_and_zero_is_done() {
    let codes = |key: &str| {
        let handler = format!("{{exec: {{command: [a], exitCodes: {{\"{key}\": Dead}}}}}}");
        refused(&with_spec(
            "",
            &format!("{{name: email, handler: {handler}, worker: {{image: i}}}}"),
        ))
    };
    assert_eq!(codes("255"), [""; 0]);
    for key in ["0", "256", "x"] {
        let path = format!("spec.queues[0].handler.exec.exitCodes.{key}: ");
        assert!(codes(key)[0].starts_with(&path), "{key}: {:?}", codes(key));
    }
}

#[test]
fn all_violations_are_told_and_each_once() {
    let object = with_spec(
        "adoption: Observe",
        "{name: dead, handler: {log: {}}, retry: {attempts: 0}, worker: {taskTimeout: 25h}}, \
         {name: email, handler: {log: {}, simulate: {}}, limits: {messageTtl: 1177h}}",
    );
    let all = refused(&object);
    let paths: Vec<&str> = all.iter().filter_map(|v| v.split(": ").next()).collect();
    assert_eq!(
        paths,
        [
            "spec.adoption",
            "spec.queues[0].name",
            "spec.queues[0].retry.attempts",
            "spec.queues[0].worker.taskTimeout",
            "spec.queues[1].handler",
            "spec.queues[1].limits.messageTtl",
        ],
        "{all:#?}"
    );
}

#[test]
fn what_the_schema_has_refused_is_not_refused_again_in_other_words() {
    for queue in [
        "{name: Not A Name, handler: {log: {}}}",
        "{name: email, handler: {log: {}}, breaker: {openFor: soon}}",
        "{name: email, handler: {http: {url: 'http://h/', successCodes: [fine]}}}",
    ] {
        let all = refused(&with_spec("", queue));
        assert_eq!(all.len(), 1, "{queue}: {all:#?}");
    }
}

#[test]
fn an_object_from_a_cluster_must_have_a_uid() {
    let cluster = Settings { identity: Identity::Cluster { id: "c1".to_owned() }, ..settings() };
    let mut object = with_queue("");
    assert!(pipeline(&object, &cluster).is_err());
    object.metadata.uid = Some("u1".to_owned());
    assert_eq!(pipeline(&object, &cluster).unwrap().owner.to_string(), "c1/shop/orders/u1");
}

#[test]
fn an_objective_changes_nothing_but_itself() {
    let usual = only_queue("");
    let with = only_queue("slo: {successTarget: '0.9975', freshnessThreshold: 5m}");
    assert_eq!(with.objective.success.as_f64().to_string(), "0.9975");
    assert_eq!(with.objective.fresh_for, Duration::from_mins(5));
    assert_eq!(with.objective.freshness, usual.objective.freshness);
    assert_eq!(Queue { objective: usual.objective, ..with }, usual);
}

#[test]
fn every_valid_queue_gives_a_file_that_its_worker_accepts() {
    for handler in [
        "{http: {url: 'http://h/', timeout: 24h}}",
        "{exec: {command: [a], timeout: 23h}}",
        "{simulate: {duration: 0s}}",
        "{simulate: {duration: 12h}}",
        "{log: {}}",
    ] {
        let object =
            with_spec("", &format!("{{name: email, handler: {handler}, worker: {{image: i}}}}"));
        if let Ok(pipeline) = pipeline(&object, &settings()) {
            let config = pipeline.worker_config(&pipeline.queues[0]);
            assert_eq!(config.check(), Ok(()), "{handler}");
            let read = serde_saphyr::from_str(&crate::resources::worker_yaml::render(&config));
            assert_eq!(read.ok(), Some(config), "{handler}");
        } else {
            assert!(matches!(handler, "{http: {url: 'http://h/', timeout: 24h}}"), "{handler}");
        }
    }
}

#[test]
fn a_header_comes_from_a_secret_or_from_the_spec() {
    let object = with_spec(
        "",
        "{name: email, handler: {http: {url: 'http://h/', headers: [\
         {name: A, valueFrom: {secretKeyRef: {name: s, key: k}}}, {name: B, value: v}]}}}",
    );
    let HandlerConfig::Http(http) = valid(&object).queues.remove(0).handler else {
        panic!("an http handler");
    };
    assert_eq!(http.headers[0].value_from.as_ref().unwrap().secret_key_ref.name, "s");
    assert_eq!(http.headers[1].value.as_deref(), Some("v"));
}
