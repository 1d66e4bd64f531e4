//! Every way in which the broker can fail, as an HTTP client sees it.

use serde_json::json;
use warren_broker::publisher::PublishError;

use crate::rig::{Always, Producer};

fn failures() -> Vec<(PublishError, u16, &'static str, Option<&'static str>)> {
    let why = || "why".to_owned();
    vec![
        (PublishError::Nacked, 429, "nacked", Some("5")),
        (PublishError::Timeout, 504, "timeout", None),
        (PublishError::Blocked { detail: why() }, 503, "blocked", Some("10")),
        (PublishError::Disconnected { detail: why(), sent: false }, 503, "disconnected", Some("5")),
        (PublishError::Disconnected { detail: why(), sent: true }, 503, "disconnected", Some("5")),
        (PublishError::AccessRefused { detail: why() }, 503, "disconnected", Some("30")),
        (PublishError::Overloaded, 503, "overloaded", Some("1")),
        (PublishError::TooLarge { bytes: 1, detail: why() }, 413, "too_large", None),
    ]
}

#[tokio::test]
async fn a_single_publish_tells_what_happened_and_which_id_to_repeat() {
    for (error, status, reason, retry_after) in failures() {
        let producer = Producer::scripted(Always::new(Err(error.clone())), |_| {}, None).await;
        for path in ["/produce", "/v1/pipelines/orders/messages"] {
            let answer = producer.post(path, r#"{"id":"m7","payload":1}"#).await;
            answer.problem(status);
            let told = answer.json();
            assert_eq!(told["reason"], reason, "{path}: {error:?}");
            assert_eq!(answer.header("retry-after"), retry_after, "{path}: {error:?}");
            assert!(told["message_id"].is_string(), "{path}: {error:?}");
        }
        let labels = format!("reason={reason:?}");
        let count = producer.metric("warren_producer_publish_failed_total", &labels).await;
        assert!((count - 2.0).abs() < 0.1, "{error:?}");
        producer.stop().await;
    }
}

#[tokio::test]
async fn a_batch_of_which_nothing_was_published_is_a_503_with_results() {
    let producer = Producer::scripted(Always::new(Err(PublishError::Nacked)), |_| {}, None).await;
    let answer = producer.post("/batch-produce", r#"{"messages":[{"id":"a","payload":1}]}"#).await;
    answer.problem(503);
    let result = &answer.json()["results"][0];
    assert_eq!(result["message_id"], "a");
    assert_eq!(result["reason"], "nacked");
    producer.stop().await;
}

#[tokio::test]
async fn a_batch_asks_again_while_the_publisher_is_overloaded_and_a_single_publish_does_not() {
    let broker = Always::new(Err(PublishError::Overloaded));
    let producer = Producer::scripted(broker.clone(), |_| {}, None).await;
    producer.post("/produce", r#"{"payload":1}"#).await.problem(503);
    assert_eq!(broker.count(), 1);
    producer.post("/batch-produce", r#"{"messages":[{"payload":1}]}"#).await.problem(503);
    assert!(broker.count() > 10, "asked {} times", broker.count());
    producer.stop().await;
}

#[tokio::test]
async fn a_stream_goes_on_after_a_failure() {
    let producer = Producer::scripted(Always::new(Err(PublishError::Timeout)), |_| {}, None).await;
    let body = r#"[{"id":"a","payload":1}, 5, {"id":"b","payload":1}]"#;
    let answer = producer.post("/v1/pipelines/orders/messages:batch", body).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/x-ndjson"));
    let results: Vec<serde_json::Value> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let reasons: Vec<_> = results.iter().map(|result| &result["reason"]).collect();
    assert_eq!(reasons, [&json!("timeout"), &json!("malformed"), &json!("timeout")]);
    assert_eq!(results[2]["index"], 2);
    assert_eq!(results[2]["message_id"], "b");
    producer.stop().await;
}
