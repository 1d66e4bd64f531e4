//! The W3C trace context: read from a client, handed on to handlers.

use warren_core::{headers, headers::Headers, message::SHORT_STRING_MAX};

/// The vendors' part of a trace context, as the recommendation names it.
const TRACESTATE: &str = "tracestate";

/// The longest `tracestate` that is handed on, in bytes; the recommendation asks for at least 512.
const STATE_MAX: usize = 512;

/// A W3C trace context, as it is handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    parent: String,
    state: Option<String>,
}

impl Trace {
    /// The trace in a pair of W3C headers, or none.
    ///
    /// A malformed `traceparent` is left out and not refused, as
    /// [the recommendation](https://www.w3.org/TR/trace-context/#traceparent-header) asks: a
    /// broken tracer must not stop the messages.
    pub fn read(parent: &str, state: Option<&str>) -> Option<Self> {
        let state = state.filter(|text| !text.is_empty() && text.len() <= STATE_MAX);
        is_traceparent(parent)
            .then(|| Self { parent: parent.to_owned(), state: state.map(str::to_owned) })
    }

    /// Adds it to the headers of a message.
    pub(super) fn add_to(&self, headers: &mut Headers) {
        headers.set(headers::TRACEPARENT, self.parent.as_str());
        if let Some(state) = &self.state {
            headers.set(TRACESTATE, state.as_str());
        }
    }
}

/// `00-<32 hex>-<16 hex>-<2 hex>` in lower case, neither id all zeros; later versions may go on.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let hex = |part: &str, digits: usize| part.len() == digits && part.bytes().all(is_hex);
    let id = |part: &str, digits: usize| hex(part, digits) && part.bytes().any(|byte| byte != b'0');
    let mut parts = text.splitn(5, '-');
    let (Some(version), Some(trace), Some(span), Some(flags)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let more = parts.next().is_some();
    let version_fits = hex(version, 2) && version != "ff" && (version != "00" || !more);
    let length_fits = text.len() <= SHORT_STRING_MAX;
    version_fits && length_fits && id(trace, 32) && id(span, 16) && hex(flags, 2)
}
