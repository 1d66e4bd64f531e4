//! What a pass leaves behind.

use kube::{
    core::DeserializeGuard,
    runtime::{reflector::store::Writer, watcher::Event},
};
use serde_json::{Value, json};
use warren_api::metadata::{FINALIZER, GROUP, KIND, VERSION};

use super::*;
use crate::{
    cluster::{fake::Fake, scope::Scope, stores::Shelf, wakes::Wakes},
    fixtures,
    scale::Surroundings,
    settings::{Identity, Settings},
};

const UID: &str = "11111111-2222-3333-4444-555555555555";

/// Passes of which one of each sort may run at once.
pub(super) fn passes(fake: &Fake, stores: Stores) -> Passes {
    let client = fake.client();
    let identity = Identity::Cluster { id: "c1".to_owned() };
    let settings = Settings { identity, ..fixtures::settings() };
    let context = Arc::new(Context { settings, brokers: crate::brokers::Brokers::default() });
    let (announcer, _) = Announcer::start(client.clone(), "pod".to_owned());
    let metrics = OperatorMetrics::new().unwrap();
    let scalers = Scalers::new(Surroundings {
        client: client.clone(),
        stores: stores.clone(),
        wakes: Wakes::new(&[Scope::Cluster]),
        announcer: announcer.clone(),
        metrics: metrics.clone(),
        context: Arc::clone(&context),
        pod_name: "pod".to_owned(),
    });
    Passes {
        client,
        stores,
        context,
        scalers,
        announcer,
        metrics,
        logbook: Logbook::default(),
        turns: Semaphore::new(1),
        last_turns: Semaphore::new(1),
        interval: Duration::from_mins(1),
    }
}

/// The pipeline `shop/orders`, whose broker's Secret does not exist.
fn orders() -> Value {
    json!({
        "apiVersion": format!("{GROUP}/{VERSION}"), "kind": KIND,
        "metadata": {
            "name": "orders", "namespace": "shop", "uid": UID, "generation": 1,
            "finalizers": [FINALIZER],
        },
        "spec": {
            "broker": {"secretRef": {"name": "rabbitmq"}},
            "queues": [{"name": "email", "handler": {"log": {}}}],
        },
    })
}

/// Stores with nothing but what is in `pipelines`.
fn stores(pipelines: &Writer<Read>) -> Stores {
    let shelf = Shelf { pipelines: pipelines.as_reader(), ..Shelf::empty() };
    Stores::new(vec![(Scope::Cluster, shelf)])
}

fn series(passes: &Passes) -> usize {
    let text = passes.metrics.registry().encode().unwrap();
    text.lines().filter(|line| line.contains("pipeline=\"orders\"")).count()
}

#[tokio::test]
async fn nothing_is_kept_of_a_pipeline_that_goes_during_its_own_pass() {
    let read: Read = serde_json::from_value::<DeserializeGuard<_>>(orders()).unwrap();
    let mut pipelines = Writer::default();
    let passes = passes(&Fake::default(), stores(&pipelines));

    pipelines.apply_watcher_event(&Event::Apply(read.clone()));
    passes.over(&read).await;
    assert_ne!(series(&passes), 0);
    assert!(passes.scalers.keeps(UID));

    pipelines.apply_watcher_event(&Event::Delete(read.clone()));
    passes.forget(&Gone { pipeline: PipelineId::new("shop", "orders").unwrap(), uid: UID.into() });
    passes.over(&read).await;
    assert_eq!(series(&passes), 0);
    assert!(!passes.scalers.keeps(UID));
    assert_eq!(passes.logbook.status(UID), None);
}
