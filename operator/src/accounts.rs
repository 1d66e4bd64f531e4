//! Which users of a broker are a pipeline's, read from their names.
//!
//! Users carry no marker. Their names end in a hash of cluster, pipeline and virtual host, which
//! nobody else's do.

use warren_core::names::{Prefix, QueueName, Slot, UserScope};

use crate::pipeline::Holder;

/// Who logs in as this user; nothing when it is not one of the pipeline's.
pub fn holder_of(prefix: &Prefix, scope: &UserScope, user: &str) -> Option<Holder> {
    let own = [Slot::A, Slot::B].map(|slot| prefix.producer_user(scope, slot));
    if own.iter().any(|name| name == user) {
        return Some(Holder::Producer);
    }
    let queue = user.strip_prefix(prefix.as_str())?.strip_prefix('.')?.split('.').next()?;
    let queue = QueueName::new(queue).ok()?;
    let own = [Slot::A, Slot::B].map(|slot| prefix.worker_user(&queue, scope, slot));
    own.iter().any(|name| name == user).then_some(Holder::Worker(queue))
}

#[cfg(test)]
mod tests {
    use warren_core::names::PipelineId;

    use super::*;

    #[test]
    fn own_users_are_told_from_those_of_neighbours() {
        let id = PipelineId::new("shop", "orders").unwrap();
        let prefix = id.default_prefix().unwrap();
        let scope = UserScope::new("c1", &id, "/");
        let read = |user: &str| holder_of(&prefix, &scope, user);
        let email = QueueName::new("email").unwrap();
        let worker = prefix.worker_user(&email, &scope, Slot::B);
        assert_eq!(read(&worker), Some(Holder::Worker(email.clone())));
        assert_eq!(read(&prefix.producer_user(&scope, Slot::A)), Some(Holder::Producer));

        let elsewhere = UserScope::new("c1", &id, "blue");
        for user in [
            prefix.worker_user(&email, &elsewhere, Slot::A),
            prefix.producer_user(&elsewhere, Slot::A),
            format!("{worker}.x"),
            "shop.orders".to_owned(),
            "guest".to_owned(),
        ] {
            assert_eq!(read(&user), None, "{user}");
        }
    }
}
