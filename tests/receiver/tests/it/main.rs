//! The receiver over real connections, as workers, tests and people use it.
#![allow(
    clippy::unwrap_used,
    reason = "a test stops at the first thing that is not as it should be"
)]

use std::{future::pending, time::Duration};

use clap::Parser;
use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};
use warren_receiver::{args::Args, http};
use warren_service::server;

/// A receiver at a port of its own. It ends with the runtime of the test.
struct Receiver {
    url: String,
    client: Client,
}

impl Receiver {
    async fn start(arguments: &[&str]) -> Self {
        let typed = ["warren-receiver", "--listen", "127.0.0.1:0"];
        let args = Args::try_parse_from(typed.iter().chain(arguments)).unwrap();
        let listener = server::bind(args.listen, "--listen").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(http::serve(listener, args.behaviours(), pending()));
        Self { url, client: Client::builder().no_proxy().build().unwrap() }
    }

    async fn bring(&self, path: &str, id: &str, attempt: u32) -> u16 {
        let request = self.client.put(format!("{}{path}", self.url));
        let request = request.header("webhook-id", id).header("warren-attempt", attempt);
        request.body("{}").send().await.unwrap().status().as_u16()
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.client.get(format!("{}{path}", self.url)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
    }

    async fn tell(&self, behaviour: &Value) -> Response {
        let request = self.client.post(format!("{}/behaviour", self.url));
        let request = request.header("content-type", "application/json");
        request.body(behaviour.to_string()).send().await.unwrap()
    }
}

#[tokio::test]
async fn every_message_is_counted_at_the_path_it_came_to() {
    let receiver = Receiver::start(&["--answer", "/shop/invoice=201"]).await;
    assert_eq!(receiver.bring("/shop/invoice", "a", 1).await, 201);
    assert_eq!(receiver.bring("/shop/invoice", "a", 1).await, 201);
    assert_eq!(receiver.bring("/email", "a", 1).await, 200);
    let invoice = receiver.get("/received/shop/invoice").await;
    assert_eq!((&invoice["ids"], &invoice["deliveries"]), (&json!(1), &json!(2)));
    assert_eq!(invoice.get("messages"), None);
    let full = receiver.get("/received/shop/invoice?full").await;
    assert_eq!(full["messages"], json!({"a": {"done": 2, "refused": 0, "failed": 0}}));
    let all = receiver.get("/received").await;
    assert_eq!(all["/email"]["deliveries"], json!(1));
}

#[tokio::test]
async fn an_answer_can_be_changed_while_it_serves() {
    let receiver = Receiver::start(&[]).await;
    let told = receiver.tell(&json!({"path": "/email", "status": 503})).await;
    assert_eq!(told.status(), StatusCode::NO_CONTENT);
    assert_eq!(receiver.bring("/email", "a", 1).await, 503);
    receiver.tell(&json!({"path": "/email", "status": 200})).await;
    assert_eq!(receiver.bring("/email", "a", 2).await, 200);
    let email = receiver.get("/received/email").await;
    assert_eq!((&email["ids"], &email["failures"]), (&json!(1), &json!(1)));
    let refused = receiver.tell(&json!({"path": "/email", "status": 42})).await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let behaviours = receiver.get("/behaviour").await;
    assert_eq!(behaviours[1]["path"], json!("/email"));
}

#[tokio::test]
async fn a_run_that_was_cut_off_is_not_a_finished_one() {
    let receiver = Receiver::start(&["--delay", "200ms"]).await;
    let cut = Client::builder().no_proxy().timeout(Duration::from_millis(50)).build().unwrap();
    let request = cut.post(format!("{}/email", receiver.url)).header("webhook-id", "cut");
    assert!(request.send().await.unwrap_err().is_timeout());
    // Longer on its way than the first one, which is decided when this one is.
    assert_eq!(receiver.bring("/email", "whole", 1).await, 200);
    let email = receiver.get("/received/email?full").await;
    let ids: Vec<_> = email["messages"].as_object().unwrap().keys().collect();
    assert_eq!(ids, ["whole"]);
}

#[tokio::test]
async fn unlucky_orders_fail_by_their_number_and_nothing_else_does() {
    let receiver = Receiver::start(&["--unlucky-orders"]).await;
    let mut first = Vec::new();
    for number in 1..=50 {
        first.push(receiver.bring("/email", &format!("order-{number:06}"), 1).await);
        assert_eq!(receiver.bring("/email", &format!("parcel-{number:06}"), 1).await, 200);
    }
    let count = |wanted| first.iter().filter(|status| **status == wanted).count();
    assert_eq!((count(200), count(400), count(500)), (44, 1, 5));
}

#[tokio::test]
async fn what_a_path_was_told_and_got_can_be_forgotten() {
    let receiver = Receiver::start(&[]).await;
    receiver.tell(&json!({"path": "/email", "status": 503})).await;
    assert_eq!(receiver.bring("/email", "a", 1).await, 503);
    let delete = receiver.client.delete(format!("{}/received/email", receiver.url));
    delete.send().await.unwrap();
    assert_eq!(receiver.get("/received/email").await["failures"], json!(0));
    assert_eq!(receiver.bring("/email", "a", 1).await, 200);
}
