//! `/v1/pipelines` and `/v1/messages`: one message as it is, and what there is to publish to.

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;
use warren_service::problem::Problem;

use super::{
    App,
    answer::{self, ProblemSchema, PublishProblems, Published, Refused},
    fields, media,
};
use crate::message::{Identity, Request};

/// The pipelines that this producer publishes to.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pipelines {
    /// One, because a producer belongs to a pipeline.
    pipelines: [PipelineEntry; 1],
}

/// One pipeline.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Pipeline)]
struct PipelineEntry {
    /// Its namespace.
    namespace: String,
    /// Its name, which stands in the paths.
    name: String,
    /// The exchange that messages are published to.
    exchange: String,
    /// The largest message it takes, in bytes.
    max_message_bytes: usize,
}

/// Publish one message as it is
///
/// The body becomes the body of the message, with its content type; the headers `ce-*` of a
/// CloudEvent in binary mode become headers of the message. Answers after the broker has confirmed
/// it.
#[utoipa::path(
    post,
    path = "/v1/pipelines/{p}/messages",
    tag = "publish",
    params(
        ("p" = String, Path, description = "The pipeline's name"),
        ("Idempotency-Key" = Option<String>, Header, description = "The same key is the same message: its id is a UUID, version 5, of the key"),
        ("Warren-Routing-Key" = Option<String>, Header, description = "The routing key, at most 255 bytes"),
        ("Warren-Priority" = Option<u8>, Header, description = "0 to 31"),
        ("Warren-Delay" = Option<String>, Header, description = "Not to be handled for this long, such as 90s; approximate"),
        ("Warren-Model" = Option<String>, Header, description = "The model the work needs"),
        ("Warren-Group" = Option<String>, Header, description = "The group among which work is shared fairly"),
        ("traceparent" = Option<String>, Header, description = "The W3C trace context, handed on"),
    ),
    request_body(content_type = "application/octet-stream", content = inline(String), description = "Any bytes, of any content type"),
    responses(
        (status = 202, description = "The broker confirmed it.", body = Published),
        (status = 404, description = "No such pipeline.", body = ProblemSchema, content_type = "application/problem+json"),
        PublishProblems,
    ),
)]
pub(super) async fn publish(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    must_be_ours(&app, &name)?;
    let content_type = media::any(&headers)?.to_owned();
    let defaults = fields::defaults(&headers)?;
    let identity = fields::identity(&headers, Identity::Fresh)?;
    let limit = app.outlet.pipeline().max_message_bytes;
    let taken = app.intake.read(body, limit).await?;
    let request = defaults.add_to(Request {
        identity,
        content_type,
        body: taken.bytes.clone(),
        headers: cloud_event(&headers)?,
        ..Request::default()
    });
    let receipt = app.outlet.send(request).await;
    let receipt = receipt?;
    Ok(answer::published(StatusCode::ACCEPTED, &receipt))
}

/// List the pipelines that can be published to
#[utoipa::path(
    get,
    path = "/v1/pipelines",
    tag = "publish",
    responses(
        (status = 200, description = "The pipelines.", body = Pipelines),
        (status = 401, description = "The bearer token is missing or wrong.", body = ProblemSchema, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn list(State(app): State<App>) -> Json<Pipelines> {
    let pipeline = app.outlet.pipeline();
    let entry = PipelineEntry {
        namespace: pipeline.pipeline.namespace().to_owned(),
        name: pipeline.pipeline.name().to_owned(),
        exchange: pipeline.prefix.as_str().to_owned(),
        max_message_bytes: pipeline.max_message_bytes,
    };
    Json(Pipelines { pipelines: [entry] })
}

/// Ask what became of a message
///
/// Needs the tracker, which this producer does not have.
#[utoipa::path(
    get,
    path = "/v1/messages/{id}",
    tag = "publish",
    params(("id" = String, Path, description = "The message's id")),
    responses(
        (status = 401, description = "The bearer token is missing or wrong.", body = ProblemSchema, content_type = "application/problem+json"),
        (status = 501, description = "There is no tracker.", body = ProblemSchema, content_type = "application/problem+json"),
    ),
)]
pub(super) async fn status(Path(_id): Path<String>) -> Problem {
    let detail = "the status of messages is kept by the tracker, which is not on";
    Problem::new(StatusCode::NOT_IMPLEMENTED, detail)
}

/// Refuses the names of other pipelines.
pub(super) fn must_be_ours(app: &App, name: &str) -> Result<(), Refused> {
    let ours = app.outlet.pipeline().pipeline.name();
    if name == ours {
        return Ok(());
    }
    let detail = format!("there is no pipeline {name:?} here; this producer publishes to {ours:?}");
    Err(Problem::new(StatusCode::NOT_FOUND, detail).into())
}

/// The attributes of a CloudEvent in binary mode, which travel as headers of the same names.
///
/// [Binary mode of the HTTP binding](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md#31-binary-content-mode);
/// in structured mode the attributes are in the body, which is not touched.
fn cloud_event(headers: &HeaderMap) -> Result<Vec<(String, String)>, Refused> {
    let names = headers.keys().filter(|name| name.as_str().starts_with("ce-"));
    let attributes = names.filter_map(|name| {
        let value = media::one(headers, name).transpose()?;
        Some(value.map(|value| (name.as_str().to_owned(), value.to_owned())))
    });
    attributes.collect()
}
