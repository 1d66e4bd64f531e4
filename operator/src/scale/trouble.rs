//! From a Deployment and its pods to what keeps them from working, and what to do about it.
//!
//! Pure. The words stay the same while the trouble does: a text that counts seconds or attempts
//! would make every look at it a new status.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{ContainerStateTerminated, ContainerStateWaiting, ContainerStatus, Pod},
};
use warren_core::headers::cut;

use super::pods;
use crate::workers::{WorkersReason, WorkersTrouble};

/// The most bytes of a text from elsewhere that are passed on.
const SAID_MAX: usize = 300;

/// Restarts after which a container that is not ready crashes again and again.
const CRASH_LOOP: i32 = 2;

/// How long a crash counts: a little longer than the longest wait of the kubelet between restarts
/// (<https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#restart-policy>).
const CRASH_COUNTS_FOR: jiff::SignedDuration = jiff::SignedDuration::from_mins(6);

/// Whose pods they are, as the spec calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    /// A queue's workers.
    Worker,
    /// The HTTP producer.
    Producer,
}

/// A look at the pods of one Deployment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Look<'a> {
    /// Whose they are.
    pub(crate) program: Program,
    /// The Deployment.
    pub(crate) deployment: &'a Deployment,
    /// Its pods.
    pub(crate) pods: &'a [Arc<Pod>],
    /// The moment.
    pub(crate) now: Timestamp,
}

impl Program {
    /// The field of the spec with its image, resources and template.
    const fn field(self) -> &'static str {
        match self {
            Program::Worker => "worker",
            Program::Producer => "producer",
        }
    }
}

impl Look<'_> {
    /// What keeps the pods from working; nothing when they work, or merely start.
    ///
    /// What only a person can mend comes first, what may mend itself last.
    pub(crate) fn trouble(&self) -> Option<WorkersTrouble> {
        let of_pods: [(WorkersReason, Judge); 4] = [
            (WorkersReason::SecretNotFound, secret_not_found),
            (WorkersReason::ImagePull, image_pull),
            (WorkersReason::CrashLooping, crash_looping),
            (WorkersReason::Unschedulable, unschedulable),
        ];
        let mut found = of_pods.into_iter().filter_map(|(reason, judge)| self.named(reason, judge));
        self.not_created().or_else(|| found.next())
    }

    /// The first pod that is in this trouble, and how many others are.
    fn named(&self, reason: WorkersReason, judge: Judge) -> Option<WorkersTrouble> {
        let newest = newest_replica_set(self.deployment);
        let staying = self.pods.iter().filter(|pod| !pods::is_leaving(pod));
        let staying = staying.filter(|pod| newest.is_none_or(|name| is_of(pod, name)));
        let mut affected: Vec<(&str, String)> = staying
            .filter_map(|pod| Some((pod.metadata.name.as_deref()?, judge(self, pod)?)))
            .collect();
        affected.sort();
        let others = affected.len().saturating_sub(1);
        let (name, what) = affected.into_iter().next()?;
        let more = match others {
            0 => String::new(),
            1 => " and 1 more".to_owned(),
            _ => format!(" and {others} more"),
        };
        Some(WorkersTrouble { reason, message: format!("pod {name}{more}: {what}") })
    }

    /// The API server lets no more pods be made.
    fn not_created(&self) -> Option<WorkersTrouble> {
        let status = self.deployment.status.as_ref()?;
        let mut conditions = status.conditions.iter().flatten();
        let failure = conditions
            .find(|condition| condition.type_ == "ReplicaFailure" && condition.status == "True")?;
        let said = cut(failure.message.as_deref().unwrap_or_default(), SAID_MAX);
        let field = self.program.field();
        let (reason, advice) = if said.contains("exceeded quota") {
            let advice = format!("raise the quota, or lower maxReplicas or {field}.resources");
            (WorkersReason::QuotaExceeded, advice)
        } else {
            let advice = format!("change what refuses it, or {field}.template");
            (WorkersReason::Forbidden, advice)
        };
        let name = self.deployment.metadata.name.as_deref().unwrap_or_default();
        let said = without_pod_name(said);
        let message = format!("Deployment {name}: the API server makes no pod: {said}; {advice}");
        Some(WorkersTrouble { reason, message })
    }
}

/// What is wrong with a pod.
type Judge = fn(&Look<'_>, &Pod) -> Option<String>;

fn image_pull(look: &Look<'_>, pod: &Pod) -> Option<String> {
    let (container, waiting) = waiting(pod).find(|(_, waiting)| {
        matches!(
            waiting.reason.as_deref(),
            Some("ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull")
        )
    })?;
    let (image, field) = (&container.image, look.program.field());
    Some(match waiting.reason.as_deref() {
        Some("InvalidImageName") => {
            format!("{image:?} is not the name of an image: correct {field}.image")
        }
        Some("ErrImageNeverPull") => format!(
            "image {image} is not on the node and must not be pulled: load it into the node, or \
             allow to pull it"
        ),
        _ => format!(
            "image {image} cannot be pulled{}: check {field}.image, that nodes reach its registry, \
             and {field}.template.imagePullSecrets",
            pull_error(waiting)
        ),
    })
}

/// What the registry said, worded alike while the kubelet tries and while it waits.
fn pull_error(waiting: &ContainerStateWaiting) -> String {
    let said = waiting.message.as_deref().unwrap_or_default();
    let error = match waiting.reason.as_deref() {
        Some("ImagePullBackOff") => said.split_once("ErrImagePull: ").map(|(_, error)| error),
        _ => Some(said),
    };
    error.map(|error| format!(" ({})", cut(error.trim(), SAID_MAX))).unwrap_or_default()
}

fn crash_looping(look: &Look<'_>, pod: &Pod) -> Option<String> {
    if let Some((_, waiting)) = waiting(pod).find(|(_, waiting)| {
        matches!(waiting.reason.as_deref(), Some("CreateContainerError" | "RunContainerError"))
    }) {
        let said = cut(waiting.message.as_deref().unwrap_or_default(), SAID_MAX);
        let field = look.program.field();
        return Some(format!("the container cannot be started ({said}): check {field}.image"));
    }
    let container = containers(pod).find(|container| crashes(container, look.now))?;
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let how = last_end(container).map(|end| format!(", last with {}", ended(end)));
    let advice = match last_end(container).and_then(|end| end.reason.as_deref()) {
        Some("OOMKilled") => format!("raise {}.resources.limits.memory", look.program.field()),
        _ => format!("kubectl logs -n {namespace} {name} --previous"),
    };
    Some(format!("crashes again and again{}: {advice}", how.unwrap_or_default()))
}

/// A container is seen running, ended and waiting in turns; all three are the same crash loop.
fn crashes(container: &ContainerStatus, now: Timestamp) -> bool {
    let waits = container.state.as_ref().and_then(|state| state.waiting.as_ref());
    if waits.is_some_and(|waits| waits.reason.as_deref() == Some("CrashLoopBackOff")) {
        return true;
    }
    let recently = |end: &ContainerStateTerminated| {
        let at = end.finished_at.as_ref();
        at.is_none_or(|at| now.duration_since(at.0) < CRASH_COUNTS_FOR)
    };
    !container.ready
        && container.restart_count >= CRASH_LOOP
        && last_end(container).is_some_and(|end| end.exit_code != 0 && recently(end))
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    now.or_else(|| container.last_state.as_ref()?.terminated.as_ref())
}

fn ended(end: &ContainerStateTerminated) -> String {
    let code = end.exit_code;
    let meaning = match (end.reason.as_deref(), code) {
        (Some("OOMKilled"), _) => Some("out of memory"),
        (_, 64) => Some("wrong arguments"),
        (_, 69) => Some("broker unreachable"),
        (_, 77) => Some("access refused"),
        (_, 78) => Some("bad configuration"),
        (_, 126 | 127) => Some("the program does not run in this image"),
        _ => None,
    };
    let meaning = meaning.map(|meaning| format!(" ({meaning})")).unwrap_or_default();
    format!("exit code {code}{meaning}")
}

/// The kubelet says so of a Secret in the environment; of one in a volume it says nothing here.
fn secret_not_found(_: &Look<'_>, pod: &Pod) -> Option<String> {
    let mut waiting = waiting(pod);
    waiting.find_map(|(_, waiting)| {
        let said = waiting.message.as_deref().unwrap_or_default();
        let of_config = waiting.reason.as_deref() == Some("CreateContainerConfigError");
        of_config.then(|| format!("{}: create it, or correct its name", cut(said, SAID_MAX)))
    })
}

fn unschedulable(look: &Look<'_>, pod: &Pod) -> Option<String> {
    let (status, said) = pods::condition(pod, "PodScheduled")?;
    let field = look.program.field();
    (status == "False").then(|| {
        let said = cut(said, SAID_MAX);
        format!("no node takes it ({said}): add or free nodes, or lower {field}.resources.requests")
    })
}

/// The containers that wait, and for what.
fn waiting(pod: &Pod) -> impl Iterator<Item = (&ContainerStatus, &ContainerStateWaiting)> {
    containers(pod)
        .filter_map(|container| Some((container, container.state.as_ref()?.waiting.as_ref()?)))
}

fn containers(pod: &Pod) -> impl Iterator<Item = &ContainerStatus> {
    let status = pod.status.as_ref();
    let init = status.and_then(|status| status.init_container_statuses.as_ref());
    let main = status.and_then(|status| status.container_statuses.as_ref());
    init.into_iter().chain(main).flatten()
}

/// The ReplicaSet of the template as it is now, after the Deployment controller has seen it.
///
/// The pods of the others are about to be replaced, so what is wrong with them is settled already.
/// Only this condition names it; where it does not, all pods count.
fn newest_replica_set(deployment: &Deployment) -> Option<&str> {
    let status = deployment.status.as_ref()?;
    let is_seen = status.observed_generation == deployment.metadata.generation;
    let mut conditions = status.conditions.iter().flatten();
    let progressing = conditions.find(|condition| condition.type_ == "Progressing")?;
    let said = progressing.message.as_deref().filter(|_| is_seen)?;
    let (_, rest) = said.strip_prefix("ReplicaSet")?.split_once('"')?;
    rest.split_once('"').map(|(name, _)| name)
}

fn is_of(pod: &Pod, replica_set: &str) -> bool {
    let mut owners = pod.metadata.owner_references.iter().flatten();
    owners.any(|owner| owner.kind == "ReplicaSet" && owner.name == replica_set)
}

/// Each attempt is about a pod of another name: `pods "orders-email-7d4b9-x2x2x" is forbidden: …`.
fn without_pod_name(said: &str) -> &str {
    let about_a_pod = said.strip_prefix("pods \"").and_then(|rest| rest.split_once("\" "));
    about_a_pod.map_or(said, |(_, rest)| rest)
}

#[cfg(test)]
mod tests;
