//! An HTTP/1.1 server that slow clients cannot exhaust and that ends when it is told to.
//!
//! `axum::serve` has no limit on connections, none on the time a head may take, and none on the
//! time a graceful shutdown may take, so this one drives hyper itself. It knows nothing of routes:
//! a deadline for bodies is in [`crate::body`], the shape of errors in [`crate::problem`].

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use crate::exit::{Exit, Failure};

/// How long to wait when the system has no more file descriptors for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What a client may claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections at once; further clients wait in the system's backlog.
    pub connections: usize,
    /// From the opening of a connection, or the end of the answer before, until the head of the
    /// next request is complete. So an idle connection is closed after this long too.
    pub header_read: Duration,
    /// For how long a client may leave sent data unacknowledged or its receive window shut before
    /// its connection is dropped (`TCP_USER_TIMEOUT`; on Linux only).
    pub stalled_write: Duration,
    /// How long running requests may take once the server was told to stop.
    pub drain: Duration,
}

impl Default for Limits {
    /// 1024 connections, 10 s, 30 s and 20 s. The drain fits into Kubernetes' default grace period
    /// of 30 s, after a `preStop` of 5 s.
    fn default() -> Self {
        Self {
            connections: 1024,
            header_read: Duration::from_secs(10),
            stalled_write: Duration::from_secs(30),
            drain: Duration::from_secs(20),
        }
    }
}

/// The server cannot listen at its address.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another process has the port.
    #[error(
        "cannot listen on {address}: another process uses port {port}; end it, or choose another port with {setting}",
        port = address.port()
    )]
    Taken {
        /// The address that was asked for.
        address: SocketAddr,
        /// The setting that holds the port.
        setting: &'static str,
    },
    /// Any other reason, such as an address that this machine does not have.
    #[error("cannot listen on {address}; the port is set with {setting}")]
    Other {
        /// The address that was asked for.
        address: SocketAddr,
        /// The setting that holds the port.
        setting: &'static str,
        /// What the operating system said.
        source: io::Error,
    },
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Exit::BadConfiguration.because(error)
    }
}

/// Takes the address; `setting` is where the port can be changed, such as an environment variable.
///
/// `[::]` means every address of both families, and on a machine without IPv6 every address of
/// IPv4.
///
/// # Errors
///
/// [`BindError`], which says what to change.
pub async fn bind(address: SocketAddr, setting: &'static str) -> Result<TcpListener, BindError> {
    let mut bound = TcpListener::bind(address).await;
    if let Err(error) = &bound
        && address.ip() == Ipv6Addr::UNSPECIFIED
        && error.kind() != ErrorKind::AddrInUse
    {
        bound = TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await;
    }
    bound.map_err(|source| match source.kind() {
        ErrorKind::AddrInUse => BindError::Taken { address, setting },
        _ => BindError::Other { address, setting, source },
    })
}

/// Serves `router` until `stop`.
///
/// Each request carries its client's address as `ConnectInfo<SocketAddr>`. After `stop` nobody new
/// is let in, running requests have [`Limits::drain`] to finish, and what is left is cut off.
/// Dropping the future cuts off everything at once.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (stream, peer) = accept(&listener), if connections.len() < limits.connections => {
                prepare(&stream, limits.stalled_write);
                connections.spawn(converse(stream, peer, router.clone(), limits, stop.clone()));
            }
        }
    }
    drop(listener);
    drain(connections, limits.drain).await;
}

async fn drain(mut connections: JoinSet<()>, limit: Duration) {
    let finished = async { while connections.join_next().await.is_some() {} };
    if timeout(limit, finished).await.is_err() {
        warn!(connections = connections.len(), "cutting off requests that did not finish in time");
        connections.shutdown().await;
    }
}

/// The next client.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) if of_one_client(&error) => {}
            Err(error) => {
                warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether an error of `accept` concerns one client that is gone again, and not this server.
fn of_one_client(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset
    )
}

fn prepare(stream: &TcpStream, stalled_write: Duration) {
    // Both fail only for a client that is gone already, which the first read will tell.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_user_timeout(Some(stalled_write));
    #[cfg(not(target_os = "linux"))]
    let _ = stalled_write;
}

/// All requests of one connection.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    limits: Limits,
    stop: CancellationToken,
) {
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_read)
        // Who has said everything may close that half and still wants the answer. The price: who
        // goes away altogether is noticed only when the answer is written, so routes are to be
        // bounded in time by themselves.
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "a connection ended early");
    }
}
