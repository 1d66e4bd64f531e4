//! `GET /health`: whether a message sent now would reach the broker.

use axum::{Json, extract::State, http::StatusCode};
use serde::Serialize;
use utoipa::ToSchema;
use warren_broker::publisher::PublisherState;
use warren_service::{clock, health::Readiness, problem::Problem};

use super::{
    App,
    answer::{self, ProblemSchema},
};

/// The producer can publish.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Healthy {
    /// Always `healthy`.
    status: &'static str,
    /// Now, in RFC 3339 and UTC.
    #[schema(format = DateTime)]
    timestamp: String,
}

/// Whether the producer can publish
#[utoipa::path(
    get,
    path = "/health",
    tag = "health",
    responses(
        (status = 200, description = "It can.", body = Healthy),
        (status = 503, description = "It cannot; the reason is the broker's state.", body = ProblemSchema, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn health(State(app): State<App>) -> Result<Json<Healthy>, Problem> {
    let readiness = readiness(&app.broker.borrow(), app.draining.is_cancelled());
    if readiness.ready {
        return Ok(Json(Healthy { status: "healthy", timestamp: answer::time(clock::now()) }));
    }
    let detail = readiness.detail.unwrap_or_else(|| readiness.state.to_string());
    Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).reason(readiness.state))
}

/// Whether the producer takes messages, and why not.
pub(crate) fn readiness(broker: &PublisherState, draining: bool) -> Readiness {
    if draining {
        return Readiness::not_ready("draining").detail("the producer shuts down");
    }
    match broker {
        PublisherState::Up => Readiness::ready("connected"),
        PublisherState::Connecting { last_error: None } => {
            Readiness::not_ready("connecting").detail("connecting to the broker")
        }
        PublisherState::Connecting { last_error: Some(trouble) } => {
            Readiness::not_ready("connecting")
                .because(trouble.reason)
                .detail(format!("no connection to the broker: {}", trouble.detail))
        }
        PublisherState::Blocked { reason } => Readiness::not_ready("blocked")
            .detail(format!("the broker takes no messages for now: {reason}")),
        PublisherState::Closed => {
            Readiness::not_ready("closed").detail("the connection to the broker is closed for good")
        }
    }
}

#[cfg(test)]
mod tests {
    use warren_broker::publisher::Trouble;

    use super::*;

    #[test]
    fn only_an_open_and_unblocked_connection_is_ready() {
        let refused = PublisherState::Connecting {
            last_error: Some(Trouble { reason: "Unauthorized", detail: "user u".to_owned() }),
        };
        let blocked = PublisherState::Blocked { reason: "low on memory".to_owned() };
        let connecting = PublisherState::Connecting { last_error: None };
        for (broker, draining, ready, state) in [
            (&PublisherState::Up, false, true, "connected"),
            (&PublisherState::Up, true, false, "draining"),
            (&connecting, false, false, "connecting"),
            (&refused, false, false, "connecting"),
            (&blocked, false, false, "blocked"),
            (&PublisherState::Closed, false, false, "closed"),
        ] {
            let readiness = readiness(broker, draining);
            assert_eq!((readiness.ready, &*readiness.state), (ready, state));
        }
        let readiness = readiness(&refused, false);
        assert_eq!(readiness.reason.as_deref(), Some("Unauthorized"));
    }
}
