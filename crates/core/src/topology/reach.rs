//! Which queues a policy of Warren's acts on.
//!
//! Policies carry no marker: one is known by its name together with its pattern.

use super::{Found, FoundPolicy, QueueRole};
use crate::names::{Prefix, escape_pattern, exactly};

/// Which queues a policy of Warren's acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyReach<'a> {
    /// The main queue of a queue, in all its revisions.
    Main(&'a str),
    /// The dead-letter queue of a queue.
    Dead(&'a str),
    /// All retry tiers.
    Tiers,
    /// The queue of what was not routed.
    Unrouted,
}

impl<'a> PolicyReach<'a> {
    /// The reach of a policy of this name and pattern; nothing when it is none of Warren's.
    pub fn of(prefix: &Prefix, name: &'a str, policy: &FoundPolicy) -> Option<Self> {
        let reach = if name == prefix.tier_policy() {
            PolicyReach::Tiers
        } else {
            match QueueRole::of(prefix, name)? {
                QueueRole::Main(queue) => PolicyReach::Main(queue),
                QueueRole::Dead(queue) => PolicyReach::Dead(queue),
                QueueRole::Unrouted => PolicyReach::Unrouted,
                QueueRole::Tier(_) => return None,
            }
        };
        (policy.pattern == reach.pattern(prefix)).then_some(reach)
    }

    /// The anchored pattern of queue names.
    pub fn pattern(self, prefix: &Prefix) -> String {
        let own = escape_pattern(prefix.as_str());
        match self {
            // A queue that had to be made anew under other arguments is `P.<q>.r<N>`.
            PolicyReach::Main(queue) => format!(r"^{own}\.{}(\.r[0-9]+)?$", escape_pattern(queue)),
            PolicyReach::Dead(queue) => exactly([format!("{prefix}.{queue}.dead").as_str()]),
            PolicyReach::Tiers => format!(r"^{own}\.[a-z0-9-]+\.retry\.[0-9]+$"),
            PolicyReach::Unrouted => exactly([prefix.unrouted().as_str()]),
        }
    }

    /// Whether it acts on a queue with this role.
    pub fn covers(self, role: QueueRole<'_>) -> bool {
        match (self, role) {
            (PolicyReach::Main(queue), QueueRole::Main(other))
            | (PolicyReach::Dead(queue), QueueRole::Dead(other)) => queue == other,
            (PolicyReach::Tiers, QueueRole::Tier(_))
            | (PolicyReach::Unrouted, QueueRole::Unrouted) => true,
            _ => false,
        }
    }
}

impl Found {
    /// The policies of Warren's that act on no queue at all, be it ours or somebody else's.
    pub fn idle_policies<'a>(&'a self, prefix: &'a Prefix) -> impl Iterator<Item = &'a str> {
        self.policies.iter().filter_map(|(name, policy)| {
            let reach = PolicyReach::of(prefix, name, policy)?;
            let mut roles = self.queues.keys().filter_map(|queue| QueueRole::of(prefix, queue));
            (!roles.any(|role| reach.covers(role))).then_some(name.as_str())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::{Arguments, FoundQueue};

    fn policy(pattern: &str) -> FoundPolicy {
        FoundPolicy {
            pattern: pattern.to_owned(),
            apply_to: "queues".to_owned(),
            priority: 100,
            definition: Arguments::new(),
        }
    }

    #[test]
    fn a_policy_is_idle_once_nothing_it_acts_on_is_left() {
        let prefix = Prefix::new("a.b").unwrap();
        let mut found = Found::default();
        for (name, pattern) in [
            ("a.b.q", r"^a\.b\.q(\.r[0-9]+)?$"),
            ("a.b.q.dead", r"^a\.b\.q\.dead$"),
            ("a.b.internal.retry", r"^a\.b\.[a-z0-9-]+\.retry\.[0-9]+$"),
            ("a.b.unrouted", r"^a\.b\.unrouted$"),
            ("a.b.theirs", ".*"),
            ("a.b.c.d", r"^a\.b\.c\.d$"),
        ] {
            found.policies.insert(name.to_owned(), policy(pattern));
        }
        let idle = |queues: &[&str]| {
            let queue = FoundQueue { durable: true, arguments: Arguments::new() };
            let queues = queues.iter().map(|name| ((*name).to_owned(), queue.clone())).collect();
            let found = Found { queues, ..found.clone() };
            found.idle_policies(&prefix).map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(idle(&[]), ["a.b.internal.retry", "a.b.q", "a.b.q.dead", "a.b.unrouted"]);
        assert_eq!(idle(&["a.b.q.r2", "a.b.x.retry.5", "a.b.unrouted"]), ["a.b.q.dead"]);
        assert_eq!(idle(&["a.b.q.dead", "a.b.x"]), ["a.b.internal.retry", "a.b.q", "a.b.unrouted"]);
    }
}
