//! `release`: one message that says what was released, and when.

use bytes::Bytes;
use jiff::Timestamp;
use serde::Serialize;
use warren_service::{
    clock,
    exit::{Exit, Failure},
};

use super::{Connection, publish_one};
use crate::{
    args::ReleaseArgs,
    item,
    message::Request,
    settings::{MAX_MESSAGE_BYTES, Target},
};

/// The message.
#[derive(Debug, Serialize)]
struct Release<'a> {
    release: &'a str,
    /// RFC 3339, in UTC.
    datetime: Timestamp,
}

/// Publishes `{"release": …, "datetime": …}`.
///
/// # Errors
/// Why it was not published.
pub async fn release(args: ReleaseArgs) -> Result<Exit, Failure> {
    let output = args.target.output;
    let target = Target::new(args.target, MAX_MESSAGE_BYTES)?;
    let body = body(&args.release, args.datetime.unwrap_or_else(clock::now));
    let request = Request {
        body,
        content_type: item::CONTENT_TYPE.to_owned(),
        routing_key: args.routing_key,
        ..Request::default()
    };
    publish_one(Connection::open(target).await?, request, output).await
}

fn body(release: &str, datetime: Timestamp) -> Bytes {
    let message = Release { release, datetime };
    let text = serde_json::to_vec(&message).expect("a text and a time can always be written");
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_has_the_two_fields_that_receivers_read() {
        let moment = "2026-11-21T11:00:00+01:00".parse().unwrap();
        assert_eq!(
            body("v1 \"final\"", moment),
            r#"{"release":"v1 \"final\"","datetime":"2026-11-21T10:00:00Z"}"#
        );
    }
}
