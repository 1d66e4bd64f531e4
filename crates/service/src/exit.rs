//! How a program ends: exit codes, usage errors, and the last words on standard error.
//!
//! Nothing here ends the process: `main` returns an [`Exit`], so that everything is dropped in
//! order first.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::{ExitCode, Termination};

use clap::Parser;

/// Why a program ends, as the exit code that scripts and Kubernetes see.
///
/// The numbers are those of BSD's `sysexits.h` where it has a fitting one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// All was done; of a publish: the broker confirmed every message.
    Done = 0,
    /// The command line is wrong.
    Usage = 64,
    /// The input is malformed.
    BadInput = 65,
    /// A message fits no queue.
    Unroutable = 68,
    /// The broker was not reached in time.
    Unavailable = 69,
    /// A fault of this program.
    Internal = 70,
    /// Some messages were published and some were not.
    PartlyPublished = 73,
    /// The broker refused, or its answer did not come: repeating is safe.
    Uncertain = 75,
    /// The login or its rights were refused.
    AccessRefused = 77,
    /// A configuration file or setting is wrong.
    BadConfiguration = 78,
}

impl Exit {
    /// The number that the operating system gets.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// This exit, together with the error that led to it.
    pub fn because(self, error: impl Into<Box<dyn Error + Send + Sync>>) -> Failure {
        Failure { exit: self, source: error.into() }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        self.into()
    }
}

/// An error that ends the program, and the exit code it ends with.
///
/// Its text is the whole chain of causes, outermost first.
#[derive(Debug)]
pub struct Failure {
    exit: Exit,
    source: Box<dyn Error + Send + Sync>,
}

impl Failure {
    /// The exit code that this failure leads to.
    pub fn exit(&self) -> Exit {
        self.exit
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = self.source.to_string();
        f.write_str(&text)?;
        let mut cause = self.source.source();
        while let Some(error) = cause {
            let inner = error.to_string();
            // Some libraries put the text of the cause into their own; saying it twice helps nobody.
            if !text.ends_with(&inner) {
                write!(f, ": {inner}")?;
            }
            text = inner;
            cause = error.source();
        }
        Ok(())
    }
}

impl Error for Failure {}

/// Reads the command line of this process.
///
/// # Errors
///
/// What is to be shown was shown already: [`Exit::Done`] after `--help` and `--version`, else
/// [`Exit::Usage`].
pub fn parse<A: Parser>() -> Result<A, Exit> {
    parse_from(std::env::args_os())
}

/// Reads a command line, whose first item is the name of the program.
///
/// # Errors
///
/// As [`parse`].
pub fn parse_from<A, I, T>(arguments: I) -> Result<A, Exit>
where
    A: Parser,
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    A::try_parse_from(arguments).map_err(|error| {
        // A closed standard output or error leaves nobody to tell; the exit code still says it.
        let _ = error.print();
        if error.use_stderr() { Exit::Usage } else { Exit::Done }
    })
}

/// Turns the result of a program into its exit, and says on standard error what went wrong.
///
/// The words are plain text whatever the log's format is: Kubernetes copies the last lines of a
/// failed container into its status (`terminationMessagePolicy: FallbackToLogsOnError`), where a
/// person reads them.
pub fn finish(result: Result<Exit, Failure>) -> Exit {
    result.unwrap_or_else(|failure| {
        // Not `eprintln!`, which panics when standard error is closed.
        let _ = writeln!(io::stderr(), "error: {failure}");
        failure.exit
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Parser)]
    #[command(version = "1.2.3")]
    struct Args {
        #[arg(long)]
        count: u8,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read worker.yaml")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("line 3: {0}")]
    struct Middle(#[source] std::num::ParseIntError);

    #[test]
    fn every_exit_has_the_documented_code() {
        let codes = [
            (Exit::Done, 0),
            (Exit::Usage, 64),
            (Exit::BadInput, 65),
            (Exit::Unroutable, 68),
            (Exit::Unavailable, 69),
            (Exit::Internal, 70),
            (Exit::PartlyPublished, 73),
            (Exit::Uncertain, 75),
            (Exit::AccessRefused, 77),
            (Exit::BadConfiguration, 78),
        ];
        for (exit, code) in codes {
            assert_eq!(exit.code(), code, "{exit:?}");
            assert_eq!(exit.report(), ExitCode::from(code), "{exit:?}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_a_usage_error() {
        for wrong in [vec!["x"], vec!["x", "--count", "300"], vec!["x", "--other"]] {
            assert_eq!(parse_from::<Args, _, _>(&wrong).unwrap_err(), Exit::Usage);
        }
    }

    #[test]
    fn asking_for_help_or_the_version_is_no_error() {
        for asked in ["--help", "--version"] {
            assert_eq!(parse_from::<Args, _, _>(["x", asked]).unwrap_err(), Exit::Done, "{asked}");
        }
    }

    #[test]
    fn a_right_command_line_is_read() {
        let args: Args = parse_from(["x", "--count", "3"]).unwrap();
        assert_eq!(args.count, 3);
    }

    #[test]
    fn a_failure_tells_each_cause_once() {
        let number = "x".parse::<u8>().unwrap_err();
        let failure = Exit::BadConfiguration.because(Outer(Middle(number)));
        assert_eq!(
            failure.to_string(),
            "cannot read worker.yaml: line 3: invalid digit found in string"
        );
        assert_eq!(finish(Err(failure)), Exit::BadConfiguration);
    }
}
