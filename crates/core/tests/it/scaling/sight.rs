//! What is known against what is done: the law, unknown readings and sudden zeros.

use std::num::{NonZeroU16, NonZeroU32};

use warren_core::scaling::{
    FRESH_FOR, LimitedBy, Observation, Policy, Probe, QueueState, Reading, ReadySource, Reason,
    Replicas, Totals, UnackedSource, Unknown, Why,
};

use super::{
    Watch, assert_all, at_first_sight, at_long_sight, auto, by_backlog, fresh, limited, lost, old,
    outcome, policy, probed, seconds, seen, told, unseen, within, without_amqp, without_management,
};

fn exact() -> Policy {
    Policy {
        mode: auto(0, 1000),
        messages_per_replica: NonZeroU32::MIN,
        prefetch: NonZeroU16::MIN,
        ..policy()
    }
}

#[test]
fn a_reading_is_fresh_for_fifteen_seconds() {
    assert_eq!(Reading::aged(7, FRESH_FOR).fresh(), Ok(&7));
    let late = FRESH_FOR + std::time::Duration::from_millis(1);
    assert_eq!(Reading::aged(7, late).fresh(), Err(Unknown::Stale(late)));
    let missing = Reading::<u64>::Unavailable(Why::KeyMissing);
    assert_eq!(missing.fresh(), Err(Unknown::Unavailable(Why::KeyMissing)));
}

#[test]
fn the_wish_is_the_backlog_divided_and_rounded_up() {
    let cases: &[(&str, Policy, (u64, u64), u32)] = &[
        ("no backlog asks for nobody", policy(), (0, 0), 0),
        ("one message asks for one", policy(), (1, 0), 1),
        ("one message at work asks for one", policy(), (0, 1), 1),
        ("a full share asks for one", policy(), (15, 5), 1),
        ("one message over the share asks for two", policy(), (15, 6), 2),
        ("exact mode counts messages", exact(), (7, 5), 12),
        ("a backlog beyond all counting saturates", exact(), (u64::MAX, 1), u32::MAX),
    ];
    for (name, policy, (ready, unacked), want) in cases {
        let decision = at_first_sight(*policy, seen(1, *ready, *unacked));
        assert_eq!(decision.want(), Some(Replicas::new(*want)), "{name}");
    }
}

#[test]
fn the_formula_is_printed_with_its_numbers() {
    let printed = |policy, observation| {
        at_first_sight(policy, observation).terms.map(|terms| terms.to_string())
    };
    assert_eq!(printed(policy(), seen(3, 812, 50)).unwrap(), "(812 ready + 50 unacked) / 20");
    assert_eq!(printed(exact(), seen(3, 2, 3)).unwrap(), "2 ready + 3 unacked");
    assert_eq!(
        printed(policy(), without_management(seen(3, 812, 0))).unwrap(),
        "(812 ready + at most 30 unacked) / 20"
    );
    assert_eq!(printed(policy(), unseen(seen(3, 812, 0))), None);
}

#[test]
fn ready_comes_from_the_queue_itself_or_else_from_the_management_api() {
    let both = probed(seen(1, 40, 0), fresh(Probe { ready: 100, consumers: 1 }));
    let terms = at_first_sight(policy(), both).terms.unwrap();
    assert_eq!((terms.ready, terms.ready_from), (100, ReadySource::Amqp));
    let stale = probed(both, old(Probe { ready: 100, consumers: 1 }));
    let terms = at_first_sight(policy(), stale).terms.unwrap();
    assert_eq!((terms.ready, terms.ready_from), (40, ReadySource::Management));
}

#[test]
fn unknown_unacked_is_guessed_from_full_consumers() {
    let guess = |policy, current, consumers, ready_workers, probe: bool| {
        let known = seen(current, 100, 0);
        let observation = Observation {
            probe: if probe { fresh(Probe { ready: 100, consumers }) } else { lost() },
            totals: Totals { unacked: lost(), ..known.totals },
            ready_workers: Replicas::new(ready_workers),
            ..known
        };
        let terms = at_first_sight(policy, observation).terms.unwrap();
        assert_eq!(terms.unacked_from, UnackedSource::FullConsumers);
        terms.unacked
    };
    let hoarding = Policy { prefetch: NonZeroU16::new(500).unwrap(), ..policy() };
    assert_eq!(guess(policy(), 5, 3, 5, true), 30, "each consumer holds its prefetch");
    assert_eq!(guess(hoarding, 5, 3, 5, true), 60, "but no more than its share");
    assert_eq!(guess(policy(), 2, 3, 2, true), 20, "no more consumers than replicas");
    assert_eq!(guess(policy(), 5, 3, 4, false), 40, "ready workers stand in for consumers");
    assert_eq!(guess(exact(), 5, 3, 5, true), 3, "one each in exact mode");
}

fn no_state(seen: Observation) -> Observation {
    told(seen, |totals| totals.state = lost())
}

fn not_running(seen: Observation) -> Observation {
    told(seen, |totals| totals.state = fresh(QueueState::NotRunning))
}

fn once_not_running(seen: Observation) -> Observation {
    told(seen, |totals| totals.state = old(QueueState::NotRunning))
}

fn no_counter(seen: Observation) -> Observation {
    told(seen, |totals| totals.published = lost())
}

#[test]
fn workers_are_added_by_any_fresh_count_of_a_queue_that_may_be_running() {
    let (plan, busy) = (within(0, 1000), seen(2, 100, 0));
    let blind = limited(2, Reason::Hold, LimitedBy::ObservationUnknown);
    assert_all(
        at_first_sight,
        &[
            ("all known", plan, busy, by_backlog(5)),
            ("no counter", plan, no_counter(busy), by_backlog(5)),
            ("no state", plan, no_state(busy), by_backlog(5)),
            ("state too old", plan, once_not_running(busy), by_backlog(5)),
            ("only AMQP", plan, without_management(busy), by_backlog(6)),
            ("only management", plan, without_amqp(busy), by_backlog(5)),
            ("nothing", plan, unseen(busy), blind),
            ("not running", plan, not_running(busy), blind),
        ],
    );
}

#[test]
fn workers_are_taken_away_only_where_the_management_api_knows_the_whole_backlog() {
    let (plan, quiet) = (within(0, 1000), seen(5, 7, 0));
    let stays = limited(5, Reason::PerReplica, LimitedBy::ObservationUnknown);
    let blind = limited(5, Reason::Fallback, LimitedBy::ObservationUnknown);
    let no_key = told(quiet, |totals| {
        totals.unacked = Reading::Unavailable(Why::KeyMissing);
    });
    assert_all(
        at_long_sight,
        &[
            ("all known", plan, quiet, by_backlog(1)),
            ("no counter", plan, no_counter(quiet), by_backlog(1)),
            ("only management", plan, without_amqp(quiet), by_backlog(1)),
            ("only AMQP", plan, without_management(quiet), stays),
            ("an absent unacked is not 0", plan, no_key, stays),
            ("no state", plan, no_state(quiet), stays),
            ("state too old", plan, once_not_running(quiet), stays),
            ("nothing", plan, unseen(quiet), blind),
            ("not running", plan, not_running(quiet), blind),
        ],
    );
}

#[test]
fn full_consumers_that_nobody_saw_are_no_reason_for_more() {
    let hoarding = Policy { prefetch: NonZeroU16::new(500).unwrap(), ..within(0, 1000) };
    let mut watch = Watch::start(hoarding, 5);
    for _ in 0..600 {
        watch.pass(seconds(1));
        let current = watch.current;
        watch.decide(without_management(seen(current, 0, 0)));
    }
    assert_eq!(watch.current, 5);
}

#[test]
fn a_sudden_zero_lowers_nothing_until_the_management_api_confirms_it() {
    let impatient = Policy { scale_down_window: seconds(0), ..policy() };
    let mut watch = Watch::start(impatient, 5);
    watch.over(seconds(3), seen(5, 100, 0));
    // Where the AMQP count drops to 0 the statistics still show the messages.
    let sudden = probed(seen(5, 100, 0), fresh(Probe { ready: 0, consumers: 5 }));
    let decision = watch.over(seconds(1), sudden);
    assert_eq!(outcome(&decision), (5, Reason::PerReplica, None));
    assert_eq!(decision.terms.unwrap().ready_from, ReadySource::Management);
    // A statistic of the first 10 s after the drop may still be about the time before it.
    let empty = seen(5, 0, 20);
    let decision = watch.over(seconds(9), empty);
    assert_eq!(outcome(&decision), (5, Reason::PerReplica, Some(LimitedBy::ObservationUnknown)));
    let decision = watch.over(seconds(1), empty);
    assert_eq!(outcome(&decision), (1, Reason::PerReplica, None));
}

#[test]
fn a_sudden_zero_is_doubted_for_as_long_as_the_management_api_contradicts_it() {
    let mut watch = Watch::start(policy(), 5);
    watch.over(seconds(3), seen(5, 100, 0));
    let sudden = probed(seen(5, 100, 0), fresh(Probe { ready: 0, consumers: 5 }));
    let decision = watch.over(seconds(60), sudden);
    assert_eq!(decision.terms.unwrap().ready_from, ReadySource::Management);
}

/// What a quorum queue says that could not ask its leader in time.
fn no_answer(seen: Observation) -> Observation {
    probed(seen, fresh(Probe { ready: 0, consumers: 0 }))
}

#[test]
fn a_zero_without_consumers_is_no_answer_while_workers_consume() {
    let impatient = Policy { scale_down_window: seconds(0), ..policy() };
    let stays = limited(5, Reason::PerReplica, LimitedBy::ObservationUnknown);
    let goes = (1, Reason::PerReplica, None);
    // After a known 0 the next answer counts at once, after messages as a sudden 0.
    for (before, doubted_for) in [(seen(5, 0, 100), 0), (seen(5, 100, 0), 10)] {
        let mut watch = Watch::start(impatient, 5);
        watch.over(seconds(3), before);
        // The statistics of a busy broker stay behind and still say what was before the messages.
        let behind = no_answer(seen(5, 0, 20));
        assert_eq!(outcome(&watch.over(seconds(60), behind)), stays, "{before:?}");
        if doubted_for > 0 {
            let decision = watch.over(seconds(doubted_for), seen(5, 0, 20));
            assert_eq!(outcome(&decision), stays, "{before:?}");
        }
        assert_eq!(outcome(&watch.over(seconds(1), seen(5, 0, 20))), goes, "{before:?}");
    }
}

#[test]
fn an_answer_that_is_none_puts_off_what_true_ones_say_by_no_more_than_itself() {
    let impatient = Policy { scale_down_window: seconds(0), ..policy() };
    let mut watch = Watch::start(impatient, 5);
    watch.over(seconds(3), seen(5, 100, 0));
    for _ in 0..6 {
        watch.over(seconds(1), seen(5, 0, 20));
        watch.over(seconds(1), no_answer(seen(5, 0, 20)));
    }
    assert_eq!(watch.current, 1);
}

#[test]
fn a_zero_without_consumers_is_an_answer_where_nobody_is_to_consume() {
    let impatient = Policy { scale_down_window: seconds(0), ..policy() };
    let mut watch = Watch::start(impatient, 5);
    watch.over(seconds(3), seen(5, 0, 100));
    let pausing = Observation { expected_consumers: Replicas::ZERO, ..no_answer(seen(5, 0, 20)) };
    assert_eq!(outcome(&watch.over(seconds(1), pausing)), (1, Reason::PerReplica, None));
}

#[test]
fn a_sudden_zero_is_not_confirmed_by_a_reading_from_before_it() {
    let mut watch = Watch::start(policy(), 5);
    watch.over(seconds(3), seen(5, 100, 0));
    for age in 0..=12 {
        let never_again = told(seen(5, 0, 0), |totals| {
            totals.ready = Reading::aged(0, seconds(age));
        });
        let decision = watch.over(seconds(1), never_again);
        assert_eq!(decision.terms.unwrap().ready_from, ReadySource::Management);
    }
}

#[test]
fn a_sudden_zero_that_nobody_could_confirm_is_no_blindness() {
    let mut watch = Watch::start(policy(), 5);
    watch.over(seconds(3), without_management(seen(5, 40, 0)));
    let decision = watch.over(seconds(1), without_management(seen(5, 0, 0)));
    let stays = limited(5, Reason::PerReplica, LimitedBy::ObservationUnknown);
    assert_eq!(outcome(&decision), stays);
}

#[test]
fn a_sudden_zero_that_can_no_longer_be_read_is_forgotten() {
    let mut watch = Watch::start(policy(), 5);
    watch.over(seconds(3), seen(5, 100, 0));
    watch.over(seconds(1), seen(5, 0, 0));
    let decision = watch.over(seconds(1), without_amqp(seen(5, 160, 0)));
    assert_eq!(outcome(&decision), by_backlog(8));
}

#[test]
fn a_sudden_zero_does_not_add_workers_from_old_statistics() {
    let mut watch = Watch::start(policy(), 1);
    watch.over(seconds(3), seen(1, 20, 0));
    let drained = probed(seen(1, 100, 0), fresh(Probe { ready: 0, consumers: 1 }));
    let decision = watch.over(seconds(1), drained);
    assert_eq!(outcome(&decision), (1, Reason::PerReplica, Some(LimitedBy::ObservationUnknown)));
}

#[test]
fn a_sudden_zero_still_lets_a_sleeping_queue_wake() {
    let mut policy = policy();
    policy.activation.messages = std::num::NonZeroU64::new(50).unwrap();
    let mut watch = Watch::start(policy, 0);
    watch.over(seconds(3), seen(0, 40, 0));
    let sudden = probed(seen(0, 60, 0), fresh(Probe { ready: 0, consumers: 0 }));
    assert_eq!(outcome(&watch.over(seconds(1), sudden)), (3, Reason::Waking, None));
}

#[test]
fn messages_that_come_back_end_the_doubt() {
    let impatient = Policy { scale_down_window: seconds(0), ..policy() };
    let mut watch = Watch::start(impatient, 5);
    watch.over(seconds(3), seen(5, 100, 0));
    watch.over(seconds(1), seen(5, 0, 0));
    assert_eq!(outcome(&watch.over(seconds(1), seen(5, 30, 0))), (2, Reason::PerReplica, None));
}

#[test]
fn blindness_turns_into_the_fallback_and_ends_with_the_first_reading() {
    let mut watch = Watch::start(within(0, 10), 3);
    let (blind, busy) = (unseen(seen(3, 0, 0)), seen(3, 60, 0));
    let by = LimitedBy::ObservationUnknown;
    assert_eq!(outcome(&watch.over(seconds(180), blind)), limited(3, Reason::Hold, by));
    assert_eq!(outcome(&watch.over(seconds(1), blind)), limited(3, Reason::Fallback, by));
    assert_eq!(outcome(&watch.over(seconds(1), busy)), by_backlog(3));
    assert_eq!(outcome(&watch.over(seconds(180), blind)), limited(3, Reason::Hold, by));
}
