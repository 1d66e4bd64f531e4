//! The HTTP side: which routes there are, and what stands before all of them.
//!
//! A handler reads a request, hands it to the [`Outlet`], and words the answer; what a failure
//! means is decided in [`crate::outcome`]. Every error is a problem, also those of the framework.

mod answer;
mod batch;
mod docs;
mod fields;
mod health;
mod intake;
mod media;
mod pipelines;
mod produce;
mod stream;

use std::time::{Duration, Instant};

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use utoipa_axum::{router::OpenApiRouter, routes};
use warren_broker::publisher::PublisherState;
use warren_service::{
    admin::{self, Admin},
    body, problem,
    problem::Problem,
};

pub(crate) use self::health::readiness;
use self::intake::Intake;
use crate::{auth::Bearer, metrics::ProducerMetrics, outlet::Outlet};

/// How long a request's body may take, unless it is streamed: then, how long it may pause.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);

/// What the routes need; clones share it.
#[derive(Clone)]
pub struct App {
    /// Publishes.
    pub outlet: Outlet,
    /// How it stands with the broker.
    pub broker: watch::Receiver<PublisherState>,
    /// Fires when the process begins to end.
    pub draining: CancellationToken,
    /// How long a body may take; [`BODY_DEADLINE`], but in tests.
    pub body_deadline: Duration,
    intake: Intake,
}

impl App {
    /// What the routes need to publish through `outlet`.
    pub fn new(
        outlet: Outlet,
        broker: watch::Receiver<PublisherState>,
        draining: CancellationToken,
    ) -> Self {
        Self { outlet, broker, draining, body_deadline: BODY_DEADLINE, intake: Intake::new() }
    }
}

/// Every route of the producer; with a `bearer`, all but health and metrics ask for its token.
pub fn router(app: &App, admin: Admin, bearer: Option<Bearer>) -> Router {
    let metrics = app.outlet.metrics().clone();
    let (whole, documented) = OpenApiRouter::with_openapi(docs::base())
        .routes(routes!(produce::produce))
        .routes(routes!(batch::batch_produce))
        .routes(routes!(pipelines::publish))
        .routes(routes!(pipelines::list))
        .routes(routes!(pipelines::status))
        .with_state(app.clone())
        .split_for_parts();
    let (streamed, documented) = OpenApiRouter::with_openapi(documented)
        .routes(routes!(stream::publish))
        .with_state(app.clone())
        .split_for_parts();
    let (health, documented) = OpenApiRouter::with_openapi(documented)
        .routes(routes!(health::health))
        .with_state(app.clone())
        .split_for_parts();
    let guarded =
        body::deadline(whole, app.body_deadline).merge(streamed).merge(docs::router(documented));
    let guarded = match bearer {
        Some(bearer) => guarded.layer(from_fn_with_state(bearer, admit)),
        None => guarded,
    };
    problem::everywhere(guarded.merge(health).merge(admin::router(admin)))
        .layer(from_fn_with_state(metrics, observe))
}

/// Lets in who bears the token.
async fn admit(State(bearer): State<Bearer>, request: Request, next: Next) -> Response {
    match bearer.admit(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(denied) => {
            let problem = Problem::new(axum::http::StatusCode::UNAUTHORIZED, denied.to_string());
            let mut response = problem.into_response();
            let scheme = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            response
        }
    }
}

/// Times every request under the pattern of its path.
async fn observe(State(metrics): State<ProducerMetrics>, request: Request, next: Next) -> Response {
    let began = Instant::now();
    let method = known(request.method());
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    metrics.request(method, route, response.status().as_u16(), began.elapsed());
    response
}

/// The method as a label: clients may invent methods, and labels come from a closed set.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
