//! The status of a pipeline that is being deleted.

use warren_broker::login::{Login, Secret};
use warren_core::topology::Found;

use super::*;
use crate::{
    fixtures::{noon, settings, with_queue},
    memory::Memory,
    observe::Remains,
    plan::deletion::{Leavings, Plan, Progress, Waiting},
    proof::Runs,
    status::holds,
    trouble::{Trouble, TroubleReason},
    validate,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use warren_api::conditions::ConditionReason;

fn after(
    previous: &MessagePipelineStatus,
    broker: Result<(), TroubleReason>,
    progress: Progress,
) -> MessagePipelineStatus {
    let mut object = with_queue("");
    object.metadata.deletion_timestamp = Some(Time(noon()));
    let departing = validate::departing(&object, previous, &settings()).unwrap();
    let remains = Remains {
        login: Login::new("rabbit", "admin", Secret::new("secret")),
        version: "4.3.6".parse().unwrap(),
        found: Found::default(),
        users: BTreeMap::new(),
        looks: BTreeMap::new(),
    };
    let broker = match broker {
        Ok(()) => Ok(remains),
        Err(reason) => Err(Trouble::new(reason, "no answer")),
    };
    let departure =
        crate::observe::Departure { broker, children: crate::children::ChildrenReading::NotKept };
    let plan = Plan {
        steps: Vec::new(),
        progress,
        runs: Runs::new(),
        requeue: crate::interval::Requeue::Trouble,
    };
    let parting = Parting::of(departing, Some(departure), plan, Memory::default());
    super::departing(&object, previous, &parting, noon())
}

fn waiting(on: Waiting) -> Progress {
    Progress::Waiting { on, message: "for something".to_owned() }
}

fn old() -> MessagePipelineStatus {
    let condition = |condition: ConditionType, reason: ConditionReason| Condition {
        type_: condition.as_str().to_owned(),
        status: "True".to_owned(),
        reason: reason.as_str().to_owned(),
        message: "as it was".to_owned(),
        last_transition_time: Time(noon()),
        observed_generation: Some(1),
    };
    MessagePipelineStatus {
        conditions: vec![
            condition(ConditionType::Ready, ConditionReason::Reconciled),
            condition(ConditionType::BrokerReachable, ConditionReason::Connected),
            condition(ConditionType::TopologyInSync, ConditionReason::InSync),
            condition(ConditionType::WorkersAvailable, ConditionReason::Available),
            condition(ConditionType::ScalingActive, ConditionReason::ObservationFresh),
            condition(ConditionType::Stalled, ConditionReason::InvalidSpec),
        ],
        ..MessagePipelineStatus::default()
    }
}

fn message(status: &MessagePipelineStatus) -> &str {
    &condition(status, ConditionType::Reconciling).unwrap().message
}

#[test]
fn a_deletion_says_what_it_waits_for_and_the_rest_stays_as_it_was() {
    let status = after(&old(), Ok(()), waiting(Waiting::NotEmpty));
    let reconciling = condition(&status, ConditionType::Reconciling).unwrap();
    assert_eq!((&*reconciling.status, &*reconciling.reason), ("True", "Deleting"));
    assert_eq!(message(&status), "NotEmpty: for something");
    assert_eq!(message(&after(&old(), Ok(()), waiting(Waiting::Removing))), "for something");
    assert!(holds(&status, ConditionType::TopologyInSync));
    assert!(holds(&status, ConditionType::Ready));
    assert_eq!(condition(&status, ConditionType::Stalled), None, "nothing stalls a deletion");
}

#[test]
fn a_broker_that_is_lost_and_found_is_told_in_ready_too() {
    let lost = after(&old(), Err(TroubleReason::Timeout), waiting(Waiting::BrokerUnreachable));
    assert_eq!(condition(&lost, ConditionType::Ready).unwrap().reason, "Timeout");
    let found = after(&lost, Ok(()), waiting(Waiting::Removing));
    assert!(holds(&found, ConditionType::Ready) && holds(&found, ConditionType::BrokerReachable));
}

#[test]
fn the_last_pass_writes_no_status() {
    let released = Progress::Released(Leavings::default());
    assert_eq!(after(&old(), Err(TroubleReason::Timeout), released), old());
}
