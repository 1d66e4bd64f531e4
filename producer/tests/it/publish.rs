//! Publishing over HTTP to real brokers: what arrives, and what the client is told.

use serde_json::json;
use warren_core::{message::Value, topology::ExchangeKind};
use warren_test_support::{for_each_broker, wait_until};

use crate::rig::{EXCHANGE, PATIENCE, Producer, RawClient, answer, topology};

#[tokio::test]
async fn a_produced_message_arrives_with_everything_that_was_said_of_it() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let producer = Producer::on(vhost).await;
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let request = producer
            .client
            .post(producer.url("/produce"))
            .header("content-type", "application/json; charset=utf-8")
            .header("traceparent", trace)
            .header("warren-priority", "7")
            .header("warren-model", "large")
            .header("warren-group", "tenant-1")
            .body(
                r#"{"id":"m-1","payload":{"n": 1.10},"processing_time":0.25,"routing_key":"a.b"}"#,
            );
        let answer = answer(request).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = answer.json();
        assert_eq!((&told["status"], &told["message_id"]), (&json!("success"), &json!("m-1")));
        assert_eq!(told.as_object().unwrap().len(), 3, "{told}");

        let taken = vhost.take("q", 1).await.remove(0);
        assert_eq!(taken.routing_key, "a.b");
        let message = taken.message;
        assert_eq!(message.body, r#"{"n": 1.10}"#);
        let properties = &message.properties;
        assert_eq!(properties.message_id.as_deref(), Some("m-1"));
        assert_eq!(properties.content_type.as_deref(), Some("application/json"));
        assert_eq!(properties.priority, Some(7));
        let header = |name| message.headers.get(name).cloned();
        assert_eq!(header("warren-attempt"), Some(Value::Int(1)));
        assert_eq!(header("warren-origin-exchange"), Some(Value::from(EXCHANGE)));
        assert_eq!(header("warren-origin-routing-key"), Some(Value::from("a.b")));
        assert_eq!(header("warren-processing-time"), Some(Value::Float(0.25)));
        assert_eq!(header("warren-model"), Some(Value::from("large")));
        assert_eq!(header("warren-group"), Some(Value::from("tenant-1")));
        assert_eq!(header("traceparent"), Some(Value::from(trace)));
        let at = message.headers.moment("warren-published-at").unwrap();
        assert_eq!(format!("{at:.3}"), told["timestamp"].as_str().unwrap());
        assert_eq!(properties.timestamp, u64::try_from(at.as_second()).ok());

        assert!((producer.metric("messages_produced_total", "").await - 1.0).abs() < 0.1);
        let labels = r#"route="/produce",status="200""#;
        let count = producer.metric("http_request_duration_seconds_count", labels).await;
        assert!((count - 1.0).abs() < 0.1);
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn any_content_type_is_published_as_it_is() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let producer = Producer::on(vhost).await;
        let post = || producer.client.post(producer.url("/v1/pipelines/orders/messages"));
        let first = answer(
            post()
                .header("content-type", "image/png")
                .header("ce-id", "e1")
                .header("ce-source", "/shop")
                .header("warren-routing-key", "é")
                .header("warren-delay", "1m")
                .body(vec![0_u8, 255, 10]),
        )
        .await;
        assert!(first.problem(400).contains("20s"), "over the longest delay");

        let request = post()
            .header("content-type", "image/png")
            .header("ce-id", "e1")
            .header("warren-routing-key", "é")
            .header("warren-delay", "15s")
            .header("idempotency-key", "k1");
        let second = answer(request.body(vec![0_u8, 255, 10])).await;
        assert_eq!(second.status, 202, "{second:?}");
        let told = second.json();
        assert_eq!(told["approximate"], true);
        let repeated = answer(post().header("idempotency-key", "k1").body("")).await;
        assert_eq!(repeated.json()["message_id"], told["message_id"]);
        assert_eq!(repeated.json().get("not_before"), None);

        let taken = vhost.take("q", 2).await;
        let message = &taken[0].message;
        assert_eq!(taken[0].routing_key, "é");
        assert_eq!(&message.body[..], [0, 255, 10]);
        assert_eq!(message.properties.content_type.as_deref(), Some("image/png"));
        assert_eq!(message.headers.get("ce-id"), Some(&Value::from("e1")));
        let until = message.headers.moment("warren-not-before").unwrap();
        let from = message.headers.moment("warren-published-at").unwrap();
        assert_eq!((until.as_millisecond() - from.as_millisecond()), 15_000);
        assert_eq!(format!("{until:.3}"), told["not_before"].as_str().unwrap());
        let empty = &taken[1].message;
        assert_eq!(empty.properties.content_type.as_deref(), Some("application/octet-stream"));
        assert_eq!(empty.properties.message_id, message.properties.message_id);
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_tells_of_each_message_unless_all_were_published() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let producer = Producer::on(vhost).await;
        let all = producer
            .post("/batch-produce", r#"{"messages":[{"payload":1},{"payload":2,"id":"b"}]}"#)
            .await;
        assert_eq!(all.status, 200, "{all:?}");
        assert_eq!(all.json(), json!({"status": "success", "messages_produced": 2}));

        // The same id twice in one batch, and one that cannot be read.
        let messages = r#"{"messages":[{"id":"c","payload":1},{"payload":2,"idd":"x"},{"id":"c","payload":3}]}"#;
        let part = producer.post("/batch-produce", messages).await;
        assert_eq!(part.status, 207, "{part:?}");
        let told = part.json();
        assert_eq!((&told["status"], &told["messages_produced"]), (&json!("partial"), &json!(2)));
        let results = told["results"].as_array().unwrap();
        assert_eq!(results[0], json!({"index": 0, "status": "success", "message_id": "c"}));
        assert_eq!(results[1]["reason"], "malformed");
        assert!(results[1]["detail"].as_str().unwrap().contains("`idd`"));
        assert_eq!(results[2], json!({"index": 2, "status": "success", "message_id": "c"}));

        let taken = vhost.take("q", 4).await;
        let bodies: Vec<_> = taken.iter().map(|incoming| &incoming.message.body[..]).collect();
        assert!(bodies.contains(&&b"3"[..]), "{bodies:?}");
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_batch_larger_than_every_window_is_published_whole() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let producer = Producer::on(vhost).await;
        let messages = vec![r#"{"payload":{"some":"text"}}"#; 3000].join(",");
        let all = producer.post("/batch-produce", format!("{{\"messages\":[{messages}]}}")).await;
        assert_eq!(all.status, 200, "{all:?}");
        assert_eq!(all.json()["messages_produced"], 3000);
        assert_eq!(vhost.depth("q").await.ready, 3000);
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_message_that_no_queue_takes_is_an_error_unless_it_is_captured() {
    for_each_broker(async |vhost| {
        vhost.exchange(EXCHANGE, ExchangeKind::Direct).await;
        vhost.queue("q", []).await;
        vhost.bind(EXCHANGE, "known", "q").await;
        let producer = Producer::on(vhost).await;
        let good = producer.post("/produce", r#"{"payload":1,"routing_key":"known"}"#).await;
        assert_eq!(good.status, 200, "{good:?}");
        let lost = producer.post("/produce", r#"{"payload":1,"routing_key":"unknown"}"#).await;
        let detail = lost.problem(503);
        assert!(detail.contains("unknown") && detail.contains(EXCHANGE), "{detail}");
        assert_eq!(lost.json()["reason"], "unroutable");
        assert!(lost.header("retry-after").is_some());
        let labels = r#"reason="unroutable""#;
        let count = producer.metric("warren_producer_publish_failed_total", labels).await;
        assert!((count - 1.0).abs() < 0.1);

        let messages = r#"{"messages":[{"payload":1},{"payload":2,"routing_key":"x"}]}"#;
        let none = producer.post("/batch-produce", messages).await;
        none.problem(503);
        assert!(none.header("retry-after").is_some());
        let results = none.json()["results"].clone();
        assert_eq!(results[0]["reason"], "unroutable");
        assert_eq!(results[1]["index"], 1);
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_missing_exchange_is_unroutable_and_does_not_stop_the_producer() {
    for_each_broker(async |vhost| {
        let producer = Producer::on(vhost).await;
        let lost = producer.post("/produce", r#"{"payload":1}"#).await;
        assert!(lost.problem(503).contains("does not exist"), "{lost:?}");
        assert_eq!(lost.json()["reason"], "unroutable");
        topology(vhost).await;
        wait_until(PATIENCE, "publishing works once there is an exchange", async || {
            producer.post("/produce", r#"{"payload":1}"#).await.status == 200
        })
        .await;
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_full_queue_answers_429_and_says_when_to_come_back() {
    for_each_broker(async |vhost| {
        vhost.exchange(EXCHANGE, ExchangeKind::Fanout).await;
        let full = [("x-max-length", 1.into()), ("x-overflow", "reject-publish".into())];
        vhost.queue("q", full).await;
        vhost.bind(EXCHANGE, "", "q").await;
        let producer = Producer::on(vhost).await;
        // A quorum queue notices its limit a few messages late.
        let mut refused = None;
        wait_until(PATIENCE, "the queue is full", async || {
            let answer = producer.post("/produce", r#"{"payload":1}"#).await;
            refused = (answer.status != 200).then_some(answer);
            refused.is_some()
        })
        .await;
        let refused = refused.unwrap();
        refused.problem(429);
        assert_eq!(refused.json()["reason"], "nacked");
        assert_eq!(refused.header("retry-after"), Some("5"));
        assert!(refused.json()["message_id"].is_string());
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_client_that_goes_away_does_not_take_its_messages_back() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let producer = Producer::on(vhost).await;
        // More than are sent at once.
        let messages = vec![r#"{"payload":"still here"}"#; 2000].join(",");
        let body = format!("{{\"messages\":[{messages}]}}");
        let mut client = RawClient::connect(producer.address).await;
        let head = "POST /batch-produce HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
        client.send(format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len())).await;
        drop(client);
        wait_until(PATIENCE, "all are there", async || vhost.depth("q").await.ready == 2000).await;
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_user_who_may_not_write_is_told_so() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let stranger = vhost.user("^$", "^other$", "^$").await;
        let broker = warren_producer::settings::Broker::Values(Box::new(stranger));
        let settings = warren_producer::settings::Serve {
            pipeline: crate::rig::pipeline(),
            broker,
            address: ([127, 0, 0, 1], 0).into(),
            pod_name: "test".to_owned(),
            bearer: None,
            body_deadline: warren_producer::http::BODY_DEADLINE,
        };
        let producer = Producer::start(settings).await;
        let mut last = None;
        wait_until(PATIENCE, "the broker refuses the publish", async || {
            let answer = producer.post("/produce", r#"{"payload":1}"#).await;
            let refused = answer.text.contains("refuses");
            last = Some(answer);
            refused
        })
        .await;
        let refused = last.unwrap();
        refused.problem(503);
        assert_eq!(refused.json()["reason"], "disconnected");
        producer.stop().await;
    })
    .await;
}
