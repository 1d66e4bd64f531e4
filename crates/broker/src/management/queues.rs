//! What the broker counts in its queues.

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use warren_core::topology::Arguments;

use super::{ApiError, Management, arguments::from_json};

/// What is in a queue, from the list that is cheap for the broker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct QueueTotals {
    /// The queue.
    pub name: String,
    /// Messages that wait for a consumer.
    #[serde(default, deserialize_with = "count", rename = "messages_ready")]
    pub ready: Option<u64>,
    /// Messages delivered and not settled.
    #[serde(default, deserialize_with = "count", rename = "messages_unacknowledged")]
    pub unacknowledged: Option<u64>,
    /// All messages; also those that are delayed or wait to be dead-lettered.
    #[serde(default, deserialize_with = "count", rename = "messages")]
    pub total: Option<u64>,
}

/// Everything the broker tells about a queue. Seconds late; a zero may be a lie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueStatistics {
    /// The queue.
    pub name: String,
    /// `running`, `down`, `minority` and the like.
    pub state: Option<String>,
    /// Messages that wait for a consumer.
    pub ready: Option<u64>,
    /// Messages delivered and not settled.
    pub unacknowledged: Option<u64>,
    /// All messages; also those that are delayed or wait to be dead-lettered.
    pub total: Option<u64>,
    /// Messages that wait for a delayed retry.
    pub delayed: Option<u64>,
    /// Messages that wait for the confirm of their dead letter.
    pub dead_lettering: Option<u64>,
    /// Consumers.
    pub consumers: Option<u64>,
    /// Messages published to it since its statistics began.
    pub published: Option<u64>,
    /// Messages acknowledged since its statistics began.
    pub acknowledged: Option<u64>,
    /// The node that leads it.
    pub leader: Option<String>,
    /// The nodes that have a copy.
    pub members: Vec<String>,
    /// Those of them that are there.
    pub online: Vec<String>,
    /// Its arguments.
    pub arguments: Arguments,
    /// The policy that acts on it.
    pub policy: Option<String>,
    /// The operator policy that acts on it.
    pub operator_policy: Option<String>,
    /// What both policies set.
    pub effective_policy: Arguments,
    /// The delivery limit in force.
    pub delivery_limit: Option<u64>,
}

#[derive(Deserialize)]
struct RawStatistics {
    name: String,
    state: Option<String>,
    #[serde(default, deserialize_with = "count")]
    messages_ready: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    messages_unacknowledged: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    messages: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    messages_delayed: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    messages_dlx: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    consumers: Option<u64>,
    #[serde(default)]
    message_stats: RawMessageStats,
    leader: Option<String>,
    #[serde(default)]
    members: Vec<String>,
    #[serde(default)]
    online: Vec<String>,
    #[serde(default)]
    arguments: Value,
    policy: Option<String>,
    operator_policy: Option<String>,
    #[serde(default)]
    effective_policy_definition: Value,
    #[serde(default, deserialize_with = "count")]
    delivery_limit: Option<u64>,
}

#[derive(Deserialize, Default)]
struct RawMessageStats {
    #[serde(default, deserialize_with = "count")]
    publish: Option<u64>,
    #[serde(default, deserialize_with = "count")]
    ack: Option<u64>,
}

impl Management {
    /// The totals of every queue in a virtual host.
    ///
    /// The list asks every leader. The same question about one queue is answered from a table of
    /// the node that is asked, and a follower says 0 for ever.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn queue_totals(&self, vhost: &str) -> Result<Vec<QueueTotals>, ApiError> {
        let call = self.get(&["queues", vhost]).query("disable_stats", "true");
        call.query("enable_queue_totals", "true").pages().await
    }

    /// The statistics of every queue in a virtual host.
    ///
    /// # Errors
    /// When a call fails.
    pub async fn queues(&self, vhost: &str) -> Result<Vec<QueueStatistics>, ApiError> {
        let raw: Vec<RawStatistics> = self.get(&["queues", vhost]).pages().await?;
        Ok(raw.into_iter().map(QueueStatistics::from).collect())
    }

    /// The statistics of a queue; nothing when there is no such queue.
    ///
    /// # Errors
    /// When the call fails.
    pub async fn queue(
        &self,
        vhost: &str,
        name: &str,
    ) -> Result<Option<QueueStatistics>, ApiError> {
        let call = self.get(&["queues", vhost, name]);
        let raw: Option<RawStatistics> = call.json_if_found().await?;
        Ok(raw.map(QueueStatistics::from))
    }
}

impl From<RawStatistics> for QueueStatistics {
    fn from(raw: RawStatistics) -> Self {
        Self {
            name: raw.name,
            state: raw.state,
            ready: raw.messages_ready,
            unacknowledged: raw.messages_unacknowledged,
            total: raw.messages,
            delayed: raw.messages_delayed,
            dead_lettering: raw.messages_dlx,
            consumers: raw.consumers,
            published: raw.message_stats.publish,
            acknowledged: raw.message_stats.ack,
            leader: raw.leader,
            members: raw.members,
            online: raw.online,
            arguments: from_json(&raw.arguments),
            policy: raw.policy,
            operator_policy: raw.operator_policy,
            effective_policy: from_json(&raw.effective_policy_definition),
            delivery_limit: raw.delivery_limit,
        }
    }
}

/// A count, or nothing when the broker writes something else in its place.
fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_u64())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> QueueStatistics {
        serde_json::from_value::<RawStatistics>(value).unwrap().into()
    }

    #[test]
    fn what_the_broker_leaves_out_is_unknown_and_not_zero() {
        let queue = read(json!({"name": "q", "state": "down"}));
        assert_eq!(queue.state.as_deref(), Some("down"));
        assert_eq!((queue.ready, queue.consumers, queue.published), (None, None, None));
    }

    #[test]
    fn a_count_that_is_none_does_not_spoil_the_others() {
        let queue = read(json!({
            "name": "q", "messages": -1, "messages_ready": 3, "consumers": "many",
            "delivery_limit": "unlimited", "message_stats": {"ack": 9},
        }));
        assert_eq!((queue.total, queue.ready, queue.consumers), (None, Some(3), None));
        assert_eq!((queue.delivery_limit, queue.acknowledged), (None, Some(9)));
    }
}
