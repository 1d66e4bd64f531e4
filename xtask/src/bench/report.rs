//! How the figures are shown to people: never a figure of ours without the floor above it.

use std::fmt;

use super::figures::{Comparison, Report, Side, Traffic};

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(messages) = &self.messages {
            messages.show(f, &self.idle)?;
            writeln!(f)?;
        }
        if let Some(operator) = &self.operator {
            operator.show(f, &self.idle)?;
            writeln!(f)?;
        }
        self.conditions(f)
    }
}

impl Report {
    fn conditions(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.load;
        writeln!(
            f,
            "The broker, RabbitMQ {}, shares {} cores with them; load {before:.1} before, \
             {after:.1} after. Other work\nand the same disk make rates noisy: compare the ratios, \
             and the CPU times first.",
            self.broker, self.cores
        )
    }
}

impl Traffic {
    fn show(&self, f: &mut fmt::Formatter<'_>, idle: &str) -> fmt::Result {
        self.memory(f, idle)?;
        let what = format!("publish, {} unconfirmed", self.publish.under_way);
        speed(f, &what, &self.publish)?;
        let what = format!("consume, prefetch {}", self.consume.under_way);
        speed(f, &what, &self.consume)?;
        let Self { queue_type, messages, body_bytes, .. } = self;
        writeln!(
            f,
            "A {queue_type} queue, {messages} messages of {body_bytes} bytes a round; medians of \
             rounds taken in turns."
        )
    }

    fn memory(&self, f: &mut fmt::Formatter<'_>, idle: &str) -> fmt::Result {
        let what = format!("memory after {idle} idle");
        row(f, [&what, "RSS", "of floor", "PSS", "of floor", ""])?;
        for resident in &self.memory {
            let mebibytes = |kib: u32| format!("{:.1} MiB", f64::from(kib) / 1024.0);
            let memory = resident.memory;
            let figures = [
                format!("  {}", resident.program),
                mebibytes(memory.rss_kib),
                times(resident.rss_ratio),
                mebibytes(memory.pss_kib),
                times(resident.pss_ratio),
                String::new(),
            ];
            row(f, figures.each_ref().map(String::as_str))?;
        }
        Ok(())
    }
}

fn speed(f: &mut fmt::Formatter<'_>, what: &str, both: &Comparison) -> fmt::Result {
    writeln!(f)?;
    let from_to = format!("{} rounds", both.floor.rounds.len());
    row(f, [what, "messages/s", "of floor", "CPU/message", "of floor", &from_to])?;
    let sides = [(&both.floor, (1.0, 1.0)), (&both.ours, (both.rate_ratio, both.cpu_ratio))];
    sides.into_iter().try_for_each(|(side, ratios)| speed_of(f, side, ratios))
}

fn speed_of(f: &mut fmt::Formatter<'_>, side: &Side, (rate, cpu): (f64, f64)) -> fmt::Result {
    let (lowest, highest) = side.span();
    let figures = [
        format!("  {}", side.program),
        format!("{:.0}", side.median.rate),
        times(rate),
        format!("{:.1} µs", side.median.cpu_micros_per_message),
        times(cpu),
        format!("{lowest:.0} to {highest:.0}"),
    ];
    row(f, figures.each_ref().map(String::as_str))
}

fn times(ratio: f64) -> String {
    format!("{ratio:.2}×")
}

fn row(f: &mut fmt::Formatter<'_>, cells: [&str; 6]) -> fmt::Result {
    let [name, first, first_ratio, second, second_ratio, last] = cells;
    let line = format!(
        "{name:<26}{first:>11}{first_ratio:>10}{second:>13}{second_ratio:>10}   {last:<16}"
    );
    writeln!(f, "{}", line.trim_end())
}

#[cfg(test)]
mod tests {
    use super::super::figures::{Resident, Run};
    use super::super::usage::Memory;
    use super::*;

    fn side(program: &'static str, rates: [f64; 3], cpu: f64) -> Side {
        let run = |rate| Run { rate, cpu_micros_per_message: cpu };
        Side::new(program, rates.map(run).to_vec())
    }

    fn report() -> Report {
        let floor = Memory { rss_kib: 5120, pss_kib: 4096 };
        let ours = Memory { rss_kib: 12_800, pss_kib: 10_240 };
        let bare = || side("bare-loop", [9_000.0, 10_000.0, 11_000.0], 20.0);
        let fast = |program| side(program, [8_000.0, 8_100.0, 7_900.0], 25.0);
        let messages = Traffic {
            queue_type: "quorum",
            memory: vec![
                Resident::new("bare-loop", floor, floor),
                Resident::new("warren-worker", ours, floor),
            ],
            messages: 20_000,
            body_bytes: 256,
            publish: Comparison::new(1024, bare(), fast("warren-producer")),
            consume: Comparison::new(256, bare(), fast("warren-worker")),
        };
        Report {
            broker: "4.3.6".to_owned(),
            cores: 2,
            load: [0.5, 3.25],
            idle: "5m".to_owned(),
            messages: Some(messages),
            operator: None,
        }
    }

    #[test]
    fn every_figure_of_ours_stands_below_its_floor_with_the_ratio() {
        let expected = "\
memory after 5m idle              RSS  of floor          PSS  of floor
  bare-loop                   5.0 MiB     1.00×      4.0 MiB     1.00×
  warren-worker              12.5 MiB     2.50×     10.0 MiB     2.50×

publish, 1024 unconfirmed  messages/s  of floor  CPU/message  of floor   3 rounds
  bare-loop                     10000     1.00×      20.0 µs     1.00×   9000 to 11000
  warren-producer                8000     0.80×      25.0 µs     1.25×   7900 to 8100
";
        let text = report().to_string();
        assert!(text.starts_with(expected), "{text}");
        assert!(text.contains("A quorum queue, 20000 messages of 256 bytes a round"), "{text}");
        assert!(
            text.contains("RabbitMQ 4.3.6, shares 2 cores with them; load 0.5 before, 3.2 after")
        );
    }

    #[test]
    fn programs_get_every_figure_with_its_ratio() {
        let json = serde_json::to_value(report()).expect("JSON");
        assert_eq!(json["memory"][1]["rssKib"], 12_800);
        assert_eq!(json["memory"][1]["pssRatio"], 2.5);
        assert_eq!(json["publish"]["rateRatio"], 0.8);
        assert_eq!(json["consume"]["floor"]["median"]["cpuMicrosPerMessage"], 20.0);
        assert_eq!(json["consume"]["ours"]["rounds"].as_array().map(Vec::len), Some(3));
    }
}
