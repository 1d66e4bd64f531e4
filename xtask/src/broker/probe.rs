//! Asks a broker whether it serves clients, and which version it is.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::state::{Record, USER};

/// A broker on the same machine that needs longer is not ready.
const PATIENCE: Duration = Duration::from_secs(3);

/// The protocol header of AMQP 0-9-1 (specification, section 4.2.2).
const HEADER: &[u8] = b"AMQP\x00\x00\x09\x01";

/// What is needed of `GET /api/overview`.
#[derive(Deserialize)]
struct Overview {
    rabbitmq_version: String,
}

/// The version of the broker of `record`, when it takes AMQP connections and the management API
/// accepts the login.
///
/// # Errors
/// When one of the two does not answer as it should.
pub(super) fn version(record: &Record) -> anyhow::Result<String> {
    greet(record.ports.amqp).context("greet the broker over AMQP")?;
    overview(record).context("ask the management API")
}

/// Says hello; a broker that serves clients answers with `Connection.Start`.
fn greet(port: u16) -> anyhow::Result<()> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(HEADER)?;
    let mut answer = [0; 11];
    stream.read_exact(&mut answer)?;
    ensure!(is_connection_start(&answer), "it answers in another protocol");
    Ok(())
}

/// A method frame (type 1, then channel and size) with class 10, method 10.
fn is_connection_start(answer: &[u8; 11]) -> bool {
    answer[0] == 1 && answer[7..] == [0, 10, 0, 10]
}

fn overview(record: &Record) -> anyhow::Result<String> {
    let agent = ureq::Agent::config_builder()
        .timeout_global(Some(PATIENCE))
        // The environment may name a proxy; this machine is not behind it.
        .proxy(None)
        .build()
        .new_agent();
    let login = STANDARD.encode(format!("{USER}:{}", record.password.reveal()));
    let mut response = agent
        .get(format!("{}/api/overview", record.management()))
        .header("authorization", format!("Basic {login}"))
        .call()?;
    let overview: Overview = serde_json::from_slice(&response.body_mut().read_to_vec()?)?;
    Ok(overview.rabbitmq_version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_connection_start_counts_as_an_amqp_broker() {
        assert!(is_connection_start(&[1, 0, 0, 0, 0, 1, 200, 0, 10, 0, 10]));
        assert!(!is_connection_start(b"AMQP\x00\x00\x09\x01\x01\x00\x00"));
        assert!(!is_connection_start(b"HTTP/1.1 40"));
    }
}
