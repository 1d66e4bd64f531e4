//! `POST /v1/pipelines/{p}/messages:batch`: any number of messages, one line of answer for each.
//!
//! NDJSON is read, published and answered line by line, so that neither side holds more than a
//! window of messages, and after a break the client knows which were confirmed. Reading stops
//! while the client does not read its answers.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    body::{Body, BodyDataStream, Bytes},
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, future::Either, stream};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use warren_service::problem::Problem;

use super::{
    App,
    answer::{ProblemSchema, PublishProblems, Refused},
    batch::{self, WINDOW},
    fields, media, pipelines,
    produce::{ENVELOPE, MessageSchema},
};
use crate::{
    item,
    lines::Lines,
    message::Defaults,
    outcome::{Cut, ResultLine, Unpublished},
    outlet::Outlet,
};

/// The most bytes of messages that one client may have on their way to the broker, so that a few
/// clients with large messages do not take all the room.
const SHARE: usize = 4 * 1024 * 1024;

/// One message of a stream.
struct Item {
    text: Text,
    /// Its part of the client's share and of all room.
    room: Option<(OwnedSemaphorePermit, OwnedSemaphorePermit)>,
}

/// The text of one message, or why there is none and, after a cut, no further one.
type Text = Result<Bytes, Unpublished>;

/// Publish any number of messages
///
/// Takes a JSON array, or NDJSON with one message a line. The answer is NDJSON, one line for each
/// message and in their order, written as the broker confirms: read it while you send. The headers
/// of `/v1/pipelines/{p}/messages` hold for every message, but for Idempotency-Key: give each its
/// own `id`.
#[utoipa::path(
    post,
    path = "/v1/pipelines/{p}/messages:batch",
    tag = "publish",
    params(("p" = String, Path, description = "The pipeline's name")),
    request_body(content(
        (Vec<MessageSchema> = "application/json"),
        (MessageSchema = "application/x-ndjson"),
    )),
    responses(
        (status = 200, description = "What became of each message, as NDJSON.", body = ResultLine, content_type = "application/x-ndjson"),
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
    pipelines::must_be_ours(&app, &name)?;
    let kind = media::one_of(&headers, &[media::NDJSON, media::JSON])?;
    fields::no_key(&headers)?;
    let defaults = fields::defaults(&headers)?;
    let items = if kind == media::JSON {
        Either::Left(array(&app, body).await?)
    } else {
        Either::Right(lines(&app, body)?)
    };
    let kind = [(header::CONTENT_TYPE, media::NDJSON)];
    let results = Body::from_stream(results(app.outlet, items, defaults));
    Ok((StatusCode::OK, kind, results).into_response())
}

/// Publishes every item, at most [`WINDOW`] at a time, and words what became of it.
fn results(
    outlet: Outlet,
    items: impl Stream<Item = Item>,
    defaults: Defaults,
) -> impl Stream<Item = Result<String, Infallible>> {
    let defaults = Arc::new(defaults);
    items
        .map(move |item| {
            let (outlet, defaults) = (outlet.clone(), Arc::clone(&defaults));
            async move {
                let Item { text, room } = item;
                let outcome = match text {
                    Ok(text) => batch::publish_item(&outlet, text, &defaults).await,
                    Err(error) => Err(error),
                };
                drop(room);
                outcome
            }
        })
        .buffered(WINDOW)
        .enumerate()
        .map(|(index, outcome)| Ok(ResultLine::new(index as u64, &outcome).to_ndjson()))
}

/// The messages of a JSON array, which is read whole and keeps its room until the last is sent.
async fn array(app: &App, body: Body) -> Result<impl Stream<Item = Item> + use<>, Refused> {
    let limit = batch::BATCH_MAX.max(app.outlet.pipeline().max_message_bytes + ENVELOPE);
    let read = timeout(app.body_deadline, app.intake.read(body, limit));
    let taken = read.await.map_err(|_| {
        let detail = format!("the body did not arrive within {:?}", app.body_deadline);
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    })??;
    let texts = item::split_array(&taken.bytes).map_err(Unpublished::from)?;
    Ok(stream::iter(texts).map(move |text| {
        let _whole = &taken;
        Item { text: Ok(text), room: None }
    }))
}

/// The messages of an NDJSON body, as they arrive and find room.
fn lines(app: &App, body: Body) -> Result<impl Stream<Item = Item> + use<>, Refused> {
    let reading = Reading {
        frames: body.into_data_stream(),
        lines: Lines::new(app.outlet.pipeline().max_message_bytes + ENVELOPE),
        pause: app.body_deadline,
        draining: app.draining.clone(),
        ended: false,
        _place: app.intake.stream()?,
    };
    let texts = stream::unfold(reading, |mut reading| async {
        let text = reading.next().await?;
        Some((text, reading))
    });
    let share = Arc::new(Semaphore::new(SHARE));
    let intake = app.intake.clone();
    Ok(texts.then(move |text| {
        let (share, intake) = (Arc::clone(&share), intake.clone());
        async move {
            let bytes = text.as_ref().map_or(0, Bytes::len).min(SHARE);
            let permits = u32::try_from(bytes).expect("the share has fewer than 2^32");
            let mine = share.acquire_many_owned(permits).await;
            let mine = mine.expect("nothing closes this semaphore");
            Item { text, room: Some((mine, intake.room_for(bytes).await)) }
        }
    }))
}

/// A body of which not every line has been taken yet.
struct Reading {
    frames: BodyDataStream,
    lines: Lines,
    /// How long the client may pause.
    pause: Duration,
    draining: CancellationToken,
    /// Whether nothing more will be read.
    ended: bool,
    _place: OwnedSemaphorePermit,
}

impl Reading {
    async fn next(&mut self) -> Option<Text> {
        loop {
            if self.ended {
                let line = self.lines.last_line()?;
                return Some(line.text.map_err(Unpublished::from));
            }
            if let Some(line) = self.lines.next_line() {
                return Some(line.text.map_err(Unpublished::from));
            }
            if let Err(cut) = self.read_on().await {
                self.ended = true;
                // Half a line is no message.
                self.lines = Lines::new(0);
                return Some(Err(cut.into()));
            }
        }
    }

    /// Takes what arrives next, or the end of the body.
    async fn read_on(&mut self) -> Result<(), Cut> {
        let frame = tokio::select! {
            biased;
            () = self.draining.cancelled() => return Err(Cut::ShuttingDown),
            frame = timeout(self.pause, self.frames.next()) => frame,
        };
        match frame {
            Err(_) => Err(Cut::Stalled),
            Ok(Some(Err(_))) => Err(Cut::Broken),
            Ok(Some(Ok(bytes))) => {
                self.lines.push(&bytes);
                Ok(())
            }
            Ok(None) => {
                self.ended = true;
                Ok(())
            }
        }
    }
}
