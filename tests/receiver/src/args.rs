//! What can be typed. Nothing is decided here.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use warren_core::duration;
use warren_service::logging::LogArgs;

use crate::behaviour::{Behaviour, Behaviours};

/// Counts the messages that workers bring over HTTP, and answers as it is told.
#[derive(Debug, Parser)]
#[command(name = "warren-receiver", version)]
pub struct Args {
    /// What is logged, and how.
    #[command(flatten)]
    pub log: LogArgs,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "[::]:8080")]
    pub listen: SocketAddr,

    /// How long a request takes, unless a behaviour says otherwise
    #[arg(long, value_name = "DURATION", default_value = "0s", value_parser = duration::parse)]
    pub delay: Duration,

    /// The status for a path, such as `/invoice=201`; every other path answers 200
    #[arg(long = "answer", value_name = "PATH=STATUS", value_parser = answer)]
    pub answers: Vec<(String, u16)>,

    /// Of messages named `order-<number>`, a tenth fails once and a fiftieth is refused for ever
    #[arg(long)]
    pub unlucky_orders: bool,

    /// End when standard input is closed, as it is when the program that started this one ends
    #[arg(long, hide = true)]
    pub exit_on_stdin_close: bool,
}

impl Args {
    /// What is answered until somebody says otherwise.
    pub fn behaviours(&self) -> Behaviours {
        let usual = Behaviour {
            status: crate::behaviour::OK,
            delay: self.delay,
            unlucky_orders: self.unlucky_orders,
        };
        let mut behaviours = Behaviours::new(usual);
        for (path, status) in &self.answers {
            behaviours.set(path.clone(), Behaviour { status: *status, ..usual });
        }
        behaviours
    }
}

fn answer(text: &str) -> Result<(String, u16), String> {
    let wanted = "write a path, `=` and a status from 200 to 599, such as /invoice=201";
    let (path, status) = text.split_once('=').ok_or(wanted)?;
    let status = status.parse().ok().filter(|status| (200..600).contains(status)).ok_or(wanted)?;
    if !path.starts_with('/') {
        return Err(wanted.to_owned());
    }
    Ok((path.to_owned(), status))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_answer_is_a_path_and_a_status() {
        assert_eq!(answer("/invoice=201"), Ok(("/invoice".to_owned(), 201)));
        for wrong in ["/invoice", "invoice=201", "/invoice=99", "/invoice=ok"] {
            assert!(answer(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_path_with_a_status_of_its_own_keeps_the_rest() {
        let typed = ["warren-receiver", "--delay", "50ms", "--answer", "/invoice=201"];
        let behaviours = Args::try_parse_from(typed).unwrap().behaviours();
        let delay = Duration::from_millis(50);
        let invoice = behaviours.of("/invoice");
        assert_eq!((invoice.status, invoice.delay), (201, delay));
        let other = behaviours.of("/email");
        assert_eq!((other.status, other.delay), (200, delay));
    }
}
