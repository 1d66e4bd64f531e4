//! `publish`: one message from a file or standard input, or a file of them.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde::de::IgnoredAny;
use warren_service::{
    exit::{Exit, Failure},
    shutdown::Shutdown,
};

use super::{Connection, file, ndjson, publish_one};
use crate::{
    args::PublishArgs,
    message::{Defaults, Identity, Request},
    settings::{Target, without_file},
};

/// Publishes what the arguments name.
///
/// # Errors
/// Why nothing, or not everything, was published.
pub async fn publish(mut args: PublishArgs, shutdown: Shutdown) -> Result<Exit, Failure> {
    let defaults = Defaults {
        routing_key: std::mem::take(&mut args.routing_key),
        priority: args.priority,
        delay: args.delay,
        headers: std::mem::take(&mut args.headers),
        ..Defaults::default()
    };
    let Some(path) = args.ndjson.take() else {
        return single(args, &defaults).await;
    };
    let run = ndjson::Run {
        path,
        defaults,
        window: usize::from(args.window),
        rate: args.rate,
        report: args.report,
        keep_going: args.continue_on_error,
        output: args.target.output,
        stop: shutdown.draining().clone(),
    };
    if args.dry_run {
        let to = args.target;
        let pipeline = without_file(to.pipeline, to.exchange, args.max_message_bytes)?;
        return ndjson::check(run, pipeline).await;
    }
    let target = Target::new(args.target, args.max_message_bytes)?;
    ndjson::publish(run, target).await
}

async fn single(args: PublishArgs, defaults: &Defaults) -> Result<Exit, Failure> {
    let output = args.target.output;
    let path = args.file.unwrap_or_else(|| PathBuf::from("-"));
    let target = Target::new(args.target, args.max_message_bytes)?;
    let body = file::read_whole(&path, args.max_message_bytes).await?;
    check_json(&path, &args.content_type, &body)?;
    let request = defaults.add_to(Request {
        identity: args.id.map_or(Identity::Fresh, Identity::Given),
        body: Bytes::from(body),
        content_type: args.content_type,
        ..Request::default()
    });
    publish_one(Connection::open(target).await?, request, output).await
}

/// What says that it is JSON must be JSON: most often it is a file that was cut off, or another one.
fn check_json(path: &Path, content_type: &str, body: &[u8]) -> Result<(), Failure> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if essence != "application/json" && !essence.ends_with("+json") {
        return Ok(());
    }
    serde_json::from_slice::<IgnoredAny>(body).map(|_| ()).map_err(|error| {
        Exit::BadInput.because(format!(
            "{} is not JSON: {error}; for anything else give --content-type",
            path.display()
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_calls_itself_json_must_be_json() {
        let check = |kind, body: &[u8]| check_json(Path::new("f"), kind, body);
        for kind in ["application/json", "application/cloudevents+json; charset=utf-8"] {
            assert!(check(kind, b"{\"a\": [1]}").is_ok(), "{kind}");
            let failure = check(kind, b"{\"a\": [1}").unwrap_err();
            assert_eq!(failure.exit(), Exit::BadInput);
            assert!(failure.to_string().contains("line 1 column 9"), "{failure}");
        }
        assert!(check("text/plain", b"{").is_ok());
    }
}
