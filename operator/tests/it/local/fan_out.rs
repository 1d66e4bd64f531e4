//! The example of the README on every broker: one copy of each order to each of three queues,
//! published over HTTP, delivered over HTTP, nothing lost.

use std::collections::{BTreeMap, BTreeSet};

use rustix::process::Signal;
use serde_json::{Value, json};
use warren_test_support::{Receiver, Reply, eventually, for_each_broker, wait_until};

use super::run::{Local, PATIENCE, Place};

const EXAMPLE: &str = include_str!("../../../../examples/orders.yaml");

/// The endpoint that the example names.
const ENDPOINT: &str = "http://receiver.warren-demo.svc";

const QUEUES: [&str; 3] = ["email", "invoice", "audit"];

const ORDERS: usize = 2_000;

/// Publishes every order in batches, until each got a 2xx.
async fn publish(producer: &str) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut left: BTreeSet<String> = (0..ORDERS).map(|order| format!("order-{order}")).collect();
    wait_until(PATIENCE, "every order is accepted", async || {
        for some in left.clone().into_iter().collect::<Vec<_>>().chunks(100) {
            for id in accepted(&client, producer, some).await {
                left.remove(&id);
            }
        }
        left.is_empty()
    })
    .await;
}

/// Posts a batch, and gives the ids that got a 2xx: a busy broker may confirm the others too late.
async fn accepted(client: &reqwest::Client, producer: &str, ids: &[String]) -> Vec<String> {
    let message =
        |id: &String| json!({"id": id, "routing_key": "order.new", "payload": {"order": id}});
    let messages: Vec<Value> = ids.iter().map(message).collect();
    let reply = client
        .post(format!("{producer}/batch-produce"))
        .header("content-type", "application/json")
        .body(json!({ "messages": messages }).to_string())
        .send()
        .await
        .unwrap();
    let status = reply.status().as_u16();
    let said: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    let results = said["results"].as_array().map(Vec::as_slice).unwrap_or_default();
    let stored = results.iter().filter(|result| result["status"] == "success");
    match status {
        200 => ids.to_vec(),
        207 => stored.map(|it| it["message_id"].as_str().unwrap().to_owned()).collect(),
        503 => Vec::new(),
        _ => panic!("{status}: {said}"),
    }
}

/// The ids each queue's endpoint has answered, with how often.
fn received(receiver: &Receiver) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut queues = BTreeMap::<String, BTreeMap<String, usize>>::new();
    for request in receiver.requests() {
        let queue = request.path.trim_start_matches('/').to_owned();
        let id = request.id.unwrap_or_default();
        *queues.entry(queue).or_default().entry(id).or_default() += 1;
    }
    queues
}

/// The address of this run's producer. Runs side by side may draw the same port; who loses starts
/// again at another one, so the producer is asked whose it is.
async fn producer_url(local: &Local, pipeline: &str) -> String {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    eventually(PATIENCE, "the producer of this pipeline is ready", async || {
        let started = local.events("started");
        let producer = started
            .iter()
            .rfind(|event| event["name"].as_str().is_some_and(|name| name.contains("producer")))?;
        let url = producer["url"].as_str().unwrap().to_owned();
        let ready = client.get(format!("{url}/readyz")).send().await.ok()?;
        let pipelines = client.get(format!("{url}/v1/pipelines")).send().await.ok()?;
        let ours = pipelines.text().await.ok()?.contains(&format!("\"{pipeline}\""));
        (ready.status().is_success() && ours).then_some(url)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_accepted_order_reaches_each_of_three_queues() {
    for_each_broker(async |vhost| {
        let receiver = Receiver::start(|request| {
            Reply::status(if request.path == "/invoice" { 201 } else { 200 })
        })
        .await;
        let pipeline = format!("orders-{}", vhost.version.replace('.', "-"));
        let manifest = EXAMPLE
            .replace(ENDPOINT, &receiver.url())
            .replace("name: orders\n", &format!("name: {pipeline}\n"));
        let place = Place::new(&manifest, &vhost.login);
        place.test(live(&place, &pipeline, &receiver)).await;
        for (queue, ids) in received(&receiver) {
            let repeats = ids.values().sum::<usize>() - ids.len();
            println!("{}: {queue}: {} orders, {repeats} repeats", vhost.version, ids.len());
            assert_eq!(ids.len(), ORDERS, "{queue} got what nobody published");
        }
    })
    .await;
}

/// Publishes all orders and waits until each queue's endpoint has had them.
async fn live(place: &Place, pipeline: &str, receiver: &Receiver) {
    let mut local = place.start(&["-o", "json"]);
    publish(&producer_url(&local, pipeline).await).await;
    wait_until(PATIENCE * 2, "each queue has received every order", async || {
        let queues = received(receiver);
        QUEUES.iter().all(|queue| queues.get(*queue).is_some_and(|ids| ids.len() >= ORDERS))
    })
    .await;
    local.signal(Signal::TERM);
    assert_eq!(local.end().await, Some(0));
}
