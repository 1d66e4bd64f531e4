//! What becomes of messages whose handler succeeds, fails for a while, or fails for good.

use std::time::Duration;

use warren_core::{headers, message::Message};
use warren_test_support::{Receiver, Reply, for_each_broker};

use crate::rig::{Rig, SOON, attempt, counted, header, id, nth};

fn http(receiver: &Receiver) -> String {
    format!("handler: {{http: {{url: \"{}\", timeout: 5s}}}}", receiver.url())
}

#[tokio::test]
async fn every_message_reaches_the_handler_and_none_is_left() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(200)).await;
        let rig = Rig::new(vhost, &http(&receiver)).await;
        rig.publish_many(500).await;
        let worker = rig.worker("w1");
        receiver.wait_for(500, SOON).await;
        rig.settled(&receiver, 500).await;
        let requests = receiver.requests();
        let counts = counted(requests.iter().map(id));
        assert_eq!(counts.len(), 500);
        assert!(counts.values().all(|n| *n == 1), "{counts:?}");
        let acked = worker.metric("warren_worker_settled_total", "settlement=\"acked\"").await;
        assert!((acked - 500.0).abs() < 0.5, "{acked}");
    })
    .await;
}

#[tokio::test]
async fn an_endpoint_that_fails_twice_is_tried_again_after_the_configured_delays() {
    for_each_broker(async |vhost| {
        let receiver =
            Receiver::start(|request| Reply::status(if nth(request) < 3 { 500 } else { 200 }))
                .await;
        let rig = Rig::new(vhost, &http(&receiver)).await;
        let _worker = rig.worker("w1");
        rig.publish("m").await;
        receiver.wait_for(3, SOON).await;
        rig.settled(&receiver, 1).await;
        let requests = receiver.requests();
        let attempts: Vec<u32> = requests.iter().map(nth).collect();
        assert_eq!(attempts, [1, 2, 3]);
        let gaps: Vec<Duration> =
            requests.windows(2).map(|pair| pair[1].at.duration_since(pair[0].at)).collect();
        for (gap, delay) in gaps.iter().zip([200, 600]) {
            let delay = Duration::from_millis(delay);
            assert!(*gap >= delay && *gap < delay + Duration::from_secs(10), "{gaps:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_that_always_fails_becomes_a_dead_letter_that_says_why() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(500).body("out of paper")).await;
        let rig = Rig::new(vhost, &http(&receiver)).await;
        let _worker = rig.worker("w1");
        rig.publish("m").await;
        let dead = rig.dead_letters(1).await;
        assert_eq!(dead[0].message.properties.message_id.as_deref(), Some("m"));
        assert_eq!(header(&dead[0], headers::DEAD_REASON), "attempts_exhausted");
        assert_eq!(header(&dead[0], headers::ERROR_CLASS), "http_5xx");
        assert_eq!(header(&dead[0], headers::ERROR), "status 500: out of paper");
        assert_eq!(header(&dead[0], headers::WORKER), "w1");
        assert_eq!(header(&dead[0], headers::ORIGIN_ROUTING_KEY), "order.new");
        assert_eq!(attempt(&dead[0]), 5);
        let status = dead[0].message.headers.get(headers::HTTP_STATUS).unwrap();
        assert_eq!(status.as_int(), Some(500));
        assert_eq!(receiver.requests().len(), 5);
    })
    .await;
}

#[tokio::test]
async fn a_permanent_answer_is_a_dead_letter_at_once() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(400).body("sku missing")).await;
        let rig = Rig::new(vhost, &http(&receiver)).await;
        let _worker = rig.worker("w1");
        rig.publish("m").await;
        let dead = rig.dead_letters(1).await;
        assert_eq!(header(&dead[0], headers::DEAD_REASON), "permanent");
        assert_eq!(header(&dead[0], headers::ERROR), "status 400: sku missing");
        assert_eq!(attempt(&dead[0]), 1);
        assert_eq!(receiver.requests().len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_body_over_the_limit_is_dead_without_a_request() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|_| Reply::status(200)).await;
        let settings = format!("{}\nmaxMessageBytes: 10", http(&receiver));
        let rig = Rig::new(vhost, &settings).await;
        let _worker = rig.worker("w1");
        let message = Message { body: "eleven byte".into(), ..Message::default() };
        rig.publish_message("m", message).await;
        let dead = rig.dead_letters(1).await;
        assert_eq!(header(&dead[0], headers::DEAD_REASON), "too_large");
        assert!(receiver.requests().is_empty());
    })
    .await;
}

#[tokio::test]
async fn hostile_headers_stop_nothing_and_lose_nothing() {
    use std::collections::BTreeMap;
    use warren_core::message::Value;

    let hostile: [(&str, Value); 12] = [
        (headers::ATTEMPT, Value::Int(-3)),
        (headers::ATTEMPT, Value::Void),
        (headers::ATTEMPT, Value::from("seven")),
        (headers::ATTEMPT, Value::List(vec![Value::Int(1), Value::Void])),
        (headers::ATTEMPT, Value::Table(BTreeMap::from([("x".to_owned(), Value::Bool(true))]))),
        (headers::PUBLISHED_AT, Value::Int(i64::MAX)),
        (headers::PUBLISHED_AT, Value::Float(-1e300)),
        (headers::NOT_BEFORE, Value::Int(i64::MIN)),
        (headers::NOT_BEFORE, Value::Bytes(vec![0xff, 0x00])),
        (headers::ORIGIN_ROUTING_KEY, Value::from("line\r\nbreak: yes")),
        (headers::TRACEPARENT, Value::from("\u{0}\u{1}")),
        (headers::ERROR, Value::from("x".repeat(50_000))),
    ];
    for_each_broker(async |vhost| {
        let receiver =
            Receiver::start(|request| Reply::status(if nth(request) < 2 { 500 } else { 200 }))
                .await;
        let rig = Rig::new(vhost, &http(&receiver)).await;
        for (index, (name, value)) in hostile.iter().enumerate() {
            let mut message = Message::default();
            message.headers.set(name, value.clone());
            rig.publish_message(format!("h{index}"), message).await;
        }
        let _worker = rig.worker("w1");
        let ids = hostile.len();
        receiver.wait_for(ids * 2, SOON).await;
        rig.settled(&receiver, ids).await;
        let requests = receiver.requests();
        let done = counted(requests.iter().filter(|r| nth(r) == 2).map(id));
        assert_eq!(done.len(), ids, "{done:?}");
    })
    .await;
}

#[tokio::test]
async fn a_foreign_message_without_an_id_keeps_one_name_over_its_attempts() {
    for_each_broker(async |vhost| {
        let receiver =
            Receiver::start(|request| Reply::status(if nth(request) < 3 { 500 } else { 200 }))
                .await;
        let rig = Rig::new(vhost, &http(&receiver)).await;
        let _worker = rig.worker("w1");
        publish_without_id(&rig, "no id").await;
        receiver.wait_for(3, SOON).await;
        rig.settled(&receiver, 1).await;
        let requests = receiver.requests();
        let ids = counted(requests.iter().map(id));
        assert_eq!(ids.values().copied().collect::<Vec<_>>(), [3], "{ids:?}");
    })
    .await;
}

/// Publishes as a client that knows nothing of Warren would.
async fn publish_without_id(rig: &Rig<'_>, body: &str) {
    let (vhost, login) = (&rig.vhost.name, &rig.vhost.login);
    let request = serde_json::json!({
        "properties": {}, "routing_key": "order.new", "payload": body, "payload_encoding": "string",
    });
    let (base, exchange) = (login.management_url(), &rig.config.prefix);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply = client
        .post(format!("{base}/api/exchanges/{vhost}/{exchange}/publish"))
        .basic_auth(&login.username, Some(login.password.reveal()))
        .header("content-type", "application/json")
        .body(request.to_string())
        .send()
        .await
        .unwrap();
    assert!(reply.text().await.unwrap().contains("\"routed\":true"));
}
