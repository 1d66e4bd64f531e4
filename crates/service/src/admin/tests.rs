//! What a probe and a scrape see.

use std::net::IpAddr;

use axum::body::{Body, to_bytes};
use axum::routing::post;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::health::{Fatal, STALE_AFTER};

struct Program {
    router: Router,
    readiness: watch::Sender<Readiness>,
    fatal: Fatal,
}

fn program() -> Program {
    let (liveness, fatal) = Liveness::start(STALE_AFTER);
    let (readiness, readiness_seen) = watch::channel(Readiness::not_ready("connecting"));
    let metrics = Metrics::new(&[]).unwrap();
    metrics.counter("seen_total", "Seen.").unwrap();
    let admin = Admin { metrics, readiness: readiness_seen, liveness };
    Program { router: router(admin), readiness, fatal }
}

async fn get_from(router: &Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.clone().oneshot(request).await.unwrap();
    let status = response.status();
    let bytes = to_bytes(response.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn readiness_follows_what_the_program_publishes() {
    let program = program();
    let (status, body) = get_from(&program.router, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"ready": false, "state": "connecting"})
    );

    program.readiness.send_replace(Readiness::ready("paused").because("rate").last_status(429));
    let (status, body) = get_from(&program.router, "/readyz").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        serde_json::from_str::<Value>(&body).unwrap(),
        json!({"ready": true, "state": "paused", "reason": "rate", "last_status": 429})
    );
}

#[tokio::test]
async fn a_program_that_is_not_ready_is_alive() {
    let program = program();
    let (status, body) = get_from(&program.router, "/livez").await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"alive":true}"#));
}

#[tokio::test]
async fn a_program_that_is_beyond_help_is_not_alive() {
    let program = program();
    program.fatal.report("the session loop ended");
    let (status, body) = get_from(&program.router, "/livez").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(body, r#"{"alive":false,"detail":"the session loop ended"}"#);
}

#[tokio::test]
async fn a_scrape_gets_the_text_format() {
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let response = program().router.oneshot(request).await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/plain; version=0.0.4");
    let bytes = to_bytes(response.into_body(), 100_000).await.unwrap();
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    assert!(text.contains("\nseen_total 0\n"), "{text}");
}

#[tokio::test]
async fn only_loopback_may_ask_for_what_is_protected() {
    let router = loopback_only(Router::new().route("/admin/quiet", post(|| async {})));
    let cases = [
        (Some("127.0.0.1"), StatusCode::OK),
        (Some("127.8.8.8"), StatusCode::OK),
        (Some("::1"), StatusCode::OK),
        (Some("::ffff:127.0.0.1"), StatusCode::OK),
        (Some("10.0.0.7"), StatusCode::FORBIDDEN),
        (Some("::ffff:10.0.0.7"), StatusCode::FORBIDDEN),
        (Some("fe80::1"), StatusCode::FORBIDDEN),
        (None, StatusCode::FORBIDDEN),
    ];
    for (peer, expected) in cases {
        let mut request = Request::post("/admin/quiet").body(Body::empty()).unwrap();
        if let Some(peer) = peer {
            let ip: IpAddr = peer.parse().unwrap();
            let peer = SocketAddr::new(ip, 40_000);
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), expected, "{peer:?}");
    }
}

#[tokio::test]
async fn a_program_can_merge_its_own_routes_protected_and_not() {
    let own = Router::new().route("/produce", post(|| async { "done" }));
    let protected = loopback_only(Router::new().route("/admin/quiet", post(|| async {})));
    let merged = program().router.merge(own).merge(protected);
    let router = crate::problem::everywhere(merged);
    for (path, expected) in [
        ("/livez", StatusCode::OK),
        ("/produce", StatusCode::METHOD_NOT_ALLOWED),
        ("/nowhere", StatusCode::NOT_FOUND),
    ] {
        assert_eq!(get_from(&router, path).await.0, expected, "{path}");
    }
}
