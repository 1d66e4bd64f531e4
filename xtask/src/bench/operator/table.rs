//! How the operator's figures are shown to people: each beside its floor.

use std::fmt;

use super::figures::{Idle, Operator};

/// A figure, how it is written, and its ratio.
type Line = (&'static str, fn(&Idle) -> String, Option<f64>);

impl Operator {
    /// Shows them; `idle` is how long they were left alone, as people write it.
    pub(in crate::bench) fn show(&self, f: &mut fmt::Formatter<'_>, idle: &str) -> fmt::Result {
        let what = format!("operator, {} pipelines", self.pipelines);
        row(f, [&what, self.floor.program, self.ours.program, "of floor"])?;
        for (name, text, ratio) in self.lines() {
            let (floor, ours) = (text(&self.floor), text(&self.ours));
            let ratio = ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}×"));
            row(f, [&format!("  {name}"), &floor, &ours, &ratio])?;
        }
        writeln!(
            f,
            "Figures are for a minute of {idle} idle, after {} to settle. The floor watches the same \
             objects,\nasks for the same depths, numbers and objects as often in the fewest calls, \
             and does nothing with them.",
            self.settled
        )
    }

    fn lines(&self) -> [Line; 9] {
        let ratios = &self.ratios;
        [
            ("RSS", |idle| mebibytes(idle.memory.rss_kib), ratios.rss),
            ("PSS", |idle| mebibytes(idle.memory.pss_kib), ratios.pss),
            ("RSS, growth in all", |idle| format!("{} KiB", idle.rss_growth_kib), None),
            ("CPU", |idle| format!("{:.0} ms", idle.cpu_millis_a_minute), ratios.cpu),
            (
                "API server, reads",
                |idle| calls(idle.calls.api_server_reads),
                ratios.api_server_reads,
            ),
            ("API server, writes", |idle| calls(idle.calls.api_server_writes), None),
            (
                "management API, reads",
                |idle| calls(idle.calls.management_reads),
                ratios.management_reads,
            ),
            ("management API, writes", |idle| calls(idle.calls.management_writes), None),
            ("AMQP, both ways", |idle| format!("{:.0} KiB", idle.amqp_kib_a_minute), ratios.amqp),
        ]
    }
}

fn mebibytes(kib: u32) -> String {
    format!("{:.1} MiB", f64::from(kib) / 1024.0)
}

fn calls(count: f64) -> String {
    format!("{count:.1}")
}

fn row(f: &mut fmt::Formatter<'_>, [name, floor, ours, ratio]: [&str; 4]) -> fmt::Result {
    let line = format!("{name:<26}{floor:>14}{ours:>18}{ratio:>10}");
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::operator;
    use super::*;

    struct Shown(Operator);

    impl fmt::Display for Shown {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.show(f, "2m")
        }
    }

    #[test]
    fn every_figure_stands_beside_its_floor() {
        let expected = "\
operator, 100 pipelines       bare-watch   warren-operator  of floor
  RSS                           10.0 MiB          25.0 MiB     2.50×
  PSS                            5.0 MiB          12.5 MiB     2.50×
  RSS, growth in all               0 KiB          5120 KiB
  CPU                             100 ms            400 ms     4.00×
  API server, reads                 10.0              20.0     2.00×
  API server, writes                 0.0               1.0
  management API, reads             20.0              50.0     2.50×
  management API, writes             0.0               0.0
  AMQP, both ways                 10 KiB            10 KiB     1.00×
";
        let text = Shown(operator()).to_string();
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("2m idle, after 1m30s to settle"), "{text}");
    }
}
