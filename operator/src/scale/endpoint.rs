//! From what workers say on `/readyz` to whether their endpoint takes messages.
//!
//! Pure. A worker that pauses says why: because the endpoint cannot be reached, or because it
//! answers as if it were the wrong one. A pause that the endpoint or the handler asked for is no
//! fault.

use std::collections::BTreeMap;

use warren_core::{breaker::PauseReason, scaling::Replicas};
use warren_service::health::Readiness;

use super::pods::ReadyPod;
use crate::workers::{EndpointReading, Refusal};

/// What a worker pod answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// The pod.
    pub(crate) pod: String,
    /// What it said; nothing when it could not be asked.
    pub(crate) said: Option<Readiness>,
}

/// The state a worker gives while it pauses.
const PAUSED: &str = "paused";

/// Whether the endpoint takes messages, as most workers that answered see it; nothing when none
/// answered.
///
/// The HTTP status of `before` stays while a worker still says it: an endpoint that gives now this
/// one, now that one is in the same trouble all the time.
pub(crate) fn judge(
    answers: &[Answer],
    before: Option<EndpointReading>,
) -> Option<EndpointReading> {
    let said: Vec<&Readiness> = answers.iter().filter_map(|answer| answer.said.as_ref()).collect();
    if said.is_empty() {
        return None;
    }
    let pausing = |reason: PauseReason| -> Vec<&Readiness> {
        said.iter().copied().filter(|said| pauses_for(said, reason)).collect()
    };
    let (open, wrong) = (pausing(PauseReason::Endpoint), pausing(PauseReason::Config));
    if (open.len() + wrong.len()) * 2 <= said.len() {
        return Some(EndpointReading::Accepting);
    }
    let (refusal, of) = if wrong.len() > open.len() {
        (Refusal::Rejected, wrong)
    } else {
        (Refusal::Unavailable, open)
    };
    let told = match before {
        Some(EndpointReading::Refusing { refusal: same, last_status }) if same == refusal => {
            last_status
        }
        Some(EndpointReading::Refusing { .. } | EndpointReading::Accepting) | None => None,
    };
    let last_status = prevailing(of.iter().filter_map(|said| said.last_status), told);
    Some(EndpointReading::Refusing { refusal, last_status })
}

/// The one that was told before if it is still among them, else the most frequent one.
fn prevailing(statuses: impl Iterator<Item = u16>, told: Option<u16>) -> Option<u16> {
    let mut counts = BTreeMap::<u16, usize>::new();
    for status in statuses {
        *counts.entry(status).or_default() += 1;
    }
    let still = told.filter(|told| counts.contains_key(told));
    // The smallest of the most frequent ones.
    let most = counts.iter().rev().max_by_key(|(_, count)| **count).map(|(status, _)| *status);
    still.or(most)
}

/// How many of the ready pods should be consuming now: all but those that say that they pause.
pub(crate) fn should_consume(answers: &[Answer], ready: &[ReadyPod]) -> Replicas {
    let pauses = |pod: &ReadyPod| {
        let mut of_pod = answers.iter().filter(|answer| answer.pod == pod.name);
        of_pod.any(|answer| answer.said.as_ref().is_some_and(|said| said.state == PAUSED))
    };
    let consuming = ready.iter().filter(|pod| !pauses(pod)).count();
    Replicas::saturating(u64::try_from(consuming).unwrap_or(u64::MAX))
}

fn pauses_for(said: &Readiness, reason: PauseReason) -> bool {
    said.state == PAUSED && said.reason.as_deref() == Some(reason.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn says(said: Readiness) -> Answer {
        Answer { pod: "orders-email-x".to_owned(), said: Some(said) }
    }

    fn pauses(reason: &'static str, status: u16) -> Answer {
        says(Readiness::ready("paused").because(reason).last_status(status))
    }

    fn works() -> Answer {
        says(Readiness::ready("consuming"))
    }

    fn silent() -> Answer {
        Answer { pod: "orders-email-y".to_owned(), said: None }
    }

    #[test]
    fn most_of_those_who_answer_decide() {
        let refusing = |refusal, status| {
            Some(EndpointReading::Refusing { refusal, last_status: Some(status) })
        };
        let accepting = Some(EndpointReading::Accepting);
        let down = || pauses("endpoint", 503);
        let wrong = || pauses("config", 404);
        for (answers, expected) in [
            (vec![], None),
            (vec![silent()], None),
            (vec![works()], accepting),
            (vec![down()], refusing(Refusal::Unavailable, 503)),
            (vec![wrong()], refusing(Refusal::Rejected, 404)),
            (vec![down(), works()], accepting),
            (vec![down(), down(), works()], refusing(Refusal::Unavailable, 503)),
            (vec![down(), silent(), silent()], refusing(Refusal::Unavailable, 503)),
            (vec![wrong(), down(), wrong(), works()], refusing(Refusal::Rejected, 404)),
            (vec![pauses("rate", 429), pauses("handler", 200)], accepting),
        ] {
            assert_eq!(judge(&answers, None), expected, "{answers:?}");
        }
    }

    #[test]
    fn the_status_most_workers_got_is_told_and_stays_while_one_still_gets_it() {
        let down = |statuses: &[u16], before| {
            let answers: Vec<Answer> =
                statuses.iter().map(|status| pauses("endpoint", *status)).collect();
            match judge(&answers, before) {
                Some(EndpointReading::Refusing { last_status, .. }) => last_status,
                other => panic!("{other:?}"),
            }
        };
        let told = |refusal| Some(EndpointReading::Refusing { refusal, last_status: Some(503) });
        assert_eq!(down(&[503, 502, 503], None), Some(503));
        assert_eq!(down(&[503, 502], None), Some(502), "the order of answers is no matter");
        assert_eq!(down(&[502, 503], None), Some(502));
        assert_eq!(down(&[502, 502, 503], told(Refusal::Unavailable)), Some(503));
        assert_eq!(down(&[502, 502], told(Refusal::Unavailable)), Some(502));
        assert_eq!(down(&[502, 502, 503], told(Refusal::Rejected)), Some(502));
    }

    #[test]
    fn who_pauses_need_not_consume_and_who_is_silent_should() {
        let ready = |names: &[&str]| -> Vec<ReadyPod> {
            let pod = |name: &&str| ReadyPod { name: (*name).to_owned(), address: None };
            names.iter().map(pod).collect()
        };
        let of = |pod: &str, answer: Answer| Answer { pod: pod.to_owned(), ..answer };
        let answers = [of("a", pauses("rate", 429)), of("b", works()), of("c", silent())];
        assert_eq!(should_consume(&answers, &ready(&["a", "b", "c"])).get(), 2);
        assert_eq!(should_consume(&answers, &ready(&["a"])).get(), 0);
        assert_eq!(should_consume(&answers, &ready(&["a", "new"])).get(), 1);
    }
}
