//! Which bodies a route takes, by their headers.

use std::borrow::Cow;

use axum::http::{HeaderMap, HeaderName, StatusCode, header};
use warren_broker::publisher::FailureReason;
use warren_service::problem::Problem;

use super::answer::Refused;

/// The media type of one JSON value.
pub(super) const JSON: &str = "application/json";
/// The media type of one JSON value a line.
pub(super) const NDJSON: &str = "application/x-ndjson";
/// The media type of what does not say what it is (RFC 9110).
const UNKNOWN: &str = "application/octet-stream";

/// Takes JSON only. A missing type is refused too: it is how a foreign web page could post here.
pub(super) fn json(headers: &HeaderMap) -> Result<(), Refused> {
    one_of(headers, &[JSON]).map(|_| ())
}

/// Takes one of these types, and returns it.
pub(super) fn one_of(
    headers: &HeaderMap,
    wanted: &[&'static str],
) -> Result<&'static str, Refused> {
    plain(headers)?;
    let given = one(headers, &header::CONTENT_TYPE)?.unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    let found = wanted.iter().find(|wanted| essence.eq_ignore_ascii_case(wanted));
    found.copied().ok_or_else(|| {
        let wanted = wanted.join(" or ");
        let detail = if given.is_empty() {
            format!("the header Content-Type is missing; send {wanted}")
        } else {
            format!("this path does not take {given:?}; send {wanted}")
        };
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into()
    })
}

/// Takes any type, and returns it.
pub(super) fn any(headers: &HeaderMap) -> Result<&str, Refused> {
    plain(headers)?;
    Ok(one(headers, &header::CONTENT_TYPE)?.unwrap_or(UNKNOWN))
}

/// The value of a header that may stand once; its text must be UTF-8.
pub(super) fn one<'a>(
    headers: &'a HeaderMap,
    name: &HeaderName,
) -> Result<Option<&'a str>, Refused> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    if values.next().is_some() {
        return Err(malformed(format!("the header {name} is given twice")));
    }
    let text = std::str::from_utf8(value.as_bytes())
        .map_err(|_| malformed(format!("the header {name} is not UTF-8")))?;
    Ok(Some(text))
}

/// A 400.
pub(super) fn malformed(detail: impl Into<Cow<'static, str>>) -> Refused {
    let problem = Problem::new(StatusCode::BAD_REQUEST, detail);
    problem.reason(FailureReason::Malformed.as_str()).into()
}

/// Takes no compressed bodies: a handler would get them without being told.
fn plain(headers: &HeaderMap) -> Result<(), Refused> {
    match one(headers, &header::CONTENT_ENCODING)? {
        None | Some("identity") => Ok(()),
        Some(other) => {
            let detail =
                format!("this path does not take Content-Encoding {other:?}; send it plain");
            Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).into())
        }
    }
}
