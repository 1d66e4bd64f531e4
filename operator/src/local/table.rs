//! The live table as text: pure, and never wider than it is told.

use comfy_table::{CellAlignment, ContentArrangement, Table, presets::NOTHING};

use super::view::{Row, View};

/// The columns before the last one, which takes what is left of the width.
const COLUMNS: [&str; 7] = ["QUEUE", "READY", "UNACKED", "WORKERS", "DONE", "RETRIED", "DEAD"];

/// The last column.
const WHY: &str = "WHY";

/// Below this much room the last column says nothing and is left out.
const LEAST_WHY: usize = 12;

/// What stands for a number that nobody knows.
const UNKNOWN: &str = "?";

/// What stands for the end of a line that had no room.
const CUT: char = '…';

/// Renders all pipelines, each line at most `width` characters wide.
pub(super) fn render(views: &[View], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for view in views {
        let mut head = vec![view.pipeline.to_string(), view.state.clone()];
        head.extend(view.places.iter().cloned());
        lines.push(head.join("  "));
        if !view.rows.is_empty() {
            lines.extend(rows(&view.rows, width));
        }
    }
    lines.iter().map(|line| cut(line, width)).collect()
}

/// A text, at most so many characters of it.
pub(super) fn cut(text: &str, width: usize) -> String {
    let text = text.trim_end();
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept = text.chars().take(width.saturating_sub(1));
    kept.chain([CUT]).collect()
}

fn rows(rows: &[Row], width: usize) -> Vec<String> {
    let plain = table(rows, None);
    let used = plain.iter().map(|line| line.chars().count()).max();
    let left = width.saturating_sub(used.unwrap_or_default() + 1);
    if left < LEAST_WHY {
        return plain;
    }
    table(rows, Some(left))
}

fn table(rows: &[Row], why: Option<usize>) -> Vec<String> {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(COLUMNS.into_iter().chain(why.map(|_| WHY)));
    for row in rows {
        let reason = why.map(|room| cut(&row.why, room));
        table.add_row(cells(row).into_iter().chain(reason));
    }
    for column in table.column_iter_mut().skip(1).take(COLUMNS.len() - 1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

fn cells(row: &Row) -> [String; COLUMNS.len()] {
    [
        row.queue.clone(),
        number(row.ready),
        number(row.unacked),
        workers(row),
        row.settled.acked.to_string(),
        row.settled.retried.to_string(),
        number(row.dead),
    ]
}

fn workers(row: &Row) -> String {
    let present = format!("{}/{}", row.workers_ready, row.workers);
    match row.draining {
        0 => present,
        draining => format!("{present} -{draining}"),
    }
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), |number| number.to_string())
}

#[cfg(test)]
mod tests {
    use warren_core::names::PipelineId;

    use super::*;
    use crate::local::figures::Settled;

    fn view() -> View {
        let email = Row {
            queue: "email".to_owned(),
            ready: Some(120),
            unacked: Some(30),
            workers_ready: 3,
            workers: 5,
            draining: 1,
            settled: Settled { acked: 812, retried: 4 },
            dead: Some(0),
            why: "PerReplica: 120 ready, 30 unacked; limited by MaxReplicas".to_owned(),
        };
        let search = Row {
            queue: "search-index".to_owned(),
            why: "Hold; limited by ObservationUnknown".to_owned(),
            ..Row::default()
        };
        View {
            pipeline: PipelineId::new("shop", "orders").unwrap(),
            state: "ready".to_owned(),
            places: vec!["RabbitMQ 4.3.6".to_owned(), "vhost /".to_owned()],
            rows: vec![email, search],
        }
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let expected = "\
shop/orders  ready  RabbitMQ 4.3.6  vhost /
 QUEUE         READY  UNACKED  WORKERS  DONE  RETRIED  DEAD  WHY
 email           120       30   3/5 -1   812        4     0  PerReplica: 120 ready, 30 unacked; limited by MaxReplicas
 search-index      ?        ?      0/0     0        0     ?  Hold; limited by ObservationUnknown";
        assert_eq!(render(&[view()], 200).join("\n"), expected);
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in 1..140 {
            for line in render(&[view()], width) {
                assert!(line.chars().count() <= width, "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_narrow_terminal_keeps_the_numbers_and_leaves_out_the_reason() {
        let lines = render(&[view()], 80);
        assert!(lines.iter().any(|line| line.contains("PerReplica:")));
        assert!(lines.iter().any(|line| line.ends_with('…')));
        let lines = render(&[view()], 70);
        let text = lines.join("\n");
        assert!(!text.contains("WHY") && text.contains("DEAD"), "{text}");
    }

    #[test]
    fn several_pipelines_stand_below_each_other() {
        let lines = render(&[view(), view()], 100);
        assert_eq!(lines.len(), 8);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("für alle", 3), "fü…");
        assert_eq!(cut("für", 3), "für");
        assert_eq!(cut("für", 0), "…");
    }
}
