//! What differs between the broker users a pipeline needs and those there are.

use warren_core::topology::Permissions;

use super::{Step, UserGap};
use crate::{
    children::ChildKey,
    observe::{BrokerState, FoundUser, PasswordState, UsersReading},
    pipeline::{Holder, Pipeline},
    resources::broker_secret,
};

/// What to write; nothing while users are shared, nor for one whose Secret is `taken`: its password
/// could not be kept, and would be made anew at every pass.
pub(super) fn steps(pipeline: &Pipeline, state: &BrokerState, taken: &[ChildKey]) -> Vec<Step> {
    let UsersReading::Found(found) = &state.users else {
        return Vec::new();
    };
    pipeline
        .holders()
        .filter(|holder| !taken.contains(&broker_secret::key(pipeline, holder)))
        .flat_map(|holder| {
            let user = pipeline.user_of(&holder, &state.login.vhost);
            let permissions = pipeline.permissions_of(&holder);
            of_user(found.get(&user), holder, user, permissions)
        })
        .collect()
}

fn of_user(
    found: Option<&FoundUser>,
    holder: Holder,
    user: String,
    wanted: Permissions,
) -> Vec<Step> {
    let gap = match found {
        None => Some(UserGap::Missing),
        Some(found) if found.password == PasswordState::Unknown => Some(UserGap::PasswordLost),
        Some(found) if !found.tags.is_empty() => Some(UserGap::Tagged),
        Some(_) => None,
    };
    let may = found.and_then(|found| found.permissions.as_ref());
    let permit =
        (may != Some(&wanted)).then(|| Step::Permit { user: user.clone(), permissions: wanted });
    let put = gap.map(|gap| Step::PutUser { holder, user, gap });
    put.into_iter().chain(permit).collect()
}
