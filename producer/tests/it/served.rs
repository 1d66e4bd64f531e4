//! The life of the server: health, signals, and a broker that is away.

use std::{path::Path, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{net::TcpListener, process::Child, time::timeout};
use warren_broker::login::{Login, Secret};
use warren_producer::settings::{Broker, Serve};
use warren_test_support::{for_each_broker, wait_until};

use crate::rig::{
    PATIENCE, Producer, RawClient, broker_dir, pipeline, program, ran, run, topology,
};

/// A port that nobody uses now.
async fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap().port()
}

fn config(dir: &Path, text: &str) -> String {
    let path = dir.join("producer.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

fn terminate(child: &Child) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill_process(Pid::from_raw(pid).unwrap(), Signal::TERM).unwrap();
}

#[tokio::test]
async fn without_a_broker_the_producer_lives_and_says_what_is_wrong() {
    let mut login = Login::new("127.0.0.1", "u", Secret::new("p"));
    login.port = free_port().await;
    let settings = Serve {
        pipeline: pipeline(),
        broker: Broker::Values(Box::new(login)),
        address: ([127, 0, 0, 1], 0).into(),
        pod_name: "test".to_owned(),
        bearer: None,
        body_deadline: Duration::from_secs(5),
    };
    let producer = Producer::start(settings).await;
    assert_eq!(producer.get("/livez").await.status, 200);
    wait_until(PATIENCE, "the trouble is told", async || {
        producer.get("/health").await.text.contains("nothing listens")
    })
    .await;
    producer.get("/health").await.problem(503);
    let ready = producer.get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["state"], "connecting");
    assert_eq!(ready.json()["reason"], "ConnectionRefused");
    let refused = producer.post("/produce", r#"{"payload":1}"#).await;
    refused.problem(503);
    assert_eq!(refused.json()["reason"], "disconnected");
    assert!(producer.metric("warren_broker_connection_up", "publish").await < 0.5);
    producer.stop().await;
}

#[tokio::test]
async fn a_connected_producer_is_healthy() {
    for_each_broker(async |vhost| {
        let producer = Producer::on(vhost).await;
        let health = producer.get("/health").await;
        assert_eq!(health.status, 200);
        assert_eq!(health.json()["status"], "healthy");
        let timestamp = health.json()["timestamp"].as_str().unwrap().to_owned();
        assert!(timestamp.ends_with('Z') && timestamp.len() == 24, "{timestamp}");
        assert!(producer.metric("warren_broker_connection_up", "publish").await > 0.5);
        producer.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_request_in_flight_is_finished_after_sigterm() {
    for_each_broker(async |vhost| {
        topology(vhost).await;
        let (dir, port) = (broker_dir(&vhost.login), free_port().await);
        let config = config(dir.path(), "{pipeline: shop/orders, prefix: shop.orders}");
        let mut command = program();
        command.args(["serve", "--config", &config, "--http-host", "127.0.0.1"]);
        command.arg("--broker-dir").arg(dir.path()).env("WARREN_HTTP_PORT", port.to_string());
        let child = command.spawn().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        wait_until(PATIENCE, "the producer is ready", async || {
            let ready = client.get(format!("http://127.0.0.1:{port}/readyz")).send().await;
            ready.is_ok_and(|answer| answer.status() == 200)
        })
        .await;

        let body = r#"{"payload":"in flight"}"#;
        let (first, second) = body.split_at(10);
        let mut slow = RawClient::connect(([127, 0, 0, 1], port).into()).await;
        let head = "POST /produce HTTP/1.1\r\nHost: x\r\nContent-Type: application/json";
        let length = body.len();
        slow.send(format!("{head}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"))
            .await;
        // The handler reads the body: from here on the request is in flight.
        slow.until("100 Continue").await;
        slow.send(first).await;
        terminate(&child);
        wait_until(PATIENCE, "nobody new is let in", async || {
            client.get(format!("http://127.0.0.1:{port}/livez")).send().await.is_err()
        })
        .await;
        slow.send(second).await;
        assert!(slow.until("success").await.starts_with("HTTP/1.1 200"));
        drop(slow);

        let ended = timeout(PATIENCE, child.wait_with_output()).await;
        let ran = ran(ended.expect("the producer ends").unwrap());
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stdout, "");
        assert_eq!(vhost.depth("q").await.ready, 1);
    })
    .await;
}

#[tokio::test]
async fn a_configuration_that_cannot_work_ends_with_78_before_any_connection() {
    let dir = tempfile::tempdir().unwrap();
    let good = "pipeline: shop/orders\nprefix: shop.orders\n";
    for (text, says) in [
        ("pipeline: orders\nprefix: p\n".to_owned(), "<namespace>/<name>"),
        (format!("{good}maxMessageByte: 5\n"), "maxMessageByte"),
        (format!("{good}maxMessageBytes: 0\n"), "maxMessageBytes"),
        (format!("{good}bearerTokenFile: /nowhere/token\n"), "/nowhere/token"),
        (good.to_owned(), "broker"),
    ] {
        let config = config(dir.path(), &text);
        let serve = ["serve", "--config", &config, "--http-host", "127.0.0.1", "--http-port", "0"];
        let ran = run(&serve, Some(dir.path()), "").await;
        assert_eq!(ran.code, Some(78), "{text}: {ran:?}");
        assert!(ran.stderr.contains(says), "{text}: {ran:?}");
    }
    let ran = run(&["serve", "--config", "/nowhere.yaml"], Some(dir.path()), "").await;
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.stderr.contains("/nowhere.yaml"), "{ran:?}");
}

#[tokio::test]
async fn a_taken_port_ends_with_78_and_names_the_setting() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let dir = broker_dir(&Login::new("127.0.0.1", "u", Secret::new("p")));
    let config = config(dir.path(), "{pipeline: shop/orders, prefix: shop.orders}");
    let port = taken.local_addr().unwrap().port().to_string();
    let serve = ["serve", "--config", &config, "--http-host", "127.0.0.1", "--http-port", &port];
    let ran = run(&serve, Some(dir.path()), "").await;
    assert_eq!(ran.code, Some(78), "{ran:?}");
    assert!(ran.stderr.contains("WARREN_HTTP_PORT"), "{ran:?}");
}
