//! What a client is told when a message was published, and when one was not.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use warren_service::problem::Problem;

use crate::outcome::{Receipt, Status, Unpublished};

/// Why a request gets no more than a problem; boxed, because most requests get more.
#[derive(Debug)]
pub(super) struct Refused(Box<Problem>);

impl From<Problem> for Refused {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

impl From<Unpublished> for Refused {
    fn from(error: Unpublished) -> Self {
        error.problem().into()
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

/// One message was published.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Published {
    /// Always `success`.
    status: Status,
    /// The id of the message; handlers get it too.
    message_id: String,
    /// When it was published, in RFC 3339 and UTC.
    #[schema(format = DateTime)]
    timestamp: String,
    /// With a delay: before when no worker handles it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    not_before: Option<String>,
    /// With a delay: always true, because the message waits in retry tiers.
    #[serde(skip_serializing_if = "Option::is_none")]
    approximate: Option<bool>,
}

// For the documentation only: it describes warren_service's Problem.
/// A problem, as RFC 9457 describes it.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[allow(dead_code, reason = "it is the schema of warren_service's Problem")]
pub(super) struct ProblemSchema {
    /// The kind of problem; `about:blank` when the status says it all.
    r#type: String,
    /// The name of the status.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What happened, and what to do.
    detail: String,
    /// One word for programs: unroutable, nacked, timeout, blocked, disconnected, overloaded,
    /// too_large or malformed.
    reason: Option<String>,
    /// The message; repeat it with this id.
    message_id: Option<String>,
    /// As the header `Retry-After`.
    retry_after_seconds: Option<u64>,
}

// For the documentation only: it describes what `Unpublished::meaning` says.
/// The problems of every route that publishes.
#[derive(IntoResponses)]
#[allow(dead_code, reason = "it documents what Unpublished::meaning says")]
pub(super) enum PublishProblems {
    /// Malformed; the detail names what.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(ProblemSchema),
    /// The bearer token is missing or wrong.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(ProblemSchema),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(ProblemSchema),
    /// The message, or the body, is over the limit.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemSchema),
    /// The content type or encoding is not taken.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemSchema),
    /// The broker refused: a queue is full. See Retry-After.
    #[response(status = 429, content_type = "application/problem+json")]
    Nacked(ProblemSchema),
    /// Unroutable, blocked, disconnected or overloaded. See Retry-After.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemSchema),
    /// No confirm in time: the outcome is unknown. Repeat with the same id.
    #[response(status = 504, content_type = "application/problem+json")]
    Timeout(ProblemSchema),
}

/// The answer to a single publish.
pub(super) fn published(status: StatusCode, receipt: &Receipt) -> Response {
    let published = Published {
        status: Status::Success,
        message_id: receipt.message_id.clone(),
        timestamp: time(receipt.published_at),
        not_before: receipt.not_before.map(time),
        approximate: receipt.not_before.map(|_| true),
    };
    (status, Json(published)).into_response()
}

/// RFC 3339 in UTC, in milliseconds.
pub(super) fn time(moment: Timestamp) -> String {
    format!("{moment:.3}")
}
