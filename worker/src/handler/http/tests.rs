//! What an endpoint sees, and what its answer leads to.

use std::sync::{Arc, Mutex};

use axum::{Router, body::Bytes, extract::State, http::Request, response::IntoResponse};
use jiff::Timestamp;
use warren_core::{
    message::Message,
    names::{PipelineId, QueueName},
    outcome::Health,
};

use super::*;

type Seen = Arc<Mutex<Vec<(HeaderMap, Bytes)>>>;

fn settings(url: &str) -> HttpHandler {
    let text = format!("{{url: {url:?}, timeout: 500ms, connectTimeout: 300ms}}");
    serde_saphyr::from_str(&text).unwrap()
}

fn handler(settings: &HttpHandler) -> Http {
    warren_service::crypto::install();
    Http::new(settings, Duration::from_secs(60), Path::new("/nonexistent")).unwrap()
}

fn context() -> Context {
    Context {
        pipeline: PipelineId::new("shop", "orders").unwrap(),
        queue: QueueName::new("email").unwrap(),
        message_id: "m-1".to_owned(),
        attempt: 2,
        max_attempts: 5,
        published_at: Timestamp::from_millisecond(1_500).unwrap(),
        routing_key: "order.new".to_owned(),
    }
}

fn incoming() -> Incoming {
    let mut message = Message { body: "hello".into(), ..Message::default() };
    message.properties.content_type = Some("text/plain".to_owned());
    let (exchange, routing_key) = (String::new(), String::new());
    Incoming { exchange, routing_key, redelivered: false, message }
}

/// An endpoint on loopback that notes each request and answers as told.
async fn endpoint<A>(answer: impl Fn() -> A + Clone + Send + Sync + 'static) -> (String, Seen)
where
    A: IntoResponse + Send + 'static,
{
    let seen = Seen::default();
    let note = move |State(seen): State<Seen>, request: Request<axum::body::Body>| {
        let answer = answer.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
            seen.lock().unwrap().push((parts.headers, body));
            answer()
        }
    };
    let router = Router::new().fallback(note).with_state(seen.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn attempt(url: String) -> Report {
    handler(&settings(&url)).handle(&incoming(), &context()).await
}

fn retried(report: &Report) -> (ErrorClass, Option<Duration>, &str) {
    match &report.outcome {
        Outcome::Retry { class, after, detail } => (*class, *after, detail),
        other => panic!("{other:?} is no retry"),
    }
}

#[tokio::test]
async fn a_request_says_what_it_is_about() {
    let (url, seen) = endpoint(|| "thanks").await;
    assert_eq!(attempt(url).await.outcome, Outcome::Done);
    let seen = seen.lock().unwrap();
    let (headers, body) = &seen[0];
    assert_eq!(&body[..], b"hello");
    for (name, value) in [
        ("content-type", "text/plain"),
        ("webhook-id", "m-1"),
        ("idempotency-key", "m-1"),
        ("warren-pipeline", "shop/orders"),
        ("warren-queue", "email"),
        ("warren-routing-key", "order.new"),
        ("warren-published-at", "1500"),
        ("warren-attempt", "2"),
        ("warren-max-attempts", "5"),
    ] {
        assert_eq!(headers.get(name).and_then(|v| v.to_str().ok()), Some(value), "{name}");
    }
    assert!(headers.contains_key("webhook-timestamp"));
}

#[tokio::test]
async fn a_failure_keeps_the_status_and_the_start_of_the_reply() {
    let (url, _) = endpoint(|| (axum::http::StatusCode::BAD_REQUEST, "sku missing")).await;
    let report = attempt(url).await;
    assert_eq!(report.status, Some(400));
    let Outcome::Dead { detail, .. } = &report.outcome else { panic!("{report:?}") };
    assert_eq!(detail, "status 400: sku missing");
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (url, seen) = endpoint(|| axum::response::Redirect::temporary("/elsewhere")).await;
    let report = attempt(url).await;
    assert_eq!((report.status, report.health), (Some(307), Health::Misconfigured));
    assert_eq!(seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    let seconds = || (axum::http::StatusCode::TOO_MANY_REQUESTS, [("retry-after", "7")], "");
    let (url, _) = endpoint(seconds).await;
    let report = attempt(url).await;
    assert_eq!(report.health, Health::RateLimited(Duration::from_secs(7)));
    assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Duration::ZERO));
    for nonsense in ["", "soon", "-1", "1e9"] {
        assert_eq!(retry_after(nonsense), None, "{nonsense:?}");
    }
}

#[tokio::test]
async fn a_closed_port_is_a_connect_error_without_the_url() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/secret-token", listener.local_addr().unwrap());
    drop(listener);
    let report = attempt(url).await;
    let (class, _, detail) = retried(&report);
    assert_eq!((class, report.health), (ErrorClass::Connect, Health::Unreachable));
    assert!(!detail.contains("secret-token"), "{detail}");
}

#[tokio::test]
async fn an_unknown_host_is_a_dns_error() {
    let report = attempt("http://no-such-host.invalid/".to_owned()).await;
    let (class, _, detail) = retried(&report);
    assert_eq!(class, ErrorClass::Dns, "{detail}");
}

#[tokio::test]
async fn an_endpoint_that_accepts_and_says_nothing_times_out() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let report = attempt(url).await;
    let (class, _, detail) = retried(&report);
    assert_eq!((class, detail), (ErrorClass::Timeout, "no complete reply within 500ms"));
}

#[tokio::test]
async fn an_endless_reply_is_cut_off() {
    let (url, _) = endpoint(|| "x".repeat(1 << 20)).await;
    assert_eq!(attempt(url).await.outcome, Outcome::Done);
}

#[tokio::test]
async fn a_header_comes_from_a_file_of_the_secret() {
    let (url, seen) = endpoint(|| "").await;
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("mail")).unwrap();
    fs::write(directory.path().join("mail/token"), "Bearer t0k\n").unwrap();
    let mut settings = settings(&url);
    let header = "{name: Authorization, valueFrom: {secretKeyRef: {name: mail, key: token}}}";
    settings.headers = vec![serde_saphyr::from_str(header).unwrap()];
    warren_service::crypto::install();
    let http = Http::new(&settings, Duration::from_secs(60), directory.path()).unwrap();
    assert_eq!(http.handle(&incoming(), &context()).await.outcome, Outcome::Done);
    let seen = seen.lock().unwrap();
    assert_eq!(seen[0].0.get("authorization").unwrap(), "Bearer t0k");
    assert!(!format!("{http:?}").contains("t0k"));
}

#[test]
fn a_missing_secret_file_is_named() {
    let mut settings = settings("http://127.0.0.1:9/");
    let header = "{name: X-Key, valueFrom: {secretKeyRef: {name: mail, key: token}}}";
    settings.headers = vec![serde_saphyr::from_str(header).unwrap()];
    warren_service::crypto::install();
    let error = Http::new(&settings, Duration::from_secs(60), Path::new("/nonexistent"));
    let text = error.unwrap_err().to_string();
    assert!(text.contains("\"X-Key\": cannot read /nonexistent/mail/token"), "{text}");
}
