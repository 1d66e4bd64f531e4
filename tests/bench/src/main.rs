//! A bare client: the least that publishes or consumes without losing a message.
//!
//! It is the floor that `cargo xtask bench` prints Warren's figures beside. Every publish is
//! persistent, mandatory and confirmed, and every delivery is acknowledged. What a program needs
//! beyond that is not here: TLS, reconnecting, ids, metrics, a log.

use std::io::{Write, sink, stdin, stdout};
use std::time::{Duration, Instant};
use std::{collections::VecDeque, fs, path::PathBuf};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};
use futures_util::StreamExt;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions};
use lapin::options::{BasicQosOptions, ConfirmSelectOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::uri::{AMQPAuthority, AMQPQueryString, AMQPScheme, AMQPUri, AMQPUserInfo};
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties, Consumer};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

/// Deliveries that one acknowledgement is for.
const ACK_EVERY: u32 = 50;
/// AMQP's delivery mode of a message that outlives the broker's process.
const PERSISTENT: u8 = 2;

/// Publishes or consumes with nothing around it, and says how fast that was
#[derive(Parser)]
struct Args {
    /// A folder with the files host, port, username, password and vhost
    broker_dir: PathBuf,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Publish to an exchange, with at most a window of unconfirmed messages
    Publish { exchange: String, count: u32, window: u32, bytes: usize },
    /// Consume from a queue
    Consume { queue: String, count: u32, prefetch: u16 },
    /// Consume from an empty queue, until standard input is closed
    Idle { queue: String, prefetch: u16 },
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let connection = connect(&args).await.context("connect")?;
    let channel = connection.create_channel().await?;
    match args.mode {
        Mode::Publish { exchange, count, window, bytes } => {
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            let begin = Moment::now();
            publish(&channel, &exchange.into(), &vec![b'x'; bytes], count, window).await?;
            begin.tell(count)?;
        }
        Mode::Consume { queue, count, prefetch } => {
            let consumer = consume(&channel, queue, prefetch).await?;
            drain(consumer, count).await?.tell(count)?;
        }
        Mode::Idle { queue, prefetch } => {
            let _consumer = consume(&channel, queue, prefetch).await?;
            std::io::copy(&mut stdin(), &mut sink())?;
        }
    }
    connection.close(200, "done".into()).await.context("disconnect")
}

async fn connect(args: &Args) -> anyhow::Result<Connection> {
    let file = |name| {
        let text = fs::read_to_string(args.broker_dir.join(name));
        text.map(|text| text.trim_end().to_owned()).with_context(|| format!("read {name}"))
    };
    let userinfo = AMQPUserInfo { username: file("username")?, password: file("password")? };
    let (host, port) = (file("host")?, file("port")?.parse().context("read port")?);
    let authority = AMQPAuthority { userinfo, host, port };
    let (scheme, query) = (AMQPScheme::AMQP, AMQPQueryString::default());
    let uri = AMQPUri { scheme, authority, vhost: file("vhost")?, query };
    Ok(Connection::connect_uri(uri, ConnectionProperties::default()).await?)
}

/// Each turn awaits the confirm of `window` turns before, then publishes the next message.
async fn publish(
    channel: &Channel,
    exchange: &ShortString,
    body: &[u8],
    count: u32,
    window: u32,
) -> anyhow::Result<()> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let properties = BasicProperties::default().with_delivery_mode(PERSISTENT);
    let mut unconfirmed = VecDeque::new();
    for turn in 0..count + window {
        if let Some(first) = unconfirmed.pop_front_if(|_| turn >= window) {
            let answer = first.await?;
            ensure!(matches!(answer, Confirmation::Ack(None)), "not taken: {answer:?}");
        }
        if turn < count {
            let (exchange, key) = (exchange.clone(), ShortString::default());
            let sent = channel.basic_publish(exchange, key, options, body, properties.clone());
            unconfirmed.push_back(sent.await?);
        }
    }
    Ok(())
}

async fn consume(channel: &Channel, queue: String, prefetch: u16) -> anyhow::Result<Consumer> {
    channel.basic_qos(prefetch, BasicQosOptions::default()).await?;
    let (tag, options) = (ShortString::default(), BasicConsumeOptions::default());
    Ok(channel.basic_consume(queue.into(), tag, options, FieldTable::default()).await?)
}

/// Takes `count` messages; gives the moment at which the first was there.
async fn drain(mut consumer: Consumer, count: u32) -> anyhow::Result<Moment> {
    let mut begin = None;
    for taken in 1..=count {
        let delivery = consumer.next().await.context("the consumer was cancelled")??;
        begin.get_or_insert_with(Moment::now);
        if taken % ACK_EVERY == 0 || taken == count {
            delivery.acker.ack(BasicAckOptions { multiple: true }).await?;
        }
    }
    begin.context("nothing was to be consumed")
}

struct Moment {
    time: Instant,
    /// What all threads of this process have used so far (`clock_gettime(2)`).
    cpu: Duration,
}

impl Moment {
    fn now() -> Self {
        let cpu = clock_gettime(ClockId::ProcessCPUTime).try_into().unwrap_or_default();
        Self { time: Instant::now(), cpu }
    }

    /// Says what was needed for `count` messages since then.
    fn tell(&self, count: u32) -> anyhow::Result<()> {
        let seconds = self.time.elapsed().as_secs_f64();
        let cpu = Self::now().cpu.saturating_sub(self.cpu).as_secs_f64();
        let (rate, micros) = (f64::from(count) / seconds, cpu * 1e6 / f64::from(count));
        let figures = json!({
            "count": count, "seconds": seconds, "rate": rate, "cpuMicrosPerMessage": micros,
        });
        Ok(writeln!(stdout(), "{figures}")?)
    }
}
