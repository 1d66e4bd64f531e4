//! What a queue is for, read from its name.
//!
//! The names are made in [`crate::names`]; this is the way back, for queues that no spec describes
//! any more.

use crate::names::Prefix;

/// What a queue is for, and for which queue of the pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QueueRole<'a> {
    /// Messages wait here for the next attempt.
    Tier(&'a str),
    /// Workers take messages from it.
    Main(&'a str),
    /// Dead letters wait here for a person.
    Dead(&'a str),
    /// What matched no binding waits here for a person.
    Unrouted,
}

impl<'a> QueueRole<'a> {
    /// The role that a name says; nothing when no such name is ever made for this prefix.
    pub fn of(prefix: &Prefix, name: &'a str) -> Option<Self> {
        let rest = name.strip_prefix(prefix.as_str())?.strip_prefix('.')?;
        let is_number =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let parts: Vec<&str> = rest.split('.').collect();
        match parts.as_slice() {
            ["unrouted"] => Some(QueueRole::Unrouted),
            [queue] => Some(QueueRole::Main(queue)),
            [queue, "dead"] => Some(QueueRole::Dead(queue)),
            [queue, "retry", delay] if is_number(delay) => Some(QueueRole::Tier(queue)),
            [queue, revision] => {
                let number = revision.strip_prefix('r')?;
                is_number(number).then_some(QueueRole::Main(queue))
            }
            _ => None,
        }
    }

    /// The queue of the pipeline it belongs to.
    pub const fn queue(self) -> Option<&'a str> {
        match self {
            QueueRole::Tier(queue) | QueueRole::Main(queue) | QueueRole::Dead(queue) => Some(queue),
            QueueRole::Unrouted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::names::QueueName;

    #[test]
    fn every_name_that_is_made_is_read_back() {
        let prefix = Prefix::new("shop.orders").unwrap();
        let queue = QueueName::new("email").unwrap();
        let tier = prefix.tier(&queue, Duration::from_secs(5));
        let (main, dead) = (prefix.main(&queue), prefix.dead(&queue));
        for (name, role) in [
            (main.clone(), QueueRole::Main("email")),
            (format!("{main}.r2"), QueueRole::Main("email")),
            (dead, QueueRole::Dead("email")),
            (tier, QueueRole::Tier("email")),
            (prefix.unrouted(), QueueRole::Unrouted),
        ] {
            assert_eq!(QueueRole::of(&prefix, &name), Some(role), "{name}");
        }
    }

    #[test]
    fn what_looks_like_none_of_them_has_no_role() {
        let prefix = Prefix::new("shop.orders").unwrap();
        for name in [
            "shop.orders",
            "shop.orders2.email",
            "shop.orders.email.retry.soon",
            "shop.orders.email.retry.",
            "shop.orders.a.b.retry.500",
            "shop.orders.email.r",
            "shop.orders.email.other",
            "email",
        ] {
            assert_eq!(QueueRole::of(&prefix, name), None, "{name}");
        }
    }
}
