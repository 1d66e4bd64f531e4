//! What `broker list` shows, for people and for programs. No password is in it.

use std::fmt::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::release::Release;
use super::state::{Files, Record};

/// How a broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// It serves clients.
    Up,
    /// It runs and does not answer yet.
    Starting,
    /// It was killed or has ended; its data is kept.
    Stopped,
}

/// One broker.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct View {
    version: Release,
    state: State,
    /// The exact version, once it was ever up.
    server: Option<String>,
    amqp: String,
    management: String,
    prometheus: String,
    /// Also the login, in files.
    broker_dir: PathBuf,
    log: PathBuf,
    pid: Option<i32>,
}

impl View {
    pub(super) fn new(record: &Record, files: &Files, state: State) -> Self {
        Self {
            version: record.release,
            state,
            server: record.server.clone(),
            amqp: record.amqp(),
            management: record.management(),
            prometheus: format!("http://127.0.0.1:{}/metrics", record.ports.prometheus),
            broker_dir: files.broker_dir(),
            log: files.log(),
            pid: record.running().map(|process| process.id),
        }
    }
}

/// The brokers as a table; the login is in the files of the last column.
pub(super) fn table(views: &[View]) -> String {
    if views.is_empty() {
        return "no broker is up; start one with `cargo xtask broker up`\n".to_owned();
    }
    let mut text = row(["VERSION", "STATE", "AMQP", "MANAGEMENT", "BROKER DIR"]);
    for view in views {
        let server = view.server.as_deref().unwrap_or(view.version.name());
        let state = match view.state {
            State::Up => "up",
            State::Starting => "starting",
            State::Stopped => "stopped",
        };
        let dir = view.broker_dir.display().to_string();
        text += &row([server, state, &view.amqp, &view.management, &dir]);
    }
    text
}

fn row([version, state, amqp, management, dir]: [&str; 5]) -> String {
    let mut line = String::new();
    writeln!(line, "{version:<8} {state:<9} {amqp:<23} {management:<23} {dir}")
        .expect("a String takes every write");
    line
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::ports::Ports;
    use super::super::state::Password;
    use super::*;

    fn view(state: State) -> (View, String) {
        let password = Password::random().expect("random bytes");
        let secret = password.reveal().to_owned();
        let release = Release::V4_3;
        let record = Record::new(release, Ports::preferred(release), password);
        (View::new(&record, &Files::new(Path::new("/s"), release), state), secret)
    }

    #[test]
    fn a_table_names_addresses_and_the_folder_of_the_login() {
        let text = table(&[view(State::Up).0]);
        assert_eq!(
            text,
            "VERSION  STATE     AMQP                    MANAGEMENT              BROKER DIR\n\
             4.3      up        amqp://127.0.0.1:21430  http://127.0.0.1:21431  \
             /s/broker-4.3/broker-dir\n"
        );
    }

    #[test]
    fn no_form_shows_the_password() {
        let (view, secret) = view(State::Stopped);
        let json = serde_json::to_string(&view).expect("JSON");
        assert!(json.contains("\"state\":\"stopped\"") && json.contains("\"version\":\"4.3\""));
        assert!(!json.contains(&secret) && !table(&[view]).contains(&secret));
    }
}
