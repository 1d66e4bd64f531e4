//! How bodies get into memory: never more of them at once than [`ROOM`], and none over its limit.
//!
//! A client gets room only for what it has sent, so that a slow one cannot reserve what it does
//! not use.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{Body, Bytes, HttpBody},
    http::StatusCode,
};
use bytes::BytesMut;
use futures_util::StreamExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};
use warren_broker::publisher::FailureReason;
use warren_service::problem::Problem;

use super::{answer::Refused, media::malformed};

/// The bytes of all bodies in memory together; as much as the publisher takes at once.
const ROOM: usize = 64 * 1024 * 1024;

/// How many bodies may be streamed at once: each may hold one line and its share of messages.
const STREAMS: usize = 64;

/// How long a body waits for room before its client is sent away.
const PATIENCE: Duration = Duration::from_millis(250);

/// Room for bodies; clones share it.
#[derive(Debug, Clone)]
pub(super) struct Intake {
    room: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// A body in memory. It gives its room back when it is dropped.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) bytes: Bytes,
    _room: Option<OwnedSemaphorePermit>,
}

impl Intake {
    pub(super) fn new() -> Self {
        Self { room: Arc::new(Semaphore::new(ROOM)), streams: Arc::new(Semaphore::new(STREAMS)) }
    }

    /// Reads a whole body of at most `limit` bytes.
    pub(super) async fn read(&self, body: Body, limit: usize) -> Result<Taken, Refused> {
        let announced = body.size_hint().lower();
        if usize::try_from(announced).map_or(true, |bytes| bytes > limit) {
            return Err(too_large(limit));
        }
        let mut frames = body.into_data_stream();
        let mut whole = BytesMut::new();
        let mut room: Option<OwnedSemaphorePermit> = None;
        while let Some(frame) = frames.next().await {
            let frame = frame.map_err(|_| broken())?;
            if whole.len() + frame.len() > limit {
                return Err(too_large(limit));
            }
            let more = timeout(PATIENCE, self.room_for(frame.len())).await;
            let more = more.map_err(|_| overloaded())?;
            match &mut room {
                Some(room) => room.merge(more),
                None => room = Some(more),
            }
            whole.extend_from_slice(&frame);
        }
        Ok(Taken { bytes: whole.freeze(), _room: room })
    }

    /// A place for one more body that is streamed, if there is one.
    pub(super) fn stream(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let place = Arc::clone(&self.streams).try_acquire_owned();
        place.map_err(|_| overloaded())
    }

    /// Waits until there is room for so many bytes, which is less than all there is.
    pub(super) async fn room_for(&self, bytes: usize) -> OwnedSemaphorePermit {
        let permits = u32::try_from(bytes.min(ROOM)).expect("all the room has fewer than 2^32");
        let room = Arc::clone(&self.room);
        room.acquire_many_owned(permits).await.expect("nothing closes this semaphore")
    }
}

fn too_large(limit: usize) -> Refused {
    let detail = format!("the body is larger than the {limit} bytes that this path takes");
    let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail);
    problem.reason(FailureReason::TooLarge.as_str()).into()
}

fn broken() -> Refused {
    malformed("the body broke off before its end; send the request again")
}

fn overloaded() -> Refused {
    let detail = "too many bodies are being read at once; send the request again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
        .reason(FailureReason::Overloaded.as_str())
        .retry_after(Duration::from_secs(1))
        .into()
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse;
    use futures_util::stream;

    use super::*;

    fn in_pieces(pieces: usize, of: usize) -> Body {
        let piece = move |_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; of]));
        Body::from_stream(stream::iter(0..pieces).map(piece))
    }

    #[tokio::test]
    async fn a_body_may_have_exactly_its_limit() {
        let intake = Intake::new();
        for body in [Body::from(vec![0; 100]), in_pieces(10, 10)] {
            assert_eq!(intake.read(body, 100).await.unwrap().bytes.len(), 100);
        }
        for body in [Body::from(vec![0; 101]), in_pieces(11, 10)] {
            let refused = intake.read(body, 100).await.unwrap_err().into_response();
            assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_room_a_client_is_sent_away_and_room_comes_back() {
        let intake = Intake::new();
        let held = intake.room_for(ROOM - 50).await;
        let refused = intake.read(in_pieces(10, 10), 100).await.unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        drop(held);
        drop(intake.read(in_pieces(10, 10), 100).await.unwrap());
        assert_eq!(intake.room.available_permits(), ROOM);
    }
}
