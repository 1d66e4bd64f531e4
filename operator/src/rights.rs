//! What the operator's own login must be allowed to do.

use warren_broker::login::Login;

use crate::{
    pipeline::Users,
    trouble::{Trouble, TroubleReason},
};

/// The tag that lets a login manage users.
pub const ADMINISTRATOR: &str = "administrator";

/// What a login that makes no users needs: policies are the one's, reading everything the other's
/// (<https://www.rabbitmq.com/docs/management#permissions>).
const SHARED: [&str; 2] = ["policymaker", "monitoring"];

/// The tags that a login of this Secret lacks, as trouble that names the ways out.
pub fn missing(users: Users, secret: &str, login: &Login, tags: &[String]) -> Option<Trouble> {
    let has = |tag: &str| tags.iter().any(|own| own == tag);
    if has(ADMINISTRATOR) {
        return None;
    }
    let user = &login.username;
    let message = match users {
        Users::Scoped => format!(
            "users: Scoped makes broker users, which takes the tag {ADMINISTRATOR}, and user \
             {user} of Secret {secret} has {}: give it that tag, or set spec.broker.users to \
             Shared",
            listed(tags)
        ),
        Users::Shared => {
            let lacks: Vec<&str> = SHARED.into_iter().filter(|tag| !has(tag)).collect();
            if lacks.is_empty() {
                return None;
            }
            format!(
                "users: Shared takes the tags {}, and user {user} of Secret {secret} lacks {}: \
                 give it what is missing",
                SHARED.join(" and "),
                lacks.join(" and ")
            )
        }
    };
    Some(Trouble::new(TroubleReason::PermissionDenied, message))
}

fn listed(tags: &[String]) -> String {
    if tags.is_empty() { "no tag".to_owned() } else { format!("only {}", tags.join(", ")) }
}
