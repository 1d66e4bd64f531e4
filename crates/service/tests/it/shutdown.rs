//! Real signals to this process. One test, because every listener of a process hears them all.

use rustix::process::{Signal, getpid, kill_process};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use warren_service::shutdown::Shutdown;

use crate::client::PATIENCE;

async fn wait_for(wish: &CancellationToken) {
    timeout(PATIENCE, wish.cancelled()).await.expect("the signal is heard");
}

#[tokio::test]
async fn signals_mean_quiet_then_drain_then_hurry() {
    let (_trigger, shutdown) = Shutdown::from_signals().unwrap();

    kill_process(getpid(), Signal::USR1).unwrap();
    wait_for(shutdown.quiet()).await;
    assert!(!shutdown.draining().is_cancelled());

    kill_process(getpid(), Signal::TERM).unwrap();
    wait_for(shutdown.draining()).await;
    assert!(!shutdown.hurry().is_cancelled());

    kill_process(getpid(), Signal::INT).unwrap();
    wait_for(shutdown.hurry()).await;
}
