//! What the metrics of the operator say.

use std::{collections::BTreeMap, time::Duration};

use warren_api::MessagePipelineStatus;
use warren_core::scaling::Replicas;

use super::*;
use crate::{
    pass::Ending,
    pipeline::{Objective, Share},
    plan::Kind,
};

fn id(name: &str) -> PipelineId {
    PipelineId::new("shop", name).unwrap()
}

fn shown(metrics: &OperatorMetrics) -> String {
    metrics.registry().encode().unwrap()
}

/// Everything that is ever told of a pipeline.
fn tell_all(metrics: &OperatorMetrics, pipeline: &PipelineId) {
    metrics.pipeline_state(pipeline, PipelineState::Active);
    metrics.drift_repaired(pipeline, &BTreeMap::from([(Kind::Queue, 2)]));
    let condition = serde_json::json!({"conditions": [{
        "type": "Ready", "status": "False", "reason": "Drifted", "message": "x",
        "lastTransitionTime": "2026-11-21T12:00:00Z",
    }]});
    let status: MessagePipelineStatus = serde_json::from_value(condition).unwrap();
    metrics.pipeline_conditions(pipeline, &status);
    let queue = QueueId { pipeline, queue: "email" };
    metrics.queue_messages(&queue, Role::Main, DepthState::Ready, Some(7));
    metrics.queue_consumers(&queue, Some(1));
    let replicas = Some(Replicas::new(3));
    let figures =
        ScalerFigures { wanted: replicas, desired: replicas, current: replicas, max: replicas };
    metrics.scaler(&queue, &figures);
    metrics.scaler_success(&queue, "2026-11-21T12:00:00Z".parse().unwrap());
    metrics.task_timeout(&queue, Duration::from_secs(60));
    let fresh_for = Duration::from_secs(60);
    let (success, freshness) = (Share(999_000), Share(990_000));
    metrics.objective(&queue, Objective { success, freshness, fresh_for });
}

#[test]
fn closed_sets_are_there_before_anything_happens() {
    let text = shown(&OperatorMetrics::new().unwrap());
    for line in [
        "warren_operator_leader 1",
        "warren_reconcile_total{result=\"error\"} 0",
        "warren_broker_requests_total{result=\"failed\"} 0",
        "warren_kube_writes_total 0",
        "warren_broker_writes_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
}

#[test]
fn nothing_remains_of_pipelines_that_are_gone() {
    let metrics = OperatorMetrics::new().unwrap();
    let stays = id("stays");
    tell_all(&metrics, &stays);
    let before = shown(&metrics).lines().count();
    for round in 0..100 {
        let pipeline = id(&format!("p{round}"));
        tell_all(&metrics, &pipeline);
        assert!(shown(&metrics).contains(&format!("pipeline=\"p{round}\"")));
        metrics.forget_pipeline(&pipeline);
    }
    let after = shown(&metrics);
    assert_eq!(after.lines().count(), before, "{after}");
    assert!(after.contains("warren_drift_repaired_total{kind=\"Queue\",pipeline=\"stays\""));
}

#[test]
fn a_broker_is_shown_until_the_last_pipeline_with_its_address_goes_or_has_another() {
    let metrics = OperatorMetrics::new().unwrap();
    let up = |name: &str, address: &str| metrics.broker_up(&id(name), address, true);
    let shows = |address: &str| shown(&metrics).contains(&format!("broker=\"{address}\""));
    up("one", "mistyped:5672");
    up("two", "mistyped:5672");
    up("one", "rabbit:5672");
    assert!(shows("mistyped:5672") && shows("rabbit:5672"));
    up("two", "rabbit:5672");
    assert!(!shows("mistyped:5672"));
    metrics.forget_pipeline(&id("one"));
    assert!(shows("rabbit:5672"));
    metrics.forget_pipeline(&id("two"));
    assert!(!shows("rabbit:5672"));
}

#[test]
fn a_pipeline_is_in_one_state() {
    let metrics = OperatorMetrics::new().unwrap();
    metrics.pipeline_state(&id("orders"), PipelineState::Active);
    metrics.pipeline_state(&id("orders"), PipelineState::Paused);
    let text = shown(&metrics);
    assert!(text.contains("state=\"paused\"") && !text.contains("state=\"active\""), "{text}");
}

#[test]
fn a_depth_that_is_not_known_any_more_has_no_series() {
    let metrics = OperatorMetrics::new().unwrap();
    let pipeline = id("orders");
    let queue = QueueId { pipeline: &pipeline, queue: "email" };
    metrics.queue_messages(&queue, Role::Dead, DepthState::Ready, Some(0));
    assert!(shown(&metrics).contains("role=\"dead\""));
    metrics.queue_messages(&queue, Role::Dead, DepthState::Ready, None);
    assert!(!shown(&metrics).contains("role=\"dead\""));
}

#[test]
fn a_condition_has_a_series_for_each_status() {
    let metrics = OperatorMetrics::new().unwrap();
    tell_all(&metrics, &id("orders"));
    let ready: Vec<String> = shown(&metrics)
        .lines()
        .filter(|line| line.starts_with("warren_pipeline_condition{condition=\"Ready\""))
        .map(|line| line.chars().rev().take(1).collect())
        .collect();
    assert_eq!(ready, ["1", "0", "0"], "False, True, Unknown");
}

#[test]
fn a_pass_is_counted_by_its_end() {
    let metrics = OperatorMetrics::new().unwrap();
    let waiting = metrics.pass_waits();
    assert!(shown(&metrics).contains("warren_reconcile_queue_length 1"));
    drop(waiting);
    metrics.pass_ended(Ending::Waiting, Duration::from_millis(3));
    let text = shown(&metrics);
    assert!(text.contains("warren_reconcile_queue_length 0"), "{text}");
    assert!(text.contains("warren_reconcile_total{result=\"waiting\"} 1"), "{text}");
}

#[test]
fn the_reference_page_names_every_metric_and_no_other() {
    const PAGE: &str = include_str!("../../../docs/reference/metrics.md");
    let metrics = OperatorMetrics::new().unwrap();
    tell_all(&metrics, &id("orders"));
    metrics.broker_up(&id("orders"), "rabbit:5672", true);
    metrics.kube_request(Some(200), false);
    let text = shown(&metrics);
    let shown = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let shown: Vec<&str> = shown.filter_map(|rest| rest.split(' ').next()).collect();
    let ours = || shown.iter().filter(|name| name.starts_with("warren_"));
    let rows: Vec<&str> =
        PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    for name in ours() {
        assert!(rows.contains(name), "{name} is not on the page");
    }
    for row in rows.iter().filter(|row| row.starts_with("warren_")) {
        assert!(ours().any(|name| name == row), "{row} is on the page only");
    }
}
