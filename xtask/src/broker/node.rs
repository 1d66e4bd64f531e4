//! One RabbitMQ server: its configuration, its start, its readiness, its end.
//!
//! A node survives the run of xtask that started it: it leads a session of its own, and what it
//! says goes to a file.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::Signal;

use super::ports::Ports;
use super::probe;
use super::release::Release;
use super::sandbox::{Folders, Sandbox};
use super::state::{Files, Record, USER};
use crate::deadline;
use crate::paths;
use crate::process::Process;

/// A first start takes about 5 s; three of them on two busy cores a minute.
const START_LIMIT: Duration = Duration::from_mins(3);
/// A gentle stop takes up to 10 s when messages must be written.
const STOP_LIMIT: Duration = Duration::from_secs(45);
/// The kernel is quick, but a full disk may be slow to take the last writes.
const KILL_LIMIT: Duration = Duration::from_secs(15);

/// `rabbitmqadmin` and the operator's plan need the first; the second serves Prometheus.
const PLUGINS: &str = "[rabbitmq_management,rabbitmq_prometheus].\n";

/// Starts the server of `record` from `tree`; it is not ready yet when this returns.
///
/// # Errors
/// When a file or the process cannot be made.
pub(super) fn start(
    record: &Record,
    files: &Files,
    tree: &Path,
    sandbox: Sandbox,
) -> anyhow::Result<Process> {
    let etc = files.configuration();
    paths::write_private(&etc.join("rabbitmq.conf"), &configuration(record))?;
    paths::write_private(&etc.join("enabled_plugins"), PLUGINS)?;
    let open = || OpenOptions::new().create(true).append(true).open(files.log());
    let what = || format!("start RabbitMQ {}", record.release.name());
    let child = sandbox
        .server(&Folders { tree, data: &files.data(), logs: &files.logs(), configuration: &etc })
        .envs(environment(record.release, &record.ports))
        .stdin(Stdio::null())
        .stdout(open().with_context(what)?)
        .stderr(open().with_context(what)?)
        .spawn()
        .with_context(what)?;
    let id = i32::try_from(child.id()).context("read a process id")?;
    Process::with_id(id).with_context(|| ended(record.release, files))
}

/// Waits until the server of `record`, running as `process`, serves clients; gives its version.
///
/// # Errors
/// When it ends, when it does not answer in time, or when it is of another release.
pub(super) fn await_ready(
    record: &Record,
    process: Process,
    files: &Files,
) -> anyhow::Result<String> {
    let release = record.release;
    let mut last = None;
    let version = deadline::wait_for(START_LIMIT, || {
        let answer = probe::version(record);
        ensure!(process.runs(), ended(release, files));
        match answer {
            Ok(version) => Ok(Some(version)),
            Err(trouble) => {
                last = Some(trouble);
                Ok(None)
            }
        }
    })?;
    let Some(version) = version else {
        let trouble = last.map(|trouble| format!("{trouble:#}")).unwrap_or_default();
        bail!(
            "RabbitMQ {name} runs, but does not answer after {START_LIMIT:?} ({trouble}). See {}; \
             `cargo xtask broker restart --version {name}` may help",
            files.log().display(),
            name = release.name(),
        );
    };
    ensure!(
        release.accepts(&version),
        "Debian {} has RabbitMQ {version}, wanted was {}",
        release.suite(),
        release.wanted()
    );
    Ok(version)
}

/// Stops a server so that it writes all it has; kills it when that takes too long.
///
/// # Errors
/// When it cannot be signalled or does not end.
pub(super) fn stop(process: Process) -> anyhow::Result<()> {
    // `unshare` ignores the signal; the server's script below it stops the server.
    for child in process.children() {
        child.signal(Signal::TERM)?;
    }
    if process.wait_gone(STOP_LIMIT) {
        return Ok(());
    }
    kill(process)
}

/// Ends a server at once, as a power cut would.
///
/// # Errors
/// When it cannot be signalled or does not end.
pub(super) fn kill(process: Process) -> anyhow::Result<()> {
    // The child is the first process of its namespace: it is gone only when all in there are.
    let inside = process.children();
    process.signal(Signal::KILL)?;
    for part in inside.into_iter().chain([process]) {
        ensure!(part.wait_gone(KILL_LIMIT), "process {} was killed and still runs", part.id);
    }
    Ok(())
}

fn ended(release: Release, files: &Files) -> String {
    format!(
        "RabbitMQ {name} ended while it started. `cargo xtask broker down --version {name}` \
         discards its data. The end of {}:\n{}",
        files.log().display(),
        files.end_of_log(),
        name = release.name(),
    )
}

/// What keeps brokers apart that run side by side
/// (<https://www.rabbitmq.com/docs/configure#supported-environment-variables>).
fn environment(release: Release, ports: &Ports) -> Vec<(&'static str, String)> {
    let text = str::to_owned;
    vec![
        ("HOME", text("/var/lib/rabbitmq")),
        ("LANG", text("C.UTF-8")),
        ("ERL_EPMD_ADDRESS", text("127.0.0.1")),
        ("ERL_EPMD_PORT", ports.mapper.to_string()),
        ("RABBITMQ_CONF_ENV_FILE", text("/dev/null")),
        ("RABBITMQ_CONFIG_FILE", text("/etc/rabbitmq/rabbitmq.conf")),
        ("RABBITMQ_DIST_PORT", ports.distribution.to_string()),
        ("RABBITMQ_ENABLED_PLUGINS_FILE", text("/etc/rabbitmq/enabled_plugins")),
        ("RABBITMQ_LOG_BASE", text("/var/log/rabbitmq")),
        // To standard output, so that one file has all that was said.
        ("RABBITMQ_LOGS", text("-")),
        ("RABBITMQ_MNESIA_BASE", text("/var/lib/rabbitmq/mnesia")),
        ("RABBITMQ_NODE_IP_ADDRESS", text("127.0.0.1")),
        ("RABBITMQ_NODE_PORT", ports.amqp.to_string()),
        ("RABBITMQ_NODENAME", format!("warren-{}@localhost", release.name().replace('.', "-"))),
        (
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            text("-kernel inet_dist_use_interface {127,0,0,1}"),
        ),
    ]
}

/// The server's configuration file.
fn configuration(record: &Record) -> String {
    let Ports { amqp, management, prometheus, .. } = record.ports;
    let password = record.password.reveal();
    format!(
        "listeners.tcp.default = 127.0.0.1:{amqp}\n\
         management.tcp.ip = 127.0.0.1\n\
         management.tcp.port = {management}\n\
         prometheus.tcp.ip = 127.0.0.1\n\
         prometheus.tcp.port = {prometheus}\n\
         loopback_users = none\n\
         default_user = {USER}\n\
         default_pass = {password}\n\
         # One of several on a machine that has other work too.\n\
         vm_memory_high_watermark.absolute = 1GB\n\
         disk_free_limit.absolute = 50MB\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::state::Password;

    fn record() -> Record {
        let password = Password::random().expect("random bytes");
        Record::new(Release::V3_10, Ports::preferred(Release::V3_10), password)
    }

    #[test]
    fn everything_that_listens_listens_on_the_loopback_address() {
        let text = configuration(&record());
        for line in [
            "listeners.tcp.default = 127.0.0.1:21310\n",
            "management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = 21311\n",
            "prometheus.tcp.ip = 127.0.0.1\nprometheus.tcp.port = 21312\n",
        ] {
            assert!(text.contains(line), "{line} not in {text}");
        }
        let environment = environment(Release::V3_10, &record().ports);
        for wanted in [
            ("ERL_EPMD_ADDRESS", "127.0.0.1"),
            ("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}"),
        ] {
            let found = environment.iter().any(|(name, value)| (*name, value.as_str()) == wanted);
            assert!(found, "{wanted:?}");
        }
    }

    #[test]
    fn the_login_is_the_recorded_one_and_not_guest() {
        let record = record();
        let text = configuration(&record);
        assert!(text.contains(&format!("default_pass = {}\n", record.password.reveal())));
        assert!(text.contains("default_user = warren\n"));
    }
}
