//! What a worker tells of itself on `/metrics`, as far as the demo counts it.

/// The figures of one worker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    /// Its queue.
    pub(super) queue: String,
    /// Messages that it settled, in whatever way.
    pub(super) settled: u64,
    /// Handlers that run.
    pub(super) in_flight: u64,
}

impl Figures {
    /// Reads the text format of Prometheus
    /// (<https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format>).
    pub(super) fn read(text: &str) -> Self {
        let mut figures = Self::default();
        for line in text.lines() {
            let Some((series, value)) = line.rsplit_once(' ') else {
                continue;
            };
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            match name {
                "warren_worker_settled_total" => {
                    figures.settled += whole(value);
                    let queue = label(labels, "queue").unwrap_or_default();
                    queue.clone_into(&mut figures.queue);
                }
                "warren_worker_in_flight" => figures.in_flight = whole(value),
                _ => {}
            }
        }
        figures
    }
}

/// Counters and gauges of whole numbers are written without a point up to 2^53.
fn whole(value: &str) -> u64 {
    value.parse().unwrap_or_default()
}

fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = labels.split_once(&format!("{name}=\""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_settlement_counts() {
        let text = r#"# HELP warren_worker_settled_total Deliveries settled.
# TYPE warren_worker_settled_total counter
warren_worker_settled_total{pipeline="orders",queue="email",settlement="acked"} 120
warren_worker_settled_total{pipeline="orders",queue="email",settlement="dead_lettered"} 3
warren_worker_settled_total{pipeline="orders",queue="email",settlement="retried"} 7
warren_worker_in_flight{pipeline="orders",queue="email"} 4
"#;
        let expected = Figures { queue: "email".to_owned(), settled: 130, in_flight: 4 };
        assert_eq!(Figures::read(text), expected);
        assert_eq!(Figures::read("nonsense\n"), Figures::default());
    }
}
