//! `messages:batch`: answered line by line, while the client still sends.

use std::time::Duration;

use serde_json::{Value, json};
use warren_broker::publisher::PublishError;
use warren_test_support::for_each_broker;

use crate::rig::{Always, Producer, RawClient, answer, topology};

const BATCH: &str = "/v1/pipelines/orders/messages:batch";

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn open(producer: &Producer) -> RawClient {
    let mut client = RawClient::connect(producer.address).await;
    let head = format!("POST {BATCH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson");
    client.send(format!("{head}\r\nTransfer-Encoding: chunked\r\n\r\n")).await;
    client
}

fn chunk(text: &str) -> String {
    format!("{:x}\r\n{text}\r\n", text.len())
}

#[tokio::test]
async fn ndjson_is_published_with_one_result_for_each_line() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let producer = Producer::on(vhost).await;
        let line = |n| format!("{{\"id\":\"m{n}\",\"payload\":{n}}}\n\n");
        let mut body = (0..1000).map(line).collect::<Vec<_>>().concat();
        body.push_str("{\"payload\":}\r\n{\"id\":\"last\",\"payload\":1}");
        let request = producer.client.post(producer.url(BATCH));
        let request = request.header("content-type", "application/x-ndjson").body(body);
        let told = answer(request.header("warren-routing-key", "a.b")).await;
        assert_eq!(told.status, 200);
        assert_eq!(told.header("content-type"), Some("application/x-ndjson"));
        let results = lines(&told.text);
        assert_eq!(results.len(), 1002);
        for (number, result) in results.iter().take(1000).enumerate() {
            let id = format!("m{number}");
            assert_eq!(*result, json!({"index": number, "status": "success", "message_id": id}));
        }
        assert_eq!(results[1000]["reason"], "malformed");
        assert_eq!(results[1001]["message_id"], "last");
        let taken = vhost.take("q", 1001).await;
        assert!(taken.iter().all(|incoming| incoming.routing_key == "a.b"));
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_line_is_answered_before_the_next_one_is_sent() {
    let producer = Producer::scripted(Always::new(Ok(())), |_| {}, None).await;
    let mut client = open(&producer).await;
    for number in 0..3 {
        // Each line in two pieces.
        client.send(chunk(&format!("{{\"id\":\"m{number}\","))).await;
        client.send(chunk("\"payload\":1}\n")).await;
        let answer = client.until(&format!("\"m{number}\"")).await;
        assert!(answer.contains("success"), "{answer}");
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.until("0\r\n\r\n").await, "0\r\n\r\n");
    producer.stop().await;
}

#[tokio::test]
async fn a_line_that_is_too_long_is_told_of_and_skipped() {
    let producer = Producer::scripted(Always::new(Ok(())), |_| {}, None).await;
    let long = "x".repeat(100_000);
    let body = format!("{{\"payload\":\"{long}\"}}\n{{\"id\":\"a\",\"payload\":1}}\n");
    let request = producer.client.post(producer.url(BATCH));
    let told = answer(request.header("content-type", "application/x-ndjson").body(body)).await;
    let results = lines(&told.text);
    assert_eq!(results[0]["reason"], "too_large");
    assert_eq!(results[1], json!({"index": 1, "status": "success", "message_id": "a"}));
    producer.stop().await;
}

#[tokio::test]
async fn a_client_that_pauses_too_long_learns_how_far_it_came() {
    let hasty = |app: &mut warren_producer::http::App| {
        app.body_deadline = Duration::from_millis(200);
    };
    let producer = Producer::scripted(Always::new(Ok(())), hasty, None).await;
    let mut client = open(&producer).await;
    client.send(chunk("{\"id\":\"a\",\"payload\":1}\n{\"id\":\"b\",")).await;
    let answer = client.until("\r\n0\r\n\r\n").await;
    assert!(answer.contains(r#""message_id":"a""#), "{answer}");
    let last = r#"{"index":1,"status":"error","reason":"malformed","detail":"nothing arrived"#;
    assert!(answer.contains(last), "{answer}");
    assert!(!answer.contains(r#""message_id":"b""#), "{answer}");
    producer.stop().await;
}

#[tokio::test]
async fn at_shutdown_a_stream_ends_after_what_was_read() {
    let producer = Producer::scripted(Always::new(Ok(())), |_| {}, None).await;
    let mut client = open(&producer).await;
    client.send(chunk("{\"id\":\"a\",\"payload\":1}\n")).await;
    client.until(r#""message_id":"a""#).await;
    producer.drain();
    let answer = client.until("\r\n0\r\n\r\n").await;
    assert!(answer.contains(r#""index":1,"status":"error","reason":"disconnected""#), "{answer}");
    assert!(answer.contains("told to end"), "{answer}");
    producer.ended().await;
}

#[tokio::test]
async fn what_every_message_gets_wrong_is_told_for_every_message() {
    let producer = Producer::scripted(Always::new(Err(PublishError::Nacked)), |_| {}, None).await;
    let request = producer.client.post(producer.url(BATCH)).header("warren-delay", "10m");
    let request = request.header("content-type", "application/json");
    let told = answer(request.body(r#"[{"payload":1},{"payload":2}]"#)).await;
    let results = lines(&told.text);
    assert_eq!(results.len(), 2);
    assert!(results.iter().all(|result| result["detail"].as_str().unwrap().contains("too long")));
    producer.stop().await;
}
