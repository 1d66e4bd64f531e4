//! Which routes ask for the token.

use warren_producer::auth::Bearer;

use crate::rig::{Always, Producer, answer};

#[tokio::test]
async fn every_route_but_health_and_metrics_asks_for_the_token() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "t0ken\n").unwrap();
    let bearer = Bearer::from_file(file.path().to_owned()).unwrap();
    let broker = Always::new(Ok(()));
    let producer = Producer::scripted(broker.clone(), |_| {}, Some(bearer)).await;
    for open in ["/health", "/livez", "/readyz", "/metrics"] {
        assert_eq!(producer.get(open).await.status, 200, "{open}");
    }
    for guarded in ["/ui/", "/openapi.json", "/v1/pipelines", "/v1/messages/x", "/produce"] {
        let refused = producer.get(guarded).await;
        refused.problem(401);
        assert_eq!(refused.header("www-authenticate"), Some("Bearer"), "{guarded}");
    }
    let publishing = [
        "/produce",
        "/batch-produce",
        "/v1/pipelines/orders/messages",
        "/v1/pipelines/orders/messages:batch",
    ];
    for path in publishing {
        producer.post(path, r#"{"payload":1}"#).await.problem(401);
        let request = producer.client.post(producer.url(path));
        let request = request.header("content-type", "application/json").body("[]");
        answer(request.bearer_auth("wrong")).await.problem(401);
    }
    assert_eq!(broker.count(), 0);

    let request = producer.client.post(producer.url("/produce")).bearer_auth("t0ken");
    let request = request.header("content-type", "application/json");
    assert_eq!(answer(request.body(r#"{"payload":1}"#)).await.status, 200);
    assert_eq!(broker.count(), 1);
    producer.stop().await;
}
