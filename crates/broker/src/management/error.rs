//! Why a call failed, told apart by status and text.

use std::{error::Error, fmt, io};

use reqwest::StatusCode;
use serde::Deserialize;
use warren_core::headers::cut;

/// The longest answer of the broker that is passed on, in bytes.
const REASON_MAX: usize = 512;

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{call}: {kind}")]
pub struct ApiError {
    /// What was called: method and path.
    pub call: String,
    /// Why it failed.
    pub kind: ApiErrorKind,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiErrorKind {
    /// The broker does not know the user, or not with this password.
    Unauthorized,
    /// The user may not do that.
    PermissionDenied(String),
    /// There is no such object or virtual host.
    NotFound,
    /// The object exists with other arguments, which cannot be changed.
    Inequivalent(String),
    /// The object is in use, and was to be deleted only if not.
    InUse(String),
    /// The broker says that what was sent is not valid.
    Invalid(String),
    /// It may work later: a node is away, a majority is missing, or the broker is overloaded.
    Transient(String),
    /// No answer in time.
    Timeout,
    /// Nothing listens there.
    ConnectionRefused,
    /// The host has no address.
    Dns,
    /// One side could not prove its name.
    Tls(String),
    /// An answer that makes no sense.
    Unexpected(String),
}

/// How the broker words a failure.
#[derive(Deserialize, Default)]
struct Said {
    #[serde(default)]
    error: serde_json::Value,
    #[serde(default)]
    reason: serde_json::Value,
}

impl ApiError {
    pub(super) fn set_up(what: String) -> Self {
        Self { call: "management API".to_owned(), kind: ApiErrorKind::Invalid(what) }
    }

    /// The reason as the condition `BrokerReachable` spells it, where it has one.
    pub const fn reason(&self) -> &'static str {
        self.kind.reason()
    }

    /// Whether the object is not there.
    pub fn is_not_found(&self) -> bool {
        self.kind == ApiErrorKind::NotFound
    }
}

impl ApiErrorKind {
    /// The reason as the conditions spell it, where they have one.
    pub const fn reason(&self) -> &'static str {
        match self {
            ApiErrorKind::Unauthorized => "Unauthorized",
            ApiErrorKind::PermissionDenied(_) => "PermissionDenied",
            ApiErrorKind::NotFound => "NotFound",
            ApiErrorKind::Inequivalent(_) => "InequivalentArgument",
            ApiErrorKind::InUse(_) => "InUse",
            ApiErrorKind::Invalid(_) => "Invalid",
            ApiErrorKind::Transient(_) => "Transient",
            ApiErrorKind::Timeout => "Timeout",
            ApiErrorKind::ConnectionRefused => "ConnectionRefused",
            ApiErrorKind::Dns => "DnsFailed",
            ApiErrorKind::Tls(_) => "TlsVerifyFailed",
            ApiErrorKind::Unexpected(_) => "Unexpected",
        }
    }

    /// What a status and its body mean.
    pub(super) fn of_answer(status: StatusCode, body: &[u8]) -> Self {
        let said: Said = serde_json::from_slice(body).unwrap_or_default();
        let reason = said_reason(&said, status);
        match status {
            // One letter tells them apart: "not_authorised" is a missing permission.
            StatusCode::UNAUTHORIZED if said.error == "not_authorised" => {
                ApiErrorKind::PermissionDenied(reason)
            }
            StatusCode::UNAUTHORIZED => ApiErrorKind::Unauthorized,
            StatusCode::FORBIDDEN => ApiErrorKind::PermissionDenied(reason),
            StatusCode::NOT_FOUND => ApiErrorKind::NotFound,
            StatusCode::BAD_REQUEST => of_bad_request(reason),
            StatusCode::TOO_MANY_REQUESTS => ApiErrorKind::Transient(reason),
            other if other.is_server_error() => ApiErrorKind::Transient(reason),
            _ => ApiErrorKind::Unexpected(reason),
        }
    }

    /// What an error without an answer means.
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        if error.is_timeout() {
            return ApiErrorKind::Timeout;
        }
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        let mut innermost = String::new();
        while let Some(cause) = source {
            innermost = cause.to_string();
            if let Some(kind) = of_cause(cause) {
                return kind;
            }
            source = cause.source();
        }
        ApiErrorKind::Transient(innermost)
    }
}

/// RabbitMQ uses 400 for what is wrong and for what will pass, and tells them apart by text alone.
/// A text that nobody knows is taken for one that will pass.
fn of_bad_request(reason: String) -> ApiErrorKind {
    let says = |text: &str| reason.contains(text);
    if says("inequivalent arg") {
        ApiErrorKind::Inequivalent(reason)
    } else if says("in use") {
        ApiErrorKind::InUse(reason)
    } else if says("timed out") || says("could not be contacted") || says("failed with") {
        ApiErrorKind::Transient(reason)
    } else if says("Validation failed") || says("invalid") || says("not_json") {
        ApiErrorKind::Invalid(reason)
    } else {
        ApiErrorKind::Transient(reason)
    }
}

fn of_cause(cause: &(dyn Error + 'static)) -> Option<ApiErrorKind> {
    if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
        return Some(ApiErrorKind::Tls(tls.to_string()));
    }
    if let Some(io) = cause.downcast_ref::<io::Error>() {
        // An I/O error hides what it wraps from `source`.
        if let Some(tls) = io.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Some(ApiErrorKind::Tls(tls.to_string()));
        }
        if io.kind() == io::ErrorKind::ConnectionRefused {
            return Some(ApiErrorKind::ConnectionRefused);
        }
    }
    // The HTTP library keeps the type of its resolver's error to itself.
    cause.to_string().starts_with("dns error").then_some(ApiErrorKind::Dns)
}

fn said_reason(said: &Said, status: StatusCode) -> String {
    let text = said.reason.as_str().or(said.error.as_str());
    let words: Vec<&str> = text.unwrap_or_default().split_whitespace().collect();
    match words.as_slice() {
        [] => format!("status {status}"),
        some => cut(&some.join(" "), REASON_MAX).to_owned(),
    }
}

impl fmt::Display for ApiErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiErrorKind::Unauthorized => f.write_str("the broker refuses user or password"),
            ApiErrorKind::NotFound => f.write_str("not found"),
            ApiErrorKind::Timeout => f.write_str("no answer in time"),
            ApiErrorKind::ConnectionRefused => f.write_str("nothing listens there"),
            ApiErrorKind::Dns => f.write_str("the host has no address"),
            ApiErrorKind::PermissionDenied(text) => write!(f, "not permitted: {text}"),
            ApiErrorKind::Inequivalent(text)
            | ApiErrorKind::InUse(text)
            | ApiErrorKind::Invalid(text)
            | ApiErrorKind::Transient(text)
            | ApiErrorKind::Tls(text)
            | ApiErrorKind::Unexpected(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> &'static str {
        let status = StatusCode::from_u16(status).unwrap();
        ApiErrorKind::of_answer(status, body.as_bytes()).reason()
    }

    #[test]
    fn answers_are_told_apart_by_status_and_text() {
        for (status, body, expected) in [
            (401, r#"{"error":"not_authorized","reason":"Login failed"}"#, "Unauthorized"),
            (401, r#"{"error":"not_authorised","reason":"ACCESS_REFUSED"}"#, "PermissionDenied"),
            (403, "{}", "PermissionDenied"),
            (404, r#"{"error":"Object Not Found","reason":"Not Found"}"#, "NotFound"),
            (
                400,
                r#"{"reason":"inequivalent arg 'x-max-length' for queue"}"#,
                "InequivalentArgument",
            ),
            (400, r#"{"reason":"exchange 'P' in vhost 'v' in use"}"#, "InUse"),
            (400, r#"{"reason":"Validation failed\n\n[] are not recognised"}"#, "Invalid"),
            (400, r#"{"reason":"the metadata store operation timed out"}"#, "Transient"),
            (400, r#"{"reason":"something nobody has seen"}"#, "Transient"),
            (500, "<html>", "Transient"),
            (503, "", "Transient"),
            (302, "", "Unexpected"),
        ] {
            assert_eq!(kind(status, body), expected, "{status} {body}");
        }
    }

    #[test]
    fn a_long_answer_is_one_short_line() {
        let body = format!(r#"{{"reason":"Validation failed\n\n  {}"}}"#, "x".repeat(5_000));
        let kind = ApiErrorKind::of_answer(StatusCode::BAD_REQUEST, body.as_bytes());
        let text = kind.to_string();
        assert!(text.starts_with("Validation failed x") && text.len() <= REASON_MAX, "{text}");
    }
}
