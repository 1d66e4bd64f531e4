//! How many workers a queue has.

mod behavior;

pub use behavior::{
    BehaviorSpec, PolicyType, ScaleDownRules, ScaleUpRules, ScalingPolicy, SelectPolicy,
};

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::duration::{Positive24h, Positive168h, UpTo24h};

/// How many worker pods a queue has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.maxReplicas) || self.minReplicas <= self.maxReplicas")
        .message("minReplicas must not be greater than maxReplicas")
        .field_path(".minReplicas"),
    validation = Rule::new("self.mode != 'Fixed' || self.minReplicas >= 1")
        .message("mode Fixed needs minReplicas, the number of replicas, to be at least 1")
        .field_path(".minReplicas"),
)]
pub struct ScalingSpec {
    /// Auto: Warren sets the replicas from what waits and what arrives. External: Warren leaves
    /// them to a HorizontalPodAutoscaler or to KEDA. Fixed: always minReplicas.
    #[serde(default)]
    pub mode: ScalingMode,
    /// Fewest replicas; 0 lets an idle queue sleep.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1000))]
    pub min_replicas: u32,
    /// Most replicas. Not given: 10 or minReplicas, whichever is greater, and 1 with order Strict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_replicas: Option<u32>,
    /// What the replicas are computed from.
    #[serde(default)]
    pub target: TargetSpec,
    /// What wakes a queue that sleeps at zero.
    #[serde(default)]
    pub activation: ActivationSpec,
    /// When a queue goes to zero.
    #[serde(default)]
    pub scale_to_zero: ScaleToZeroSpec,
    /// Windows and steps between counts of one and more, in the form of a HorizontalPodAutoscaler.
    #[serde(default)]
    pub behavior: BehaviorSpec,
    /// What happens when the broker cannot be observed.
    #[serde(default)]
    pub fallback: FallbackSpec,
    /// Times at which the floor is higher than minReplicas; the largest active entry counts.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub schedule: Vec<ScheduleSpec>,
    /// Freezes a direction.
    #[serde(default)]
    pub pause: PauseSpec,
}

impl Default for ScalingSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// Who sets the replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ScalingMode {
    /// Warren, from what it observes.
    #[default]
    Auto,
    /// Someone else.
    External,
    /// Nobody: there are always `minReplicas`.
    Fixed,
}

/// What the replicas are computed from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetSpec {
    /// In how much time the present backlog shall be gone, start-up of workers included.
    #[serde(default = "drain")]
    pub drain: Positive24h,
    /// Messages that one replica stands for while its speed is not known. 1 is the exact mode: one
    /// replica per message; it goes with worker.concurrency 1.
    #[serde(default = "messages_per_replica")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub messages_per_replica: u32,
    /// Speed of one replica in messages per second, a decimal number as a string such as "12.5".
    /// Not given: learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 16),
        regex(pattern = "^(0[.]0{0,5}[1-9][0-9]{0,5}|[1-9][0-9]{0,8}([.][0-9]{1,6})?)$")
    )]
    pub messages_per_second_per_replica: Option<String>,
    /// Share of a replica's speed that arrivals shall use.
    #[serde(default = "utilization_percent")]
    #[schemars(range(min = 1, max = 100))]
    pub utilization_percent: u32,
}

impl Default for TargetSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// What wakes a queue that sleeps at zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActivationSpec {
    /// Wakes at once when this many messages wait.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub messages: u32,
    /// Wakes for fewer when they have waited this long.
    #[serde(default = "max_wait")]
    pub max_wait: UpTo24h,
}

impl Default for ActivationSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// When a queue goes to zero.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScaleToZeroSpec {
    /// How long a queue must be proven empty; less than 15s counts as 15s.
    #[serde(default = "idle")]
    pub idle: UpTo24h,
    /// How long a new queue keeps a worker.
    #[serde(default = "no_time")]
    pub initial_delay: UpTo24h,
    /// Keeps a worker while messages wait for a retry with a delay of at most this.
    #[serde(default = "no_time")]
    pub keep_warm_for_retries: UpTo24h,
}

impl Default for ScaleToZeroSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// What happens when nothing could be observed for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FallbackSpec {
    /// CurrentReplicas: nothing changes. Static: replicas. CurrentReplicasIfHigher: the greater of
    /// the two.
    #[serde(default)]
    pub behavior: FallbackBehavior,
    /// Replicas of Static and CurrentReplicasIfHigher.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = 1000))]
    pub replicas: u32,
    /// How long nothing was observed before it happens.
    #[serde(default = "after")]
    pub after: UpTo24h,
}

impl Default for FallbackSpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// How many replicas there are while nothing can be observed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FallbackBehavior {
    /// As many as there are.
    #[default]
    CurrentReplicas,
    /// A fixed number.
    Static,
    /// A fixed number, or as many as there are if that is more.
    CurrentReplicasIfHigher,
}

/// A time at which the floor is higher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ScheduleSpec {
    /// When it begins: minute, hour, day of month, month, day of week.
    #[schemars(length(max = 100), regex(pattern = r"^\S+( \S+){4}$"))]
    pub cron: String,
    /// Time zone of cron, by its IANA name.
    #[serde(default = "time_zone")]
    #[schemars(length(max = 64), regex(pattern = "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$"))]
    pub time_zone: String,
    /// How long it lasts. At most 168h.
    pub duration: Positive168h,
    /// The floor meanwhile; maxReplicas still holds.
    #[schemars(range(min = 1, max = 1000))]
    pub min_replicas: u32,
}

/// Directions in which replicas do not change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PauseSpec {
    /// No more replicas than now.
    #[serde(default)]
    pub scale_up: bool,
    /// No fewer replicas than now.
    #[serde(default)]
    pub scale_down: bool,
}

fn drain() -> Positive24h {
    "30s".into()
}

fn messages_per_replica() -> u32 {
    20
}

fn utilization_percent() -> u32 {
    85
}

fn one() -> u32 {
    1
}

fn max_wait() -> UpTo24h {
    "60s".into()
}

fn idle() -> UpTo24h {
    "60s".into()
}

fn no_time() -> UpTo24h {
    "0s".into()
}

fn after() -> UpTo24h {
    "180s".into()
}

fn time_zone() -> String {
    "UTC".to_owned()
}
