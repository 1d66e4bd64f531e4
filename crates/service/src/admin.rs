//! The admin routes that every program has: metrics and health.
//!
//! They only read what others publish, so a probe never waits for anything. They are a router
//! without fallbacks, to be merged with a program's own routes before
//! [`problem::everywhere`](crate::problem::everywhere).

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use prometheus::TEXT_FORMAT;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::error;

use crate::health::{Liveness, Readiness};
use crate::metrics::Metrics;
use crate::problem::Problem;

/// What the admin routes read.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Shown at `/metrics`.
    pub metrics: Metrics,
    /// Shown at `/readyz`.
    pub readiness: watch::Receiver<Readiness>,
    /// Shown at `/livez`.
    pub liveness: Liveness,
}

/// `GET /metrics`, `/livez` and `/readyz`.
pub fn router(admin: Admin) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .with_state(admin)
}

/// Refuses, with 403, whoever does not ask from this machine (in Kubernetes: from this pod).
///
/// # Panics
///
/// When `router` has no route: there would be nothing to protect.
pub fn loopback_only(router: Router) -> Router {
    router.route_layer(from_fn(refuse_strangers))
}

#[derive(Serialize)]
struct Alive {
    alive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.metrics.encode() {
        Ok(text) => ([(header::CONTENT_TYPE, TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            error!(%error, "the metrics cannot be shown");
            let detail = "the metrics cannot be shown; the log tells more";
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, detail).into_response()
        }
    }
}

async fn livez(State(admin): State<Admin>) -> (StatusCode, Json<Alive>) {
    match admin.liveness.check(Instant::now()) {
        Ok(()) => {
            let alive = Alive { alive: true, detail: None };
            (StatusCode::OK, Json(alive))
        }
        Err(detail) => {
            let dead = Alive { alive: false, detail: Some(detail) };
            (StatusCode::SERVICE_UNAVAILABLE, Json(dead))
        }
    }
}

async fn readyz(State(admin): State<Admin>) -> (StatusCode, Json<Readiness>) {
    let readiness = admin.readiness.borrow().clone();
    let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(readiness))
}

async fn refuse_strangers(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    // An IPv4 client of an IPv6 socket arrives as ::ffff:127.0.0.1.
    let near = peer.is_some_and(|ConnectInfo(peer)| peer.ip().to_canonical().is_loopback());
    if near {
        return next.run(request).await;
    }
    Problem::new(
        StatusCode::FORBIDDEN,
        "this path answers only requests from the same machine or pod, over loopback",
    )
    .into_response()
}

#[cfg(test)]
mod tests;
