//! The proof that a queue is empty, without which no queue is deleted.
//!
//! The broker refuses to delete a quorum queue on the condition that it is empty, so the condition
//! is judged here. Each source may be wrong alone: statistics are up to ten seconds old and say 0
//! before they know, a passive declare leaves out what is unacknowledged and says 0 for a moment
//! while a leader changes. So every item counts, what is missing proves nothing, and the whole must
//! be seen again later, under the same leader. Nothing here talks to a broker.

use std::{collections::BTreeMap, fmt, time::Duration};

use jiff::Timestamp;
use warren_broker::{management::QueueStatistics, probe::Depth};

/// The least time between the two looks of a proof: longer than statistics may be late.
pub const AGAIN: Duration = Duration::from_secs(15);
/// The same where the queue itself cannot be asked over AMQP.
pub const AGAIN_BLIND: Duration = Duration::from_secs(30);

/// The state of a queue that works.
const RUNNING: &str = "running";

/// What was read of a queue at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// What the statistics say; nothing when there are none.
    pub statistics: Option<QueueStatistics>,
    /// What the queue itself says.
    pub answer: Answer,
}

/// What a queue itself says, asked by passive declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// This.
    Told(Depth),
    /// There is no AMQP connection to ask on.
    NoConnection,
    /// Nothing: it was not asked, or did not answer.
    None,
}

/// What a look says about a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It is empty, and nothing could fill it.
    Empty,
    /// It is empty, but something could fill it.
    Quiet(Doubt),
    /// It has this many messages, and nobody takes them.
    Holds(u64),
    /// It cannot be told.
    Unknown(Doubt),
}

/// What keeps a proof from being one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// The statistics do not have it.
    NoStatistics,
    /// It does not work, or does not say so.
    NotRunning(String),
    /// Nobody leads it, or not a node that is there.
    NoLeader,
    /// Too few of its nodes are there.
    NoMajority,
    /// A count is missing.
    NoCount,
    /// The queue itself did not answer.
    NoAnswer,
    /// Consumers take its messages.
    Taken {
        /// How many messages it has.
        messages: u64,
    },
    /// It seems to have messages.
    Messages(u64),
    /// It has consumers.
    Consumers(u64),
    /// An exchange leads to it.
    Bound {
        /// The exchange.
        from: String,
    },
    /// It was not seen like this for long enough.
    TooSoon,
}

/// What a look says, and whether it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What it says.
    pub finding: Finding,
    /// Whether it is proven.
    pub stands: bool,
}

/// For how long looks at a queue have said the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    kind: Kind,
    leader: String,
    since: Timestamp,
    /// Whether the queue itself could not be asked at some of the looks.
    is_blind: bool,
}

/// The runs of several queues, by name.
pub type Runs = BTreeMap<String, Run>;

/// A finding without its figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Empty,
    Quiet,
    Holds,
}

impl Look {
    /// Whether nobody takes messages of the queue any more, nor still works on one. A worker that
    /// ends stops consuming first and settles what it holds then; of one that has just begun the
    /// statistics do not know yet, so the queue itself is believed.
    pub fn is_at_rest(&self) -> bool {
        let is_left = match self.answer {
            Answer::Told(depth) => depth.consumers == 0,
            Answer::NoConnection => true,
            Answer::None => false,
        };
        let idle = |statistics: &QueueStatistics| {
            statistics.consumers == Some(0) && statistics.unacknowledged == Some(0)
        };
        is_left && self.statistics.as_ref().is_some_and(idle)
    }
}

impl Verdict {
    /// Whether the queue may be deleted.
    pub fn is_proven_empty(&self) -> bool {
        self.stands && self.finding == Finding::Empty
    }

    /// Whether it has been empty for long enough that nobody has to wait for its workers.
    pub fn is_drained(&self) -> bool {
        self.stands && matches!(self.finding, Finding::Empty | Finding::Quiet(_))
    }

    /// How many messages it is proven to have, which nobody takes.
    pub fn held(&self) -> Option<u64> {
        match self.finding {
            Finding::Holds(messages) if self.stands => Some(messages),
            Finding::Empty | Finding::Quiet(_) | Finding::Holds(_) | Finding::Unknown(_) => None,
        }
    }
}

/// Judges a look by the run of looks before it; `sources` are the exchanges that lead to the queue,
/// but for the nameless one.
pub fn judge(before: Option<&Run>, look: &Look, sources: &[&str]) -> (Verdict, Option<Run>) {
    let finding = find(look, sources);
    let Some(kind) = kind_of(&finding) else {
        return (Verdict { finding, stands: false }, None);
    };
    let leader = look.statistics.as_ref().and_then(|statistics| statistics.leader.clone());
    let run = leader.map(|leader| follow(before, kind, leader, look));
    // The queue's own word for messages in it needs no second one.
    let is_certain = matches!(look.answer, Answer::Told(depth) if depth.ready > 0);
    let lasts = run.as_ref().is_some_and(|run| run.lasts(look.at));
    (Verdict { finding, stands: is_certain || lasts }, run)
}

fn follow(before: Option<&Run>, kind: Kind, leader: String, look: &Look) -> Run {
    let is_blind = look.answer == Answer::NoConnection;
    match before.filter(|run| run.kind == kind && run.leader == leader) {
        Some(run) => Run { is_blind: is_blind || run.is_blind, ..run.clone() },
        None => Run { kind, leader, since: look.at, is_blind },
    }
}

impl Run {
    fn lasts(&self, now: Timestamp) -> bool {
        let needed = if self.is_blind { AGAIN_BLIND } else { AGAIN };
        Duration::try_from(now.duration_since(self.since)).is_ok_and(|seen| seen >= needed)
    }
}

fn kind_of(finding: &Finding) -> Option<Kind> {
    match finding {
        Finding::Empty => Some(Kind::Empty),
        Finding::Quiet(_) => Some(Kind::Quiet),
        Finding::Holds(_) => Some(Kind::Holds),
        Finding::Unknown(_) => None,
    }
}

fn find(look: &Look, sources: &[&str]) -> Finding {
    let told = match look.answer {
        Answer::Told(depth) => Some(depth),
        Answer::NoConnection | Answer::None => None,
    };
    if let Some(depth) = told.filter(|depth| depth.ready > 0) {
        let total = look.statistics.as_ref().and_then(|statistics| statistics.total);
        let messages = total.unwrap_or_default().max(depth.ready.into());
        return of_messages(messages, depth.consumers.into());
    }
    let (messages, consumers) = match counts(look.statistics.as_ref()) {
        Ok(counts) => counts,
        Err(doubt) => return Finding::Unknown(doubt),
    };
    let consumers = consumers.max(told.map_or(0, |depth| depth.consumers.into()));
    if messages > 0 {
        return of_messages(messages, consumers);
    }
    if look.answer == Answer::None {
        return Finding::Unknown(Doubt::NoAnswer);
    }
    match sources.first() {
        _ if consumers > 0 => Finding::Quiet(Doubt::Consumers(consumers)),
        Some(from) => Finding::Quiet(Doubt::Bound { from: (*from).to_owned() }),
        None => Finding::Empty,
    }
}

fn of_messages(messages: u64, consumers: u64) -> Finding {
    if consumers == 0 {
        Finding::Holds(messages)
    } else {
        Finding::Unknown(Doubt::Taken { messages })
    }
}

/// Messages and consumers, of a queue that is whole enough to know them.
fn counts(statistics: Option<&QueueStatistics>) -> Result<(u64, u64), Doubt> {
    let statistics = statistics.ok_or(Doubt::NoStatistics)?;
    let QueueStatistics { state, leader, members, online, total, consumers, .. } = statistics;
    if state.as_deref() != Some(RUNNING) {
        return Err(Doubt::NotRunning(state.clone().unwrap_or_else(|| "unknown".to_owned())));
    }
    if !leader.as_ref().is_some_and(|leader| online.contains(leader)) {
        return Err(Doubt::NoLeader);
    }
    let there = members.iter().filter(|member| online.contains(member)).count();
    if there * 2 <= members.len() {
        return Err(Doubt::NoMajority);
    }
    total.zip(*consumers).ok_or(Doubt::NoCount)
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Doubt::NoStatistics => f.write_str("the broker tells no statistics of it"),
            Doubt::NotRunning(state) => write!(f, "its state is {state}"),
            Doubt::NoLeader => f.write_str("it has no leader that is there"),
            Doubt::NoMajority => f.write_str("most of its nodes are away"),
            Doubt::NoCount => f.write_str("the broker does not tell its messages and consumers"),
            Doubt::NoAnswer => f.write_str("it does not answer over AMQP"),
            Doubt::Taken { messages } => write!(f, "consumers take its {messages} messages"),
            Doubt::Messages(messages) => write!(f, "it seems to have {messages} messages"),
            Doubt::Consumers(1) => f.write_str("it has a consumer"),
            Doubt::Consumers(count) => write!(f, "it has {count} consumers"),
            Doubt::Bound { from } => write!(f, "exchange {from} leads to it"),
            Doubt::TooSoon => f.write_str("it has to be seen the same once more"),
        }
    }
}

#[cfg(test)]
mod tests;
