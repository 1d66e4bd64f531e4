//! The pause of a pipeline: an annotation says that nothing is written for it.
//!
//! It is looked at and told all along, and its deletion is honoured. Local mode knows no pause: who
//! wants one there ends the program.

use std::fmt;

use jiff::Timestamp;
use warren_api::{
    MessagePipeline,
    metadata::{PAUSED, PAUSED_REASON, PAUSED_UNTIL},
};

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Why, for people.
    pub reason: Option<String>,
    /// When it ends by itself; never when absent.
    pub until: Option<Timestamp>,
    /// What stands in place of its end and is no time.
    pub unread: Option<String>,
}

/// The most characters that are quoted of what is no time.
const QUOTED: usize = 40;

/// The pause that the annotations of an object ask for at this moment.
///
/// An end that is no time is none: who asked for a pause is better served by one too long.
pub fn of(object: &MessagePipeline, now: Timestamp) -> Option<Pause> {
    let annotations = object.metadata.annotations.as_ref()?;
    let text = |name: &str| annotations.get(name).map(|text| text.trim());
    let asked = text(PAUSED_UNTIL);
    let until: Option<Timestamp> = asked.and_then(|until| until.parse().ok());
    let unread = asked.filter(|_| until.is_none());
    let unread = unread.map(|until| until.chars().take(QUOTED).collect());
    let is_asked = text(PAUSED) == Some("true");
    let goes_on = until.is_none_or(|until| now < until);
    let reason = text(PAUSED_REASON).filter(|reason| !reason.is_empty()).map(str::to_owned);
    (is_asked && goes_on).then_some(Pause { reason, until, unread })
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing is written")?;
        if let Some(until) = self.until {
            write!(f, " until {until}")?;
        }
        if let Some(unread) = &self.unread {
            let example = "2026-11-21T12:00:00Z";
            write!(f, ", with no end: {PAUSED_UNTIL} is {unread:?} and must be like {example}")?;
        }
        if let Some(reason) = &self.reason {
            write!(f, ": {reason}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixtures::{noon, with_queue};

    fn pause(annotations: &[(&str, &str)]) -> Option<Pause> {
        let mut object = with_queue("");
        let pairs = annotations.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        object.metadata.annotations = Some(pairs.collect());
        of(&object, noon())
    }

    #[test]
    fn only_true_pauses() {
        assert_eq!(pause(&[]), None);
        assert_eq!(pause(&[(PAUSED, "false")]), None);
        assert_eq!(pause(&[(PAUSED_REASON, "x")]), None);
        assert_eq!(
            pause(&[(PAUSED, "true")]),
            Some(Pause { reason: None, until: None, unread: None })
        );
    }

    #[test]
    fn a_pause_ends_by_itself_when_it_says_when() {
        let until = |until| pause(&[(PAUSED, "true"), (PAUSED_UNTIL, until)]).is_some();
        assert!(until("2026-11-21T12:00:01Z"));
        assert!(!until("2026-11-21T12:00:00Z"));
        assert!(until("soon"), "an end that cannot be read is none");
    }

    #[test]
    fn an_end_that_cannot_be_read_is_told_with_how_to_write_one() {
        let text = pause(&[(PAUSED, "true"), (PAUSED_UNTIL, "soon")]).unwrap().to_string();
        assert!(text.contains("warren.dev/paused-until is \"soon\""), "{text}");
        assert!(text.contains("must be like 2026-11-21T12:00:00Z"), "{text}");
    }

    #[test]
    fn who_reads_of_a_pause_learns_why_and_until_when() {
        let pause = pause(&[
            (PAUSED, "true"),
            (PAUSED_UNTIL, "2026-11-21T13:00:00Z"),
            (PAUSED_REASON, "the broker moves"),
        ]);
        let text = "nothing is written until 2026-11-21T13:00:00Z: the broker moves";
        assert_eq!(pause.unwrap().to_string(), text);
    }
}
