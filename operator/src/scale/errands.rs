//! What a keeper waits for without standing still: numbers that are written, and questions.
//!
//! A mistake of ours in one of them ends that one alone, and is told like a failure: else its queue
//! would wait for it for ever.

use std::{collections::BTreeMap, future::pending, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt;
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;
use warren_core::names::QueueName;

use super::{
    order::{Order, Written},
    rounds::Answers,
    secrets::Needed,
};

/// How long the end waits for what is being written: pods that are marked to go and then stay would
/// be the first to go much later, when they are busy.
const END_WITHIN: Duration = Duration::from_secs(3);

/// What is said where there was no answer because of a mistake of ours.
const CUT_SHORT: &str = "the attempt was cut short by a mistake of the operator";

/// What a keeper waits for.
#[derive(Default)]
pub(super) struct Errands {
    writes: JoinSet<(Order, Written)>,
    questions: JoinSet<Errand>,
    withdrawals: BTreeMap<QueueName, CancellationToken>,
}

/// Something that was waited for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Errand {
    /// An order, as it was carried out.
    Wrote(Order, Written),
    /// What workers say of themselves.
    Asked(Answers),
    /// Secrets that do not exist; nothing when that was not found out.
    Looked(Option<Needed>),
}

impl Errands {
    /// Carries an order out; the write is given what tells that it is withdrawn.
    pub(super) fn write<F>(&mut self, order: Order, write: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = (Order, Written)> + Send + 'static,
    {
        let withdrawn = CancellationToken::new();
        let work = whole(write(withdrawn.clone()));
        self.withdrawals.insert(order.queue.clone(), withdrawn);
        self.writes.spawn(async move {
            let written = work.await;
            written.unwrap_or_else(|| (order, Written::Unanswered(CUT_SHORT.to_owned())))
        });
    }

    /// Withdraws what is being carried out for a queue, as far as it can still be stopped.
    pub(super) fn withdraw(&self, queue: &QueueName) {
        if let Some(withdrawn) = self.withdrawals.get(queue) {
            withdrawn.cancel();
        }
    }

    /// Asks workers how they are.
    pub(super) fn ask(&mut self, ask: impl Future<Output = Answers> + Send + 'static) {
        let ask = whole(ask);
        self.questions.spawn(async move { Errand::Asked(ask.await.unwrap_or_default()) });
    }

    /// Looks which Secrets do not exist.
    pub(super) fn look(&mut self, look: impl Future<Output = Needed> + Send + 'static) {
        let look = whole(look);
        self.questions.spawn(async move { Errand::Looked(look.await) });
    }

    /// Waits for the next that ends; for ever, while there is none.
    pub(super) async fn next(&mut self) -> Errand {
        tokio::select! {
            Some(Ok((order, written))) = self.writes.join_next() => {
                self.withdrawals.remove(&order.queue);
                Errand::Wrote(order, written)
            }
            Some(Ok(errand)) = self.questions.join_next() => errand,
            else => pending().await,
        }
    }

    /// Withdraws every order and waits a moment for those that cannot be; what became of them.
    pub(super) async fn end(&mut self) -> Vec<(Order, Written)> {
        self.withdrawals.values().for_each(CancellationToken::cancel);
        let mut ended = Vec::new();
        let all = async {
            while let Some(written) = self.writes.join_next().await {
                ended.extend(written.ok());
            }
        };
        // What is not written by then ends with its connection.
        let _ = timeout(END_WITHIN, all).await;
        ended
    }
}

/// What a future comes to; nothing when it panics.
async fn whole<T>(future: impl Future<Output = T>) -> Option<T> {
    AssertUnwindSafe(future).catch_unwind().await.ok()
}

#[cfg(test)]
mod tests {
    use warren_core::scaling::Replicas;

    use super::*;

    fn order() -> Order {
        Order {
            queue: QueueName::new("email").unwrap(),
            deployment: "orders-email".to_owned(),
            resource_version: "7".to_owned(),
            from: Replicas::new(9),
            to: Replicas::new(3),
        }
    }

    #[tokio::test]
    async fn a_mistake_in_an_errand_is_told_as_a_failure_of_it() {
        let mut errands = Errands::default();
        errands.write(order(), |_| async { panic!("a mistake") });
        let told = Errand::Wrote(order(), Written::Unanswered(CUT_SHORT.to_owned()));
        assert_eq!(errands.next().await, told);
        errands.ask(async { panic!("a mistake") });
        assert_eq!(errands.next().await, Errand::Asked(Answers::new()));
        errands.look(async { panic!("a mistake") });
        assert_eq!(errands.next().await, Errand::Looked(None));
    }

    /// Waits until it is withdrawn, and then a moment longer, as for taking marks back.
    async fn slow(withdrawn: CancellationToken) -> (Order, Written) {
        withdrawn.cancelled().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        (order(), Written::Withdrawn)
    }

    #[tokio::test(start_paused = true)]
    async fn an_order_that_is_withdrawn_cleans_up_before_it_ends() {
        let mut errands = Errands::default();
        errands.write(order(), slow);
        errands.withdraw(&QueueName::new("sms").unwrap());
        let early = timeout(Duration::from_secs(9), errands.next()).await;
        assert!(early.is_err(), "another queue's order goes on: {early:?}");
        errands.withdraw(&order().queue);
        assert_eq!(errands.next().await, Errand::Wrote(order(), Written::Withdrawn));
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_withdraws_what_is_under_way_and_waits_for_it_but_not_for_ever() {
        let mut errands = Errands::default();
        errands.write(order(), slow);
        let queue = QueueName::new("sms").unwrap();
        errands.write(Order { queue, ..order() }, |_| pending());
        assert_eq!(errands.end().await, [(order(), Written::Withdrawn)]);
    }
}
