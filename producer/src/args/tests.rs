//! What the command line takes and what it refuses.

use super::*;

fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
    Args::try_parse_from(std::iter::once(&"warren-producer").chain(arguments))
}

fn error(arguments: &[&str]) -> String {
    parse(arguments).unwrap_err().to_string()
}

#[test]
fn the_definition_holds_together() {
    Args::command().debug_assert();
}

#[test]
fn a_release_needs_a_name() {
    assert!(error(&["release", "-p", "shop/orders"]).contains("<RELEASE>"));
    for empty in ["", "  "] {
        assert!(error(&["release", empty, "-p", "shop/orders"]).contains("must not be empty"));
    }
}

#[test]
fn a_datetime_is_rfc_3339_or_utc_without_a_zone() {
    for (text, seconds) in [
        ("2026-11-21T10:00:00Z", 1_795_255_200),
        ("2026-11-21T11:00:00+01:00", 1_795_255_200),
        ("2026-11-21 10:00:00", 1_795_255_200),
    ] {
        assert_eq!(datetime(text).map(Timestamp::as_second), Ok(seconds), "{text}");
    }
    for text in ["", "today", "2026-11-21", "2026-13-01 00:00:00", "2026-11-21 10:00:00 x"] {
        assert!(datetime(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_password_is_never_taken_from_the_command_line() {
    let base = ["release", "v1", "-p", "shop/orders"];
    for (name, variable) in SECRETS {
        let argument = format!("--{name}=hunter2");
        let error = error(&[&base[..], &[&argument]].concat());
        assert!(error.contains(variable), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_publish_has_exactly_one_input() {
    let publish = |more: &[&str]| parse(&[&["publish", "-p", "shop/orders"], more].concat());
    for good in [
        &["-"][..],
        &["--file", "f"],
        &["--file", "-"],
        &["--ndjson", "-"],
        &["--ndjson", "f", "--rate", "5", "--window", "8", "--report", "r", "--dry-run"],
        &["--header", "a=b=c", "--header", "d=", "-"],
    ] {
        assert!(publish(good).is_ok(), "{good:?}: {:?}", publish(good).err());
    }
    for bad in [
        &[][..],
        &["f"],
        &["-", "--file", "f"],
        &["--ndjson", "-", "--file", "f"],
        &["--ndjson", "-", "--id", "x"],
        &["-", "--rate", "5"],
        &["--ndjson", "-", "--rate", "0"],
        &["--ndjson", "-", "--window", "2049"],
        &["-", "--header", "novalue"],
        &["-", "--priority", "256"],
        &["-", "--delay", "1.5h"],
    ] {
        assert!(publish(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn a_pipeline_is_checked_where_it_is_typed() {
    let error = error(&["release", "v1", "-p", "orders"]);
    assert!(error.contains("<namespace>/<name>"), "{error}");
}
