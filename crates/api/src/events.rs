//! The events of a pipeline: one per transition, never one per pass.

use crate::names::closed_set;

closed_set! {
    /// The reason of an event.
    pub enum EventReason {
        /// The broker's objects were declared.
        Declared,
        /// An object that differed was repaired.
        DriftRepaired,
        /// Replicas became more.
        ScaledUp,
        /// Replicas became fewer.
        ScaledDown,
        /// A queue went to sleep.
        ScaledToZero,
        /// A queue woke up.
        WokenUp,
        /// A foreign policy changes a queue of ours.
        PolicyOverridden,
        /// Objects of a lost Kubernetes cluster were taken over.
        Reowned,
        /// A queue began to move to another revision.
        MigrationStarted,
        /// A queue has moved to another revision.
        MigrationFinished,
        /// A deletion left a queue, with its messages.
        QueueRetained,
        /// A deletion left an exchange, because someone else is bound to it.
        ExchangeRetained,
        /// A deletion left objects on a broker that it could not reach.
        Orphaned,
        /// An object belongs to another pipeline.
        OwnershipConflict,
        /// Broker users have new passwords.
        CredentialsRotated,
        /// The broker no longer answers.
        BrokerLost,
        /// The broker answers again.
        BrokerRecovered,
        /// The first dead letter of a queue arrived.
        DeadLettersPresent,
        /// Workers stopped calling the endpoint.
        BreakerOpened,
        /// Workers call the endpoint again.
        BreakerClosed,
        /// The operator stopped writing, as the annotation asks.
        Paused,
        /// The operator writes again.
        Resumed,
        /// A person sent messages.
        MessagesSent,
        /// A person sent dead letters to their queue again.
        DeadLettersRedriven,
        /// A person deleted dead letters.
        DeadLettersPurged,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_fits_into_an_event() {
        for reason in EventReason::ALL {
            assert!(reason.as_str().len() <= 128, "{reason}: the API server takes 128 characters");
        }
    }
}
