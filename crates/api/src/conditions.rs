//! The conditions of a pipeline: their types, and the reasons each may carry.
//!
//! People and tools match on these texts, so the sets are closed: a reason that is not listed for
//! a type and a status never stands in a status.

use crate::names::closed_set;

closed_set! {
    /// The type of a condition. Positive polarity, but for `Reconciling` and `Stalled`.
    pub enum ConditionType {
        /// The pipeline works as it is asked to.
        Ready,
        /// The broker answers, and the login may do what it must.
        BrokerReachable,
        /// The broker's objects are as the spec says.
        TopologyInSync,
        /// Workers run, or rightly do not.
        WorkersAvailable,
        /// Replicas follow the queues.
        ScalingActive,
        /// The endpoint of an `http` handler takes messages. Only with such a handler.
        EndpointAccepting,
        /// A change is under way. Only while it is.
        Reconciling,
        /// Nothing moves until someone changes something. Only while it is so.
        Stalled,
    }
}

closed_set! {
    /// The status of a condition, as Kubernetes spells it.
    pub enum ConditionStatus {
        /// It holds.
        True,
        /// It does not hold.
        False,
        /// It cannot be told.
        Unknown,
    }
}

closed_set! {
    /// Why a condition has its status.
    pub enum ConditionReason {
        /// Everything is as the spec says.
        Reconciled,
        /// The broker was reached.
        Connected,
        /// The broker refused the login.
        Unauthorized,
        /// The login lacks a right or a tag.
        PermissionDenied,
        /// The broker's certificate is not trusted or carries another name.
        TlsVerifyFailed,
        /// The broker's name does not resolve.
        DnsFailed,
        /// The broker did not answer in time.
        Timeout,
        /// Nothing listens at the broker's address.
        ConnectionRefused,
        /// The virtual host does not exist.
        VhostNotFound,
        /// A Secret does not exist.
        SecretNotFound,
        /// A Secret lacks a key or holds an unusable value.
        SecretInvalid,
        /// The RabbitmqCluster does not exist.
        ClusterNotFound,
        /// The RabbitmqCluster has no replicas.
        ClusterScaledToZero,
        /// The RabbitmqCluster does not allow the pipeline's namespace.
        NamespaceNotAllowed,
        /// The broker's cluster has no majority.
        Minority,
        /// The broker's objects were declared.
        InSync,
        /// A queue moves to another revision.
        Migrating,
        /// An object differed and is repaired.
        Drifted,
        /// An object exists with arguments that cannot be changed.
        InequivalentArgument,
        /// An object belongs to another pipeline.
        OwnershipConflict,
        /// An object exists and belongs to nobody.
        AlreadyExists,
        /// A foreign policy changes what a queue must have.
        PolicyOverridden,
        /// The broker cannot do what the spec asks for.
        UnsupportedByBroker,
        /// A dead-letter queue is full, so its main queue stops.
        DeadLetterFull,
        /// The broker cannot be seen, so this cannot be told.
        BrokerUnknown,
        /// Enough workers are ready.
        Available,
        /// The queues are empty and sleep.
        ScaledToZero,
        /// `spec.suspend` is set.
        Suspended,
        /// Workers are starting.
        Progressing,
        /// An image cannot be pulled.
        ImagePull,
        /// Workers crash again and again.
        CrashLooping,
        /// No node takes the pods.
        Unschedulable,
        /// A quota forbids the pods.
        QuotaExceeded,
        /// Workers run, but consume nothing.
        NoConsumers,
        /// An object of the same name exists and is not ours.
        NameConflict,
        /// The API server refused an object.
        Forbidden,
        /// The broker's objects come first.
        WaitingForTopology,
        /// Readings are fresh.
        ObservationFresh,
        /// Someone else sets the replicas.
        External,
        /// The number of replicas is fixed.
        Fixed,
        /// A bound or a policy cuts what is wanted.
        ScalingLimited,
        /// Nothing was observed for so long that the fallback holds.
        FallbackActive,
        /// An autoscaler that is not Warren's targets the Deployment.
        ForeignScaler,
        /// The endpoint takes messages.
        Accepting,
        /// The breaker is open.
        BreakerOpen,
        /// The endpoint refuses every message.
        EndpointRejected,
        /// Objects are being applied.
        Deploying,
        /// The pipeline is being deleted.
        Deleting,
        /// The spec breaks a rule.
        InvalidSpec,
    }
}

/// The reasons that a condition of this type and status may carry.
///
/// `Ready` borrows the reason of the condition that keeps it from being True.
pub fn reasons(condition: ConditionType, status: ConditionStatus) -> Vec<ConditionReason> {
    use ConditionStatus::{False, True, Unknown};
    use ConditionType::{
        BrokerReachable, EndpointAccepting, Ready, Reconciling, ScalingActive, Stalled,
        TopologyInSync, WorkersAvailable,
    };
    let lent_by = |lenders: &[ConditionType], lent: ConditionStatus| {
        let mut all: Vec<_> =
            lenders.iter().flat_map(|&lender| own_reasons(lender, lent).iter().copied()).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let parts = [BrokerReachable, TopologyInSync, WorkersAvailable, ScalingActive];
    match (condition, status) {
        (Ready, False) => {
            let mut all = lent_by(&[Stalled], True);
            all.extend(lent_by(&parts, False));
            all.sort_unstable();
            all.dedup();
            all
        }
        (Ready, Unknown) => lent_by(&parts, Unknown),
        (
            Ready | BrokerReachable | TopologyInSync | WorkersAvailable | ScalingActive
            | EndpointAccepting | Reconciling | Stalled,
            True | False | Unknown,
        ) => own_reasons(condition, status).to_vec(),
    }
}

fn own_reasons(condition: ConditionType, status: ConditionStatus) -> &'static [ConditionReason] {
    match status {
        ConditionStatus::True => true_reasons(condition),
        ConditionStatus::False => false_reasons(condition),
        ConditionStatus::Unknown => unknown_reasons(condition),
    }
}

fn true_reasons(condition: ConditionType) -> &'static [ConditionReason] {
    use ConditionReason as Reason;
    match condition {
        ConditionType::Ready => &[Reason::Reconciled],
        ConditionType::BrokerReachable => &[Reason::Connected],
        ConditionType::TopologyInSync => &[Reason::InSync, Reason::Migrating],
        ConditionType::WorkersAvailable => {
            &[Reason::Available, Reason::ScaledToZero, Reason::Suspended, Reason::Progressing]
        }
        ConditionType::ScalingActive => {
            &[Reason::ObservationFresh, Reason::External, Reason::Fixed, Reason::ScalingLimited]
        }
        ConditionType::EndpointAccepting => &[Reason::Accepting],
        ConditionType::Reconciling => &[Reason::Deploying, Reason::Migrating, Reason::Deleting],
        ConditionType::Stalled => &[Reason::InvalidSpec, Reason::OwnershipConflict],
    }
}

fn false_reasons(condition: ConditionType) -> &'static [ConditionReason] {
    use ConditionReason as Reason;
    match condition {
        ConditionType::BrokerReachable => &[
            Reason::Unauthorized,
            Reason::PermissionDenied,
            Reason::TlsVerifyFailed,
            Reason::DnsFailed,
            Reason::Timeout,
            Reason::ConnectionRefused,
            Reason::VhostNotFound,
            Reason::SecretNotFound,
            Reason::SecretInvalid,
            Reason::ClusterNotFound,
            Reason::ClusterScaledToZero,
            Reason::NamespaceNotAllowed,
            Reason::Minority,
        ],
        ConditionType::TopologyInSync => &[
            Reason::Drifted,
            Reason::InequivalentArgument,
            Reason::OwnershipConflict,
            Reason::AlreadyExists,
            Reason::PolicyOverridden,
            Reason::UnsupportedByBroker,
            Reason::DeadLetterFull,
        ],
        ConditionType::WorkersAvailable => &[
            Reason::ImagePull,
            Reason::CrashLooping,
            Reason::Unschedulable,
            Reason::QuotaExceeded,
            Reason::NoConsumers,
            Reason::NameConflict,
            Reason::SecretNotFound,
            Reason::Forbidden,
        ],
        ConditionType::ScalingActive => &[Reason::FallbackActive, Reason::ForeignScaler],
        ConditionType::EndpointAccepting => &[Reason::BreakerOpen, Reason::EndpointRejected],
        ConditionType::Ready | ConditionType::Reconciling | ConditionType::Stalled => &[],
    }
}

fn unknown_reasons(condition: ConditionType) -> &'static [ConditionReason] {
    use ConditionReason as Reason;
    match condition {
        ConditionType::TopologyInSync | ConditionType::ScalingActive => &[Reason::BrokerUnknown],
        ConditionType::WorkersAvailable => &[Reason::WaitingForTopology, Reason::Progressing],
        ConditionType::Ready
        | ConditionType::BrokerReachable
        | ConditionType::EndpointAccepting
        | ConditionType::Reconciling
        | ConditionType::Stalled => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_belongs_to_a_condition() {
        let used: Vec<_> = ConditionType::ALL
            .iter()
            .flat_map(|&condition| {
                ConditionStatus::ALL.iter().flat_map(move |&status| reasons(condition, status))
            })
            .collect();
        for reason in ConditionReason::ALL {
            assert!(used.contains(reason), "{reason} stands in no list");
        }
    }

    #[test]
    fn ready_borrows_the_reason_of_what_is_wrong() {
        let borrowed = reasons(ConditionType::Ready, ConditionStatus::False);
        for expected in [
            ConditionReason::InvalidSpec,
            ConditionReason::Unauthorized,
            ConditionReason::Drifted,
            ConditionReason::CrashLooping,
            ConditionReason::FallbackActive,
        ] {
            assert!(borrowed.contains(&expected), "{expected}");
        }
        assert!(!borrowed.contains(&ConditionReason::BreakerOpen), "the endpoint is no part of it");
        assert!(
            reasons(ConditionType::Ready, ConditionStatus::Unknown)
                .contains(&ConditionReason::BrokerUnknown)
        );
    }

    #[test]
    fn a_name_is_spelled_as_in_the_api() {
        assert_eq!(ConditionType::BrokerReachable.to_string(), "BrokerReachable");
        assert_eq!(ConditionReason::TlsVerifyFailed.as_str(), "TlsVerifyFailed");
        assert_eq!(ConditionStatus::True.as_str(), "True");
    }
}
