//! Retries: how often, and after which delays.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::all_defaults;
use crate::crd::without_description;
use crate::duration::Positive24h;

/// How often a failed message is tried again, and after which delays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "!has(self.mode) || self.mode != 'Native' || !has(self.backoff.type) || \
         self.backoff.type in ['Fixed', 'Linear']"
    )
    .message("mode Native knows only the back-off types Fixed and Linear: take one of them, or mode Tiered")
    .field_path(".backoff.type"),
)]
pub struct RetrySpec {
    /// Tiered: one broker queue per delay; every broker, every back-off. Native: the broker's own
    /// delayed retry; RabbitMQ 4.3.1 or later, back-off Fixed or Linear. Not given: Tiered, and
    /// with order Strict none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<RetryMode>,
    /// Runs of the handler for one message in all; after the last failed one it becomes a dead
    /// letter.
    #[serde(default = "attempts")]
    #[schemars(range(min = 1, max = 100))]
    pub attempts: u32,
    /// The delays between attempts.
    #[serde(default)]
    pub backoff: BackoffSpec,
}

impl Default for RetrySpec {
    fn default() -> Self {
        all_defaults()
    }
}

/// The delays between attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(
        "duration(has(self.initial) ? self.initial : '1s') <= \
         duration(has(self.max) ? self.max : '1h')"
    )
    .message("initial (1s when not given) must not be longer than max (1h when not given)")
    .field_path(".initial"),
    validation = Rule::new(
        "size(self.delays) == 0 || (has(self.type) && self.type == 'Custom')"
    )
    .message("delays are for type Custom: set it, or leave delays out")
    .field_path(".delays"),
    validation = Rule::new(
        "!has(self.type) || self.type != 'Custom' || size(self.delays) > 0"
    )
    .message("type Custom needs delays, one to eight of them")
    .field_path(".delays"),
    validation = Rule::new(
        "!has(self.type) || self.type != 'Custom' || \
         (!has(self.initial) && !has(self.max) && !has(self.factor))"
    )
    .message("type Custom takes delays alone: leave initial, max and factor out")
    .field_path(".type"),
    validation = Rule::new(
        "self.delays.map(d, duration(d)).isSorted() && \
         self.delays.all(d, self.delays.exists_one(e, duration(e) == duration(d)))"
    )
    .message("delays must rise from each to the next")
    .field_path(".delays"),
)]
pub struct BackoffSpec {
    /// Fixed: always initial. Linear: initial times the number of the failed attempt. Exponential:
    /// initial times factor for each attempt after the first. Custom: the delays one after the
    /// other, the last one again and again. Not given: Exponential, or Linear with mode Native.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<BackoffType>,
    /// First delay. Not given: 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial: Option<Positive24h>,
    /// Longest delay. Not given: 1h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Positive24h>,
    /// Growth of Exponential, a whole number. Not given: 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 100))]
    pub factor: Option<u32>,
    /// The delays of Custom, rising.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub delays: Vec<Positive24h>,
}

/// Who holds a message until its next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum RetryMode {
    /// One broker queue per delay.
    Tiered,
    /// The broker's own delayed retry.
    Native,
}

/// How delays grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(transform = without_description)]
pub enum BackoffType {
    /// Always the same delay.
    Fixed,
    /// Growing by the first delay.
    Linear,
    /// Growing by a factor.
    Exponential,
    /// As listed.
    Custom,
}

fn attempts() -> u32 {
    5
}
