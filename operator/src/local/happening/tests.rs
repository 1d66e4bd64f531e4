//! The words of what happens, as lines and as JSON.

use jiff::ToSpan;
use serde_json::{Value, json};
use warren_core::scaling::{Doubt, LimitedBy, ReadySource, Reason, Terms, UnackedSource, Zero};

use super::*;

fn line(happening: Happening) -> Line {
    Line {
        time: Timestamp::UNIX_EPOCH + 1.second(),
        pipeline: PipelineId::new("shop", "orders").unwrap(),
        happening,
    }
}

fn decision(terms: Option<Terms>, limited_by: Option<LimitedBy>) -> Decision {
    Decision {
        desired: Replicas::new(3),
        reason: Reason::Waking,
        limited_by,
        terms,
        zero: Zero::NotProven(Doubt::Ready),
        held_until: None,
    }
}

fn terms() -> Terms {
    Terms {
        ready: 120,
        ready_from: ReadySource::Amqp,
        unacked: 0,
        unacked_from: UnackedSource::Management,
        messages_per_replica: 40.try_into().unwrap(),
    }
}

fn scaled(decision: &Decision) -> Happening {
    let queue = QueueName::new("email").unwrap();
    Happening::scaled(&queue, Replicas::ZERO, decision)
}

#[test]
fn a_change_of_the_number_says_why_in_a_line() {
    let plain = |decision| line(scaled(&decision)).to_string();
    assert_eq!(
        plain(decision(Some(terms()), None)),
        "scaled email 0 -> 3 (Waking: 120 ready, 0 unacked)"
    );
    assert_eq!(
        plain(decision(Some(terms()), Some(LimitedBy::MaxReplicas))),
        "scaled email 0 -> 3 (Waking: 120 ready, 0 unacked; limited by MaxReplicas)"
    );
    assert_eq!(plain(decision(None, None)), "scaled email 0 -> 3 (Waking)");
}

#[test]
fn a_json_line_names_the_event_and_leaves_out_what_is_not_known() {
    let parsed =
        |decision| -> Value { serde_json::from_str(&line(scaled(&decision)).json()).unwrap() };
    assert_eq!(
        parsed(decision(Some(terms()), Some(LimitedBy::MaxReplicas))),
        json!({
            "time": "1970-01-01T00:00:01Z", "pipeline": "shop/orders", "event": "scaled",
            "queue": "email", "from": 0, "to": 3, "reason": "Waking",
            "limitedBy": "MaxReplicas", "ready": 120, "unacked": 0,
        })
    );
    assert_eq!(parsed(decision(None, None)).get("ready"), None);
}

#[test]
fn a_crash_says_when_it_starts_again_and_where_to_look() {
    let crash = Happening::Crashed {
        name: "orders-email-0".to_owned(),
        how: "signal 9".to_owned(),
        again_in: Duration::from_secs(2),
        log: PathBuf::from("/s/orders-email-0.log"),
    };
    assert_eq!(
        line(crash.clone()).to_string(),
        "crashed orders-email-0 (signal 9); starts again in 2s, see /s/orders-email-0.log"
    );
    let json: Value = serde_json::from_str(&line(crash).json()).unwrap();
    assert_eq!((&json["event"], &json["againIn"]), (&json!("crashed"), &json!(2)));
}

#[test]
fn among_several_pipelines_a_line_says_whose_it_is() {
    let killed = line(Happening::Killed { name: "orders-email-0".to_owned() });
    assert_eq!(
        killed.with_pipeline(),
        "shop/orders: killed orders-email-0: it did not end in time"
    );
}
