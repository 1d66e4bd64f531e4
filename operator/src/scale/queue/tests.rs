//! What is written, when, and what is said of a queue's workers meanwhile.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use warren_api::events::EventReason;
use warren_broker::{
    management::{QueueStatistics, QueueTotals},
    probe::Depth,
};
use warren_core::scaling::{LimitedBy, Reason, Why};
use warren_service::health::Readiness;

use super::*;
use crate::{
    cluster::replicas::SCALER,
    fixtures::{noon, valid, with_queue},
    scale::observation::Probed,
};

const MAIN: &str = "shop.orders.email";

/// A queue with its surroundings, second by second.
struct Scene {
    keeper: QueueKeeper,
    second: u64,
    ready: u32,
    consumers: u32,
    answer: Result<(), Why>,
    replicas: u32,
    version: u32,
    handed_over: bool,
    pods: Vec<Arc<Pod>>,
    foreign: Option<String>,
    paused: bool,
}

impl Scene {
    fn of(lines: &str) -> Self {
        let pipeline = valid(&with_queue(lines));
        Self {
            keeper: QueueKeeper::new(&pipeline, &pipeline.queues[0]),
            second: 0,
            ready: 0,
            consumers: 0,
            answer: Ok(()),
            replicas: 0,
            version: 1,
            handed_over: true,
            pods: Vec::new(),
            foreign: None,
            paused: false,
        }
    }

    fn now(&self) -> Timestamp {
        noon() + Duration::from_secs(self.second)
    }

    fn deployment(&self) -> Deployment {
        let manager = if self.handed_over { SCALER } else { "warren-operator" };
        let value = json!({
            "metadata": {
                "name": "orders-email", "namespace": "shop",
                "resourceVersion": self.version.to_string(),
                "managedFields": [{
                    "manager": manager, "operation": "Apply",
                    "fieldsV1": {"f:spec": {"f:replicas": {}}},
                }],
            },
            "spec": {"replicas": self.replicas, "selector": {}, "template": {}},
        });
        serde_json::from_value(value).unwrap()
    }

    fn polls(&self) -> Polls {
        let name = MAIN.to_owned();
        let totals = QueueTotals {
            name: name.clone(),
            ready: Some(self.ready.into()),
            unacknowledged: Some(0),
            total: None,
        };
        let statistics = QueueStatistics {
            name: name.clone(),
            state: Some("running".to_owned()),
            published: Some(7),
            ..QueueStatistics::default()
        };
        let mut polls = Polls::default();
        polls.totals.take(Ok(BTreeMap::from([(name.clone(), totals)])), self.now());
        polls.statistics.take(Ok(BTreeMap::from([(name, statistics)])), self.now());
        polls
    }

    /// Looks once, with the Deployment there or not.
    fn look(&mut self, deployment: Option<&Deployment>) -> Option<Order> {
        let answer = self.answer.map(|()| Depth { ready: self.ready, consumers: self.consumers });
        let probed = Probed { at: self.now(), answer };
        let queues = BTreeMap::from([(MAIN.to_owned(), probed)]);
        let polls = if self.answer.is_ok() { self.polls() } else { Polls::default() };
        let seen = Seen {
            probes: &Probes { queues, losses: 0 },
            polls: &polls,
            deployment,
            pods: &self.pods,
            foreign: self.foreign.as_deref(),
            paused: self.paused,
            now: self.now(),
        };
        self.keeper.tick(&seen)
    }

    fn tick(&mut self) -> Option<Order> {
        let deployment = self.deployment();
        self.look(Some(&deployment))
    }

    /// Lets so many seconds pass, and carries every order out at once.
    fn run(&mut self, seconds: u64) -> Vec<Event> {
        let mut events = Vec::new();
        for _ in 0..seconds {
            self.second += 1;
            if let Some(order) = self.tick() {
                events.extend(self.carry_out(&order));
            }
        }
        events
    }

    fn carry_out(&mut self, order: &Order) -> Option<Event> {
        assert_eq!(order.resource_version, self.version.to_string(), "it is not out of date");
        self.replicas = order.to.get();
        self.version += 1;
        self.keeper.written(order, &Written::Done, self.now())
    }

    fn reading(&self) -> &QueueReading {
        self.keeper.reading().unwrap()
    }

    fn trouble(&self) -> Option<WorkersReason> {
        self.reading().trouble.as_ref().map(|trouble| trouble.reason)
    }

    fn limit(&self) -> Option<LimitedBy> {
        self.reading().scaling.as_ref().unwrap().decision.limited_by
    }

    fn with_ready_pods(mut self, count: u32) -> Self {
        self.pods = (0..count).map(ready_pod).collect();
        self.replicas = count;
        self
    }
}

fn ready_pod(number: u32) -> Arc<Pod> {
    let value: Value = json!({
        "metadata": {"name": format!("orders-email-{number}"), "namespace": "shop"},
        "status": {"podIP": "10.0.0.7", "conditions": [{"type": "Ready", "status": "True"}]},
    });
    Arc::new(serde_json::from_value(value).unwrap())
}

#[test]
fn a_backlog_wakes_the_queue_with_as_many_workers_as_it_deserves_in_one_write() {
    let mut scene = Scene::of("");
    assert_eq!(scene.tick(), None);
    scene.ready = 120;
    let events = scene.run(1);
    assert_eq!(scene.replicas, 6);
    assert_eq!(events[0].note(), "email 0 → 6: 120 ready, 0 unacked, 20 per replica");
    assert_eq!(events[0].reason(), EventReason::WokenUp);
    assert_eq!(scene.run(30), [], "it is what it should be");
}

#[test]
fn a_queue_goes_to_sleep_when_it_is_proven_empty_and_says_so() {
    let mut scene = Scene::of("").with_ready_pods(3);
    scene.consumers = 3;
    let events = scene.run(60);
    assert_eq!((events.as_slice(), scene.replicas), (&[][..], 3));
    let events = scene.run(15);
    assert_eq!(scene.replicas, 0);
    assert_eq!(events[0].reason(), EventReason::ScaledToZero);
    assert_eq!(events[0].note(), "email 3 → 0: proven: empty for 1m");
}

#[test]
fn a_proof_that_is_forgotten_begins_anew() {
    let mut scene = Scene::of("").with_ready_pods(1);
    scene.consumers = 1;
    scene.run(55);
    scene.keeper.forget_zero_proof();
    scene.run(55);
    assert_eq!(scene.replicas, 1);
    scene.run(10);
    assert_eq!(scene.replicas, 0);
}

#[test]
fn one_order_is_under_way_at_a_time() {
    let mut scene = Scene::of("");
    scene.ready = 120;
    let order = scene.tick().unwrap();
    scene.ready = 160;
    assert_eq!(scene.tick(), None);
    scene.keeper.written(&order, &Written::Overtaken, scene.now());
    assert_eq!(scene.tick().unwrap().to, Replicas::new(8), "the next one is decided anew");
}

#[test]
fn a_cache_that_lags_behind_a_write_does_not_undo_it() {
    let mut scene = Scene::of("");
    scene.ready = 120;
    let order = scene.tick().unwrap();
    scene.keeper.written(&order, &Written::Done, scene.now());
    assert_eq!(scene.tick(), None, "the cache still says 0 at the old version");
    assert_eq!(scene.reading().current, Replicas::new(6));
    (scene.replicas, scene.version, scene.second) = (6, 2, 1);
    assert_eq!(scene.tick(), None);
    (scene.replicas, scene.version) = (1, 3);
    let order = scene.tick().unwrap();
    assert_eq!((order.from.get(), order.to.get()), (1, 6), "somebody else's number is corrected");
}

#[test]
fn nothing_is_written_without_a_deployment_of_ours_or_before_it_is_handed_over() {
    let mut scene = Scene::of("");
    scene.ready = 120;
    assert_eq!(scene.look(None), None);
    assert_eq!(scene.keeper.reading(), None);
    scene.handed_over = false;
    assert_eq!(scene.tick(), None);
    assert_eq!(scene.reading().scaling.as_ref().unwrap().decision.desired, Replicas::new(6));
    scene.handed_over = true;
    assert_eq!(scene.tick().unwrap().to, Replicas::new(6));
}

#[test]
fn a_paused_pipeline_is_looked_at_and_not_touched() {
    let mut scene = Scene::of("");
    (scene.ready, scene.paused) = (120, true);
    assert_eq!(scene.run(30), []);
    let decision = scene.reading().scaling.as_ref().unwrap().decision;
    assert_eq!((decision.reason, decision.want()), (Reason::Paused, Some(Replicas::new(6))));
    scene.paused = false;
    scene.run(1);
    assert_eq!(scene.replicas, 6);
}

#[test]
fn another_autoscaler_keeps_us_from_writing_and_is_named() {
    let mut scene = Scene::of("");
    scene.ready = 120;
    scene.foreign = Some("HorizontalPodAutoscaler mine".to_owned());
    assert_eq!(scene.run(30), []);
    assert_eq!(scene.limit(), Some(LimitedBy::ForeignScaler));
    let expected = Some("HorizontalPodAutoscaler mine".to_owned());
    assert_eq!(scene.reading().foreign_scaler, expected);
}

#[test]
fn with_mode_external_another_autoscaler_is_right_and_nothing_is_written() {
    let mut scene = Scene::of("scaling: {mode: External}");
    scene.ready = 120;
    scene.foreign = Some("HorizontalPodAutoscaler mine".to_owned());
    assert_eq!(scene.run(30), []);
    assert_eq!((scene.limit(), &scene.reading().foreign_scaler), (None, &None));
}

#[test]
fn before_the_broker_was_asked_once_nothing_is_told_but_orders_are_obeyed() {
    let mut scene = Scene::of("").with_ready_pods(3);
    scene.answer = Err(Why::NeverRead);
    assert_eq!(scene.run(1), []);
    assert_eq!((scene.reading().current.get(), &scene.reading().scaling), (3, &None));
    scene.keeper.follow(&valid(&with_queue("scaling: {maxReplicas: 2}")).queues[0]);
    scene.run(1);
    assert_eq!(scene.replicas, 2);
    scene.answer = Err(Why::Refused);
    scene.run(1);
    assert_eq!(scene.limit(), Some(LimitedBy::ObservationUnknown));
}

#[test]
fn a_zero_that_we_wrote_is_given_back_to_whoever_scales() {
    let scaled = |we_wrote: bool| {
        let mut scene = Scene::of("scaling: {mode: External, minReplicas: 0}");
        if we_wrote {
            scene.keeper.was_changed(noon());
        }
        scene.run(30);
        assert_eq!(scene.replicas, 0, "nothing waits");
        scene.ready = 3;
        scene.run(1);
        scene.replicas
    };
    assert_eq!((scaled(true), scaled(false)), (1, 0));
}

#[test]
fn when_the_number_was_written_before_is_told_until_it_is_written_again() {
    let mut scene = Scene::of("");
    scene.keeper.was_changed(noon());
    let told = |scene: &Scene| scene.reading().scaling.as_ref().unwrap().last_change;
    scene.run(5);
    assert_eq!(told(&scene), Some(noon()));
    scene.ready = 120;
    scene.run(1);
    assert_eq!(told(&scene), Some(noon()), "the look was before the write");
    scene.run(1);
    assert_eq!(told(&scene), Some(noon() + Duration::from_secs(6)));
}

#[test]
fn a_blind_scaler_neither_adds_nor_takes_away() {
    let mut scene = Scene::of("").with_ready_pods(3);
    scene.answer = Err(Why::Refused);
    assert_eq!(scene.run(600), []);
    assert_eq!(scene.replicas, 3);
}

#[test]
fn a_refused_write_is_told_as_trouble_and_tried_again_later() {
    let mut scene = Scene::of("");
    scene.ready = 120;
    let order = scene.tick().unwrap();
    let refused = Written::Refused("deployments/scale is forbidden".to_owned());
    scene.keeper.written(&order, &refused, scene.now());
    scene.second += 4;
    assert_eq!(scene.tick(), None);
    assert_eq!(scene.trouble(), Some(WorkersReason::Forbidden));
    scene.second += 1;
    let order = scene.tick().unwrap();
    scene.carry_out(&order);
    scene.run(1);
    assert_eq!(scene.trouble(), None);
}

#[test]
fn a_refusal_is_no_trouble_any_more_once_nothing_is_to_be_written_or_the_api_server_lets_us() {
    let refused = Written::Refused("deployments/scale is forbidden".to_owned());
    let mut scene = Scene::of("");
    scene.ready = 120;
    let order = scene.tick().unwrap();
    scene.keeper.written(&order, &refused, scene.now());
    (scene.replicas, scene.version) = (6, 2);
    assert_eq!((scene.tick(), scene.trouble()), (None, None), "somebody else wrote the number");

    let mut scene = Scene::of("");
    scene.ready = 120;
    for written in [refused, Written::Overtaken] {
        scene.second += 5;
        let order = scene.tick().unwrap();
        scene.keeper.written(&order, &written, scene.now());
        scene.tick();
    }
    assert_eq!(scene.trouble(), None);
}

#[test]
fn a_number_is_written_once_a_second_at_most_however_often_it_is_looked() {
    let mut scene = Scene::of("");
    scene.ready = 20;
    let order = scene.tick().unwrap();
    scene.carry_out(&order);
    scene.ready = 120;
    assert_eq!(scene.tick(), None);
    scene.second += 1;
    assert_eq!(scene.tick().unwrap().to, Replicas::new(6));
}

/// Six workers of which three are to go: the scale-down window is over.
fn shrinking() -> (Scene, Order) {
    let mut scene = Scene::of("").with_ready_pods(6);
    (scene.ready, scene.consumers) = (60, 6);
    let order = loop {
        scene.second += 1;
        assert!(scene.second < 600, "it never shrinks");
        if let Some(order) = scene.tick() {
            break order;
        }
    };
    assert_eq!((order.from.get(), order.to.get()), (6, 3));
    (scene, order)
}

#[test]
fn after_a_scale_down_that_was_overtaken_it_is_waited_before_pods_are_marked_again() {
    for written in [Written::Overtaken, Written::Withdrawn] {
        let (mut scene, order) = shrinking();
        scene.keeper.written(&order, &written, scene.now());
        assert_eq!(scene.run(4), []);
        assert_eq!(scene.replicas, 6);
        scene.run(1);
        assert_eq!(scene.replicas, 3);
    }
}

#[test]
fn more_workers_do_not_wait_for_a_scale_down_that_is_under_way_or_failed() {
    let (mut scene, order) = shrinking();
    assert_eq!(scene.tick(), None);
    assert!(!scene.keeper.is_outgrown());
    scene.ready = 160;
    assert_eq!(scene.tick(), None, "one order at a time");
    assert!(scene.keeper.is_outgrown(), "the one under way is to be withdrawn");
    scene.keeper.written(&order, &Written::Withdrawn, scene.now());
    assert!(!scene.keeper.is_outgrown());
    assert_eq!(scene.tick().unwrap().to, Replicas::new(8));
}

#[test]
fn who_paused_once_and_is_not_asked_any_more_is_expected_to_consume() {
    let mut scene = Scene::of("").with_ready_pods(1);
    (scene.ready, scene.second) = (20, 1);
    scene.run(5);
    let said = Some(Readiness::ready("paused").because("handler"));
    scene.keeper.answered(vec![Answer { pod: "orders-email-0".to_owned(), said }]);
    scene.run(1);
    assert_eq!((scene.keeper.to_ask(), scene.trouble()), (&[][..], None));
    scene.run(20);
    assert_eq!(scene.trouble(), Some(WorkersReason::NoConsumers));
}

#[test]
fn ready_workers_without_a_consumer_are_trouble_unless_they_say_that_they_pause() {
    let mut scene = Scene::of("").with_ready_pods(1);
    scene.ready = 20;
    scene.run(10);
    assert_eq!((scene.trouble(), scene.keeper.to_ask().len()), (None, 1));
    scene.run(10);
    assert_eq!(scene.trouble(), Some(WorkersReason::NoConsumers));
    let said = Some(Readiness::ready("paused").because("handler"));
    scene.keeper.answered(vec![Answer { pod: "orders-email-0".to_owned(), said }]);
    scene.run(1);
    assert_eq!(scene.trouble(), None);
}

#[test]
fn workers_that_consume_are_not_asked_unless_they_call_an_endpoint() {
    let mut scene = Scene::of("").with_ready_pods(2);
    (scene.ready, scene.consumers) = (40, 2);
    scene.run(1);
    assert_eq!(scene.keeper.to_ask(), []);
    let mut scene = http().with_ready_pods(2);
    (scene.ready, scene.consumers) = (40, 2);
    scene.run(1);
    assert_eq!(scene.keeper.to_ask().len(), 2);
}

fn http() -> Scene {
    let queue = "{name: email, handler: {http: {url: \"https://mail.example/send\"}}}";
    let pipeline = valid(&crate::fixtures::with_spec("", queue));
    let keeper = QueueKeeper::new(&pipeline, &pipeline.queues[0]);
    Scene { keeper, ..Scene::of("") }
}

#[test]
fn what_was_last_known_of_an_endpoint_stays_at_zero_workers() {
    let mut scene = http().with_ready_pods(1);
    let said = Some(Readiness::ready("paused").because("endpoint").last_status(503));
    scene.keeper.answered(vec![Answer { pod: "orders-email-0".to_owned(), said }]);
    scene.run(1);
    let refusing = scene.reading().endpoint;
    assert!(matches!(refusing, Some(EndpointReading::Refusing { .. })), "{refusing:?}");
    scene.keeper.answered(Vec::new());
    scene.run(1);
    assert_eq!(scene.reading().endpoint, refusing);
}
