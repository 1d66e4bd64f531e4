//! The stages of a deletion before its queues go: producers and workers end, and lose their users.

use warren_core::topology::QueueRole;

use super::{Pending, Scene, Step, Waiting, drained_by, message, workloads::Workload};
use crate::{children::ChildrenReading, pipeline::Holder, plan::Removal};

/// The producer stops first: what it took in after its exchange leads nowhere would be left.
pub(super) fn producer_stops(scene: &Scene<'_>) -> Option<Pending> {
    if let ChildrenReading::Unknown(why) = scene.children {
        let (on, message) = (Waiting::Draining, message::unread(why));
        return Some(Pending { steps: Vec::new(), on, message });
    }
    let producers = Workload::producers(scene.children);
    producers.iter().any(Workload::is_up).then(|| Pending {
        steps: producers.iter().filter_map(Workload::stop).collect(),
        on: Waiting::Draining,
        message: message::PRODUCER_STOPS.to_owned(),
    })
}

/// Nobody may publish any more, and what somebody publishes all the same reaches no queue.
pub(super) fn nothing_gets_in(scene: &Scene<'_>) -> Option<Pending> {
    let users = users(scene, |holder| *holder == Holder::Producer);
    let ingress = scene.departing.prefix.as_str();
    let is_ours = |name: &str| scene.place.found.own_queues(scene.place.owner).any(|q| q == name);
    let bindings = scene
        .remains
        .found
        .bindings
        .iter()
        .filter(|found| found.binding.source == ingress && is_ours(&found.binding.queue));
    let bindings = bindings.cloned().map(|found| Step::Remove(Removal::Binding(found)));
    pending(users.chain(bindings).collect(), message::CLOSING)
}

/// Workers may go on until the queues are empty, and for as long as the spec says.
pub(super) fn workers_empty_queues(scene: &Scene<'_>) -> Option<Pending> {
    let until = drained_by(scene.departing);
    let is_working = Workload::workers(scene.children).iter().any(Workload::is_up);
    let prefix = scene.place.prefix;
    let is_theirs = |name: &str| {
        matches!(QueueRole::of(prefix, name), Some(QueueRole::Main(_) | QueueRole::Tier(_)))
    };
    let verdicts = scene.emptying.verdicts.iter();
    let mut full = verdicts.filter(|(name, verdict)| is_theirs(name) && !verdict.is_drained());
    let (name, _) = full.next().filter(|_| is_working && scene.now < until)?;
    let (on, message) = (Waiting::Draining, message::draining(name, until));
    Some(Pending { steps: Vec::new(), on, message })
}

/// Workers end: nobody else may empty the queues, nor fill tiers and dead-letter queues.
pub(super) fn workers_stop(scene: &Scene<'_>) -> Option<Pending> {
    let workers = Workload::workers(scene.children);
    workers.iter().any(Workload::is_up).then(|| Pending {
        steps: workers.iter().filter_map(Workload::stop).collect(),
        on: Waiting::Draining,
        message: message::WORKERS_STOP.to_owned(),
    })
}

/// A user goes once nobody works as it: the broker closes the connections of a user that it deletes,
/// and what a worker holds would be delivered once more.
pub(super) fn workers_lose_their_users(scene: &Scene<'_>) -> Option<Pending> {
    let pending = users_go(scene)?;
    let prefix = scene.place.prefix;
    let mut mains = scene
        .remains
        .looks
        .iter()
        .filter(|(name, _)| matches!(QueueRole::of(prefix, name), Some(QueueRole::Main(_))));
    let in_use = mains.find(|(_, look)| !look.is_at_rest());
    match in_use {
        None => Some(pending),
        Some((name, _)) => {
            let (on, message) = (Waiting::Draining, message::in_use(name, scene.deadline));
            Some(Pending { steps: Vec::new(), on, message })
        }
    }
}

/// All users of the pipeline go.
pub(super) fn users_go(scene: &Scene<'_>) -> Option<Pending> {
    pending(users(scene, |_| true).collect(), message::USERS_GO)
}

fn users<'a, F: Fn(&Holder) -> bool>(
    scene: &Scene<'a>,
    of: F,
) -> impl Iterator<Item = Step> + use<'a, F> {
    let users = scene.remains.users.iter().filter(move |(_, holder)| of(holder));
    users.map(|(user, _)| Step::Remove(Removal::User(user.clone())))
}

/// Something to do, where there is.
pub(super) fn pending(steps: Vec<Step>, message: &str) -> Option<Pending> {
    let (on, message) = (Waiting::Removing, message.to_owned());
    (!steps.is_empty()).then_some(Pending { steps, on, message })
}
