//! What a client reads when something goes wrong.

use axum::extract::{DefaultBodyLimit, Json, Request};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;

async fn ask(router: Router, method: &str, path: &str, body: &'static str) -> Response {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .unwrap();
    router.oneshot(request).await.unwrap()
}

/// The body of a response that must be a problem.
async fn problem(response: Response) -> Value {
    assert_eq!(response.headers()[header::CONTENT_TYPE], CONTENT_TYPE);
    let bytes = to_bytes(response.into_body(), 10_000).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

fn router() -> Router {
    let echo = |Json(value): Json<Value>| async move { Json(value) };
    everywhere(
        Router::new()
            .route("/echo", post(echo))
            .route("/panic", get(|| async { broken() }))
            .route("/busy", get(|| async { StatusCode::SERVICE_UNAVAILABLE }))
            .route(
                "/state",
                get(|| async { (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"a": 1}))) }),
            )
            .layer(DefaultBodyLimit::max(16)),
    )
}

fn broken() -> String {
    panic!("password=hunter2")
}

#[tokio::test]
async fn a_problem_carries_what_was_put_into_it() {
    let response = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no connection to the broker")
        .reason("disconnected")
        .message_id("0199a6")
        .retry_after(Duration::from_millis(1500))
        .into_response();
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    assert_eq!(
        problem(response).await,
        json!({
            "type": "about:blank", "title": "Service Unavailable", "status": 503,
            "detail": "no connection to the broker", "reason": "disconnected",
            "message_id": "0199a6", "retry_after_seconds": 2,
        })
    );
}

#[tokio::test]
async fn a_kind_of_problem_has_its_own_type_and_title() {
    let response = Problem::new(StatusCode::CONFLICT, "x")
        .kind("https://warren.dev/problems/key-reuse", "Key used twice")
        .into_response();
    let problem = problem(response).await;
    assert_eq!(problem["type"], "https://warren.dev/problems/key-reuse");
    assert_eq!(problem["title"], "Key used twice");
    assert_eq!(problem.get("reason"), None);
}

#[tokio::test]
async fn an_unknown_path_is_a_problem() {
    let response = ask(router(), "GET", "/nowhere", "").await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(
        problem(response).await,
        json!({
            "type": "about:blank", "title": "Not Found", "status": 404,
            "detail": "nothing is served at this path",
        })
    );
}

#[tokio::test]
async fn a_wrong_method_is_a_problem_and_the_right_ones_are_listed() {
    let response = ask(router(), "GET", "/echo", "").await;
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[header::ALLOW], "POST");
    let problem = problem(response).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("does not take this method"), "{detail}");
}

#[tokio::test]
async fn a_malformed_body_is_a_problem_that_says_where() {
    let response = ask(router(), "POST", "/echo", "{,").await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let problem = problem(response).await;
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("line 1 column 2"), "{detail}");
}

#[tokio::test]
async fn a_body_over_the_limit_is_a_problem() {
    let response = ask(router(), "POST", "/echo", "[1,2,3,4,5,6,7,8,9]").await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(problem(response).await["status"], 413);
}

#[tokio::test]
async fn a_wrong_content_type_is_a_problem() {
    let request = Request::post("/echo").body(Body::from("{}")).unwrap();
    let response = router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(problem(response).await["status"], 415);
}

#[tokio::test]
async fn a_panic_is_a_problem_that_gives_nothing_away() {
    let response = ask(router(), "GET", "/panic", "").await;
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let problem = problem(response).await;
    assert_eq!(problem["status"], 500);
    assert!(!problem.to_string().contains("hunter2"), "{problem}");
}

#[tokio::test]
async fn an_error_without_a_body_becomes_a_problem() {
    let response = ask(router(), "GET", "/busy", "").await;
    assert_eq!(problem(response).await["detail"], "Service Unavailable");
}

#[tokio::test]
async fn an_error_with_a_json_body_stays_as_it_is() {
    let response = ask(router(), "GET", "/state", "").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
}

#[tokio::test]
async fn success_stays_as_it_is() {
    let response = ask(router(), "POST", "/echo", "[1]").await;
    assert_eq!(response.status(), StatusCode::OK);
    let bytes = to_bytes(response.into_body(), 100).await.unwrap();
    assert_eq!(bytes.as_ref(), b"[1]");
}
