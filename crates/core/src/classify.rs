//! What an HTTP status or an exit code says about a message and about its endpoint.
//!
//! The rule is configuration first and this table second: `successCodes`, then `permanentCodes`,
//! then `retryCodes`, then the table. What is unknown is retried; the list of permanent answers is
//! short; nothing is dropped.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::outcome::{DeadReason, ErrorClass, Health, Outcome, Report};

/// A range of HTTP status codes, written `404` or `200-299`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeRange(RangeInclusive<u16>);

/// Why a text is not a range of status codes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a status code or a range of them: write `404` or `200-299`, within 100-599")]
pub struct CodeRangeError(String);

/// Which codes a handler treats in another way than the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRules<'a> {
    /// Codes that mean done.
    pub success: &'a [CodeRange],
    /// Codes that are worth another try.
    pub retry: &'a [CodeRange],
    /// Codes that no repetition can help.
    pub permanent: &'a [CodeRange],
}

/// What a status leads to, in words that fit a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Acknowledge.
    Success,
    /// Dead letter at once.
    Permanent,
    /// Another try; says nothing about the endpoint.
    Retry,
    /// Another try; the endpoint may be down.
    Unreachable,
    /// Another try; it may be the wrong endpoint.
    Misconfigured,
    /// Another try; the endpoint asks for patience.
    RateLimited,
}

impl HttpRules<'_> {
    /// What a status leads to.
    pub fn verdict(&self, status: u16) -> Verdict {
        let named = |codes: &[CodeRange]| codes.iter().any(|range| range.0.contains(&status));
        if named(self.success) {
            Verdict::Success
        } else if named(self.permanent) {
            Verdict::Permanent
        } else if named(self.retry) {
            Verdict::Retry
        } else {
            by_table(status)
        }
    }

    /// The report of an attempt that got this status.
    ///
    /// `retry_after` is the parsed `Retry-After`; it counts with 429 and 503 alone (RFC 9110
    /// allows it elsewhere, but there it is no promise about this request).
    pub fn report(&self, status: u16, retry_after: Option<Duration>, detail: String) -> Report {
        let verdict = self.verdict(status);
        let after = retry_after.filter(|_| matches!(status, 429 | 503));
        let (class, health) = match verdict {
            Verdict::Success => {
                let status = Some(status);
                return Report { outcome: Outcome::Done, status, health: Health::Healthy };
            }
            Verdict::Permanent => {
                let outcome = Outcome::Dead { reason: DeadReason::Permanent, detail };
                return Report { outcome, status: Some(status), health: Health::Neutral };
            }
            Verdict::Retry => (class(status), Health::Neutral),
            Verdict::Unreachable => (ErrorClass::Http5xx, Health::Unreachable),
            Verdict::Misconfigured => (ErrorClass::EndpointRejected, Health::Misconfigured),
            Verdict::RateLimited => {
                (ErrorClass::RateLimited, after.map_or(Health::Neutral, Health::RateLimited))
            }
        };
        let outcome = Outcome::Retry { class, after, detail };
        Report { outcome, status: Some(status), health }
    }
}

fn by_table(status: u16) -> Verdict {
    match status {
        400 | 413 | 414 | 415 | 422 | 431 | 501 | 505 => Verdict::Permanent,
        300..=399 | 401 | 403 | 404 | 405 | 410 => Verdict::Misconfigured,
        429 => Verdict::RateLimited,
        502..=504 => Verdict::Unreachable,
        _ => Verdict::Retry,
    }
}

fn class(status: u16) -> ErrorClass {
    match status {
        429 => ErrorClass::RateLimited,
        400..=499 => ErrorClass::Http4xx,
        500..=599 => ErrorClass::Http5xx,
        _ => ErrorClass::Other,
    }
}

/// What a command's exit code leads to where `exitCodes` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitMeaning {
    /// Acknowledge.
    Done,
    /// Another try.
    Retry,
    /// Dead letter at once.
    Dead,
    /// Stop consuming for a while.
    Pause,
}

/// How long a command's request to pause lasts (exit code 78, or one that `exitCodes` names).
pub const EXIT_PAUSE: Duration = Duration::from_secs(30);

/// The report of a command that ended with this code; nothing is a death by signal.
///
/// The codes that mean something by themselves are those of `sysexits.h`: 65 bad data, 69
/// unavailable, 75 temporary failure, 78 bad configuration.
pub fn exit(code: Option<i32>, named: &BTreeMap<String, ExitMeaning>, detail: String) -> Report {
    let retry = |detail| Outcome::Retry { class: ErrorClass::ExitCode, after: None, detail };
    let Some(code) = code else {
        return retry(detail).into();
    };
    if let Some(meaning) = named.get(&code.to_string()) {
        return match meaning {
            ExitMeaning::Done => Outcome::Done.into(),
            ExitMeaning::Retry => retry(detail).into(),
            ExitMeaning::Dead => Outcome::Dead { reason: DeadReason::Permanent, detail }.into(),
            ExitMeaning::Pause => Outcome::Pause { after: EXIT_PAUSE, detail }.into(),
        };
    }
    match code {
        0 => Outcome::Done.into(),
        65 => Outcome::Dead { reason: DeadReason::Permanent, detail }.into(),
        69 => Report { outcome: retry(detail), status: None, health: Health::Unreachable },
        78 => Outcome::Pause { after: EXIT_PAUSE, detail }.into(),
        _ => retry(detail).into(),
    }
}

impl CodeRange {
    /// A range of codes.
    ///
    /// # Errors
    /// When a bound is outside 100–599 or the range is empty.
    pub fn new(range: RangeInclusive<u16>) -> Result<Self, CodeRangeError> {
        let written = || CodeRangeError(format!("{}-{}", range.start(), range.end()));
        let known = 100..=599;
        if range.is_empty() || !known.contains(range.start()) || !known.contains(range.end()) {
            return Err(written());
        }
        Ok(Self(range))
    }
}

impl FromStr for CodeRange {
    type Err = CodeRangeError;

    fn from_str(text: &str) -> Result<Self, CodeRangeError> {
        let refuse = || CodeRangeError(text.to_owned());
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let code = |text: &str| text.parse::<u16>().map_err(|_| refuse());
        Self::new(code(first)?..=code(last)?).map_err(|_| refuse())
    }
}

impl TryFrom<String> for CodeRange {
    type Error = CodeRangeError;

    fn try_from(text: String) -> Result<Self, CodeRangeError> {
        text.parse()
    }
}

impl From<CodeRange> for String {
    fn from(range: CodeRange) -> String {
        range.to_string()
    }
}

impl fmt::Display for CodeRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.start() == self.0.end() {
            write!(f, "{}", self.0.start())
        } else {
            write!(f, "{}-{}", self.0.start(), self.0.end())
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Success => "success: acknowledged",
            Verdict::Permanent => "permanent: a dead letter at once",
            Verdict::Retry => "retry with back-off",
            Verdict::Unreachable => "retry with back-off; counts towards opening the breaker",
            Verdict::Misconfigured => {
                "retry with back-off; opens the breaker (config) once enough different messages get one"
            }
            Verdict::RateLimited => {
                "retry with back-off; with Retry-After the whole queue pauses that long"
            }
        })
    }
}

/// Reads the delay of a `Retry-After` header that is given in seconds.
pub fn retry_after_seconds(text: &str) -> Option<Duration> {
    text.trim().parse::<u32>().ok().map(|seconds| Duration::from_secs(u64::from(seconds)))
}

/// The line `warren-worker explain-status` prints.
pub fn explain(rules: &HttpRules<'_>, status: u16) -> String {
    format!("{status}: {}", rules.verdict(status))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(texts: &[&str]) -> Vec<CodeRange> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn verdict(status: u16) -> Verdict {
        let success = ranges(&["200-299"]);
        HttpRules { success: &success, retry: &[], permanent: &[] }.verdict(status)
    }

    #[test]
    fn the_table_decides_what_no_rule_names() {
        for (codes, expected) in [
            (&[200, 204, 299][..], Verdict::Success),
            (&[400, 413, 414, 415, 422, 431, 501, 505], Verdict::Permanent),
            (&[301, 304, 401, 403, 404, 405, 410], Verdict::Misconfigured),
            (&[429], Verdict::RateLimited),
            (&[502, 503, 504], Verdict::Unreachable),
            (&[100, 408, 409, 418, 425, 500, 507, 599], Verdict::Retry),
        ] {
            for code in codes {
                assert_eq!(verdict(*code), expected, "{code}");
            }
        }
    }

    #[test]
    fn a_named_code_wins_over_the_table_in_the_order_success_permanent_retry() {
        let (success, permanent, retry) =
            (ranges(&["404"]), ranges(&["404-409"]), ranges(&["400-409"]));
        let rules = HttpRules { success: &success, retry: &retry, permanent: &permanent };
        assert_eq!(rules.verdict(404), Verdict::Success);
        assert_eq!(rules.verdict(405), Verdict::Permanent);
        assert_eq!(rules.verdict(400), Verdict::Retry);
    }

    #[test]
    fn retry_after_pauses_the_queue_on_429_alone() {
        let rules = HttpRules { success: &[], retry: &[], permanent: &[] };
        let wait = Some(Duration::from_secs(7));
        let health = |status, after| rules.report(status, after, String::new()).health;
        assert_eq!(health(429, wait), Health::RateLimited(Duration::from_secs(7)));
        assert_eq!(health(429, None), Health::Neutral);
        assert_eq!(health(503, wait), Health::Unreachable);
        let Outcome::Retry { after, .. } = rules.report(500, wait, String::new()).outcome else {
            panic!("500 is retried");
        };
        assert_eq!(after, None);
    }

    #[test]
    fn exit_codes_mean_what_sysexits_says_unless_named() {
        let none = BTreeMap::new();
        let outcome = |code| exit(code, &none, String::new());
        assert_eq!(outcome(Some(0)).outcome, Outcome::Done);
        assert!(matches!(outcome(Some(65)).outcome, Outcome::Dead { .. }));
        assert_eq!(outcome(Some(69)).health, Health::Unreachable);
        assert!(matches!(outcome(Some(78)).outcome, Outcome::Pause { .. }));
        for code in [Some(1), Some(75), Some(255), None] {
            assert!(matches!(outcome(code).outcome, Outcome::Retry { .. }), "{code:?}");
        }
        let named = BTreeMap::from([("0".to_owned(), ExitMeaning::Dead)]);
        assert!(matches!(exit(Some(0), &named, String::new()).outcome, Outcome::Dead { .. }));
    }

    #[test]
    fn ranges_are_read_as_they_are_written() {
        for text in ["404", "200-299"] {
            assert_eq!(text.parse::<CodeRange>().unwrap().to_string(), text);
        }
        for text in ["", "99", "600", "299-200", "2xx", "200-", "-200", "200-299-300"] {
            assert!(text.parse::<CodeRange>().is_err(), "{text:?}");
        }
    }
}
