//! Where a pipeline is shown, as far as the story and its totals need to know.

use super::census::Sighting;

/// Where orders are published.
pub(super) enum Producer {
    /// Here: a URL without a slash at the end.
    Ready(String),
    /// Nowhere yet, and why.
    NotYet(String),
}

/// A place with a running pipeline.
pub(super) trait Theatre {
    /// Makes sure that everything that must run does.
    ///
    /// # Errors
    /// When something of it has ended.
    fn check(&mut self) -> anyhow::Result<()>;

    /// Whether pipeline and producer are ready.
    ///
    /// # Errors
    /// When that cannot be known.
    fn producer(&self) -> anyhow::Result<Producer>;

    /// The workers that there are, also those that start or end.
    ///
    /// # Errors
    /// When that cannot be known.
    fn workers(&mut self) -> anyhow::Result<Vec<Sighting>>;

    /// Ends a worker as a crash would.
    ///
    /// # Errors
    /// When it cannot be reached.
    fn kill(&self, victim: &Sighting) -> anyhow::Result<()>;
}
