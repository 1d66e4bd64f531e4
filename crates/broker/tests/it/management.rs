//! The management API: what is written is read back, and errors say what they are.

use warren_broker::{
    login::{Login, Secret},
    management::{ApiErrorKind, Management, concerning},
};
use warren_core::{
    names::Prefix,
    owner::Owner,
    topology::{
        Argument, Arguments, Binding, BrokerVersion, Change, Exchange, ExchangeKind, Policy, Queue,
        Topology, compare,
    },
};
use warren_test_support::{for_each_broker, wait_until};

use crate::{PATIENCE, publication};

fn owner() -> Owner {
    "c1/shop/orders/u1".parse().unwrap()
}

fn marked(arguments: impl IntoIterator<Item = (&'static str, Argument)>) -> Arguments {
    let marker = ("x-warren-owner", Argument::from(owner().to_string()));
    let pairs = arguments.into_iter().chain([marker]);
    pairs.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn binding(routing_key: &str, arguments: Arguments) -> Binding {
    Binding {
        source: "a.b".to_owned(),
        queue: "a.b.q".to_owned(),
        routing_key: routing_key.to_owned(),
        arguments,
    }
}

fn topology() -> Topology {
    let policy = Policy {
        name: "a.b.q".to_owned(),
        pattern: r"^a\.b\.q$".to_owned(),
        apply_to: "queues",
        definition: [("max-length".to_owned(), Argument::Int(9))].into(),
    };
    let exchange =
        |name: &str, kind| Exchange { name: name.to_owned(), kind, arguments: marked([]) };
    let queue = Queue {
        name: "a.b.q".to_owned(),
        arguments: marked([("x-queue-type", "quorum".into()), ("x-message-ttl", 60_000.into())]),
    };
    let by_header = [("kind".to_owned(), Argument::from("email"))];
    Topology {
        policies: vec![policy],
        exchanges: vec![
            exchange("a.b.internal", ExchangeKind::Direct),
            exchange("a.b", ExchangeKind::Topic),
        ],
        queues: vec![queue],
        bindings: vec![
            binding("", Arguments::new()),
            binding("a~b/c d.#", Arguments::new()),
            binding("%2F+ä", by_header.into()),
        ],
    }
}

#[tokio::test]
async fn a_declared_topology_reads_back_without_a_difference_and_costs_no_further_write() {
    for_each_broker(async |vhost| {
        let prefix = Prefix::new("a.b").unwrap();
        vhost.queue("a.bc.q", []).await;
        vhost.declare(&topology()).await;
        let before = vhost.management.writes();
        let found = vhost.management.found(&vhost.name, &prefix).await.unwrap();
        assert_eq!(vhost.management.writes(), before, "reading has written");
        let comparison = compare(&topology(), &found, &owner());
        assert_eq!(comparison.changes, []);
        assert_eq!(comparison.conflicts, []);
        assert_eq!((found.exchanges.len(), found.queues.len()), (2, 1));
        let all = vhost.management.objects(&vhost.name).await.unwrap();
        assert!(all.queues.contains_key("a.bc.q") && all.exchanges.contains_key("amq.direct"));
        assert_eq!(concerning(&all, &prefix), found);
    })
    .await;
}

#[tokio::test]
async fn bindings_with_any_key_are_removed_by_the_key_they_were_found_with() {
    for_each_broker(async |vhost| {
        let prefix = Prefix::new("a.b").unwrap();
        vhost.declare(&topology()).await;
        let found = vhost.management.found(&vhost.name, &prefix).await.unwrap();
        assert_eq!(found.bindings.len(), 3);
        for binding in found.bindings {
            let unbind = Change::Unbind(binding);
            for _ in 0..2 {
                vhost.management.apply(&vhost.name, &unbind).await.unwrap();
            }
        }
        let found = vhost.management.found(&vhost.name, &prefix).await.unwrap();
        assert_eq!(found.bindings, []);
    })
    .await;
}

#[tokio::test]
async fn other_arguments_are_inequivalent_and_an_unknown_policy_key_is_invalid() {
    for_each_broker(async |vhost| {
        vhost.declare(&topology()).await;
        let mut queue = topology().queues.remove(0);
        queue.arguments.insert("x-message-ttl".to_owned(), Argument::Int(1));
        let error = vhost.management.put_queue(&vhost.name, &queue).await.unwrap_err();
        let ApiErrorKind::Inequivalent(text) = &error.kind else {
            panic!("{error}");
        };
        assert!(text.contains("x-message-ttl"), "{error}");
        assert!(error.call.starts_with("PUT /api/queues/"), "{error}");

        let mut policy = topology().policies.remove(0);
        policy.definition.insert("no-such-key".to_owned(), Argument::Int(1));
        let error = vhost.management.put_policy(&vhost.name, &policy).await.unwrap_err();
        assert!(matches!(error.kind, ApiErrorKind::Invalid(_)), "{error}");

        let error = vhost.management.delete_unused_exchange(&vhost.name, "a.b").await.unwrap_err();
        assert!(matches!(error.kind, ApiErrorKind::InUse(_)), "{error}");
        let unused = vhost.management.delete_unused_exchange(&vhost.name, "a.b.internal");
        unused.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn every_way_to_be_refused_is_told_apart() {
    for_each_broker(async |vhost| {
        let kind = async |login: &Login| {
            let management = Management::new(login).unwrap();
            let binding = binding("", Arguments::new());
            management.bind(&vhost.name, &binding).await.unwrap_err().kind
        };
        let wrong = Login { password: Secret::new("wrong"), ..vhost.login.clone() };
        assert_eq!(kind(&wrong).await, ApiErrorKind::Unauthorized);
        assert_eq!(kind(&vhost.login).await, ApiErrorKind::NotFound);
        let uri = Some("http://127.0.0.1:1".to_owned());
        let closed = Login { management_uri: uri, ..vhost.login.clone() };
        assert_eq!(kind(&closed).await, ApiErrorKind::ConnectionRefused);
        let uri = Some("http://no-such-host.invalid".to_owned());
        let nowhere = Login { management_uri: uri, ..vhost.login.clone() };
        assert_eq!(kind(&nowhere).await, ApiErrorKind::Dns);

        let stranger = vhost.user("^$", "^$", "^$").await;
        let management = Management::new(&stranger).unwrap();
        let error = management.overview().await.unwrap_err();
        assert!(
            matches!(error.kind, ApiErrorKind::PermissionDenied(_) | ApiErrorKind::Unauthorized),
            "{error}"
        );
        let policymaker = vhost.user("^own$", "^$", "^$").await;
        let tagged = vhost.management.put_user(
            &policymaker.username,
            &policymaker.password,
            &["policymaker"],
        );
        tagged.await.unwrap();
        let management = Management::new(&policymaker).unwrap();
        let queue = topology().queues.remove(0);
        let error = management.put_queue(&vhost.name, &queue).await.unwrap_err();
        assert!(matches!(error.kind, ApiErrorKind::PermissionDenied(_)), "{error}");
    })
    .await;
}

#[tokio::test]
async fn users_and_permissions_read_back_and_go_away() {
    for_each_broker(async |vhost| {
        let management = &vhost.management;
        let login = vhost.user(r"^$", r"^a\.b$", "^$").await;
        let user = management.user(&login.username).await.unwrap().unwrap();
        assert_eq!(user.tags, Vec::<String>::new());
        let permissions = management.user_permissions(&vhost.name, &login.username).await.unwrap();
        assert_eq!(permissions.as_ref().unwrap().write, r"^a\.b$");
        let all = management.permissions(&vhost.name).await.unwrap();
        assert!(all.contains(&(login.username.clone(), permissions.unwrap())));
        for _ in 0..2 {
            management.delete_user(&login.username).await.unwrap();
        }
        assert_eq!(management.user(&login.username).await.unwrap(), None);
        let gone = management.user_permissions(&vhost.name, &login.username).await.unwrap();
        assert_eq!(gone, None);
    })
    .await;
}

#[tokio::test]
async fn statistics_and_totals_arrive_in_the_end() {
    for_each_broker(async |vhost| {
        vhost.queue("q", []).await;
        // A broker may lose what a channel counted if it ends before it was asked for its counters.
        let publisher = vhost.patient_publisher().await;
        publisher.publish(publication("", "q", "m1")).await.unwrap();
        let management = &vhost.management;
        wait_until(PATIENCE, "the totals tell of the message", async || {
            let totals = management.queue_totals(&vhost.name).await.unwrap();
            totals.iter().any(|queue| queue.name == "q" && queue.ready == Some(1))
        })
        .await;
        wait_until(PATIENCE, "the statistics tell of the message", async || {
            let queue = management.queue(&vhost.name, "q").await.unwrap().unwrap();
            queue.ready == Some(1)
                && queue.total == Some(1)
                && queue.consumers == Some(0)
                && queue.state.as_deref() == Some("running")
                && queue.leader.is_some_and(|leader| queue.online.contains(&leader))
        })
        .await;
        wait_until(PATIENCE, "the statistics count what was published", async || {
            let queue = management.queue(&vhost.name, "q").await.unwrap().unwrap();
            queue.published == Some(1)
        })
        .await;
        publisher.close(PATIENCE).await;
        let queues = management.queues(&vhost.name).await.unwrap();
        assert_eq!(queues.len(), 1);
        assert_eq!(management.queue(&vhost.name, "missing").await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_broker_tells_its_version_and_who_is_logged_in() {
    for_each_broker(async |vhost| {
        let overview = vhost.management.overview().await.unwrap();
        assert!(overview.version >= BrokerVersion::OLDEST);
        assert!(overview.version.to_string().starts_with(&vhost.version));
        let me = vhost.management.whoami().await.unwrap();
        assert_eq!(me.name, vhost.login.username);
        assert!(me.tags.contains(&"administrator".to_owned()));
        assert!(vhost.management.vhost_exists(&vhost.name).await.unwrap());
        assert!(!vhost.management.vhost_exists("no such/vhost").await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn names_with_reserved_characters_stay_one_segment() {
    for_each_broker(async |vhost| {
        for name in ["a/b", "a b", "a%2Fb", "ä+?#", "a..b"] {
            vhost.queue(name, []).await;
            let found = vhost.management.queue(&vhost.name, name).await.unwrap();
            assert_eq!(found.unwrap().name, name);
            vhost.management.delete_queue(&vhost.name, name).await.unwrap();
        }
        assert_eq!(vhost.management.objects(&vhost.name).await.unwrap().queues.len(), 0);
    })
    .await;
}
