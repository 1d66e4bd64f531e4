//! Which pods should go when some have to: those that hold the least.
//!
//! Pure. The ReplicaSet controller decides; it takes pods that do not run yet by itself, and among
//! the others those with the lowest deletion cost
//! (<https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost>).
//! A pod that goes in the middle of its work finishes it, but the work of others would be cheaper
//! to wait for.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::core::v1::Pod;
use warren_broker::management::{Channel, Connection};

use super::pods;

/// The annotation with which a pod is marked.
pub(crate) const COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// The cost of a pod that should go; others have none, which counts as 0.
pub(crate) const CHEAP: &str = "-1";

/// How many unacknowledged messages each pod holds, by its name.
pub(crate) type Load = BTreeMap<String, u64>;

/// The pods of a queue as somebody sees them who has to take some away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Staff {
    /// Those that take work.
    ready: Vec<String>,
    /// How many others there are; they go first.
    not_ready: usize,
    /// Whether somebody else marks pods: then ours would be one opinion too many.
    is_marked_by_others: bool,
}

impl Staff {
    /// The pods of a queue.
    pub(crate) fn of(pods: &[Arc<Pod>]) -> Self {
        let staying = pods.iter().filter(|pod| !pods::is_leaving(pod)).count();
        let ready: Vec<String> = pods::ready(pods).into_iter().map(|pod| pod.name).collect();
        Self {
            not_ready: staying.saturating_sub(ready.len()),
            is_marked_by_others: pods.iter().any(|pod| is_foreign(cost(pod))),
            ready,
        }
    }

    /// How many pods that take work have to go when so many go in all; nothing where nobody is to
    /// be marked.
    pub(crate) fn choice(&self, excess: u32) -> usize {
        let excess = usize::try_from(excess).unwrap_or(usize::MAX);
        let chosen = excess.saturating_sub(self.not_ready);
        let is_a_choice = chosen < self.ready.len() && !self.is_marked_by_others;
        if is_a_choice { chosen } else { 0 }
    }

    /// The pods to mark: those that hold the least; a pod whose load is not known is taken to be
    /// busy. Nothing where no load is known, because any choice would be a guess.
    pub(crate) fn victims(&self, choice: usize, load: &Load) -> Vec<String> {
        if !self.ready.iter().any(|pod| load.contains_key(pod)) {
            return Vec::new();
        }
        let mut ranked: Vec<&String> = self.ready.iter().collect();
        ranked.sort_by_key(|pod| (load.get(*pod).copied().unwrap_or(u64::MAX), (*pod).clone()));
        ranked.into_iter().take(choice).cloned().collect()
    }
}

/// What the workers of a queue hold, by the names of their connections: `<P>/<queue>/<pod>/consume`.
pub(crate) fn load(
    prefix: &str,
    queue: &str,
    connections: &[Connection],
    channels: &[Channel],
) -> Load {
    let begins = format!("{prefix}/{queue}/");
    let pod = |connection: &Connection| {
        let rest = connection.name.as_deref()?.strip_prefix(&begins)?;
        rest.strip_suffix("/consume").map(str::to_owned)
    };
    let mut load = Load::new();
    for (connection, pod) in connections.iter().filter_map(|it| Some((it, pod(it)?))) {
        let own = channels.iter().filter(|channel| channel.connection == connection.id);
        let held: Option<u64> = own.map(|channel| channel.unacknowledged).sum();
        if let Some(held) = held {
            let sum = load.entry(pod).or_insert(0);
            *sum = u64::saturating_add(*sum, held);
        }
    }
    load
}

fn cost(pod: &Pod) -> Option<&str> {
    pod.metadata.annotations.as_ref()?.get(COST).map(String::as_str)
}

fn is_foreign(cost: Option<&str>) -> bool {
    cost.is_some_and(|cost| cost != CHEAP)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, ready: bool, cost: Option<&str>) -> Arc<Pod> {
        let status = if ready { "True" } else { "False" };
        let annotations = cost.map(|cost| json!({COST: cost}));
        let value = json!({
            "metadata": {"name": name, "annotations": annotations},
            "status": {"conditions": [{"type": "Ready", "status": status}]},
        });
        Arc::new(serde_json::from_value(value).unwrap())
    }

    fn staff() -> Staff {
        let ready = ["a", "b", "c"].map(|name| pod(name, true, None));
        Staff::of(&[ready.as_slice(), &[pod("starting", false, None)]].concat())
    }

    fn load_of(pairs: &[(&str, u64)]) -> Load {
        pairs.iter().map(|(pod, held)| ((*pod).to_owned(), *held)).collect()
    }

    #[test]
    fn pods_that_do_not_work_yet_go_first_and_without_a_mark() {
        assert_eq!([0, 1, 2, 3].map(|excess| staff().choice(excess)), [0, 0, 1, 2]);
        assert_eq!(staff().choice(4), 0, "where all go there is no choice");
    }

    #[test]
    fn those_that_hold_the_least_go_and_an_unknown_load_counts_as_a_full_one() {
        let load = load_of(&[("a", 7), ("b", 0)]);
        assert_eq!(staff().victims(1, &load), ["b"]);
        assert_eq!(staff().victims(2, &load), ["b", "a"]);
        assert_eq!(staff().victims(2, &load_of(&[])), [""; 0]);
    }

    #[test]
    fn where_somebody_else_marks_pods_we_do_not() {
        let others = Staff::of(&[pod("a", true, Some("100")), pod("b", true, None)]);
        assert_eq!(others.choice(1), 0);
        let ours = Staff::of(&[pod("a", true, Some(CHEAP)), pod("b", true, None)]);
        assert_eq!(ours.choice(1), 1);
    }

    #[test]
    fn a_pod_holds_what_the_channels_of_its_consuming_connection_hold() {
        let connection = |id: &str, name: &str| Connection {
            id: id.to_owned(),
            name: Some(name.to_owned()),
            user: None,
        };
        let channel = |connection: &str, unacknowledged| Channel {
            connection: connection.to_owned(),
            unacknowledged,
        };
        let connections = [
            connection("1", "shop.orders/email/a/consume"),
            connection("2", "shop.orders/email/a/publish"),
            connection("3", "shop.orders/sms/c/consume"),
            connection("4", "shop.orders/email/b/consume"),
            connection("5", "shop.orders/email/d/consume"),
        ];
        let channels = [
            channel("1", Some(3)),
            channel("1", Some(4)),
            channel("2", Some(9)),
            channel("3", Some(9)),
            channel("4", None),
        ];
        let seen = load("shop.orders", "email", &connections, &channels);
        assert_eq!(seen, load_of(&[("a", 7), ("d", 0)]), "b's is not known");
    }
}
