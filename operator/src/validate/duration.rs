//! Durations of the spec, with the bounds their types carry.

use std::time::Duration;

use warren_api::DurationText;
use warren_core::duration;

use super::{path::Path, report::Report};

/// Reads a duration; a text that is none was already refused by the schema's pattern.
pub(super) fn read<const MIN_MS: u64, const MAX_HOURS: u64>(
    text: &DurationText<MIN_MS, MAX_HOURS>,
    at: &Path,
    report: &mut Report,
) -> Option<Duration> {
    let value = match duration::parse(text.as_str()) {
        Ok(value) => value,
        Err(error) => {
            report.refuse(at, error.to_string());
            return None;
        }
    };
    let bounds = Duration::from_millis(MIN_MS)..=Duration::from_hours(MAX_HOURS);
    if bounds.contains(&value) {
        return Some(value);
    }
    let message = if MIN_MS == 0 {
        format!("must be at most {MAX_HOURS}h")
    } else {
        format!("must be from {MIN_MS}ms to {MAX_HOURS}h")
    };
    report.refuse(at, message);
    None
}

/// A value was refused; the report has the reason.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refused;

/// Reads a duration that may not be given.
pub(super) fn read_optional<const MIN_MS: u64, const MAX_HOURS: u64>(
    text: Option<&DurationText<MIN_MS, MAX_HOURS>>,
    at: &Path,
    report: &mut Report,
) -> Result<Option<Duration>, Refused> {
    match text {
        None => Ok(None),
        Some(text) => read(text, at, report).map(Some).ok_or(Refused),
    }
}
