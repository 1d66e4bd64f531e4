//! Delays and tiers, by example.

use super::*;

fn exponential(initial: u64, max: u64, factor: u32) -> Backoff {
    Backoff::Exponential {
        initial: Duration::from_millis(initial),
        max: Duration::from_millis(max),
        factor,
    }
}

fn tiers_ms(attempts: u32, backoff: Backoff) -> Vec<u64> {
    let policy = RetryPolicy::new(attempts, backoff).unwrap();
    policy.tiers().iter().map(|tier| duration::millis(*tier)).collect()
}

#[test]
fn the_default_gives_four_tiers() {
    assert_eq!(tiers_ms(5, exponential(1_000, 3_600_000, 5)), [1_000, 5_000, 25_000, 125_000]);
}

#[test]
fn one_attempt_keeps_a_tier_for_what_is_deferred() {
    assert_eq!(tiers_ms(1, exponential(1_000, 3_600_000, 5)), [1_000]);
}

#[test]
fn equal_delays_share_a_tier() {
    assert_eq!(tiers_ms(9, Backoff::Fixed { initial: Duration::from_secs(3) }), [3_000]);
    assert_eq!(tiers_ms(9, exponential(1_000, 10_000, 5)), [1_000, 5_000, 10_000]);
}

#[test]
fn many_delays_become_eight_tiers_from_the_first_to_the_last() {
    let linear = Backoff::Linear { initial: Duration::from_secs(1), max: MAX_DELAY };
    let tiers = tiers_ms(100, linear);
    assert!(tiers.len() <= MAX_TIERS, "{tiers:?}");
    assert_eq!((tiers.first(), tiers.last()), (Some(&1_000), Some(&99_000)));
}

#[test]
fn a_delay_between_two_tiers_is_rounded_up_and_one_above_all_is_cut() {
    let policy = RetryPolicy::new(5, exponential(1_000, 3_600_000, 5)).unwrap();
    for (wanted, tier) in [(1, 1_000), (1_000, 1_000), (1_001, 5_000), (999_000, 125_000)] {
        assert_eq!(policy.tier(Duration::from_millis(wanted)), Duration::from_millis(tier));
    }
}

#[test]
fn an_asked_wait_only_lengthens_the_back_off_and_never_beyond_the_maximum() {
    let policy = RetryPolicy::new(5, exponential(1_000, 25_000, 5)).unwrap();
    let tier = |attempt, asked| policy.tier_after(attempt, asked).as_secs();
    assert_eq!(tier(1, None), 1);
    assert_eq!(tier(2, Some(Duration::from_secs(1))), 5);
    assert_eq!(tier(1, Some(Duration::from_secs(20))), 25);
    assert_eq!(tier(1, Some(MAX_DELAY)), 25);
}

#[test]
fn the_last_custom_delay_repeats() {
    let delays = [1, 7].map(|s| Delay(Duration::from_secs(s))).to_vec();
    let backoff = Backoff::Custom { delays };
    assert_eq!([1, 2, 3, 50].map(|n| backoff.after(n).as_secs()), [1, 7, 7, 7]);
}

#[test]
fn growth_saturates_instead_of_wrapping() {
    assert_eq!(exponential(1, 86_400_000, 100).after(u32::MAX), MAX_DELAY);
}

#[test]
fn impossible_policies_are_refused() {
    let refused = |attempts, backoff| RetryPolicy::new(attempts, backoff).unwrap_err();
    let ms = Duration::from_millis;
    assert_eq!(refused(0, exponential(1, 2, 2)), PolicyError::NoAttempts);
    assert_eq!(refused(2, exponential(0, 2, 2)), PolicyError::Delay(Duration::ZERO));
    assert_eq!(refused(2, exponential(3, 2, 2)), PolicyError::InitialOverMax(ms(3), ms(2)));
    assert_eq!(refused(2, Backoff::Custom { delays: vec![] }), PolicyError::NoDelays);
    let falling = Backoff::Custom { delays: vec![Delay(ms(5)), Delay(ms(5))] };
    assert_eq!(refused(2, falling), PolicyError::NotRising(ms(5), ms(5)));
}
