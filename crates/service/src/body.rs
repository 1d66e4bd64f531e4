//! A deadline for the body of a request.
//!
//! A client that sends a byte now and then would hold its connection, and what the handler has
//! claimed for it, for as long as it likes: a limit between two frames is no help, so this one is
//! for the whole body. The head of a request has its limit in [`crate::server`].

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{BoxError, Router};
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

use crate::problem::Problem;

/// Gives every request of the routes in `router` until `limit` after its head to send its body.
///
/// What reads the body then gets an error, and whatever error it answers becomes a 408.
///
/// # Panics
///
/// When `router` has no route: there would be nothing to protect.
pub fn deadline(router: Router, limit: Duration) -> Router {
    router.route_layer(from_fn_with_state(limit, within))
}

async fn within(State(limit): State<Duration>, request: Request, next: Next) -> Response {
    if request.body().is_end_stream() {
        return next.run(request).await;
    }
    let passed = Arc::new(AtomicBool::new(false));
    let request = request.map(|inner| {
        Body::new(Timed { inner, deadline: Box::pin(sleep(limit)), passed: Arc::clone(&passed) })
    });
    let response = next.run(request).await;
    if passed.load(Ordering::Relaxed) && !response.status().is_success() {
        let detail = format!("the body did not arrive within {limit:?}");
        return Problem::new(StatusCode::REQUEST_TIMEOUT, detail).into_response();
    }
    response
}

/// A body that fails once its deadline has passed.
struct Timed {
    inner: Body,
    deadline: Pin<Box<Sleep>>,
    passed: Arc<AtomicBool>,
}

impl HttpBody for Timed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        // What has arrived is taken even at the last moment.
        if let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        ready!(self.deadline.as_mut().poll(context));
        self.passed.store(true, Ordering::Relaxed);
        Poll::Ready(Some(Err("the deadline of the body has passed".into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
