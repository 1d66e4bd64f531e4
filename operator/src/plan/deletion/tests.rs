//! Deletions: what comes after what, how long each is waited for, and what is said about the rest.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::json;
use warren_api::MessagePipelineStatus;
use warren_broker::{
    login::{Login, Secret},
    management::QueueStatistics,
    probe::Depth,
};
use warren_core::topology::{
    self, BrokerFacts, Exchange, Found, FoundBinding, FoundExchange, FoundLink, FoundPolicy,
    FoundQueue, POLICY_PRIORITY, Policy, Queue, Topology,
};

use super::*;
use crate::{
    children::{Child, ChildKey, ChildKind, Manifest},
    fixtures::{noon, settings, smallest, with_spec},
    pipeline::Holder,
    proof::{Answer, Look},
    trouble::TroubleReason,
    validate,
};

const WORKERS: &str = "orders-email";
const PRODUCER: &str = "orders-producer";

/// What is there of the smallest pipeline, deleted at noon.
struct World {
    departing: Departing,
    remains: Remains,
    children: ChildrenReading,
    memory: Memory,
    now: Timestamp,
}

fn found(wanted: Topology) -> Found {
    let exchange = |exchange: Exchange| {
        let kind = exchange.kind.as_str().to_owned();
        (exchange.name, FoundExchange { kind, durable: true, arguments: exchange.arguments })
    };
    let queue =
        |queue: Queue| (queue.name, FoundQueue { durable: true, arguments: queue.arguments });
    let binding = |binding| FoundBinding { binding, properties_key: "key".to_owned() };
    let policy = |policy: Policy| {
        let Policy { name, pattern, apply_to, definition } = policy;
        let (apply_to, priority) = (apply_to.to_owned(), POLICY_PRIORITY);
        (name, FoundPolicy { pattern, apply_to, priority, definition })
    };
    Found {
        exchanges: wanted.exchanges.into_iter().map(exchange).collect(),
        queues: wanted.queues.into_iter().map(queue).collect(),
        bindings: wanted.bindings.into_iter().map(binding).collect(),
        policies: wanted.policies.into_iter().map(policy).collect(),
        links: Vec::new(),
    }
}

fn world(deletion: &str) -> World {
    let queue = "{name: email, handler: {log: {}}, retry: {attempts: 2}}";
    let mut object = with_spec(&format!("deletion: {{{deletion}}}"), queue);
    object.metadata.deletion_timestamp = Some(Time(noon()));
    let status = MessagePipelineStatus::default();
    let departing = validate::departing(&object, &status, &settings()).unwrap();
    let pipeline = validate::pipeline(&object, &settings()).unwrap();
    let version = "4.3.6".parse().unwrap();
    let wanted = topology::desired(&pipeline.layout(), BrokerFacts { version });
    let users = pipeline.holders().map(|holder| (pipeline.user_of(&holder, "/"), holder));
    let mut world = World {
        departing,
        remains: Remains {
            login: Login::new("rabbit", "admin", Secret::new("secret")),
            version,
            found: found(wanted),
            users: users.collect(),
            looks: BTreeMap::new(),
        },
        children: ChildrenReading::Seen(BTreeMap::new()),
        memory: Memory::default(),
        now: noon(),
    };
    for name in world.remains.found.queues.keys() {
        world.remains.looks.insert(name.clone(), look(0, 0));
    }
    world
}

fn look(messages: u32, consumers: u32) -> Look {
    let node = || "a".to_owned();
    let statistics = QueueStatistics {
        state: Some("running".to_owned()),
        total: Some(messages.into()),
        unacknowledged: Some(0),
        consumers: Some(consumers.into()),
        leader: Some(node()),
        members: vec![node()],
        online: vec![node()],
        ..QueueStatistics::default()
    };
    let answer = Answer::Told(Depth { ready: messages, consumers });
    Look { at: noon(), statistics: Some(statistics), answer }
}

impl World {
    fn with_deployment(mut self, name: &str, queue: &str, wanted: u32, running: u32) -> Self {
        let live = json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {
                "name": name, "resourceVersion": "7", "labels": {"warren.dev/queue": queue},
            },
            "spec": {"replicas": wanted},
            "status": {"replicas": running},
        });
        let ChildrenReading::Seen(seen) = &mut self.children else { panic!("they are seen") };
        let child = Child { live: Manifest(live), is_ours: true };
        seen.insert(ChildKey::new(ChildKind::Deployment, name), child);
        self
    }

    /// A consumer of the queue has this many messages in hand.
    fn in_hand(mut self, queue: &str, messages: u64) -> Self {
        let look = self.remains.looks.get_mut(queue).unwrap();
        let statistics = look.statistics.as_mut().unwrap();
        statistics.unacknowledged = Some(messages);
        statistics.total = statistics.ready.map(|ready| ready + messages).or(Some(messages));
        self
    }

    fn holding(mut self, queue: &str, messages: u32, consumers: u32) -> Self {
        self.remains.looks.insert(queue.to_owned(), look(messages, consumers));
        self
    }

    /// A pass, and what it writes; the steps that remove something are carried out.
    fn pass(&mut self) -> (Vec<String>, Progress) {
        self.memory = self.memory.departing(self.now);
        self.remains.looks.values_mut().for_each(|look| look.at = self.now);
        let departure =
            Departure { broker: Ok(self.remains.clone()), children: self.children.clone() };
        let plan = next(&self.departing, Some(&departure), &self.memory, self.now);
        self.memory = std::mem::take(&mut self.memory).after_deletion(
            &self.departing,
            Some(&self.remains),
            &plan,
        );
        for step in &plan.steps {
            self.carry_out(step);
        }
        (plan.steps.iter().map(ToString::to_string).collect(), plan.progress)
    }

    fn carry_out(&mut self, step: &Step) {
        use crate::plan::Removal;
        let Remains { found, users, looks, .. } = &mut self.remains;
        match step {
            Step::Remove(Removal::Binding(gone)) => found.bindings.retain(|other| other != gone),
            Step::Remove(Removal::Queue(name)) => {
                found.queues.remove(name);
                looks.remove(name);
                found.bindings.retain(|found| found.binding.queue != *name);
            }
            Step::Remove(Removal::Exchange(name)) => {
                found.exchanges.remove(name);
            }
            Step::Remove(Removal::Policy(name)) => {
                found.policies.remove(name);
            }
            Step::Remove(Removal::User(name)) => {
                users.remove(name);
            }
            _ => {}
        }
    }

    /// Passes until the end, a proof's time apart: everything that was written, and what was left.
    fn run_to_the_end(&mut self) -> (Vec<String>, Leavings) {
        let mut written = Vec::new();
        for _ in 0..100 {
            let (steps, progress) = self.pass();
            written.extend(steps);
            if let Progress::Released(leavings) = progress {
                return (written, leavings);
            }
            self.now += crate::proof::AGAIN;
        }
        panic!("it never ends: {written:?}");
    }
}

fn waits(progress: &Progress) -> String {
    match progress {
        Progress::Waiting { on, message } => {
            format!("{}: {message}", on.as_str().unwrap_or("Removing"))
        }
        Progress::Released(leavings) => panic!("released: {leavings:?}"),
    }
}

#[test]
fn everything_goes_in_the_order_in_which_nothing_is_lost() {
    let (written, leavings) = world("").run_to_the_end();
    assert!(leavings.is_empty(), "{leavings:?}");
    let expected = [
        "delete user shop.orders.",
        "unbind shop.orders -[]-> shop.orders.email",
        "delete user shop.orders.email.",
        "unbind shop.orders.internal -[email.retry.1000]-> shop.orders.email.retry.1000",
        "delete queue shop.orders.email.retry.1000",
        "unbind shop.orders.internal -[email]-> shop.orders.email",
        "delete queue shop.orders.email",
        "unbind shop.orders.internal -[email.dead]-> shop.orders.email.dead",
        "delete queue shop.orders.email.dead",
        "unbind shop.orders.unrouted -[]-> shop.orders.unrouted",
        "delete queue shop.orders.unrouted",
        "delete exchange shop.orders unless it is used",
        "delete exchange shop.orders.internal unless it is used",
        "delete exchange shop.orders.unrouted unless it is used",
        "delete policy shop.orders.",
        "delete policy shop.orders.",
        "delete policy shop.orders.",
        "delete policy shop.orders.",
    ];
    assert_eq!(written.len(), expected.len(), "{written:?}");
    for (step, expected) in written.iter().zip(expected) {
        assert!(step.starts_with(expected), "{step}, and not {expected}");
    }
}

#[test]
fn a_producer_stops_before_its_user_goes_and_before_its_messages_have_nowhere_to_go() {
    let mut world = world("").with_deployment(PRODUCER, "producer", 2, 2);
    let (steps, progress) = world.pass();
    assert_eq!(steps, ["scale Deployment orders-producer to zero"]);
    assert_eq!(waits(&progress), "Draining: the producer stops");
    let mut world = world.with_deployment(PRODUCER, "producer", 0, 1);
    assert_eq!(world.pass().0, [""; 0], "its pod is ending");
    let mut world = world.with_deployment(PRODUCER, "producer", 0, 0);
    let (steps, _) = world.pass();
    assert!(steps[0].starts_with("delete user shop.orders."), "{steps:?}");
    assert!(steps[1].starts_with("unbind shop.orders -[]->"), "{steps:?}");
}

#[test]
fn workers_have_the_time_of_the_drain_and_no_more() {
    let main = "shop.orders.email";
    let mut world = world("drain: 2m").with_deployment(WORKERS, "email", 3, 3).holding(main, 5, 3);
    world.pass();
    world.now += Duration::from_secs(119);
    let (steps, progress) = world.pass();
    assert_eq!(steps, [""; 0]);
    let text = waits(&progress);
    assert!(
        text.starts_with("Draining: workers may empty queue shop.orders.email until"),
        "{text}"
    );
    assert!(text.contains("12:02:00"), "{text}");
    world.now += Duration::from_secs(1);
    assert_eq!(world.pass().0, ["scale Deployment orders-email to zero"]);
}

#[test]
fn workers_of_queues_that_stay_empty_stop_sooner() {
    let mut world = world("drain: 24h, timeout: 1h").with_deployment(WORKERS, "email", 1, 1);
    world = world.holding("shop.orders.email", 0, 1);
    world.pass();
    world.now += Duration::from_secs(10);
    assert_eq!(world.pass().0, [""; 0]);
    world.now += crate::proof::AGAIN;
    assert_eq!(world.pass().0, ["scale Deployment orders-email to zero"]);
}

#[test]
fn a_worker_that_still_works_keeps_its_user() {
    let mut world = world("drain: 0s").holding("shop.orders.email", 0, 1);
    world.pass();
    let (steps, progress) = world.pass();
    assert_eq!(steps, [""; 0]);
    assert!(waits(&progress).starts_with("Draining: queue shop.orders.email still has consumers"));
    let mut world = world.holding("shop.orders.email", 0, 0).in_hand("shop.orders.email", 1);
    assert_eq!(world.pass().0, [""; 0], "it ends, and settles its last message first");
    let mut world = world.in_hand("shop.orders.email", 0);
    assert!(world.pass().0[0].starts_with("delete user shop.orders.email."));
}

#[test]
fn what_has_messages_stays_with_all_that_belongs_to_it() {
    let (written, leavings) = world("").holding("shop.orders.email", 3, 0).run_to_the_end();
    let left: Vec<String> = leavings.queues.iter().map(ToString::to_string).collect();
    assert_eq!(
        left,
        [
            "shop.orders.email with 3 messages (it is not empty)",
            "shop.orders.email.dead (it belongs to shop.orders.email)",
            "shop.orders.unrouted (it belongs to shop.orders.email)",
        ]
    );
    let is_deleted = |what: &str| written.iter().any(|step| step.starts_with(what));
    assert!(is_deleted("delete queue shop.orders.email.retry.1000"));
    assert!(is_deleted("delete policy shop.orders.internal.retry"));
    assert!(!is_deleted("delete exchange"), "{written:?}");
    assert!(!is_deleted("delete policy shop.orders.email"), "{written:?}");
}

#[test]
fn what_was_published_late_keeps_the_exchanges_too() {
    let (written, leavings) = world("").holding("shop.orders.unrouted", 1, 0).run_to_the_end();
    let names: Vec<&str> = leavings.queues.iter().map(|left| left.name.as_str()).collect();
    assert_eq!(names, ["shop.orders.unrouted"]);
    assert!(!written.iter().any(|step| step.starts_with("delete exchange")), "{written:?}");
}

#[test]
fn a_message_that_comes_while_its_queue_is_cut_off_finds_it_bound_again() {
    let mut world = world("").holding("shop.orders.email.dead", 1, 0);
    world.remains.found.bindings.retain(|found| found.binding.queue != "shop.orders.email.dead");
    let (written, leavings) = world.run_to_the_end();
    assert_eq!(leavings.queues[0].messages, Some(1));
    let bound = "bind shop.orders.internal -[email.dead]-> shop.orders.email.dead";
    assert!(written.iter().any(|step| step == bound), "{written:?}");
}

#[test]
fn a_tier_is_waited_for_until_the_time_is_over_and_keeps_its_main_queue() {
    let tier = "shop.orders.email.retry.1000";
    let mut world = world("timeout: 10m").holding(tier, 2, 0);
    let (_, leavings) = world.run_to_the_end();
    assert!(world.now >= noon() + Duration::from_mins(10), "{}", world.now);
    let of = |name: &str| leavings.queues.iter().find(|left| left.name == name).unwrap();
    assert_eq!(of(tier).messages, Some(2));
    assert!(of(tier).why.starts_with("there was no time left"), "{}", of(tier).why);
    assert_eq!(of("shop.orders.email").why, format!("it belongs to {tier}"));
    assert_eq!(leavings.orphaned, None);
}

#[test]
fn what_is_given_up_half_way_is_bound_as_it_was() {
    let mut world = world("timeout: 20s");
    let (written, leavings) = world.run_to_the_end();
    let names: Vec<&str> = leavings.queues.iter().map(|left| left.name.as_str()).collect();
    assert!(names.contains(&"shop.orders.email.dead"), "there was no time for it: {leavings:?}");
    let found = &world.remains.found.bindings;
    for name in names.into_iter().filter(|name| !name.contains(".retry.")) {
        let bound = |step: &String| step.starts_with("bind ") && step.ends_with(name);
        let was_kept = found.iter().any(|found| found.binding.queue == name);
        assert!(was_kept || written.iter().any(bound), "{name}: {written:?}");
    }
}

#[test]
fn a_wait_for_messages_names_its_end_and_the_other_way_out() {
    let mut world = world("timeout: 10m").holding("shop.orders.email.retry.1000", 2, 0);
    for _ in 0..5 {
        world.pass();
    }
    let text = waits(&world.pass().1);
    assert!(text.starts_with("NotEmpty: queue shop.orders.email.retry.1000: its 2"), "{text}");
    assert!(text.contains("2026-11-21T12:10:00Z") && text.contains("policy"), "{text}");
}

#[test]
fn a_drain_that_is_longer_than_the_time_out_leaves_time_for_the_rest() {
    let mut world = world("drain: 1h, timeout: 5m").with_deployment(WORKERS, "email", 1, 1);
    world = world.holding("shop.orders.email", 5, 1);
    world.pass();
    world.now += Duration::from_mins(30);
    assert!(matches!(world.pass().1, Progress::Waiting { .. }));
    world.now += Duration::from_mins(31);
    assert_eq!(world.pass().0, ["scale Deployment orders-email to zero"]);
    world.now += Duration::from_mins(4);
    assert!(matches!(world.pass().1, Progress::Released(_)), "an hour and five minutes");
}

#[test]
fn an_operator_that_was_away_for_long_still_tries() {
    let mut world = world("timeout: 10m");
    world.now += Duration::from_hours(5);
    let (_, leavings) = world.run_to_the_end();
    assert!(leavings.is_empty(), "{leavings:?}");
}

#[test]
fn a_broker_that_cannot_be_reached_is_given_up_in_time() {
    let world = world("timeout: 10m");
    let trouble = Trouble::new(TroubleReason::Timeout, "rabbit: no answer in time");
    let departure = Departure { broker: Err(trouble), children: world.children.clone() };
    let at = |minutes: u64, known: &[&str]| {
        let known = known.iter().map(|name| (*name).to_owned()).collect();
        let memory = Memory { began: Some(noon()), known, ..Memory::default() };
        next(&world.departing, Some(&departure), &memory, noon() + Duration::from_mins(minutes))
    };
    let waiting = at(9, &[]);
    let text = waits(&waiting.progress);
    assert!(text.starts_with("BrokerUnreachable: rabbit: no answer in time; it is"), "{text}");
    assert!(text.contains("tried until 2026-11-21T12:10:00Z"), "{text}");
    let way_out = format!("warren.dev/force-finalize={}", world.departing.owner.uid);
    assert!(text.ends_with(&way_out), "{text}");
    assert_eq!(waiting.requeue, Requeue::Within(Duration::from_mins(1)));
    for (known, listed) in [(&["queue x"][..], "queue x"), (&[], "queue shop.orders.email")] {
        let Progress::Released(leavings) = at(10, known).progress else { panic!("not released") };
        let orphans = leavings.orphaned.unwrap();
        assert!(orphans.objects.contains(&listed.to_owned()), "{orphans}");
    }
}

#[test]
fn what_others_have_bound_is_named_once_and_keeps_that_exchange_alone() {
    let mut world = world("");
    let their = |routing_key: &str| FoundBinding {
        binding: topology::Binding {
            source: "shop.orders".to_owned(),
            queue: "theirs".to_owned(),
            routing_key: routing_key.to_owned(),
            arguments: topology::Arguments::new(),
        },
        properties_key: routing_key.to_owned(),
    };
    world.remains.found.bindings.extend([their("a"), their("b")]);
    let link = FoundLink { source: "shop.orders".to_owned(), target: "also.theirs".to_owned() };
    world.remains.found.links.push(link);
    let (written, leavings) = world.run_to_the_end();
    let bound = vec!["queue theirs".to_owned(), "exchange also.theirs".to_owned()];
    assert_eq!(leavings.exchanges, [("shop.orders".to_owned(), bound)].into());
    assert_eq!(leavings.queues, []);
    assert!(written.iter().any(|step| step.starts_with("delete exchange shop.orders.internal")));
}

#[test]
fn what_still_runs_must_be_known_before_anything_is_taken_away() {
    let mut world = world("");
    world.children = ChildrenReading::Unknown("the API server is away".to_owned());
    let (steps, progress) = world.pass();
    assert_eq!(steps, [""; 0]);
    assert!(waits(&progress).contains("the API server is away"));
}

#[test]
fn with_the_policy_delete_everything_goes_at_once() {
    let mut world = world("policy: Delete").with_deployment(WORKERS, "email", 2, 2);
    world.remains.looks.clear();
    let (steps, _) = world.pass();
    assert_eq!(steps[0], "scale Deployment orders-email to zero");
    let deleted = steps.iter().filter(|step| step.starts_with("delete queue")).count();
    assert_eq!(deleted, 4, "{steps:?}");
    let mut world = world.with_deployment(WORKERS, "email", 0, 2);
    let (written, leavings) = world.run_to_the_end();
    assert_eq!(leavings, Leavings::default());
    let is_policy = |step: &String| step.starts_with("delete policy");
    assert!(written.iter().all(is_policy), "no policy goes before its queues: {written:?}");
    assert_eq!(written.len(), 4, "{written:?}");
    let Found { queues, exchanges, policies, .. } = world.remains.found;
    assert_eq!((queues.len(), exchanges.len(), policies.len()), (0, 0, 0));
}

#[test]
fn with_the_policy_retain_users_go_and_nothing_is_said() {
    let mut world = world("policy: Retain").holding("shop.orders.email", 9, 0);
    let (written, leavings) = world.run_to_the_end();
    assert!(written.iter().all(|step| step.starts_with("delete user")), "{written:?}");
    assert_eq!((written.len(), leavings), (2, Leavings::default()));
    assert!(smallest().holders().any(|holder| holder == Holder::Producer));
}
