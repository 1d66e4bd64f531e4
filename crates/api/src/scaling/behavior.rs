//! The `behavior` block of a HorizontalPodAutoscaler (autoscaling/v2), so that an existing one can
//! be pasted in.
//!
//! Units are HPA's whole seconds. Up and down are two types, because their defaults differ.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;

/// Windows and steps of scaling between counts of one and more.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BehaviorSpec {
    /// More replicas. Not given: at once, and as many as are wanted.
    #[serde(default)]
    pub scale_up: ScaleUpRules,
    /// Fewer replicas. Not given: to the largest number that was wanted within 180 seconds.
    #[serde(default)]
    pub scale_down: ScaleDownRules,
}

/// How replicas become more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleUpRules {
    /// Seconds over which the smallest wish counts.
    #[serde(default)]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: u32,
    /// Which policy counts: the one that allows the largest change (Max), the smallest (Min), or
    /// none, so that replicas never become more (Disabled).
    #[serde(default)]
    pub select_policy: SelectPolicy,
    /// Limits of a step. None: no limit.
    #[serde(default)]
    #[schemars(length(max = 16))]
    pub policies: Vec<ScalingPolicy>,
    /// Wishes that differ from the present count by less than this share change nothing. A quantity
    /// as a string.
    #[serde(default = "tolerance")]
    #[schemars(length(max = 16), regex(pattern = "^[0-9]+([.][0-9]+)?m?$"))]
    pub tolerance: String,
}

impl Default for ScaleUpRules {
    fn default() -> Self {
        all_defaults()
    }
}

/// How replicas become fewer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleDownRules {
    /// Seconds over which the largest wish counts.
    #[serde(default = "down_window")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: u32,
    /// Which policy counts: the one that allows the largest change (Max), the smallest (Min), or
    /// none, so that replicas never become fewer, not even zero (Disabled).
    #[serde(default)]
    pub select_policy: SelectPolicy,
    /// Limits of a step. What is given here replaces the default as a whole.
    #[serde(default = "down_policies")]
    #[schemars(length(max = 16))]
    pub policies: Vec<ScalingPolicy>,
    /// Wishes that differ from the present count by less than this share change nothing. A quantity
    /// as a string.
    #[serde(default = "tolerance")]
    #[schemars(length(max = 16), regex(pattern = "^[0-9]+([.][0-9]+)?m?$"))]
    pub tolerance: String,
}

impl Default for ScaleDownRules {
    fn default() -> Self {
        all_defaults()
    }
}

/// Which of several policies counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SelectPolicy {
    /// The one that allows the largest change.
    #[default]
    Max,
    /// The one that allows the smallest change.
    Min,
    /// None: no change in this direction.
    Disabled,
}

/// A limit of the change within a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Pods: value is a number of replicas. Percent: a share of the replicas at the period's begin.
    #[serde(rename = "type")]
    pub kind: PolicyType,
    /// How much may change within the period.
    #[schemars(range(min = 1, max = 10_000))]
    pub value: u32,
    /// The period in seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: u32,
}

/// What the value of a policy counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyType {
    /// Replicas.
    Pods,
    /// Percent of the replicas at the period's begin.
    Percent,
}

fn down_window() -> u32 {
    180
}

fn down_policies() -> Vec<ScalingPolicy> {
    vec![ScalingPolicy { kind: PolicyType::Percent, value: 100, period_seconds: 15 }]
}

fn tolerance() -> String {
    "0.1".to_owned()
}
