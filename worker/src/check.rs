//! The commands that only look: `check` and `explain-status`.

use std::io::Write;

use warren_broker::consumer::{ConsumeSession, Source};
use warren_core::{
    classify::{CodeRange, HttpRules, explain as explain_status},
    config::HandlerConfig,
    ledger::SessionNumber,
};
use warren_service::exit::{Exit, Failure};

use crate::{
    args::{ConfigArgs, ExplainArgs},
    settings::{Settings, read_config},
};

/// Checks configuration, handler, login and queue, in this order.
pub(crate) fn check(args: &ConfigArgs) -> Result<Exit, Failure> {
    let settings = Settings::read(args).map_err(|e| Exit::BadConfiguration.because(e))?;
    let login = settings.login().map_err(|e| Exit::BadConfiguration.because(e))?;
    let kind = settings.config.handler.kind();
    say(&format!("configuration: {} is good (handler {kind})", args.config.display()))?;
    let queue = settings.config.prefix.main(&settings.config.queue);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Exit::Internal.because(e))?;
    runtime.block_on(async {
        let name = format!("{}/check", settings.pod);
        let source = Source { name: &name, queue: &queue, session: SessionNumber(0) };
        let session = ConsumeSession::open(&login, source).await.map_err(|error| {
            let exit = match error.reason() {
                "Unauthorized" | "PermissionDenied" | "AccessRefused" => Exit::AccessRefused,
                _ => Exit::Unavailable,
            };
            exit.because(error)
        })?;
        let depth = session.depth().await.map_err(|e| Exit::Unavailable.because(e))?;
        say(&format!("broker: queue {queue} has {} ready messages", depth.ready))?;
        session.finish().await;
        Ok(Exit::Done)
    })
}

/// Prints what a status leads to.
pub(crate) fn explain(args: &ExplainArgs) -> Result<Exit, Failure> {
    let by_default: Vec<CodeRange> = CodeRange::new(200..=299).into_iter().collect();
    let line = match &args.config {
        None => {
            let rules = HttpRules { success: &by_default, retry: &[], permanent: &[] };
            explain_status(&rules, args.status)
        }
        Some(file) => {
            let config = read_config(file).map_err(|e| Exit::BadConfiguration.because(e))?;
            match &config.handler {
                HandlerConfig::Http(http) => explain_status(&http.rules(), args.status),
                other => {
                    let kind = other.kind();
                    let text = format!("{}: handler {kind} sends no request", file.display());
                    return Err(Exit::BadConfiguration.because(text));
                }
            }
        }
    };
    say(&line)?;
    Ok(Exit::Done)
}

fn say(line: &str) -> Result<(), Failure> {
    writeln!(std::io::stdout(), "{line}").map_err(|e| Exit::Internal.because(e))
}
