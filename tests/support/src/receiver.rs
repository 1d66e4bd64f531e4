//! An HTTP endpoint that notes what it gets and answers by script.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use tokio::{net::TcpListener, task::JoinHandle, time::Instant};

use crate::waiting::wait_until;

/// The largest body that is read, in bytes.
const BODY_MAX: usize = 64 * 1024 * 1024;

/// What the endpoint got.
#[derive(Debug, Clone)]
pub struct Received {
    /// `webhook-id`, which is the message id.
    pub id: Option<String>,
    /// `Warren-Attempt`.
    pub attempt: Option<u32>,
    /// When it came.
    pub at: Instant,
    /// The method.
    pub method: Method,
    /// The path with its query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The status it was answered with.
    pub status: u16,
}

/// What the endpoint answers.
#[derive(Debug, Clone)]
#[must_use]
pub struct Reply {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
    delay: Duration,
}

/// An HTTP endpoint on the loopback address. It ends when it is dropped.
pub struct Receiver {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<Received>>>,
    server: JoinHandle<()>,
}

struct Endpoint {
    requests: Arc<Mutex<Vec<Received>>>,
    script: Box<dyn Fn(&Received) -> Reply + Send + Sync>,
}

impl Reply {
    /// An answer with this status and an empty body.
    pub fn status(status: u16) -> Self {
        Self {
            status: StatusCode::from_u16(status).expect("a script answers with a status"),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            delay: Duration::ZERO,
        }
    }

    /// The same with a header.
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value).expect("a script answers with a header");
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// The same with a body.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// The same after a while.
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}

impl Receiver {
    /// Starts an endpoint whose answers a script decides.
    pub async fn start(script: impl Fn(&Received) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1:0".parse().expect("an address"), script).await
    }

    /// Starts an endpoint at an address that was free a moment ago.
    pub async fn start_at(
        address: SocketAddr,
        script: impl Fn(&Received) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("a listener has an address");
        let requests = Arc::<Mutex<Vec<Received>>>::default();
        let endpoint =
            Arc::new(Endpoint { requests: Arc::clone(&requests), script: Box::new(script) });
        let router = Router::new().fallback(answer).with_state(endpoint);
        let server = tokio::spawn(async move {
            axum::serve(listener, router).await.expect("serving never ends");
        });
        Self { address, requests, server }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address, without a slash at the end.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What it has got so far.
    pub fn requests(&self) -> Vec<Received> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until it has got at least so many requests, and gives them all.
    pub async fn wait_for(&self, count: usize, within: Duration) -> Vec<Received> {
        let what = format!("{count} requests at the receiver");
        wait_until(within, &what, async || self.requests.lock().unwrap().len() >= count).await;
        self.requests()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let at = Instant::now();
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, BODY_MAX).await else {
        // The sender went away in the middle of its body.
        return StatusCode::BAD_REQUEST.into_response();
    };
    let text = |name: &str| {
        let value = parts.headers.get(name).and_then(|value| value.to_str().ok());
        value.map(str::to_owned)
    };
    let mut received = Received {
        id: text("webhook-id"),
        attempt: text("warren-attempt").and_then(|attempt| attempt.parse().ok()),
        at,
        method: parts.method.clone(),
        path: parts.uri.to_string(),
        headers: parts.headers.clone(),
        body,
        status: 0,
    };
    let reply = (endpoint.script)(&received);
    received.status = reply.status.as_u16();
    endpoint.requests.lock().unwrap().push(received);
    be_slow(reply.delay).await;
    (reply.status, reply.headers, reply.body).into_response()
}

/// Plays an endpoint that takes its time.
async fn be_slow(delay: Duration) {
    tokio::time::sleep(delay).await;
}
