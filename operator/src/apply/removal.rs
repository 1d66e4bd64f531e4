//! I/O out: takes one thing away from the broker.

use warren_broker::management::{ApiError, Management};

use crate::plan::Removal;

/// Takes it away; what is gone already is no error.
pub(super) async fn carry_out(
    client: &Management,
    vhost: &str,
    removal: &Removal,
) -> Result<(), ApiError> {
    match removal {
        Removal::Binding(found) => client.unbind(vhost, found).await,
        Removal::Queue(name) => client.delete_queue(vhost, name).await,
        Removal::Exchange(name) => client.delete_unused_exchange(vhost, name).await,
        Removal::Policy(name) => client.delete_policy(vhost, name).await,
        Removal::User(name) => client.delete_user(name).await,
    }
}
