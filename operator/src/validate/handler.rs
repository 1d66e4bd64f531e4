//! `handler`: what is done with a message.

use std::{collections::BTreeMap, str::FromStr};

use warren_api::{
    ExecSpec, ExitOutcome, HandlerSpec, HeaderSpec, HttpMethod as HttpMethodSpec, HttpSpec,
    LogLevel as LogLevelSpec, SimulateSpec, TargetExchange,
};
use warren_core::{
    classify::{CodeRange, ExitMeaning},
    config::{
        ExecHandler, HandlerConfig, HeaderSource, HttpHandler, HttpHeader, HttpMethod, LogHandler,
        LogLevel, SecretKey, SimulateHandler,
    },
};

use super::{duration, path::Path, report::Report};

/// The handler, if exactly one of those that exist was given.
pub(super) fn read(spec: &HandlerSpec, at: &Path, report: &mut Report) -> Option<HandlerConfig> {
    let given = [
        spec.http.is_some(),
        spec.exec.is_some(),
        spec.url_check.is_some(),
        spec.simulate.is_some(),
        spec.log.is_some(),
        spec.forward.is_some(),
        spec.custom.is_some(),
    ];
    let one = given.into_iter().filter(|given| *given).count() == 1;
    report.require(
        one,
        at,
        "give exactly one of http, exec, urlCheck, simulate, log, forward, custom",
    );
    targets(spec, at, report);
    let http = spec.http.as_ref().map(|http| self::http(http, &at.field("http"), report));
    let exec = spec.exec.as_ref().map(|exec| self::exec(exec, &at.field("exec"), report));
    let simulate = spec
        .simulate
        .as_ref()
        .map(|simulate| self::simulate(simulate, &at.field("simulate"), report));
    let log = spec.log.as_ref().map(|log| {
        let level = level(log.level);
        Some(HandlerConfig::Log(LogHandler { level }))
    });
    let mut kinds = [http, exec, simulate, log].into_iter().flatten();
    kinds.next().filter(|_| one)?
}

/// Exchanges of others that a handler publishes to.
fn targets(spec: &HandlerSpec, at: &Path, report: &mut Report) {
    let forward = spec.forward.as_ref().map(|forward| {
        let at = at.field("forward").field("exchange");
        (at, &forward.exchange)
    });
    let results = spec.url_check.as_ref().and_then(|check| {
        let at = at.field("urlCheck").field("resultExchange");
        Some((at, check.result_exchange.as_ref()?))
    });
    let custom = spec.custom.iter().flat_map(|custom| {
        let at = at.field("custom").field("publishTo");
        let targets = custom.publish_to.iter().enumerate();
        targets.map(move |(index, target)| (at.index(index), target))
    });
    for (at, target) in forward.into_iter().chain(results).chain(custom) {
        report.require(
            is_exchange_of_its_own(target),
            &at,
            "must be an exchange of its own: neither empty (the default exchange) nor one of the \
             broker's, whose names begin with amq.",
        );
    }
}

/// The default exchange would reach every queue of the virtual host.
fn is_exchange_of_its_own(target: &TargetExchange) -> bool {
    let name = target.as_str();
    !name.is_empty() && !name.starts_with("amq.")
}

fn http(spec: &HttpSpec, at: &Path, report: &mut Report) -> Option<HandlerConfig> {
    let codes = [
        ("successCodes", &spec.success_codes),
        ("retryCodes", &spec.retry_codes),
        ("permanentCodes", &spec.permanent_codes),
    ];
    let [success, retry, permanent] =
        codes.map(|(field, codes)| self::codes(codes, &at.field(field), report));
    let headers: Vec<Option<HttpHeader>> = spec
        .headers
        .iter()
        .enumerate()
        .map(|(index, spec)| header(spec, &at.field("headers").index(index), report))
        .collect();
    let timeout = duration::read(&spec.timeout, &at.field("timeout"), report);
    let connect_timeout =
        duration::read(&spec.connect_timeout, &at.field("connectTimeout"), report);
    Some(HandlerConfig::Http(HttpHandler {
        url: spec.url.clone(),
        method: method(spec.method),
        headers: headers.into_iter().collect::<Option<_>>()?,
        success_codes: success?,
        retry_codes: retry?,
        permanent_codes: permanent?,
        timeout: timeout?,
        connect_timeout: connect_timeout?,
    }))
}

fn codes(texts: &[String], at: &Path, report: &mut Report) -> Option<Vec<CodeRange>> {
    let read: Vec<Option<CodeRange>> = texts
        .iter()
        .enumerate()
        .map(|(index, text)| {
            let range = CodeRange::from_str(text);
            range.map_err(|error| report.refuse(&at.index(index), error.to_string())).ok()
        })
        .collect();
    read.into_iter().collect()
}

fn header(spec: &HeaderSpec, at: &Path, report: &mut Report) -> Option<HttpHeader> {
    let one = spec.value.is_some() != spec.value_from.is_some();
    report.require(one, at, "give exactly one of value and valueFrom");
    let source = spec.value_from.as_ref().map(|from| HeaderSource {
        secret_key_ref: SecretKey {
            name: from.secret_key_ref.name.clone(),
            key: from.secret_key_ref.key.clone(),
        },
    });
    one.then(|| HttpHeader {
        name: spec.name.clone(),
        value: spec.value.clone(),
        value_from: source,
    })
}

fn exec(spec: &ExecSpec, at: &Path, report: &mut Report) -> Option<HandlerConfig> {
    let timeout = duration::read(&spec.timeout, &at.field("timeout"), report);
    let mut exit_codes = BTreeMap::new();
    for (code, outcome) in &spec.exit_codes {
        let is_code = code.parse::<u8>().is_ok_and(|number| number > 0);
        let message = "is no exit code to give a meaning to: write \"1\" to \"255\" (0 is done)";
        report.require(is_code, &at.field("exitCodes").field(code), message);
        exit_codes.insert(code.clone(), meaning(*outcome));
    }
    Some(HandlerConfig::Exec(ExecHandler {
        command: spec.command.clone(),
        timeout: timeout?,
        exit_codes,
    }))
}

fn simulate(spec: &SimulateSpec, at: &Path, report: &mut Report) -> Option<HandlerConfig> {
    let duration = duration::read(&spec.duration, &at.field("duration"), report);
    let parts = [spec.error_percent, spec.panic_percent, spec.exit_percent];
    let sum = parts.into_iter().fold(0, u32::saturating_add);
    let message = "errorPercent, panicPercent and exitPercent together must be at most 100";
    report.require(sum <= 100, at, message);
    // Over 255 the schema has refused already.
    let percent = |number: u32| u8::try_from(number).ok();
    Some(HandlerConfig::Simulate(SimulateHandler {
        duration: duration?,
        jitter_percent: percent(spec.jitter_percent)?,
        error_percent: percent(spec.error_percent)?,
        panic_percent: percent(spec.panic_percent)?,
        exit_percent: percent(spec.exit_percent)?,
    }))
}

fn meaning(outcome: ExitOutcome) -> ExitMeaning {
    match outcome {
        ExitOutcome::Retry => ExitMeaning::Retry,
        ExitOutcome::Dead => ExitMeaning::Dead,
        ExitOutcome::Pause => ExitMeaning::Pause,
    }
}

fn method(method: HttpMethodSpec) -> HttpMethod {
    match method {
        HttpMethodSpec::Get => HttpMethod::Get,
        HttpMethodSpec::Post => HttpMethod::Post,
        HttpMethodSpec::Put => HttpMethod::Put,
        HttpMethodSpec::Patch => HttpMethod::Patch,
        HttpMethodSpec::Delete => HttpMethod::Delete,
    }
}

fn level(level: LogLevelSpec) -> LogLevel {
    match level {
        LogLevelSpec::Trace => LogLevel::Trace,
        LogLevelSpec::Debug => LogLevel::Debug,
        LogLevelSpec::Info => LogLevel::Info,
        LogLevelSpec::Warn => LogLevel::Warn,
        LogLevelSpec::Error => LogLevel::Error,
    }
}
