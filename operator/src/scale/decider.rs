//! Decides the number of one queue's workers, again and again, and keeps why.
//!
//! Pure: it is told what was observed, and somebody else writes the number.

use jiff::Timestamp;
use warren_core::scaling::{self, Decision, Memory, Observation, Policy, Replicas};

use crate::workers::Scaling;

/// Decides the number of one queue's workers.
#[derive(Debug)]
pub(crate) struct Decider {
    policy: Policy,
    /// Nothing before the first decision, which then begins with the workers there are.
    memory: Option<Memory>,
    scaling: Option<Scaling>,
    last_change: Option<Timestamp>,
}

impl Decider {
    /// Has decided nothing yet.
    pub(crate) fn new(policy: Policy) -> Self {
        Self { policy, memory: None, scaling: None, last_change: None }
    }

    /// What it decides by.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Decides by another policy from now on; what was seen so far still counts.
    pub(crate) fn follow(&mut self, policy: Policy) {
        self.policy = policy;
    }

    /// Decides how many workers there should be.
    pub(crate) fn decide(&mut self, observation: Observation, now: Timestamp) -> Decision {
        let memory = self.memory.take();
        let memory = memory.unwrap_or_else(|| Memory::seeded(observation.current, now));
        let (decision, memory) = scaling::decide(&self.policy, memory, &observation, now);
        self.memory = Some(memory);
        let last_change = self.last_change;
        self.scaling = Some(Scaling { decision, observation, at: now, last_change });
        decision
    }

    /// Begins where a suspension has taken the workers; nothing where something was decided already.
    pub(crate) fn begin_after_suspension(&mut self, now: Timestamp) {
        let begin = || Memory::seeded(Replicas::ZERO, now).after_suspension();
        self.memory.get_or_insert_with(begin);
    }

    /// Whether the number was ever written.
    pub(crate) fn has_changed(&self) -> bool {
        self.last_change.is_some()
    }

    /// The number was written at this moment.
    pub(crate) fn changed(&mut self, at: Timestamp) {
        self.last_change = Some(at);
        if let Some(scaling) = &mut self.scaling {
            scaling.last_change = Some(at);
        }
    }

    /// Starts the proof of an empty queue again.
    pub(crate) fn forget_zero_proof(&mut self) {
        if let Some(memory) = &mut self.memory {
            memory.forget_zero_proof();
        }
    }

    /// The last decision; nothing before the first.
    pub(crate) fn scaling(&self) -> Option<&Scaling> {
        self.scaling.as_ref()
    }
}
