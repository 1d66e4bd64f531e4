//! Keeps one connection alive for the channels, and replaces it at any doubt.

use std::{future::pending, sync::Arc, time::Duration};

use lapin::{Channel, Connection};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::{
    PublishError, PublisherState, Shared, Trouble,
    lane::{self, Doubt, Lane},
};
use crate::{
    backoff::Backoff,
    connection::{self, ConnectError, Notice, Notices},
    login::Login,
};

/// How long closing may take once every message has its outcome.
pub(super) const CLOSE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that lived this long shows that connecting works again.
const PROVEN: Duration = Duration::from_secs(2);

/// Connects, and connects again, until the publisher ends.
pub(super) async fn run(shared: Arc<Shared>, login: watch::Receiver<Login>) {
    let mut supervisor = Supervisor { shared, login };
    supervisor.keep_connected().await;
    let shared = supervisor.shared;
    shared.refuse_waiting(&PublishError::Disconnected {
        detail: "the publisher is closed".to_owned(),
        sent: false,
    });
    shared.state.send_replace(PublisherState::Closed);
}

struct Supervisor {
    shared: Arc<Shared>,
    login: watch::Receiver<Login>,
}

/// A connection with its channels.
struct Session {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    /// From before the first publish on, so that no alarm is missed.
    notices: Notices,
    lanes: JoinSet<Result<(), Doubt>>,
    /// Held until the connection is closed: a channel that is dropped is being closed, and the
    /// library gives up a connection that is closed meanwhile.
    channels: Vec<Channel>,
    stop: CancellationToken,
}

/// How a session ended.
enum End {
    /// The publisher is closed.
    Wanted,
    /// The connection is gone, or can no longer be trusted.
    Lost(Trouble),
    /// Another one, with the new login, has taken its place.
    Replaced(Session),
}

/// What can happen while a session lives.
enum Happening {
    Notice(Notice),
    /// A channel can no longer be trusted.
    Doubt(String),
    LoginChanged,
    /// It is time to try the changed login.
    LoginDue,
    Ended,
}

impl Supervisor {
    async fn keep_connected(&mut self) {
        let mut backoff = Backoff::new();
        while !self.shared.ended.is_cancelled() {
            let Some(trouble) = self.connect_and_live(&mut backoff).await else {
                return;
            };
            self.tell(trouble);
            tokio::select! {
                () = sleep(backoff.next_wait()) => {}
                () = changed(&mut self.login) => {}
                () = self.shared.ended.cancelled() => {}
            }
        }
    }

    /// Gives the trouble that ended it; nothing when the end was wanted.
    async fn connect_and_live(&mut self, backoff: &mut Backoff) -> Option<Trouble> {
        let ended = self.shared.ended.clone();
        let opened = tokio::select! {
            opened = self.open() => opened,
            () = ended.cancelled() => return None,
        };
        let mut session = match opened {
            Ok(session) => session,
            Err(trouble) => return Some(trouble),
        };
        let since = Instant::now();
        loop {
            self.shared.state.send_replace(PublisherState::Up);
            let end = self.live(session).await;
            if since.elapsed() >= PROVEN {
                backoff.reset();
            }
            match end {
                End::Wanted => return None,
                End::Lost(trouble) => return Some(trouble),
                End::Replaced(next) => session = next,
            }
        }
    }

    /// Says that there is no connection, to those who watch and to those who wait.
    fn tell(&self, trouble: Trouble) {
        warn!(
            name = self.shared.settings.name,
            reason = trouble.reason,
            detail = trouble.detail,
            "no connection to publish on"
        );
        let detail = trouble.detail.clone();
        let last_error = Some(trouble);
        self.shared.state.send_replace(PublisherState::Connecting { last_error });
        self.shared.refuse_waiting(&PublishError::Disconnected { detail, sent: false });
    }

    async fn open(&mut self) -> Result<Session, Trouble> {
        let login = self.login.borrow_and_update().clone();
        let session = Session::open(&self.shared, &login).await?;
        info!(name = self.shared.settings.name, %login, "connected to publish");
        Ok(session)
    }

    /// Watches over a session until it ends.
    async fn live(&mut self, mut session: Session) -> End {
        let mut backoff = Backoff::new();
        let mut login_due = None;
        loop {
            match self.next(&mut session, login_due).await {
                Happening::Notice(Notice::Blocked(reason)) => self.block(reason),
                Happening::Notice(Notice::Unblocked) => self.unblock(),
                Happening::Notice(Notice::ChannelLost) => {}
                Happening::Notice(Notice::Lost(detail)) | Happening::Doubt(detail) => {
                    session.retire(Duration::ZERO).await;
                    return End::Lost(Trouble::lost(detail));
                }
                Happening::LoginChanged => login_due = Some(Instant::now()),
                Happening::LoginDue => match self.open().await {
                    Ok(next) => {
                        session.retire(self.shared.settings.deadline).await;
                        return End::Replaced(next);
                    }
                    Err(trouble) => {
                        self.keep_old(&trouble);
                        login_due = Some(Instant::now() + backoff.next_wait());
                    }
                },
                Happening::Ended => {
                    session.retire(Duration::ZERO).await;
                    return End::Wanted;
                }
            }
        }
    }

    async fn next(&mut self, session: &mut Session, login_due: Option<Instant>) -> Happening {
        tokio::select! {
            notice = session.notices.next() => Happening::Notice(notice),
            Some(lane) = session.lanes.join_next() => Happening::Doubt(match lane {
                Ok(Err(Doubt(detail))) => detail,
                Ok(Ok(())) => "a channel stopped".to_owned(),
                Err(panic) => panic.to_string(),
            }),
            () = changed(&mut self.login) => Happening::LoginChanged,
            () = wait_until(login_due) => Happening::LoginDue,
            () = self.shared.ended.cancelled() => Happening::Ended,
        }
    }

    fn block(&self, reason: String) {
        warn!(name = self.shared.settings.name, reason, "the broker takes no messages for now");
        let detail = reason.clone();
        self.shared.state.send_replace(PublisherState::Blocked { reason });
        self.shared.refuse_waiting(&PublishError::Blocked { detail });
    }

    fn unblock(&self) {
        info!(name = self.shared.settings.name, "the broker takes messages again");
        self.shared.state.send_replace(PublisherState::Up);
    }

    fn keep_old(&self, trouble: &Trouble) {
        warn!(
            name = self.shared.settings.name,
            reason = trouble.reason,
            detail = trouble.detail,
            "keeping the old connection: the new login does not work"
        );
    }
}

impl Session {
    async fn open(shared: &Arc<Shared>, login: &Login) -> Result<Self, Trouble> {
        let connection = connection::connect(login, &shared.settings.name).await?;
        let connection = Arc::new(connection);
        let mut session = Self {
            shared: Arc::clone(shared),
            notices: Notices::of(&connection),
            connection,
            lanes: JoinSet::new(),
            channels: Vec::new(),
            stop: CancellationToken::new(),
        };
        for _ in 0..shared.settings.channels.max(1) {
            session.add_lane().await?;
        }
        Ok(session)
    }

    async fn add_lane(&mut self) -> Result<(), Trouble> {
        let opening = lane::open(&self.connection);
        let channel = match timeout(connection::CONNECT_TIMEOUT, opening).await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => return Err(Trouble::lost(error.to_string())),
            Err(_) => return Err(Trouble::lost("no channel was opened in time".to_owned())),
        };
        self.channels.push(channel.clone());
        let lane = Lane {
            shared: Arc::clone(&self.shared),
            connection: Arc::clone(&self.connection),
            channel,
            stop: self.stop.clone(),
        };
        self.lanes.spawn(lane.run());
        Ok(())
    }

    /// Lets the batches under way finish, and closes the connection.
    async fn retire(mut self, within: Duration) {
        self.stop.cancel();
        let idle = async { while self.lanes.join_next().await.is_some() {} };
        // What is not confirmed by then is answered as unknown when the lanes are dropped.
        let _ = timeout(within, idle).await;
        self.lanes.shutdown().await;
        connection::close(&self.connection).await;
    }
}

/// A login that changes; never, when nobody can change it any more.
async fn changed(login: &mut watch::Receiver<Login>) {
    if login.changed().await.is_err() {
        pending::<()>().await;
    }
}

/// Waits for a moment; for ever without one.
async fn wait_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

impl Trouble {
    fn lost(detail: String) -> Self {
        let reason = "ConnectionLost";
        Self { reason, detail }
    }
}

impl From<ConnectError> for Trouble {
    fn from(error: ConnectError) -> Self {
        Self { reason: error.reason(), detail: error.to_string() }
    }
}
