//! What is known of a pipeline that is being deleted.
//!
//! Less than of one that lives: its spec may have become invalid and its Secret may be gone, and it
//! must end all the same. What its objects are is found by their marker, not read from the spec.

use jiff::Timestamp;
use warren_core::{
    names::{PipelineId, Prefix, UserScope},
    owner::Owner,
};

use crate::pipeline::{BrokerReference, Deletion, Users};

/// A pipeline that is being deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Departing {
    /// Namespace and name.
    pub id: PipelineId,
    /// The marker on its broker objects.
    pub owner: Owner,
    /// What the names of its broker objects begin with.
    pub prefix: Prefix,
    /// How the broker is reached; nothing when the spec does not say it in a valid way.
    pub broker: Option<BrokerReference>,
    /// The virtual host its objects are in; nothing when it never got there.
    pub vhost: Option<String>,
    /// As whom workers and producers log in.
    pub users: Users,
    /// What becomes of the broker objects.
    pub deletion: Deletion,
    /// The objects it would have, for when nobody can see which it has.
    pub names: Vec<String>,
    /// When it was deleted.
    pub since: Timestamp,
    /// Whether somebody ordered its end, whatever stays behind.
    pub is_forced: bool,
}

impl Departing {
    /// What its users' names end in, in this virtual host.
    pub fn user_scope(&self, vhost: &str) -> UserScope {
        UserScope::new(&self.owner.cluster, &self.id, vhost)
    }
}
