//! The routes: three to ask and to tell, and every other path for messages.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::{
    Json, Router,
    extract::{Path, RawQuery, Request, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::StreamExt;
use serde_json::json;
use tokio::net::TcpListener;

use crate::behaviour::{Behaviours, Told};
use crate::book::{Book, Received};

/// What all requests share.
struct Desk {
    behaviours: Mutex<Behaviours>,
    book: Mutex<Book>,
}

/// What a worker says about the message (the headers of the HTTP handler).
struct Message {
    /// `webhook-id`, the same at every attempt.
    id: String,
    /// `Warren-Attempt`, from 1.
    attempt: u32,
}

/// Serves an endpoint that begins with these behaviours, until `stop`.
///
/// Not by `warren_service::server`, which answers a client that has shut its side: here a worker
/// that went away must end its request, or work would be noted as finished that nobody saw end.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(
    listener: TcpListener,
    behaviours: Behaviours,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    axum::serve(listener, router(behaviours)).with_graceful_shutdown(stop).await
}

fn router(behaviours: Behaviours) -> Router {
    let desk =
        Arc::new(Desk { behaviours: Mutex::new(behaviours), book: Mutex::new(Book::default()) });
    Router::new()
        .route("/health", get(async || Json(json!({"status": "healthy"}))))
        .route("/behaviour", get(behaviours_of).post(change))
        .route("/received", get(received_by_all))
        .route("/received/{*path}", get(received).delete(forget))
        .fallback(answer)
        .with_state(desk)
}

async fn behaviours_of(State(desk): State<Arc<Desk>>) -> Json<Vec<Told>> {
    Json(lock(&desk.behaviours).list())
}

async fn change(State(desk): State<Arc<Desk>>, Json(told): Json<Told>) -> Response {
    match lock(&desk.behaviours).change(&told) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(wrong) => (StatusCode::BAD_REQUEST, wrong).into_response(),
    }
}

async fn received_by_all(State(desk): State<Arc<Desk>>) -> Json<BTreeMap<String, Received>> {
    let book = lock(&desk.book);
    Json(book.paths().map(|path| (path.to_owned(), book.received(path))).collect())
}

async fn received(
    State(desk): State<Arc<Desk>>,
    Path(path): Path<String>,
    RawQuery(query): RawQuery,
) -> Json<Received> {
    let path = format!("/{path}");
    let book = lock(&desk.book);
    Json(match query.as_deref() {
        Some("full") => book.received_in_full(&path),
        _ => book.received(&path),
    })
}

/// Of a path, what it got and how it behaves.
async fn forget(State(desk): State<Arc<Desk>>, Path(path): Path<String>) -> StatusCode {
    let path = format!("/{path}");
    lock(&desk.book).forget(&path);
    lock(&desk.behaviours).forget(&path);
    StatusCode::NO_CONTENT
}

/// Answers for a message. What is noted was answered: when the worker goes away meanwhile, this
/// future is dropped, and a run that was cut off is not a finished one.
async fn answer(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let path = request.uri().path().to_owned();
    let message = Message::of(request.headers());
    let mut body = request.into_body().into_data_stream();
    while let Some(chunk) = body.next().await {
        if chunk.is_err() {
            return StatusCode::BAD_REQUEST.into_response();
        }
    }
    let behaviour = lock(&desk.behaviours).of(&path);
    be_slow(behaviour.delay).await;
    let status = match &message {
        Some(message) => {
            let status = behaviour.status(&path, &message.id, message.attempt);
            lock(&desk.book).note(&path, &message.id, status);
            status
        }
        None => behaviour.status,
    };
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR).into_response()
}

/// Plays an endpoint that takes its time.
async fn be_slow(delay: Duration) {
    tokio::time::sleep(delay).await;
}

impl Message {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let attempt = text("warren-attempt").and_then(|attempt| attempt.parse().ok());
        Some(Self { id: text("webhook-id")?.to_owned(), attempt: attempt.unwrap_or(1) })
    }
}

/// What is behind the lock is whole after every statement, so a panic elsewhere spoils nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
