//! Series that belong to a pipeline, and go when it goes.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use warren_service::metrics::{OpenCounters, OpenGauges};

/// A metric whose labels begin with those of a pipeline; clones share it.
#[derive(Debug)]
pub(super) struct Series<F, const N: usize> {
    family: F,
    /// The registry can remove a series only by all its labels, so they are known here.
    written: Arc<Mutex<BTreeSet<[String; N]>>>,
}

/// What a series can be taken away from.
pub(super) trait Family<const N: usize> {
    /// Takes it away.
    fn remove(&self, values: [&str; N]);
}

impl<const N: usize> Family<N> for OpenGauges<N> {
    fn remove(&self, values: [&str; N]) {
        OpenGauges::remove(self, values);
    }
}

impl<const N: usize> Family<N> for OpenCounters<N> {
    fn remove(&self, values: [&str; N]) {
        OpenCounters::remove(self, values);
    }
}

impl<F: Family<N>, const N: usize> Series<F, N> {
    /// A metric without a series.
    pub(super) fn new(family: F) -> Self {
        Self { family, written: Arc::default() }
    }

    /// Takes one series away.
    pub(super) fn remove(&self, values: [&str; N]) {
        self.family.remove(values);
        let values = values.map(str::to_owned);
        self.written.lock().unwrap_or_else(PoisonError::into_inner).remove(&values);
    }

    /// Takes all series away whose labels begin like this, but those in `kept`.
    pub(super) fn retain(&self, first: &[&str], kept: &[[&str; N]]) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|values| {
            let is_other = !first.iter().zip(values).all(|(wanted, value)| value == wanted);
            let stays = is_other || kept.iter().any(|kept| kept == values);
            if !stays {
                self.family.remove(values.each_ref().map(String::as_str));
            }
            stays
        });
    }

    fn note(&self, values: [&str; N]) {
        let values = values.map(str::to_owned);
        self.written.lock().unwrap_or_else(PoisonError::into_inner).insert(values);
    }
}

impl<const N: usize> Series<OpenGauges<N>, N> {
    /// Sets one; what is not known has none.
    pub(super) fn set(&self, values: [&str; N], number: Option<f64>) {
        let Some(number) = number else {
            return self.remove(values);
        };
        self.note(values);
        self.family.set(values, number);
    }
}

impl<const N: usize> Series<OpenCounters<N>, N> {
    /// Counts `amount`, which may be nothing: the series is there then.
    pub(super) fn add(&self, values: [&str; N], amount: u64) {
        self.note(values);
        self.family.add(values, amount);
    }
}

impl<F: Clone, const N: usize> Clone for Series<F, N> {
    fn clone(&self) -> Self {
        Self { family: self.family.clone(), written: Arc::clone(&self.written) }
    }
}
