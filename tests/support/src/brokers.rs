//! The brokers that the runner has started.

use std::{panic::AssertUnwindSafe, path::Path};

use futures_util::{FutureExt, future::join_all};
use warren_broker::{login::Login, management::Management};

use crate::vhost::TestVhost;

/// The variable that names the brokers: `<version>=<directory>`, separated by commas. Each
/// directory holds the files of a broker login.
pub const VARIABLE: &str = "WARREN_TEST_BROKERS";

/// A broker to test against.
#[derive(Debug, Clone)]
pub struct TestBroker {
    /// Its version, such as `4.3`.
    pub version: String,
    /// The login of its administrator, in virtual host `/`.
    pub login: Login,
    /// Its management API.
    pub management: Management,
}

/// Every broker that the runner has started.
///
/// Panics when there is none, with what to do about it.
pub fn brokers() -> Vec<TestBroker> {
    #[allow(
        clippy::disallowed_methods,
        reason = "test functions have no arguments to be given the brokers by"
    )]
    let named = std::env::var(VARIABLE).unwrap_or_default();
    let brokers: Vec<TestBroker> = named
        .split(',')
        .filter_map(|entry| entry.split_once('='))
        .map(|(version, dir)| broker(version.trim(), Path::new(dir.trim())))
        .collect();
    assert!(
        !brokers.is_empty(),
        "this test needs RabbitMQ: run `cargo xtask test`, or start brokers with `cargo xtask \
         broker up --all` and set {VARIABLE}=<version>=<directory>[,…] to what it prints"
    );
    brokers
}

fn broker(version: &str, dir: &Path) -> TestBroker {
    let login = Login::read_dir(dir);
    let login =
        login.unwrap_or_else(|error| panic!("{VARIABLE}, {version}, {}: {error}", dir.display()));
    TestBroker {
        version: version.to_owned(),
        management: Management::new(&login).expect("the login of a test broker is usable"),
        login,
    }
}

/// Runs a test on every broker at the same time, each in a virtual host of its own, which is
/// deleted afterwards with the users that may enter it. A failure names the version.
pub async fn for_each_broker(test: impl AsyncFn(&TestVhost)) {
    let test = &test;
    let run = async |broker: TestBroker| {
        let vhost = TestVhost::create(&broker).await;
        let outcome = AssertUnwindSafe(test(&vhost)).catch_unwind().await;
        if outcome.is_err() {
            println!("failed on RabbitMQ {}", broker.version);
        }
        vhost.delete().await;
        outcome.err()
    };
    let failures = join_all(brokers().into_iter().map(run)).await;
    if let Some(panic) = failures.into_iter().flatten().next() {
        std::panic::resume_unwind(panic);
    }
}
