//! The table of failures, and what many outcomes are together.

use super::*;

fn failure(source: PublishError) -> Unpublished {
    Unpublished::Publish { message_id: "m1".to_owned(), source }
}

fn too_large() -> Unpublished {
    Unpublished::Refused(Refusal::TooLarge { bytes: 2, limit: 1 })
}

fn malformed() -> Unpublished {
    Unpublished::Malformed(Malformed::Type { field: "id", expected: "a string" })
}

fn receipt() -> Receipt {
    Receipt { message_id: "m0".to_owned(), published_at: Timestamp::UNIX_EPOCH, not_before: None }
}

/// Every failure there is, with the status and exit code that the documentation promises.
fn table() -> Vec<(Unpublished, &'static str, u16, u8)> {
    let text = || "why".to_owned();
    let lost = |sent| PublishError::Disconnected { detail: text(), sent };
    let unroutable = PublishError::Unroutable { exchange: text(), routing_key: text() };
    vec![
        (failure(unroutable), "unroutable", 503, 68),
        (failure(PublishError::ExchangeNotFound { exchange: text() }), "unroutable", 503, 68),
        (failure(PublishError::AccessRefused { detail: text() }), "disconnected", 503, 77),
        (failure(PublishError::Nacked), "nacked", 429, 75),
        (failure(PublishError::Timeout), "timeout", 504, 75),
        (failure(PublishError::Blocked { detail: text() }), "blocked", 503, 69),
        (failure(lost(false)), "disconnected", 503, 69),
        (failure(lost(true)), "disconnected", 503, 75),
        (failure(PublishError::Overloaded), "overloaded", 503, 69),
        (too_large(), "too_large", 413, 65),
        (Unpublished::TooLong(TooLong { longest: 1 }), "too_large", 413, 65),
        (Unpublished::Cut(Cut::Stalled), "malformed", 400, 65),
        (Unpublished::Cut(Cut::Broken), "malformed", 400, 65),
        (Unpublished::Cut(Cut::Unreachable), "disconnected", 503, 69),
        (Unpublished::Cut(Cut::ShuttingDown), "disconnected", 503, 69),
        (malformed(), "malformed", 400, 65),
        (Unpublished::Refused(Refusal::NoDelay), "malformed", 400, 65),
        (failure(PublishError::Malformed { what: text() }), "malformed", 400, 65),
    ]
}

#[test]
fn every_failure_has_the_documented_reason_status_and_exit_code() {
    for (failure, reason, status, exit) in table() {
        let meaning = failure.meaning();
        assert_eq!(failure.reason().as_str(), reason, "{failure:?}");
        assert_eq!(meaning.status.as_u16(), status, "{failure:?}");
        assert_eq!(meaning.exit.code(), exit, "{failure:?}");
    }
}

#[test]
fn clients_are_told_when_to_come_back_unless_the_outcome_is_unknown_or_hopeless() {
    for (failure, ..) in table() {
        let meaning = failure.meaning();
        let invited = matches!(meaning.status.as_u16(), 429 | 503);
        assert_eq!(meaning.retry_after.is_some(), invited, "{failure:?}");
    }
}

#[test]
fn a_problem_carries_the_id_that_a_repeat_must_have() {
    let problem = failure(PublishError::Timeout).problem();
    let json = serde_json::to_value(&problem).unwrap();
    assert_eq!(json["message_id"], "m1");
    assert_eq!(json["reason"], "timeout");
    assert_eq!(json["status"], 504);
    assert!(json["detail"].as_str().unwrap().contains("same id"));
}

#[test]
fn a_result_has_the_documented_shape() {
    assert_eq!(
        ResultLine::new(0, &Ok(receipt())).to_ndjson(),
        "{\"index\":0,\"status\":\"success\",\"message_id\":\"m0\"}\n"
    );
    assert_eq!(
        ResultLine::new(1, &Err(failure(PublishError::Overloaded))).to_ndjson(),
        "{\"index\":1,\"status\":\"error\",\"message_id\":\"m1\",\"reason\":\"overloaded\",\
         \"detail\":\"too many messages wait for the broker\"}\n"
    );
    let line = ResultLine { line: Some(4), ..ResultLine::new(3, &Err(malformed())) };
    assert_eq!(
        line.to_ndjson(),
        "{\"index\":3,\"line\":4,\"status\":\"error\",\"reason\":\"malformed\",\
         \"detail\":\"the field `id` must be a string\"}\n"
    );
}

#[test]
fn many_outcomes_end_with_one_exit_code() {
    let good = || Ok(receipt());
    let nacked = || Err(failure(PublishError::Nacked));
    let timeout = || Err(failure(PublishError::ExchangeNotFound { exchange: "e".to_owned() }));
    let cases = [
        (vec![], Exit::Done),
        (vec![good(), good()], Exit::Done),
        (vec![good(), nacked()], Exit::PartlyPublished),
        (vec![Err(malformed()), good()], Exit::PartlyPublished),
        (vec![Err(malformed()), Err(too_large())], Exit::BadInput),
        (vec![Err(malformed()), nacked()], Exit::Uncertain),
        (vec![timeout(), nacked()], Exit::Unroutable),
    ];
    for (outcomes, exit) in cases {
        let mut tally = Tally::default();
        for outcome in &outcomes {
            tally.count(outcome);
        }
        assert_eq!(tally.exit(), exit, "{outcomes:?}");
        assert_eq!(tally.total(), outcomes.len() as u64);
    }
}
