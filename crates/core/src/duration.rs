//! Durations as people write them: `500ms`, `30s`, `1h30m`.
//!
//! The form is that of the Gateway API (GEP-2257): one to four pairs of a number of at most five
//! digits and a unit out of `h`, `m`, `s`, `ms`. Everything that reads a duration from outside
//! goes through [`parse`]; everything that writes one goes through [`format`].

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration: write it as in `500ms`, `30s`, `1h30m`")]
pub struct DurationError {
    text: String,
}

/// GEP-2257: at most four pairs.
const MAX_PAIRS: usize = 4;
/// GEP-2257: at most five digits in a pair.
const MAX_DIGITS: usize = 5;

/// Reads a duration in Gateway API form.
///
/// # Errors
/// When the text is not one to four pairs of at most five digits and a unit.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let refuse = || DurationError { text: text.to_owned() };
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut pairs = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || digits > MAX_DIGITS || pairs == MAX_PAIRS {
            return Err(refuse());
        }
        let (number, tail) = rest.split_at(digits);
        let number: u64 = number.parse().map_err(|_| refuse())?;
        let (unit, tail) = unit(tail).ok_or_else(refuse)?;
        total += Duration::from_millis(number * unit);
        rest = tail;
        pairs += 1;
    }
    if pairs == 0 { Err(refuse()) } else { Ok(total) }
}

/// Writes a duration in Gateway API form, in whole milliseconds.
pub fn format(duration: Duration) -> String {
    let ms = millis(duration);
    if ms == 0 {
        return "0s".to_owned();
    }
    let (hours, rest) = (ms / 3_600_000, ms % 3_600_000);
    let (minutes, rest) = (rest / 60_000, rest % 60_000);
    let (seconds, ms) = (rest / 1_000, rest % 1_000);
    let mut text = String::new();
    for (number, unit) in [(hours, "h"), (minutes, "m"), (seconds, "s"), (ms, "ms")] {
        if number > 0 {
            text.push_str(&number.to_string());
            text.push_str(unit);
        }
    }
    text
}

/// The whole milliseconds of a duration, saturating at `u64::MAX`.
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// For `#[serde(with = "warren_core::duration")]`: writes the text form.
///
/// # Errors
/// Only when the serializer fails.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format(*duration))
}

/// For `#[serde(with = "warren_core::duration")]`: reads the text form.
///
/// # Errors
/// When the value is not a text in Gateway API form.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map_err(serde::de::Error::custom)
}

/// The milliseconds of the unit a text starts with, and what follows it.
fn unit(text: &str) -> Option<(u64, &str)> {
    [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)]
        .into_iter()
        .find_map(|(unit, ms)| text.strip_prefix(unit).map(|tail| (ms, tail)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_people_write() {
        for (text, ms) in [
            ("500ms", 500),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("0s", 0),
            ("1h2m3s4ms", 3_723_004),
            ("99999ms", 99_999),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn refuses_what_the_schema_pattern_refuses() {
        for text in
            ["", "5", "s", "1.5h", "-3s", "2us", "1d", "100000s", "1s1s1s1s1s", "1 s", "1S", "é"]
        {
            assert!(parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn writes_a_form_it_reads_back() {
        for ms in [0, 1, 999, 1_000, 60_000, 3_600_000, 5_400_000, 86_399_999] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&format(duration)), Ok(duration), "{ms} ms");
        }
    }
}
