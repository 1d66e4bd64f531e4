//! Starts session after session, for as long as the process is wanted.

use std::time::{Duration, Instant};

use tokio::{sync::watch, time::sleep};
use warren_broker::{
    backoff::Backoff,
    consumer::{ConsumeSession, SessionEnd, SessionError, Source},
    login::Login,
};
use warren_core::ledger::SessionNumber;
use warren_service::health::Readiness;

use crate::{
    dispatch::Dispatcher,
    handler::Handler,
    happenings,
    metrics::Purpose,
    session::{Session, Shell, show},
};

/// A session that lasted this long was a good one: the next fault starts the back-off anew.
const GOOD: Duration = Duration::from_secs(2);

/// Works until shutdown.
pub(crate) async fn supervise<H: Handler>(shell: &Shell<H>, mut logins: watch::Receiver<Login>) {
    let mut dispatcher = Dispatcher::new(&shell.config);
    let mut backoff = Backoff::new();
    let mut told = None;
    let mut number = 0;
    while !shell.shutdown.draining().is_cancelled() {
        number += 1;
        let login = logins.borrow_and_update().clone();
        match open(shell, &login, SessionNumber(number)).await {
            Ok(broker) => {
                told = None;
                let ended = run(shell, broker, &mut dispatcher, &mut logins, &mut backoff).await;
                if ended == SessionEnd::Shutdown {
                    return;
                }
            }
            Err(error) => {
                tell(shell, &error, &mut told);
            }
        }
        wait(shell, backoff.next_wait(), &mut logins).await;
    }
}

async fn open<H>(
    shell: &Shell<H>,
    login: &Login,
    session: SessionNumber,
) -> Result<ConsumeSession, SessionError> {
    let config = &shell.config;
    let name = format!("{}/{}/{}/consume", config.prefix, config.queue, shell.pod);
    let queue = config.prefix.main(&config.queue);
    ConsumeSession::open(login, Source { name: &name, queue: &queue, session }).await
}

async fn run<H: Handler>(
    shell: &Shell<H>,
    broker: ConsumeSession,
    dispatcher: &mut Dispatcher,
    logins: &mut watch::Receiver<Login>,
    backoff: &mut Backoff,
) -> SessionEnd {
    happenings::session_begins(&shell.config.queue, broker.number());
    shell.metrics.connection(Purpose::Consume, true);
    let begun = Instant::now();
    let ended = Session::new(shell, broker, dispatcher).run(logins).await;
    let end = ended.end;
    shell.metrics.session_ended(end);
    happenings::session_ended(&ended);
    if begun.elapsed() >= GOOD || end == SessionEnd::Credentials {
        backoff.reset();
    }
    if end != SessionEnd::Shutdown {
        show(&shell.readiness, Readiness::not_ready("connecting").because(end.as_str()));
    }
    end
}

/// Says why there is no session, once for each reason.
fn tell<H>(shell: &Shell<H>, error: &SessionError, told: &mut Option<&'static str>) {
    let reason = error.reason();
    if *told != Some(reason) {
        happenings::no_session(error);
        *told = Some(reason);
    }
    let readiness = Readiness::not_ready("connecting").because(reason).detail(error.to_string());
    show(&shell.readiness, readiness);
}

/// Waits before the next try; new credentials or the end of the process cut it short.
async fn wait<H>(shell: &Shell<H>, pause: Duration, logins: &mut watch::Receiver<Login>) {
    tokio::select! {
        () = sleep(pause) => {}
        () = shell.shutdown.draining().cancelled() => {}
        Ok(()) = logins.changed() => {}
    }
}
