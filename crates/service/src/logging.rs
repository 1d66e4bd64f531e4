//! The log: one line for each happening, on standard error.
//!
//! Standard output is data and never sees a log line. What is logged is decided where it happens;
//! this module only says which lines pass and how they look.

use std::io::{self, IsTerminal};
use std::str::FromStr;

use clap::ValueEnum;
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::fmt::{MakeWriter, SubscriberBuilder};
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

/// What passes when nothing else is asked for.
const DEFAULT_FILTER: &str = "info";

/// What libraries say that reaches the log only when its target is named.
///
/// The first two say other people's data: returned messages with their bodies, and answers of the
/// API server that make no sense, among them Secrets. The last says an error for each channel that
/// the broker closes, which is how it answers a question about a queue that is not there, and for
/// each connection; who asked, or was connected, tells that where it is news.
const HELD: [&str; 3] = ["lapin::returned_messages", "kube_client::client", "lapin::channel"];

/// The part of a command line that is about the log; flatten it into the program's own.
#[derive(Clone, Debug, clap::Args)]
pub struct LogArgs {
    /// Which log lines to write: a level (off, error, warn, info, debug, trace), or a list such as
    /// `info,warren_worker=debug`
    #[arg(long, env = "WARREN_LOG", default_value = DEFAULT_FILTER, value_name = "FILTER", global = true)]
    pub log: Filter,
    /// How log lines look; without it text on a terminal, else JSON
    #[arg(long, env = "WARREN_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<LogFormat>,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line, for machines.
    Json,
    /// Words, for people.
    Text,
}

/// Which log lines are written, in the syntax of
/// [tracing-subscriber](https://docs.rs/tracing-subscriber/0.3/tracing_subscriber/filter/struct.EnvFilter.html#directives).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(String);

/// Why a text is no filter.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A lone word that is no level. As a filter it would mean "everything from the target of this
    /// name and nothing else", and a misspelt `info` would switch the log off.
    #[error(
        "`{word}` is not a level (off, error, warn, info, debug, trace); \
         for one module and its level write `{word}=debug`"
    )]
    NotALevel {
        /// The word as it was given.
        word: String,
    },
    /// The syntax is wrong.
    #[error("write a level (info) or a list such as `info,warren_worker=debug`: {0}")]
    Syntax(#[from] ParseError),
}

/// The log of this process was set up before.
#[derive(Debug, thiserror::Error)]
#[error("the log is set up already")]
pub struct AlreadyLogging(#[source] TryInitError);

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        let trimmed: Vec<&str> = text.split(',').map(str::trim).collect();
        let text = match trimmed.join(",") {
            // An empty variable in a manifest means "not set".
            empty if empty.is_empty() => DEFAULT_FILTER.to_owned(),
            text => text,
        };
        if let Some(word) = misspelt_level(&text) {
            return Err(FilterError::NotALevel { word: word.to_owned() });
        }
        EnvFilter::builder().parse(&text)?;
        Ok(Self(text))
    }
}

impl Filter {
    fn to_env_filter(&self) -> EnvFilter {
        let unnamed = HELD.into_iter().filter(|target| !self.0.contains(target));
        let held = unnamed.map(|target| format!("{target}=off"));
        let directives: Vec<String> = std::iter::once(self.0.clone()).chain(held).collect();
        EnvFilter::new(directives.join(","))
    }
}

impl LogFormat {
    /// What was asked for, else what suits the reader.
    fn choose(asked: Option<Self>, terminal: bool) -> Self {
        asked.unwrap_or(if terminal { Self::Text } else { Self::Json })
    }
}

/// Starts the log of this process; what dependencies log through the `log` crate is in it too.
///
/// # Errors
///
/// When it was started before.
pub fn init(args: &LogArgs) -> Result<(), AlreadyLogging> {
    let terminal = io::stderr().is_terminal();
    let log = match LogFormat::choose(args.log_format, terminal) {
        LogFormat::Json => json(&args.log, io::stderr),
        LogFormat::Text => text(&args.log, terminal, io::stderr),
    };
    log.try_init().map_err(AlreadyLogging)
}

fn json<W>(filter: &Filter, to: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines = SubscriberBuilder::default()
        .json()
        .flatten_event(true)
        // The list of spans ends with the current one.
        .with_current_span(false)
        .with_env_filter(filter.to_env_filter())
        .with_writer(to);
    lines.into()
}

fn text<W>(filter: &Filter, terminal: bool, to: W) -> Dispatch
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let lines =
        SubscriberBuilder::default().with_env_filter(filter.to_env_filter()).with_writer(to);
    // Colours are the library's choice, which honours NO_COLOR, but never in a file.
    if terminal { lines.into() } else { lines.with_ansi(false).into() }
}

/// The first directive that is a lone word without being a level.
fn misspelt_level(text: &str) -> Option<&str> {
    text.split(',').find(|directive| {
        let lone = !directive.is_empty() && !directive.contains(['=', '[']);
        lone && directive.parse::<LevelFilter>().is_err()
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use clap::Parser;
    use tracing::{debug, dispatcher, info, info_span};

    use super::*;

    #[derive(Debug, Parser)]
    struct Args {
        #[command(flatten)]
        log: LogArgs,
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn filter(arguments: &[&str]) -> Result<Filter, String> {
        let program = std::iter::once(&"x").chain(arguments);
        let args = Args::try_parse_from(program).map_err(|error| error.to_string())?;
        Ok(args.log.log)
    }

    #[test]
    fn without_a_filter_everything_from_info_up_is_logged() {
        let default = Ok(Filter("info".to_owned()));
        assert_eq!(filter(&[]), default);
        assert_eq!(filter(&["--log", ""]), default);
    }

    #[test]
    fn levels_targets_and_spans_are_filters() {
        for good in [
            "off",
            "WARN",
            "info,warren_worker=debug",
            "info,lapin=off",
            "trace,[publish{route}]=debug",
        ] {
            assert_eq!(filter(&["--log", good]), Ok(Filter(good.to_owned())));
        }
    }

    #[test]
    fn what_is_held_is_logged_only_when_asked_for_by_name() {
        let passes = |asked: &str| Filter(asked.to_owned()).to_env_filter().to_string();
        assert!(passes("trace").contains("lapin::returned_messages=off"));
        assert!(passes("debug").contains("kube_client::client=off"));
        for target in HELD {
            let by_name = passes(&format!("info,{target}=warn"));
            assert!(by_name.contains(&format!("{target}=warn")), "{by_name}");
            assert!(!by_name.contains(&format!("{target}=off")), "{by_name}");
        }
    }

    #[test]
    fn spaces_between_directives_do_no_harm() {
        let spaced = filter(&["--log", " info, lapin=off "]);
        assert_eq!(spaced, Ok(Filter("info,lapin=off".to_owned())));
    }

    #[test]
    fn a_misspelt_level_is_refused_and_named() {
        let error = filter(&["--log", "lapin=off,inof"]).unwrap_err();
        assert!(error.contains("`inof` is not a level"), "{error}");
        assert!(error.contains("--log"), "{error}");
    }

    #[test]
    fn a_wrong_level_of_a_target_is_refused() {
        let error = filter(&["--log", "warren_worker=loud"]).unwrap_err();
        assert!(error.contains("info,warren_worker=debug"), "{error}");
    }

    #[test]
    fn a_terminal_gets_text_and_a_pipe_json_unless_one_is_asked_for() {
        assert_eq!(LogFormat::choose(None, true), LogFormat::Text);
        assert_eq!(LogFormat::choose(None, false), LogFormat::Json);
        assert_eq!(LogFormat::choose(Some(LogFormat::Text), false), LogFormat::Text);
        assert_eq!(LogFormat::choose(Some(LogFormat::Json), true), LogFormat::Json);
    }

    fn file_writer(file: Arc<Mutex<Vec<u8>>>) -> impl Fn() -> Shared + Send + Sync {
        move || Shared(Arc::clone(&file))
    }

    fn lose_connection() {
        debug!("kept out");
        info!(attempt = 2, "connection lost");
    }

    /// What a log writes when something happens, and something that the filter keeps out.
    fn written(log: impl FnOnce(Arc<Mutex<Vec<u8>>>) -> Dispatch) -> String {
        let file = Arc::new(Mutex::new(Vec::new()));
        dispatcher::with_default(&log(Arc::clone(&file)), || {
            info_span!("publish", route = "/produce").in_scope(lose_connection);
        });
        let bytes = file.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_json_line_has_message_fields_and_spans_at_hand() {
        let text = written(|file| json(&Filter("info".to_owned()), file_writer(file)));
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "connection lost");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["spans"][0]["route"], "/produce");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{text}");
    }

    #[test]
    fn a_text_line_in_a_file_has_no_colours() {
        let line = written(|file| text(&Filter("info".to_owned()), false, file_writer(file)));
        assert!(line.contains("connection lost attempt=2"), "{line}");
        assert!(!line.contains('\u{1b}') && line.lines().count() == 1, "{line}");
    }
}
