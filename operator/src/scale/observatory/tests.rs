//! Rounds of answers: who is told, what is a reason for a pass, and what ends a connection.

use warren_broker::{login::Secret, login::Tls, probe::Depth};

use super::*;
use crate::{brokers::Brokers, fixtures::settings};

const HERE: Result<Depth, Why> = Ok(Depth { ready: 0, consumers: 0 });
const AWAY: Result<Depth, Why> = Err(Why::Refused);
const GONE: Result<Depth, Why> = Err(Why::NotFound);

fn probed(answer: Result<Depth, Why>) -> Probed {
    Probed { at: jiff::Timestamp::UNIX_EPOCH, answer }
}

/// After each round of two queues' answers: is it a reason for a pass, and how many losses.
fn after(rounds: &[[Result<Depth, Why>; 2]]) -> Vec<(bool, u64)> {
    let mut probes = Probes::default();
    let mut seen = Vec::new();
    for answers in rounds {
        let names = ["a", "b"].map(str::to_owned).into_iter();
        let reason = probes.take(names.zip(answers.map(probed)).collect());
        seen.push((reason, probes.losses));
    }
    seen
}

#[test]
fn a_broker_that_is_back_is_a_reason_to_look_again_and_was_lost_once() {
    let rounds = [[HERE, HERE], [AWAY, AWAY], [AWAY, AWAY], [HERE, AWAY], [HERE, HERE]];
    let expected = [(false, 0), (false, 1), (false, 1), (true, 1), (false, 1)];
    assert_eq!(after(&rounds), expected);
}

#[test]
fn each_queue_that_is_gone_is_a_reason_once() {
    let of = |rounds: &[[Result<Depth, Why>; 2]]| -> Vec<bool> {
        after(rounds).into_iter().map(|(reason, _)| reason).collect()
    };
    let both = [[HERE, HERE], [HERE, GONE], [HERE, GONE], [GONE, GONE], [GONE, GONE]];
    assert_eq!(of(&both), [false, true, false, true, false]);
    let again = [[HERE, GONE], [HERE, HERE], [HERE, GONE]];
    assert_eq!(of(&again), [true, false, true], "one that came back may go again");
}

#[test]
fn one_queue_without_an_answer_is_no_lost_broker() {
    assert_eq!(after(&[[HERE, HERE], [HERE, AWAY], [HERE, HERE]]), [(false, 0); 3]);
}

fn member(queues: &[&str]) -> (Member, watch::Receiver<Probes>) {
    let (show, shown) = watch::channel(Probes::default());
    let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
    (Member { queues, show, look_again: Arc::default() }, shown)
}

fn names(probes: &watch::Receiver<Probes>) -> Vec<String> {
    probes.borrow().queues.keys().cloned().collect()
}

#[test]
fn everybody_hears_of_their_own_queues_and_a_shared_one_is_asked_about_once() {
    let mut audience = Audience::default();
    let ((one, one_shown), (two, two_shown)) = (member(&["a", "b"]), member(&["b", "c"]));
    audience.add(one);
    audience.add(two);
    let queues = audience.queues();
    assert_eq!(queues.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
    audience.tell(&queues.into_iter().map(|queue| (queue, probed(HERE))).collect());
    assert_eq!(
        (names(&one_shown), names(&two_shown)),
        (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned(), "c".to_owned()],)
    );
}

#[test]
fn who_comes_during_a_round_is_told_nothing_of_it() {
    let mut audience = Audience::default();
    let (late, shown) = member(&["a", "z"]);
    audience.add(late);
    audience.tell(&BTreeMap::from([("a".to_owned(), probed(AWAY))]));
    assert_eq!(*shown.borrow(), Probes::default());
}

fn login(vhost: &str) -> Login {
    Login {
        host: "127.0.0.1".to_owned(),
        port: 1,
        username: "u".to_owned(),
        password: Secret::new("p"),
        vhost: vhost.to_owned(),
        management_uri: None,
        tls: Tls::Plaintext,
    }
}

#[tokio::test]
async fn pipelines_with_the_same_login_share_a_post_until_the_last_one_goes() {
    let context = Context { settings: settings(), brokers: Brokers::default() };
    let observatory = Observatory::new("test", Arc::new(context));
    let watch = |vhost| observatory.watch(&login(vhost), Vec::new(), Arc::default()).unwrap();
    let (one, two, other) = (watch("/"), watch("/"), watch("blue"));
    assert!(Arc::ptr_eq(&one.post, &two.post));
    assert!(!Arc::ptr_eq(&one.post, &other.post));
    drop(one);
    assert_eq!(lock(&two.post.audience).members.len(), 1);
    drop(two);
    let _again = watch("/");
    assert_eq!(lock(&observatory.posts).len(), 2);
}

fn late() -> ProbeError {
    ProbeError::Timeout { queue: "a".to_owned() }
}

fn lost() -> ProbeError {
    ProbeError::Lost { queue: "a".to_owned(), detail: String::new() }
}

#[test]
fn one_slow_queue_leaves_the_connection_to_the_others() {
    for (errors, expected) in [
        (vec![None, Some(late())], false),
        (vec![Some(late()), Some(late())], true),
        (vec![Some(lost()), None], true),
        (vec![None, Some(ProbeError::QueueNotFound { queue: "a".to_owned() })], false),
        (vec![Some(ProbeError::QueueNotFound { queue: "a".to_owned() }), Some(late())], false),
        (vec![], false),
    ] {
        assert_eq!(puts_in_doubt(errors.iter().map(Option::as_ref)), expected, "{errors:?}");
    }
}
