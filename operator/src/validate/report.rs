//! What was found wrong so far.

use std::collections::BTreeSet;

use warren_api::schema;

use super::{Path, Violation, Violations};

/// The rule on `metadata.name`.
pub(super) const PIPELINE_NAME: &str = "metadata.name must be at most 63 characters: a lower-case letter, then lower-case letters, \
     digits and -, not - at the end";

/// The rule on names of queues that the schema's pattern does not state.
pub(super) const RESERVED_NAME: &str = "is a name that Warren uses itself: choose another";

/// What was found wrong so far.
pub(super) struct Report {
    violations: Vec<Violation>,
    /// Where the schema has spoken: a second opinion on the same value would only repeat it.
    judged: BTreeSet<String>,
}

impl Report {
    pub(super) fn of_schema(violations: Vec<schema::Violation>) -> Self {
        let judged = violations.iter().map(|v| v.path.clone()).collect();
        let violations = violations
            .into_iter()
            .map(|schema::Violation { path, message }| Violation { path, message })
            .collect();
        Self { violations, judged }
    }

    pub(super) fn refuse(&mut self, at: &Path, message: impl Into<String>) {
        let path = at.to_string();
        if self.judged.contains(&path) {
            return;
        }
        let message = message.into();
        self.violations.push(Violation { path, message });
    }

    /// Refuses unless the rule holds.
    pub(super) fn require(&mut self, holds: bool, at: &Path, message: &str) {
        if !holds {
            self.refuse(at, message);
        }
    }

    pub(super) fn into_violations(mut self) -> Option<Violations> {
        self.violations.sort();
        self.violations.dedup();
        (!self.violations.is_empty()).then_some(Violations(self.violations))
    }
}

/// A number of the spec as a size in memory.
pub(super) fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
