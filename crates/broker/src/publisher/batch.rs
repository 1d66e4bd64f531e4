//! What goes into one closed batch, decided without I/O.
//!
//! A batch is published on one channel and all its confirms are awaited before the next one. Only
//! then can it be told exactly which messages the broker returned, because the library attaches a
//! return to whichever confirm it handles next, and the only link left is the message's id.

use std::collections::{HashSet, VecDeque};

/// The most messages in a batch.
pub(super) const MESSAGES_MAX: usize = 256;
/// The most bytes of bodies in a batch with more than one message, so that a batch of large ones
/// can be confirmed within its deadline.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;

/// What of a waiting message decides which batch it joins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shape {
    /// Its message id.
    pub id: String,
    /// Where it goes.
    pub exchange: String,
    /// The size of its body.
    pub bytes: usize,
    /// Whether it must be by itself: a batch it was in before made the broker close the channel.
    pub alone: bool,
}

/// Something that has a shape.
pub(super) trait Shaped {
    /// Its shape.
    fn shape(&self) -> &Shape;
}

/// Messages that wait for a batch, in order of arrival.
#[derive(Debug)]
pub(super) struct Waiting<T> {
    items: VecDeque<T>,
}

impl<T: Shaped> Waiting<T> {
    /// Nothing waits.
    pub(super) fn new() -> Self {
        Self { items: VecDeque::new() }
    }

    /// Adds one behind the others.
    pub(super) fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Puts back what was taken, before the others and in its order.
    pub(super) fn put_back(&mut self, items: Vec<T>) {
        for item in items.into_iter().rev() {
            self.items.push_front(item);
        }
    }

    /// Takes the next batch: empty only when nothing waits.
    ///
    /// The first in line is always in it, and decides for which exchange the batch is. What cannot
    /// join keeps its place in the line:
    /// - another exchange, because a missing one closes the channel for the whole batch;
    /// - an id that the batch already holds, because a return could then not be told apart;
    /// - whatever must be alone, and whatever no longer fits.
    pub(super) fn take_batch(&mut self) -> Vec<T> {
        let Some(first) = self.items.pop_front() else {
            return Vec::new();
        };
        if first.shape().alone {
            return vec![first];
        }
        let exchange = first.shape().exchange.clone();
        let mut ids = HashSet::from([first.shape().id.clone()]);
        let mut bytes = first.shape().bytes;
        let mut batch = vec![first];
        let mut passed_over = VecDeque::new();
        while batch.len() < MESSAGES_MAX && bytes < BYTES_MAX {
            let Some(item) = self.items.pop_front() else {
                break;
            };
            let shape = item.shape();
            let joins = !shape.alone
                && shape.exchange == exchange
                && bytes.saturating_add(shape.bytes) <= BYTES_MAX
                && ids.insert(shape.id.clone());
            if joins {
                bytes += shape.bytes;
                batch.push(item);
            } else {
                passed_over.push_back(item);
            }
        }
        passed_over.append(&mut self.items);
        self.items = passed_over;
        batch
    }

    /// Takes everything that waits.
    pub(super) fn take_all(&mut self) -> VecDeque<T> {
        std::mem::take(&mut self.items)
    }

    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

#[cfg(test)]
mod tests;
