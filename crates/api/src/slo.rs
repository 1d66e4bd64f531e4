//! Objectives of a queue, which alerts are made from.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::duration::Positive24h;

/// Objectives of a queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SloSpec {
    /// Share of messages that must end well, 0.95 to 0.9999, as a string.
    #[serde(default = "success_target")]
    #[schemars(length(max = 8), regex(pattern = "^0[.][0-9]{1,6}$"))]
    #[x_kube(validation = (
        "double(self) >= 0.95 && double(self) <= 0.9999",
        "must be from 0.95 to 0.9999",
    ))]
    pub success_target: String,
    /// How old a message may be when its handler starts.
    #[serde(default = "freshness_threshold")]
    pub freshness_threshold: Positive24h,
    /// Share of messages that must be younger than freshnessThreshold, 0.95 to 0.9999, as a string.
    #[serde(default = "freshness_target")]
    #[schemars(length(max = 8), regex(pattern = "^0[.][0-9]{1,6}$"))]
    #[x_kube(validation = (
        "double(self) >= 0.95 && double(self) <= 0.9999",
        "must be from 0.95 to 0.9999",
    ))]
    pub freshness_target: String,
}

impl Default for SloSpec {
    fn default() -> Self {
        all_defaults()
    }
}

fn success_target() -> String {
    "0.999".to_owned()
}

fn freshness_threshold() -> Positive24h {
    "60s".into()
}

fn freshness_target() -> String {
    "0.99".to_owned()
}
