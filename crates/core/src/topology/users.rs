//! What the broker users of workers and producers may do.
//!
//! RabbitMQ does not anchor the patterns of permissions, so every one is anchored and escaped
//! here; a dot in a prefix must not open the objects of a neighbour.

use crate::names::{Prefix, QueueName, exactly};

/// The patterns a user has in one vhost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Objects it may declare and delete.
    pub configure: String,
    /// Exchanges it may publish to.
    pub write: String,
    /// Queues it may consume.
    pub read: String,
}

/// A worker reads its own main queue and publishes copies to `P.internal`; it declares nothing.
pub fn worker_permissions(prefix: &Prefix, queue: &QueueName) -> Permissions {
    Permissions {
        configure: exactly([]),
        write: exactly([prefix.internal().as_str()]),
        read: exactly([prefix.main(queue).as_str()]),
    }
}

/// A producer publishes to the ingress exchange and does nothing else.
pub fn producer_permissions(prefix: &Prefix) -> Permissions {
    Permissions { configure: exactly([]), write: exactly([prefix.as_str()]), read: exactly([]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_user_gets_the_least_it_needs() {
        let prefix = Prefix::new("shop.orders").unwrap();
        let worker = worker_permissions(&prefix, &QueueName::new("email").unwrap());
        assert_eq!(worker.configure, "^$");
        assert_eq!(worker.write, r"^shop\.orders\.internal$");
        assert_eq!(worker.read, r"^shop\.orders\.email$");
        let producer = producer_permissions(&prefix);
        assert_eq!(
            (producer.configure.as_str(), producer.write.as_str(), producer.read.as_str()),
            ("^$", r"^shop\.orders$", "^$")
        );
    }
}
