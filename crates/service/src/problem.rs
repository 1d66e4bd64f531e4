//! Errors over HTTP, as problem details
//! ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457.html)).
//!
//! One shape for every error that a client can see: those of a program, and those that axum and
//! its layers make by themselves, which would otherwise be plain text or empty.

use std::any::Any;
use std::borrow::Cow;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, HttpBody, to_bytes};
use axum::http::header::{self, HeaderValue};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::error;

/// The content type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// The longest text of an answer that becomes the detail of a problem, in bytes; axum's own texts
/// are a line long.
const LONGEST_TEXT: u64 = 4096;

/// What went wrong with a request, for the program and the person that made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    #[serde(rename = "type")]
    kind: Cow<'static, str>,
    title: Cow<'static, str>,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Cow<'static, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u64>,
}

impl Problem {
    /// A problem with this status; `detail` says what happened and what to do.
    ///
    /// Its title is that of the status, and its type `about:blank`, as RFC 9457 asks of a problem
    /// that is told by its status alone.
    pub fn new(status: StatusCode, detail: impl Into<Cow<'static, str>>) -> Self {
        Self {
            kind: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            status,
            detail: detail.into(),
            reason: None,
            message_id: None,
            retry_after_seconds: None,
        }
    }

    /// Replaces type and title: `uri` names a kind of problem that is more than its status.
    #[must_use]
    pub fn kind(
        mut self,
        uri: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        self.kind = uri.into();
        self.title = title.into();
        self
    }

    /// Adds one word of a closed set, for programs to act upon.
    #[must_use]
    pub fn reason(mut self, reason: impl Into<Cow<'static, str>>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds the message that the problem is about.
    #[must_use]
    pub fn message_id(mut self, id: impl Into<String>) -> Self {
        self.message_id = Some(id.into());
        self
    }

    /// Says when to try again, rounded up to a whole second, in the body and in `Retry-After`.
    #[must_use]
    pub fn retry_after(mut self, after: Duration) -> Self {
        let part = u64::from(after.subsec_nanos() > 0);
        self.retry_after_seconds = Some(after.as_secs().saturating_add(part));
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.status
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let text = serde_json::to_string(&self)
            .expect("strings and numbers can always be written as JSON");
        let mut response = (self.status, Body::from(text)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// Makes every error of `router` a problem: the last step, after all routes are merged.
///
/// That covers unknown paths, wrong methods (with `Allow`), panics, and all answers of axum and its
/// layers with an error status and a plain or no body. An error with a body of another type, such
/// as that of `/readyz`, stays as it is.
pub fn everywhere(router: Router) -> Router {
    router.layer(CatchPanicLayer::custom(panicked)).layer(map_response(reworded))
}

/// The client learns nothing of the panic but that there was one; the log has the rest.
#[allow(clippy::needless_pass_by_value, reason = "the signature that CatchPanicLayer calls")]
fn panicked(panic: Box<dyn Any + Send>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    error!(panic = text.unwrap_or("no text"), "a request handler panicked");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of this server; its log tells more")
        .into_response()
}

async fn reworded(response: Response) -> Response {
    let status = response.status();
    let error = status.is_client_error() || status.is_server_error();
    if !error || !is_plain(response.headers()) {
        return response;
    }
    let (parts, body) = response.into_parts();
    let problem = Problem::new(status, detail(status, body).await);
    let mut reworded = problem.into_response();
    for (name, value) in &parts.headers {
        if name != header::CONTENT_TYPE && name != header::CONTENT_LENGTH {
            reworded.headers_mut().append(name, value.clone());
        }
    }
    reworded
}

fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get(header::CONTENT_TYPE)
        .is_none_or(|value| value.as_bytes().starts_with(b"text/plain"))
}

/// The text of an answer, if it is one and short, else what its status means here.
async fn detail(status: StatusCode, body: Body) -> Cow<'static, str> {
    let upper = body.size_hint().upper();
    if let Some(length) = upper.filter(|length| (1..=LONGEST_TEXT).contains(length)) {
        let limit = usize::try_from(length).unwrap_or(usize::MAX);
        if let Ok(bytes) = to_bytes(body, limit).await {
            return String::from_utf8_lossy(&bytes).into_owned().into();
        }
    }
    Cow::Borrowed(match status {
        StatusCode::NOT_FOUND => "nothing is served at this path",
        StatusCode::METHOD_NOT_ALLOWED => {
            "this path does not take this method; the header Allow lists those it takes"
        }
        StatusCode::REQUEST_TIMEOUT => "the request took too long",
        StatusCode::PAYLOAD_TOO_LARGE => "the body is larger than this path takes",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "this path does not take this content type",
        other => other.canonical_reason().unwrap_or("the request failed"),
    })
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
fn as_number<S: serde::Serializer>(status: &StatusCode, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u16(status.as_u16())
}

#[cfg(test)]
mod tests;
