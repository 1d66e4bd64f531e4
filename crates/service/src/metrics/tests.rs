//! What a scrape shows.

use super::*;

#[derive(Clone, Copy, Debug)]
enum Settlement {
    Acked,
    Retried,
}

const SETTLEMENTS: Closed<Settlement> = Closed {
    label: "settlement",
    values: &[Settlement::Acked, Settlement::Retried],
    name: |settlement| match settlement {
        Settlement::Acked => "acked",
        Settlement::Retried => "retried",
    },
};

/// The lines of a scrape that are about one metric.
fn lines(metrics: &Metrics, name: &str) -> Vec<String> {
    let text = metrics.encode().unwrap();
    let mine = text.lines().filter(|line| line.contains(name));
    mine.map(str::to_owned).collect()
}

#[test]
fn a_counter_keeps_its_exact_name() {
    let metrics = Metrics::new(&[]).unwrap();
    let consumed = metrics.counter("messages_consumed_total", "Messages taken.").unwrap();
    consumed.inc();
    assert_eq!(
        lines(&metrics, "messages_consumed_total"),
        [
            "# HELP messages_consumed_total Messages taken.",
            "# TYPE messages_consumed_total counter",
            "messages_consumed_total 1",
        ]
    );
}

#[test]
fn every_value_of_a_closed_set_is_shown_before_it_is_used() {
    let metrics = Metrics::new(&[]).unwrap();
    let settled =
        metrics.closed_counters("settled_total", "Settled messages.", SETTLEMENTS).unwrap();
    let open = metrics.closed_gauges("state", "The state.", SETTLEMENTS).unwrap();
    settled.inc(Settlement::Acked);
    settled.add(Settlement::Acked, 2);
    open.set(Settlement::Retried, 0.5);
    assert_eq!(settled.get(Settlement::Acked), 3);
    assert_eq!(
        lines(&metrics, "settled_total{"),
        ["settled_total{settlement=\"acked\"} 3", "settled_total{settlement=\"retried\"} 0"]
    );
    assert_eq!(
        lines(&metrics, "state{"),
        ["state{settlement=\"acked\"} 0", "state{settlement=\"retried\"} 0.5"]
    );
}

#[test]
fn an_open_set_shows_what_was_seen_until_it_is_removed() {
    let metrics = Metrics::new(&[]).unwrap();
    let codes = metrics.open_counters("responses_total", "Answers.", ["code"]).unwrap();
    let depth = metrics.open_gauges("depth", "Messages.", ["pipeline", "queue"]).unwrap();
    codes.inc(["503"]);
    depth.set(["orders", "email"], 7.0);
    depth.set(["orders", "sms"], 8.0);
    depth.remove(["orders", "email"]);
    depth.remove(["orders", "never-seen"]);
    assert_eq!(lines(&metrics, "responses_total{"), ["responses_total{code=\"503\"} 1"]);
    assert_eq!(lines(&metrics, "depth{"), ["depth{pipeline=\"orders\",queue=\"sms\"} 8"]);
}

#[test]
fn durations_fall_into_the_documented_buckets() {
    let metrics = Metrics::new(&[]).unwrap();
    let duration = metrics.histogram("work_seconds", "Work.", &SECONDS).unwrap();
    let requests =
        metrics.open_histograms("request_seconds", "Requests.", ["route"], &SECONDS).unwrap();
    duration.observe(0.06);
    requests.observe(["/produce"], 400.0);
    let bounds: Vec<String> = lines(&metrics, "work_seconds_bucket")
        .iter()
        .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
        .collect();
    assert_eq!(
        bounds,
        [
            "0.005", "0.01", "0.025", "0.05", "0.075", "0.1", "0.25", "0.5", "0.75", "1", "2.5",
            "5", "7.5", "10", "30", "60", "300", "+Inf"
        ]
    );
    assert_eq!(
        lines(&metrics, "work_seconds_bucket{le=\"0.0"),
        [
            "work_seconds_bucket{le=\"0.005\"} 0",
            "work_seconds_bucket{le=\"0.01\"} 0",
            "work_seconds_bucket{le=\"0.025\"} 0",
            "work_seconds_bucket{le=\"0.05\"} 0",
            "work_seconds_bucket{le=\"0.075\"} 1",
        ]
    );
    assert_eq!(
        lines(&metrics, "route=\"/produce\",le=\"300\""),
        ["request_seconds_bucket{route=\"/produce\",le=\"300\"} 0"]
    );
}

#[test]
fn common_labels_are_on_every_series() {
    let metrics = Metrics::new(&[("pipeline", "orders"), ("queue", "email")]).unwrap();
    let in_flight = metrics.gauge("in_flight", "Work in hand.").unwrap();
    in_flight.set(2.0);
    let _settled =
        metrics.closed_counters("settled_total", "Settled messages.", SETTLEMENTS).unwrap();
    assert_eq!(lines(&metrics, "in_flight{"), ["in_flight{pipeline=\"orders\",queue=\"email\"} 2"]);
    assert_eq!(
        lines(&metrics, "settlement=\"acked\""),
        ["settled_total{pipeline=\"orders\",queue=\"email\",settlement=\"acked\"} 0"]
    );
}

#[cfg(target_os = "linux")]
#[test]
fn the_process_reports_its_memory() {
    let metrics = Metrics::new(&[]).unwrap();
    let memory = lines(&metrics, "process_resident_memory_bytes ");
    let value: f64 = memory
        .iter()
        .find_map(|line| line.strip_prefix("process_resident_memory_bytes ")?.parse().ok())
        .unwrap();
    assert!(value > 0.0, "{memory:?}");
}

#[test]
fn work_in_hand_is_counted_until_it_is_dropped() {
    let gauge = Gauge::new("in_flight", "Work in hand.").unwrap();
    let first = InFlight::enter(&gauge);
    let second = InFlight::enter(&gauge);
    assert!((gauge.get() - 2.0).abs() < f64::EPSILON);
    drop(first);
    drop(second);
    assert!(gauge.get().abs() < f64::EPSILON);
}

#[test]
fn a_wrong_metric_is_an_error_that_names_it() {
    let metrics = Metrics::new(&[]).unwrap();
    metrics.counter("taken_total", "One.").unwrap();
    let errors = [
        metrics.counter("taken_total", "Another.").unwrap_err(),
        metrics.counter("taken total", "Malformed.").unwrap_err(),
    ];
    for (error, name) in errors.iter().zip(["taken_total", "taken total"]) {
        assert_eq!(error.to_string(), format!("cannot register the metric `{name}`"));
    }
    assert!(metrics.gauge("without_help", "").is_err());
    assert!(metrics.histogram("falling", "Buckets.", &[2.0, 1.0]).is_err());
    let labelled = Metrics::new(&[("not a label", "x")]).unwrap();
    assert!(labelled.counter("labelled_total", "One.").is_err());
}
