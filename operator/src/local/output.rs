//! Standard output: a live table on a terminal, else a line for everything that happens.

use std::{
    io::{self, Stdout, Write, stdout},
    time::Duration,
};

use tokio::{
    sync::{mpsc, watch},
    time::interval,
};
use warren_service::shutdown::Trigger;

use super::{
    happening::Line,
    screen::{Screen, Size},
    table,
    view::View,
};
use crate::args::Output as Format;

/// How often the table is drawn.
const REDRAW: Duration = Duration::from_millis(500);

/// The most lines that are written at once.
const MOST_LINES: usize = 256;

/// What is to be written, and where it comes from.
pub(super) struct Output {
    /// How it is written.
    pub(super) format: Format,
    /// What happens; it ends when everybody who tells is gone.
    pub(super) lines: mpsc::UnboundedReceiver<Line>,
    /// What the table shows, by pipeline.
    pub(super) views: Vec<watch::Receiver<View>>,
}

impl Output {
    /// Writes until there is nothing more to tell. When nobody reads any more, all is to end.
    pub(super) async fn run(self, trigger: Trigger) {
        let written = match self.format {
            Format::Table => self.table().await,
            Format::Lines => self.lines(Line::to_string).await,
            Format::Json => self.lines(Line::json).await,
        };
        if let Err(error) = written {
            tracing::warn!(%error, "standard output is closed");
            trigger.drain();
        }
    }

    async fn lines(mut self, text: impl Fn(&Line) -> String) -> io::Result<()> {
        let several = self.views.len() > 1 && self.format == Format::Lines;
        let mut output = stdout();
        while let Some(line) = self.lines.recv().await {
            let text = if several { line.with_pipeline() } else { text(&line) };
            writeln!(output, "{text}")?;
            output.flush()?;
        }
        Ok(())
    }

    async fn table(mut self) -> io::Result<()> {
        let mut screen = Screen::new(stdout())?;
        let mut ticks = interval(REDRAW);
        loop {
            let mut lines = Vec::new();
            tokio::select! {
                _ = ticks.tick() => {}
                count = self.lines.recv_many(&mut lines, MOST_LINES) => if count == 0 {
                    return self.draw(&mut screen, &lines);
                }
            }
            self.draw(&mut screen, &lines)?;
        }
    }

    fn draw(&self, screen: &mut Screen<Stdout>, lines: &[Line]) -> io::Result<()> {
        let size = Size::now();
        let several = self.views.len() > 1;
        let told =
            lines.iter().map(|line| if several { line.with_pipeline() } else { line.to_string() });
        let views: Vec<View> = self.views.iter().map(|view| view.borrow().clone()).collect();
        let table = table::render(&views, usize::from(size.width));
        screen.draw(&told.collect::<Vec<_>>(), &table, size)
    }
}
