//! Clients that behave, clients that do not, and the end of a server.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use warren_service::exit::{Exit, Failure};
use warren_service::server::{self, Limits};
use warren_service::{body, problem};

use crate::client::{Client, PATIENCE};

/// A limit that a test waits for.
const SHORT: Duration = Duration::from_millis(300);

/// Limits that no test reaches unless it makes one shorter.
const GENEROUS: Limits =
    Limits { connections: 16, header_read: PATIENCE, stalled_write: PATIENCE, drain: PATIENCE };

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
    /// A request to `/held` has begun.
    begun: Arc<Notify>,
    /// Lets the requests to `/held` end.
    release: Arc<Notify>,
}

impl Server {
    async fn start(limits: Limits) -> Self {
        let listener = server::bind(([127, 0, 0, 1], 0).into(), "PORT").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = CancellationToken::new();
        let (begun, release) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let router = routes(Arc::clone(&begun), Arc::clone(&release));
        let task = tokio::spawn(server::serve(listener, router, limits, stop.clone()));
        Self { address, stop, task, begun, release }
    }

    async fn connect(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Waits until the server has ended.
    async fn wait_for_end(self) {
        timeout(PATIENCE, self.task).await.expect("the server ends").unwrap();
    }
}

fn routes(begun: Arc<Notify>, release: Arc<Notify>) -> Router {
    let held = move || async move {
        begun.notify_one();
        release.notified().await;
        "held"
    };
    let peer = |ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.ip().to_string() };
    let length = |bytes: Bytes| async move { bytes.len().to_string() };
    let slow_body = Router::new().route("/length", post(length));
    let router = Router::new()
        .route("/peer", get(peer))
        .route("/held", get(held))
        .route("/large", get(|| async { vec![b'x'; 64 << 20] }))
        .merge(body::deadline(slow_body, SHORT));
    problem::everywhere(router)
}

fn post_head(length: usize) -> String {
    format!("POST /length HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn a_handler_sees_its_client_and_the_connection_is_used_again() {
    let server = Server::start(GENEROUS).await;
    let mut client = server.connect().await;
    for _ in 0..2 {
        client.get("/peer").await;
        let answer = client.answer().await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
        assert!(answer.ends_with("127.0.0.1"), "{answer}");
    }
}

#[tokio::test]
async fn a_client_that_sends_its_head_slowly_is_cut_off() {
    let limits = Limits { header_read: SHORT, ..GENEROUS };
    let server = Server::start(limits).await;
    let (time, answer) = server.connect().await.send_slowly("GET /").await;
    assert!(time >= SHORT && time < PATIENCE / 2, "{time:?}");
    assert_eq!(answer, "");
}

#[tokio::test]
async fn a_client_that_sends_nothing_is_cut_off() {
    let limits = Limits { header_read: SHORT, ..GENEROUS };
    let server = Server::start(limits).await;
    let begun = Instant::now();
    assert_eq!(server.connect().await.rest().await, "");
    assert!(begun.elapsed() >= SHORT, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_client_that_keeps_an_idle_connection_is_cut_off() {
    let limits = Limits { header_read: SHORT, ..GENEROUS };
    let server = Server::start(limits).await;
    let mut client = server.connect().await;
    client.get("/peer").await;
    client.answer().await;
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn a_client_that_sends_its_body_slowly_gets_a_408() {
    let server = Server::start(GENEROUS).await;
    let mut client = server.connect().await;
    client.send(&post_head(100_000)).await;
    let (time, answer) = client.send_slowly("x").await;
    assert!(time >= SHORT && time < PATIENCE / 2, "{time:?}");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert!(answer.contains("the body did not arrive within 300ms"), "{answer}");
}

#[tokio::test]
async fn a_body_that_comes_in_time_is_read_whole() {
    let server = Server::start(GENEROUS).await;
    let mut client = server.connect().await;
    client.send(&post_head(8)).await;
    client.send("1234").await;
    client.send("5678").await;
    let answer = client.answer().await;
    assert!(answer.ends_with("\r\n\r\n8"), "{answer}");
}

#[tokio::test]
async fn a_client_that_hangs_up_halfway_gives_its_place_back() {
    let limits = Limits { connections: 1, ..GENEROUS };
    let server = Server::start(limits).await;
    for cut_short in ["", "GET /pe", &format!("{}12", post_head(8))] {
        let mut rude = server.connect().await;
        rude.send(cut_short).await;
        rude.half_close().await;
        rude.rest().await;

        let mut client = server.connect().await;
        client.get("/peer").await;
        assert!(client.answer().await.ends_with("127.0.0.1"), "{cut_short}");
    }
}

#[tokio::test]
async fn a_client_that_closes_its_half_after_the_request_still_gets_the_answer() {
    let server = Server::start(GENEROUS).await;
    let mut client = server.connect().await;
    client.get("/peer").await;
    client.half_close().await;
    assert!(client.answer().await.ends_with("127.0.0.1"));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_client_that_does_not_read_its_answer_gives_its_place_back() {
    let limits = Limits { connections: 1, stalled_write: SHORT, ..GENEROUS };
    let server = Server::start(limits).await;
    let mut deaf = server.connect().await;
    deaf.get("/large").await;

    let mut client = server.connect().await;
    client.get("/peer").await;
    assert!(client.answer().await.ends_with("127.0.0.1"));
    drop(deaf);
}

#[tokio::test]
async fn one_client_too_many_waits_for_a_place() {
    let limits = Limits { connections: 2, ..GENEROUS };
    let server = Server::start(limits).await;
    let mut first = server.connect().await;
    let mut second = server.connect().await;
    for client in [&mut first, &mut second] {
        client.get("/peer").await;
        client.answer().await;
    }
    let mut third = server.connect().await;
    third.get("/peer").await;
    assert!(third.hears_nothing_for(SHORT).await);
    drop(first);
    assert!(third.answer().await.ends_with("127.0.0.1"));
}

#[tokio::test]
async fn a_stopped_server_finishes_what_runs_and_lets_nobody_in() {
    let server = Server::start(GENEROUS).await;
    let mut idle = server.connect().await;
    idle.get("/peer").await;
    idle.answer().await;
    let mut running = server.connect().await;
    running.get("/held").await;
    server.begun.notified().await;

    server.stop.cancel();
    assert_eq!(idle.rest().await, "", "an idle connection ends at once");
    let refused = TcpStream::connect(server.address).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(!server.task.is_finished());

    server.release.notify_one();
    let answer = running.rest().await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
    assert!(answer.ends_with("held"), "{answer}");
    server.wait_for_end().await;
}

#[tokio::test]
async fn a_stopped_server_cuts_off_what_does_not_finish() {
    let limits = Limits { drain: SHORT, ..GENEROUS };
    let server = Server::start(limits).await;
    let mut endless = server.connect().await;
    endless.get("/held").await;
    server.begun.notified().await;

    server.stop.cancel();
    let stopped = Instant::now();
    assert_eq!(endless.rest().await, "");
    assert!(stopped.elapsed() >= SHORT, "{:?}", stopped.elapsed());
    server.wait_for_end().await;
}

#[tokio::test]
async fn a_dropped_server_cuts_off_everything() {
    let server = Server::start(GENEROUS).await;
    let mut endless = server.connect().await;
    endless.get("/held").await;
    server.begun.notified().await;
    server.task.abort();
    assert_eq!(endless.rest().await, "");
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_setting() {
    let first = server::bind(([127, 0, 0, 1], 0).into(), "WARREN_HTTP_PORT").await.unwrap();
    let address = first.local_addr().unwrap();
    let error = server::bind(address, "WARREN_HTTP_PORT").await.unwrap_err();
    let port = address.port();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on 127.0.0.1:{port}: another process uses port {port}; \
             end it, or choose another port with WARREN_HTTP_PORT"
        )
    );
    assert_eq!(Failure::from(error).exit(), Exit::BadConfiguration);
}

#[tokio::test]
async fn an_address_of_another_machine_is_refused_with_the_reason() {
    // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    let error = server::bind(([192, 0, 2, 1], 1).into(), "WARREN_HTTP_PORT").await.unwrap_err();
    let text = Failure::from(error).to_string();
    assert!(
        text.starts_with("cannot listen on 192.0.2.1:1; the port is set with WARREN_HTTP_PORT: "),
        "{text}"
    );
}
