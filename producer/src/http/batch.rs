//! `POST /batch-produce`: several messages at once, one answer for all of them.

use axum::{
    Json,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use serde::Serialize;
use utoipa::ToSchema;
use warren_broker::publisher::FailureReason;
use warren_service::problem::{self, Problem};

use super::{
    App,
    answer::{PublishProblems, Refused},
    fields, media,
    produce::{ENVELOPE, MessageSchema},
};
use crate::{
    item,
    message::Defaults,
    outcome::{Receipt, ResultLine, Tally, Unpublished},
    outlet::Outlet,
};

/// The most bytes of a batch, unless one message may have more: batches are held in memory, and
/// `messages:batch` takes any number of messages without holding them.
pub(super) const BATCH_MAX: usize = 16 * 1024 * 1024;

/// The messages of one batch that wait for the broker at once; as many as the publisher confirms
/// together.
pub(super) const WINDOW: usize = 256;

// For the documentation only: crate::item reads it.
/// Several messages.
#[derive(Serialize, ToSchema)]
#[schema(as = Batch)]
#[allow(dead_code, reason = "it is the schema of what crate::item reads")]
pub(super) struct BatchSchema {
    /// At least one message.
    messages: Vec<MessageSchema>,
}

/// How much of a batch was published.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BatchAnswer {
    /// `success` when all were, `partial` when some were.
    status: &'static str,
    /// How many the broker confirmed.
    messages_produced: u64,
    /// What became of each, in order; only when not all were published.
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<ResultLine>>,
}

/// A problem that also tells of each message.
#[derive(Debug, Serialize)]
struct NonePublished {
    #[serde(flatten)]
    problem: Problem,
    results: Vec<ResultLine>,
}

/// Publish several messages
///
/// 200 when the broker confirmed all, 207 when it confirmed some, and a problem with `results` when
/// it confirmed none: 400 when all were malformed or over the limit, else 503.
#[utoipa::path(
    post,
    path = "/batch-produce",
    tag = "publish",
    request_body = BatchSchema,
    responses(
        (status = 200, description = "The broker confirmed all.", body = BatchAnswer),
        (status = 207, description = "The broker confirmed some.", body = BatchAnswer),
        PublishProblems,
    ),
)]
pub(super) async fn batch_produce(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    media::json(&headers)?;
    fields::no_key(&headers)?;
    let defaults = fields::defaults(&headers)?;
    let limit = BATCH_MAX.max(app.outlet.pipeline().max_message_bytes + ENVELOPE);
    let taken = app.intake.read(body, limit).await?;
    let items = item::split_envelope(&taken.bytes).map_err(Unpublished::from)?;
    if items.is_empty() {
        let detail = "`messages` is empty; send at least one message";
        return Err(media::malformed(detail));
    }
    // A task of its own, so that a client that goes away does not leave the batch half sent.
    let outcomes = app.outlet.spawn({
        let outlet = app.outlet.clone();
        async move {
            let _room = taken;
            publish_all(&outlet, items, &defaults).await
        }
    });
    Ok(answer(&outcomes.await))
}

/// Publishes one item of a batch.
pub(super) async fn publish_item(
    outlet: &Outlet,
    text: Bytes,
    defaults: &Defaults,
) -> Result<Receipt, Unpublished> {
    let request = defaults.add_to(item::read(&text)?);
    outlet.send_in_turn(outlet.prepare(request)?).await
}

async fn publish_all(
    outlet: &Outlet,
    items: Vec<Bytes>,
    defaults: &Defaults,
) -> Vec<Result<Receipt, Unpublished>> {
    stream::iter(items)
        .map(|text| publish_item(outlet, text, defaults))
        .buffered(WINDOW)
        .collect()
        .await
}

fn answer(outcomes: &[Result<Receipt, Unpublished>]) -> Response {
    let mut tally = Tally::default();
    for outcome in outcomes {
        tally.count(outcome);
    }
    let results = || {
        let lines = (0..).zip(outcomes);
        lines.map(|(index, outcome)| ResultLine::new(index, outcome)).collect()
    };
    if tally.published == 0 {
        return none_published(tally, results());
    }
    let complete = tally.is_complete();
    let (status, word) =
        if complete { (StatusCode::OK, "success") } else { (StatusCode::MULTI_STATUS, "partial") };
    let answer = BatchAnswer {
        status: word,
        messages_produced: tally.published,
        results: (!complete).then(results),
    };
    (status, Json(answer)).into_response()
}

fn none_published(tally: Tally, results: Vec<ResultLine>) -> Response {
    let problem = if tally.failed == 0 {
        let detail = "none of the messages can be published; `results` says why";
        let problem = Problem::new(StatusCode::BAD_REQUEST, detail);
        problem.reason(FailureReason::Malformed.as_str())
    } else {
        let detail = "none of the messages was published; `results` says why";
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail);
        problem.retry_after(std::time::Duration::from_secs(5))
    };
    let head = problem.clone().into_response();
    let whole = NonePublished { problem, results };
    let mut response = (head.status(), Json(whole)).into_response();
    let kind = header::HeaderValue::from_static(problem::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    if let Some(after) = head.headers().get(header::RETRY_AFTER) {
        response.headers_mut().insert(header::RETRY_AFTER, after.clone());
    }
    response
}
