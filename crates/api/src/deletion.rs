//! What becomes of the broker's objects when a pipeline is deleted.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::duration::{UpTo24h, UpTo168h};

/// What becomes of the broker's objects when the pipeline is deleted. May still be changed while
/// the deletion runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionSpec {
    /// DeleteIfEmpty: queues that are proven empty are deleted, the others stay. Retain: everything
    /// stays. Delete: everything is deleted, messages too.
    #[serde(default)]
    pub policy: DeletionPolicy,
    /// How long workers may still empty the queues. What is then proven not to be empty stays.
    #[serde(default = "drain")]
    pub drain: UpTo24h,
    /// How long the operator tries where it cannot prove anything or reach the broker; then the
    /// objects stay and the pipeline goes. At most 168h.
    #[serde(default = "timeout")]
    pub timeout: UpTo168h,
}

impl Default for DeletionSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// Which of the broker's objects a deletion removes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// Those that are proven empty.
    #[default]
    DeleteIfEmpty,
    /// None.
    Retain,
    /// All of them, with their messages.
    Delete,
}

fn drain() -> UpTo24h {
    "60s".into()
}

fn timeout() -> UpTo168h {
    "10m".into()
}
