//! Where on the broker a demo happens, so that it meets nothing else there and leaves nothing.
//!
//! A login that may make a virtual host gets one for the demo alone. Any other uses the virtual
//! host of its broker folder; what the demo makes there is told apart by its name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::Context;
use serde_json::{Value, json};

use super::tally::Copy;
use crate::management::Management;

/// As whom workers and producer log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Users {
    /// With users of their own, which an administrator can make.
    Scoped,
    /// With the login of the broker folder.
    Shared,
}

/// A place on a broker.
pub(super) struct Place {
    management: Management,
    vhost: String,
    users: Users,
}

/// What the dead-letter queues held.
#[derive(Debug, Default)]
pub(super) struct DeadLetters {
    pub(super) copies: BTreeSet<Copy>,
    /// Dead letters for a copy that had one already.
    pub(super) repeats: usize,
}

/// Messages read at once from a dead-letter queue.
const PAGE: usize = 500;

impl Place {
    /// Finds a place; makes nothing yet. `suffix` makes it unique.
    ///
    /// # Errors
    /// When the broker folder is incomplete, or the broker refuses the login.
    pub(super) fn find(broker_dir: &Path, suffix: &str) -> anyhow::Result<Self> {
        let management = Management::of(broker_dir)?;
        let user = management.get(&["whoami"]);
        let user = user.context("ask the broker who the login is")?;
        let (vhost, users) = if is_administrator(&user) {
            (format!("warren-demo-{suffix}"), Users::Scoped)
        } else {
            (management.vhost().to_owned(), Users::Shared)
        };
        Ok(Self { management, vhost, users })
    }

    /// The place that a demo left, as far as it was remembered.
    ///
    /// # Errors
    /// When the broker folder is incomplete.
    pub(super) fn left(broker_dir: &Path, vhost: &str, own: bool) -> anyhow::Result<Self> {
        Ok(Self {
            management: Management::of(broker_dir)?,
            vhost: vhost.to_owned(),
            users: if own { Users::Scoped } else { Users::Shared },
        })
    }

    /// Its virtual host.
    pub(super) fn vhost(&self) -> &str {
        &self.vhost
    }

    /// As whom workers and producer log in.
    pub(super) fn users(&self) -> Users {
        self.users
    }

    /// Whether the virtual host is the demo's own.
    pub(super) fn is_own(&self) -> bool {
        self.users == Users::Scoped
    }

    /// Makes the virtual host, when it is the demo's own.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(super) fn make(&self) -> anyhow::Result<()> {
        if !self.is_own() {
            return Ok(());
        }
        self.management.put(&["vhosts", &self.vhost], &json!({}))?;
        let everything = json!({"configure": ".*", "write": ".*", "read": ".*"});
        let permissions = ["permissions", &self.vhost, self.management.user()];
        self.management.put(&permissions, &everything)
    }

    /// How many messages each of its queues has, as far as the broker says so: a few seconds ago.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub(super) fn messages(&self) -> anyhow::Result<BTreeMap<String, u64>> {
        let listed = self.management.get(&["queues", &self.vhost])?;
        let listed = listed.as_array().map(Vec::as_slice).unwrap_or_default();
        let counts = listed.iter().filter_map(|queue| {
            Some((queue["name"].as_str()?.to_owned(), queue["messages"].as_u64()?))
        });
        Ok(counts.collect())
    }

    /// Takes all messages out of a queue's dead-letter queue.
    ///
    /// # Errors
    /// When the broker refuses, or a message has no id.
    pub(super) fn read_dead_letters(
        &self,
        prefix: &str,
        queue: &str,
        into: &mut DeadLetters,
    ) -> anyhow::Result<()> {
        let name = format!("{prefix}.{queue}.dead");
        let path = ["queues", &self.vhost, &name, "get"];
        // The payload does not matter.
        let page = json!({
            "count": PAGE, "ackmode": "ack_requeue_false", "encoding": "auto", "truncate": 1,
        });
        loop {
            let messages = self.management.post(&path, &page)?;
            let messages = messages.as_array().map(Vec::as_slice).unwrap_or_default();
            if messages.is_empty() {
                return Ok(());
            }
            for message in messages {
                let id = message.pointer("/properties/message_id");
                let id = id.and_then(Value::as_str);
                let id = id.with_context(|| format!("a message in {name} has no id"))?;
                into.add(queue, id);
            }
        }
    }

    /// Removes what the demo made under `prefix`.
    ///
    /// # Errors
    /// When the broker refuses.
    pub(super) fn clear(&self, prefix: &str) -> anyhow::Result<()> {
        if self.is_own() {
            self.management.delete(&["vhosts", &self.vhost])?;
            return self.delete(&["users"], prefix);
        }
        for kind in ["queues", "exchanges", "policies"] {
            self.delete(&[kind, &self.vhost], prefix)?;
        }
        Ok(())
    }

    fn delete(&self, kind: &[&str], prefix: &str) -> anyhow::Result<()> {
        let listed = self.management.get(kind)?;
        for name in names(&listed, prefix) {
            self.management.delete(&[kind, &[name]].concat())?;
        }
        Ok(())
    }
}

impl DeadLetters {
    fn add(&mut self, queue: &str, id: &str) {
        let new = self.copies.insert(Copy { queue: queue.to_owned(), id: id.to_owned() });
        self.repeats += usize::from(!new);
    }
}

/// Whether the answer of `GET /api/whoami` is about an administrator. The tags are a list, in old
/// brokers one text with commas.
fn is_administrator(user: &Value) -> bool {
    match user.get("tags") {
        Some(Value::Array(tags)) => tags.iter().any(|tag| tag == "administrator"),
        Some(Value::String(tags)) => tags.split(',').any(|tag| tag == "administrator"),
        _ => false,
    }
}

/// The names in a list that are `prefix` or begin with it and a dot.
fn names<'a>(listed: &'a Value, prefix: &str) -> Vec<&'a str> {
    let listed = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let names = listed.iter().filter_map(|object| object["name"].as_str());
    let is_ours = |name: &&str| {
        let rest = name.strip_prefix(prefix);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    names.filter(is_ours).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_is_known_from_new_and_old_brokers() {
        for (user, expected) in [
            (json!({"tags": ["monitoring", "administrator"]}), true),
            (json!({"tags": "policymaker,administrator"}), true),
            (json!({"tags": ["policymaker", "monitoring"]}), false),
            (json!({"tags": []}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_administrator(&user), expected, "{user}");
        }
    }

    #[test]
    fn only_what_has_the_whole_prefix_is_removed() {
        let listed = json!([
            {"name": "shop.orders-1"}, {"name": "shop.orders-1.email.dead"},
            {"name": "shop.orders-12"}, {"name": "shop.orders"}, {"name": ""}, {"no": "name"},
        ]);
        assert_eq!(names(&listed, "shop.orders-1"), ["shop.orders-1", "shop.orders-1.email.dead"]);
    }

    #[test]
    fn a_second_dead_letter_for_the_same_copy_is_a_repeat() {
        let mut letters = DeadLetters::default();
        for (queue, id) in [("email", "a"), ("audit", "a"), ("email", "a")] {
            letters.add(queue, id);
        }
        assert_eq!((letters.copies.len(), letters.repeats), (2, 1));
    }
}
