//! The consumers of one session: at most one is wanted, and an old one may still be running dry.
//!
//! `basic.qos` binds only consumers that start after it, so another prefetch means: consume again
//! under a new tag, then cancel the old one. Every consumer tag is unique, over sessions too.

use std::num::NonZeroU16;

use futures_util::stream::{SelectAll, StreamExt};
use warren_broker::consumer::{ConsumeSession, Deliveries, Delivery, Ended, SessionError};

use crate::dispatch::Window;

/// The consumers of one session.
pub(crate) struct Intake {
    name: String,
    prefetch: NonZeroU16,
    number: u32,
    window: Window,
    current: Option<String>,
    deliveries: SelectAll<Deliveries>,
}

impl Intake {
    /// No consumer yet; `name` begins every consumer tag.
    pub(crate) fn new(name: String, prefetch: u16) -> Self {
        Self {
            name,
            prefetch: NonZeroU16::new(prefetch).unwrap_or(NonZeroU16::MIN),
            number: 0,
            window: Window::Closed,
            current: None,
            deliveries: SelectAll::new(),
        }
    }

    /// Makes the broker hand out as many as wanted, and says whether that was a change.
    pub(crate) async fn set(
        &mut self,
        session: &ConsumeSession,
        window: Window,
    ) -> Result<bool, SessionError> {
        if window == self.window {
            return Ok(false);
        }
        let next = match window {
            Window::Closed => None,
            Window::One => Some(self.consume(session, NonZeroU16::MIN).await?),
            Window::Full => Some(self.consume(session, self.prefetch).await?),
        };
        if let Some(old) = std::mem::replace(&mut self.current, next) {
            session.cancel(&old).await?;
        }
        self.window = window;
        Ok(true)
    }

    /// How many deliveries the broker may have in our hands.
    pub(crate) fn capacity(&self) -> usize {
        match self.window {
            Window::Closed => 0,
            Window::One => 1,
            Window::Full => usize::from(self.prefetch.get()),
        }
    }

    /// Whether the broker has a consumer of ours.
    pub(crate) fn is_registered(&self) -> bool {
        self.current.is_some()
    }

    /// Whether cancelled consumers have handed over everything they had buffered.
    pub(crate) fn is_dry(&self) -> bool {
        self.current.is_none() && self.deliveries.is_empty()
    }

    /// The next delivery, or nothing when the last cancelled consumer has run dry.
    ///
    /// Waits for ever while there is no consumer.
    pub(crate) async fn next(&mut self) -> Result<Option<Delivery>, Ended> {
        if self.deliveries.is_empty() {
            return std::future::pending().await;
        }
        self.deliveries.next().await.transpose()
    }

    async fn consume(
        &mut self,
        session: &ConsumeSession,
        prefetch: NonZeroU16,
    ) -> Result<String, SessionError> {
        self.number += 1;
        let tag = format!("{}.{}.{}", self.name, session.number().0, self.number);
        self.deliveries.push(session.consume(prefetch, &tag).await?);
        Ok(tag)
    }
}
