//! `POST /produce`: one message in a JSON envelope.

use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    App,
    answer::{self, PublishProblems, Published, Refused},
    fields, media,
};
use crate::{item, message::Request, outcome::Unpublished};

/// Room for the envelope around a payload: an id, a routing key and a number.
pub(super) const ENVELOPE: usize = 16 * 1024;

// For the documentation only: crate::item reads it.
/// A message.
#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
#[allow(dead_code, reason = "it is the schema of what crate::item reads")]
pub(super) struct MessageSchema {
    /// The message's id, 1 to 255 bytes; without it a new UUID. A repeat with the same id is the
    /// same message.
    id: Option<String>,
    /// Any JSON value. Its text, as it stands here, becomes the body of the message, with the
    /// content type application/json.
    #[schema(value_type = Value)]
    payload: (),
    /// How long the simulator is to work on it, in seconds.
    #[schema(minimum = 0, maximum = 86400)]
    processing_time: Option<f64>,
    /// The routing key, at most 255 bytes.
    routing_key: Option<String>,
}

/// Publish one message
///
/// Answers after the broker has confirmed it. The headers of `/v1/pipelines/{p}/messages` are read
/// here too.
#[utoipa::path(
    post,
    path = "/produce",
    tag = "publish",
    request_body = MessageSchema,
    responses((status = 200, description = "The broker confirmed it.", body = Published), PublishProblems),
)]
pub(super) async fn produce(
    State(app): State<App>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refused> {
    media::json(&headers)?;
    let defaults = fields::defaults(&headers)?;
    let limit = app.outlet.pipeline().max_message_bytes + ENVELOPE;
    let taken = app.intake.read(body, limit).await?;
    let request = item::read(&taken.bytes).map_err(Unpublished::from)?;
    let identity = fields::identity(&headers, request.identity.clone())?;
    let request = defaults.add_to(Request { identity, ..request });
    let receipt = app.outlet.send(request).await;
    let receipt = receipt?;
    Ok(answer::published(StatusCode::OK, &receipt))
}
