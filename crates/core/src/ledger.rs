//! Which deliveries of one channel are finished, and how few frames can say so.
//!
//! Awaiting each acknowledgement costs several times the CPU of a `multiple` one, and a channel
//! that is closed with many unsettled frames loses some of them. So finished tags are collected
//! and flushed as one `multiple` frame for the contiguous prefix and single frames for the rest.
//!
//! Tags start at 1 on every channel: a stale `multiple` would delete messages nobody has handled.
//! A [`Tag`] therefore carries its session, and a ledger refuses one of another session.

use std::collections::BTreeSet;

/// The number of a broker session within a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionNumber(pub u64);

/// A delivery tag, with the session that received it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag {
    /// The session.
    pub session: SessionNumber,
    /// The broker's number, from 1 on each channel.
    pub number: u64,
}

/// One acknowledgement frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// The delivery tag.
    pub number: u64,
    /// Whether every unsettled delivery up to it is meant.
    pub multiple: bool,
}

/// A tag that this ledger must not settle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// It was received in another session; the broker has taken the delivery back.
    #[error("delivery {} belongs to session {}, not to session {}", tag.number, tag.session.0, session.0)]
    OtherSession {
        /// The tag.
        tag: Tag,
        /// The session of the ledger.
        session: SessionNumber,
    },
    /// It is not outstanding: never delivered, or settled already.
    #[error("delivery {} is not outstanding", .0.number)]
    NotOutstanding(Tag),
}

/// The deliveries of one channel in one session.
#[derive(Debug)]
pub struct Ledger {
    session: SessionNumber,
    /// Every number up to here has been delivered.
    seen: u64,
    /// Delivered numbers beyond a gap: two consumers of a channel hand over out of order.
    early: BTreeSet<u64>,
    outstanding: BTreeSet<u64>,
    finished: BTreeSet<u64>,
}

impl Ledger {
    /// An empty ledger for a session.
    pub fn new(session: SessionNumber) -> Self {
        Self {
            session,
            seen: 0,
            early: BTreeSet::new(),
            outstanding: BTreeSet::new(),
            finished: BTreeSet::new(),
        }
    }

    /// Notes a delivery and gives its tag.
    pub fn delivered(&mut self, number: u64) -> Tag {
        self.outstanding.insert(number);
        self.early.insert(number);
        while self.early.remove(&(self.seen + 1)) {
            self.seen += 1;
        }
        Tag { session: self.session, number }
    }

    /// Notes that a delivery may be acknowledged with the next flush.
    ///
    /// # Errors
    /// When the tag is of another session or not outstanding.
    pub fn finished(&mut self, tag: Tag) -> Result<(), TagError> {
        self.released(tag)?;
        self.finished.insert(tag.number);
        Ok(())
    }

    /// Notes that a delivery was settled by a frame of its own (a hand-back).
    ///
    /// # Errors
    /// When the tag is of another session or not outstanding.
    pub fn released(&mut self, tag: Tag) -> Result<(), TagError> {
        if tag.session != self.session {
            return Err(TagError::OtherSession { tag, session: self.session });
        }
        if !self.outstanding.remove(&tag.number) {
            return Err(TagError::NotOutstanding(tag));
        }
        Ok(())
    }

    /// How many finished deliveries wait for the next flush.
    pub fn pending(&self) -> usize {
        self.finished.len()
    }

    /// How many deliveries are neither finished nor released.
    pub fn outstanding(&self) -> usize {
        self.outstanding.len()
    }

    /// The frames that settle everything finished; nothing when nothing is.
    pub fn flush(&mut self) -> Vec<Frame> {
        // What has not been delivered yet must not be settled along with what has.
        let unseen = self.seen + 1;
        let lowest = self.outstanding.first().map_or(unseen, |first| unseen.min(*first));
        let beyond = self.finished.split_off(&lowest);
        let prefix = std::mem::take(&mut self.finished);
        let head = prefix.last().map(|last| Frame { number: *last, multiple: prefix.len() > 1 });
        let singles = beyond.into_iter().map(|number| Frame { number, multiple: false });
        head.into_iter().chain(singles).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SESSION: SessionNumber = SessionNumber(7);

    fn tag(number: u64) -> Tag {
        Tag { session: SESSION, number }
    }

    fn delivered(numbers: std::ops::RangeInclusive<u64>) -> Ledger {
        let mut ledger = Ledger::new(SESSION);
        for number in numbers {
            ledger.delivered(number);
        }
        ledger
    }

    #[test]
    fn a_contiguous_prefix_is_one_frame_and_the_rest_are_single() {
        let mut ledger = delivered(1..=5);
        for number in [2, 1, 5] {
            ledger.finished(tag(number)).unwrap();
        }
        let frames = [Frame { number: 2, multiple: true }, Frame { number: 5, multiple: false }];
        assert_eq!(ledger.flush(), frames);
        assert_eq!(ledger.flush(), []);
    }

    #[test]
    fn a_delivery_that_is_still_on_its_way_is_never_settled_along() {
        let mut ledger = Ledger::new(SESSION);
        for number in [1, 2, 4] {
            ledger.delivered(number);
            ledger.finished(tag(number)).unwrap();
        }
        let frames = [Frame { number: 2, multiple: true }, Frame { number: 4, multiple: false }];
        assert_eq!(ledger.flush(), frames);
        ledger.delivered(3);
        ledger.delivered(5);
        for number in [3, 5] {
            ledger.finished(tag(number)).unwrap();
        }
        assert_eq!(ledger.flush(), [Frame { number: 5, multiple: true }]);
    }

    #[test]
    fn one_finished_delivery_is_not_a_multiple() {
        let mut ledger = delivered(1..=1);
        ledger.finished(tag(1)).unwrap();
        assert_eq!(ledger.flush(), [Frame { number: 1, multiple: false }]);
    }

    #[test]
    fn a_hand_back_lets_the_prefix_grow_past_it() {
        let mut ledger = delivered(1..=3);
        ledger.released(tag(2)).unwrap();
        for number in [1, 3] {
            ledger.finished(tag(number)).unwrap();
        }
        assert_eq!(ledger.flush(), [Frame { number: 3, multiple: true }]);
    }

    #[test]
    fn a_tag_of_an_earlier_session_is_refused() {
        let mut ledger = delivered(1..=3);
        let stale = Tag { session: SessionNumber(6), number: 3 };
        assert_eq!(
            ledger.finished(stale),
            Err(TagError::OtherSession { tag: stale, session: SESSION })
        );
        assert_eq!(ledger.flush(), []);
    }

    #[test]
    fn a_delivery_is_settled_once() {
        let mut ledger = delivered(1..=1);
        ledger.finished(tag(1)).unwrap();
        assert_eq!(ledger.finished(tag(1)), Err(TagError::NotOutstanding(tag(1))));
        assert_eq!(ledger.released(tag(9)), Err(TagError::NotOutstanding(tag(9))));
    }
}
