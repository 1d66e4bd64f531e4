//! What clients should not send: each gets a problem that names what is wrong, and none of it
//! reaches the broker.

use std::time::Duration;

use crate::rig::{Always, Producer, RawClient, answer};

/// A producer that takes messages of up to 1000 bytes, and whose broker takes everything.
async fn producer(broker: &Always) -> Producer {
    let hasty = |app: &mut warren_producer::http::App| {
        app.body_deadline = Duration::from_millis(300);
    };
    Producer::scripted(broker.clone(), hasty, None).await
}

#[tokio::test]
async fn every_bad_message_is_refused_by_name() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    let id_of_256 = format!(r#"{{"payload":1,"id":"{}"}}"#, "i".repeat(256));
    let key_of_256 = format!(r#"{{"payload":1,"routing_key":"{}"}}"#, "é".repeat(128));
    let cases: &[(&str, &str)] = &[
        ("", "EOF"),
        ("nonsense", "expected a JSON object"),
        ("null", "expected a JSON object"),
        ("[1,2,3,4]", "expected a JSON object"),
        ("{}", "missing field `payload`"),
        (r#"{"payload":1"#, "EOF"),
        (r#"{"payload":1} {"payload":2}"#, "trailing characters"),
        (r#"{"payload":1,"payload":2}"#, "duplicate field `payload`"),
        (r#"{"payload":1,"priority":3}"#, "unknown field `priority`"),
        (r#"{"payload":1,"Payload":3}"#, "unknown field `Payload`"),
        (r#"{"payload":nan}"#, "expected"),
        (r#"{"payload":1,"id":7}"#, "`id` must be a string"),
        (r#"{"payload":1,"id":""}"#, "the id has 0 bytes"),
        (r#"{"payload":1,"id":"a\u0000b"}"#, "the id has a control character"),
        (r#"{"payload":1,"id":"a\r\nX-Evil: 1"}"#, "the id has a control character"),
        (r#"{"payload":1,"id":"\ud800"}"#, "`id` must be a string"),
        (&id_of_256, "the id has 256 bytes"),
        (&key_of_256, "the routing key has 256 bytes"),
        (r#"{"payload":1,"routing_key":{}}"#, "`routing_key` must be a string"),
        (r#"{"payload":1,"processing_time":-1}"#, "processing_time is -1"),
        (r#"{"payload":1,"processing_time":1e6}"#, "processing_time is 1000000"),
        (r#"{"payload":1,"processing_time":1e999}"#, "`processing_time` must be a number"),
        (r#"{"payload":1,"processing_time":"1"}"#, "`processing_time` must be a number"),
        (r#"{"payload":1,"processing_time":true}"#, "`processing_time` must be a number"),
    ];
    for (body, says) in cases {
        let refused = producer.post("/produce", *body).await;
        let detail = refused.problem(400);
        assert!(detail.contains(says), "{body} gave {detail}");
        assert_eq!(refused.json()["reason"], "malformed");
        let batch = producer.post("/batch-produce", format!(r#"{{"messages":[{body}]}}"#)).await;
        batch.problem(400);
    }
    assert_eq!(broker.count(), 0);
    let id_of_255 = format!(r#"{{"payload":1,"id":"{}"}}"#, "i".repeat(255));
    assert_eq!(producer.post("/produce", id_of_255).await.status, 200);
    producer.stop().await;
}

#[tokio::test]
async fn every_bad_batch_is_refused_by_name() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    for (body, says) in [
        ("[]", "expected a JSON object"),
        ("{}", "missing field `messages`"),
        (r#"{"messages":[]}"#, "`messages` is empty"),
        (r#"{"messages":{"payload":1}}"#, "expected a list of messages"),
        (r#"{"messages":[{"payload":1}],"count":1}"#, "unknown field `count`"),
        (r#"{"messages":[{"payload":1},]}"#, "trailing comma"),
    ] {
        let detail = producer.post("/batch-produce", body).await.problem(400);
        assert!(detail.contains(says), "{body} gave {detail}");
    }
    for body in ["{}", "", "7", r#"{"messages":[{"payload":1}]}"#] {
        let batch = "/v1/pipelines/orders/messages:batch";
        producer.post(batch, body).await.problem(400);
    }
    assert_eq!(broker.count(), 0);
    producer.stop().await;
}

#[tokio::test]
async fn every_bad_header_is_refused_by_name() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    let (long, large) = ("k".repeat(256), "v".repeat(33 * 1024));
    let cases: &[(&str, &[u8], &str)] = &[
        ("idempotency-key", long.as_bytes(), "the idempotency key has 256 bytes"),
        ("idempotency-key", b"", "the idempotency key has 0 bytes"),
        ("warren-routing-key", long.as_bytes(), "the routing key has 256 bytes"),
        ("warren-routing-key", b"\xff", "warren-routing-key is not UTF-8"),
        ("warren-priority", b"32", "from 0 to 31"),
        ("warren-priority", b"-1", "from 0 to 31"),
        ("warren-priority", b"high", "from 0 to 31"),
        ("warren-delay", b"10", "not a duration"),
        ("warren-delay", b"-1s", "not a duration"),
        ("warren-delay", b"21s", "too long"),
        ("warren-model", b"", "the model has 0 bytes"),
        ("warren-group", long.as_bytes(), "the group has 256 bytes"),
        ("ce-data", large.as_bytes(), "the headers have"),
        ("content-type", long.as_bytes(), "the content type has 256 bytes"),
    ];
    for (name, value, says) in cases {
        let value = reqwest::header::HeaderValue::from_bytes(value).unwrap();
        let request = producer.client.post(producer.url("/v1/pipelines/orders/messages"));
        let refused = answer(request.header(*name, value).body("x")).await;
        let detail = refused.problem(400);
        assert!(detail.contains(says), "{name} gave {detail}");
    }
    let twice = producer.client.post(producer.url("/produce"));
    let twice = twice.header("warren-priority", "1").header("warren-priority", "2");
    let twice = twice.header("content-type", "application/json").body(r#"{"payload":1}"#);
    assert!(answer(twice).await.problem(400).contains("given twice"));
    let both = producer.client.post(producer.url("/produce")).header("idempotency-key", "k");
    let both = both.header("content-type", "application/json").body(r#"{"payload":1,"id":"i"}"#);
    assert!(answer(both).await.problem(400).contains("not both"));
    let many = producer.client.post(producer.url("/batch-produce")).header("idempotency-key", "k");
    let many = many.header("content-type", "application/json").body(r#"{"messages":[]}"#);
    assert!(answer(many).await.problem(400).contains("Idempotency-Key"));
    assert_eq!(broker.count(), 0);
    producer.stop().await;
}

#[tokio::test]
async fn paths_methods_and_media_types_that_are_not_taken_are_problems() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    producer.get("/nothing").await.problem(404);
    let wrong = producer.get("/produce").await;
    wrong.problem(405);
    assert_eq!(wrong.header("allow"), Some("POST"));
    for path in ["messages", "messages:batch"] {
        let path = format!("/v1/pipelines/invoices/{path}");
        let detail = producer.post(&path, "[]").await.problem(404);
        assert!(detail.contains("invoices") && detail.contains("orders"), "{detail}");
    }
    producer.get("/v1/messages/m1").await.problem(501);
    producer.post("/v1/pipelines/%ff/messages", "x").await.problem(400);
    let post = |path: &str| producer.client.post(producer.url(path)).body("{}");
    for path in ["/produce", "/batch-produce", "/v1/pipelines/orders/messages:batch"] {
        assert!(answer(post(path)).await.problem(415).contains("missing"), "{path}");
        let form = post(path).header("content-type", "application/x-www-form-urlencoded");
        assert!(answer(form).await.problem(415).contains("application/json"), "{path}");
        let zipped = post(path).header("content-type", "application/json");
        let zipped = answer(zipped.header("content-encoding", "gzip")).await;
        assert!(zipped.problem(415).contains("gzip"), "{path}");
    }
    assert_eq!(broker.count(), 0);
    producer.stop().await;
}

#[tokio::test]
async fn a_body_over_its_limit_is_refused_whether_announced_or_not() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    let fits = format!(r#"{{"payload":"{}"}}"#, "x".repeat(998));
    assert_eq!(producer.post("/produce", fits).await.status, 200);
    let over = format!(r#"{{"payload":"{}"}}"#, "x".repeat(999));
    let refused = producer.post("/produce", over).await;
    assert!(refused.problem(413).contains("1001 bytes"));
    assert_eq!(refused.json()["reason"], "too_large");
    let labels = r#"reason="too_large""#;
    assert!(producer.metric("warren_producer_publish_failed_total", labels).await > 0.5);
    producer.post("/produce", "x".repeat(1_000_000)).await.problem(413);
    producer.post("/v1/pipelines/orders/messages", "x".repeat(1001)).await.problem(413);

    let head = "POST /produce HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let mut liar = RawClient::connect(producer.address).await;
    liar.send(format!("{head}Content-Length: 9000000000000000000\r\n\r\n")).await;
    assert!(liar.until("bytes that this path takes").await.starts_with("HTTP/1.1 413"));
    let mut endless = RawClient::connect(producer.address).await;
    endless.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
    for _ in 0..6 {
        endless.send(&chunk).await;
    }
    assert!(endless.until("bytes that this path takes").await.starts_with("HTTP/1.1 413"));
    assert_eq!(broker.count(), 1);
    producer.stop().await;
}

#[tokio::test]
async fn undecodable_bodies_are_refused() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    let bodies: [&[u8]; 4] = [
        b"{\"payload\":\"\xff\xfe\"}",
        b"\xef\xbb\xbf{\"payload\":1}",
        b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
        b"{\"payload\":\"\x01\"}",
    ];
    for body in bodies {
        let request = producer.client.post(producer.url("/produce"));
        let request = request.header("content-type", "application/json").body(body);
        let refused = answer(request).await;
        refused.problem(400);
        assert_eq!(refused.json()["reason"], "malformed");
    }
    assert_eq!(broker.count(), 0);
    producer.stop().await;
}

#[tokio::test]
async fn a_slow_client_is_answered_408() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    let paths = ["/produce", "/batch-produce", "/v1/pipelines/orders/messages:batch"];
    for path in paths {
        let mut slow = RawClient::connect(producer.address).await;
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json");
        slow.send(format!("{head}\r\nContent-Length: 100\r\n\r\n{{\"payl")).await;
        let answer = slow.until("did not arrive").await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{path}: {answer}");
        assert!(answer.contains("application/problem+json"), "{path}: {answer}");
    }
    assert_eq!(broker.count(), 0);
    producer.stop().await;
}

#[tokio::test]
async fn a_client_that_breaks_off_half_way_publishes_nothing() {
    let broker = Always::new(Ok(()));
    let producer = producer(&broker).await;
    let head = "POST /produce HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let halves = [
        format!("{head}Content-Length: 100\r\n\r\n{{\"payload\":1}}"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nd\r\n{{\"payload\":1}}\r\n"),
        format!("{head}Transfer-Encoding: chunked\r\n\r\nzz\r\n"),
        "POST /produce HTTP/1.1\r\nHo".to_owned(),
    ];
    for text in halves {
        let mut client = RawClient::connect(producer.address).await;
        client.send(&text).await;
        tokio::io::AsyncWriteExt::shutdown(&mut client.0).await.unwrap();
        let answer = client.rest().await;
        assert!(!answer.contains("200 OK"), "{text:?} gave {answer:?}");
    }
    assert_eq!(broker.count(), 0);
    assert_eq!(producer.post("/produce", r#"{"payload":1}"#).await.status, 200);
    producer.stop().await;
}
