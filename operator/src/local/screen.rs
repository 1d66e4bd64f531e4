//! A terminal on which the table stays at the bottom, and what happens scrolls by above it.
//!
//! A frame is written in one go over the last one, so nothing flickers. It draws what it is given.

use std::io::{self, Write};

use crossterm::{
    cursor::{Hide, MoveToColumn, MoveUp, Show},
    queue,
    terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, size},
};

use super::table::cut;

/// A terminal that is drawn on until this is dropped.
pub(super) struct Screen<W: Write> {
    terminal: W,
    /// Lines of the last frame that stay at the bottom.
    drawn: u16,
}

/// Width and height of a terminal, in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u16,
    pub(super) height: u16,
}

/// What a terminal is taken to be that does not tell its size.
const USUAL: Size = Size { width: 80, height: 24 };

impl Size {
    /// The size of the terminal that standard output is.
    pub(super) fn now() -> Self {
        // Some report 0 by 0.
        size()
            .ok()
            .filter(|(width, height)| *width > 0 && *height > 0)
            .map_or(USUAL, |(width, height)| Self { width, height })
    }
}

impl<W: Write> Screen<W> {
    /// Takes a terminal over, with nothing drawn yet.
    ///
    /// # Errors
    /// When it cannot be written to.
    pub(super) fn new(mut terminal: W) -> io::Result<Self> {
        queue!(terminal, Hide)?;
        terminal.flush()?;
        Ok(Self { terminal, drawn: 0 })
    }

    /// Adds lines above the table, and draws the table anew.
    ///
    /// # Errors
    /// When the terminal cannot be written to.
    pub(super) fn draw(
        &mut self,
        above: &[String],
        table: &[String],
        size: Size,
    ) -> io::Result<()> {
        let mut frame = Vec::new();
        queue!(frame, BeginSynchronizedUpdate, MoveToColumn(0))?;
        if self.drawn > 0 {
            queue!(frame, MoveUp(self.drawn))?;
        }
        for line in above {
            put(&mut frame, line)?;
        }
        let width = usize::from(size.width);
        // A line more than the terminal has would scroll, and the next frame would miss its place.
        let room = usize::from(size.height.saturating_sub(1));
        let shown = table.iter().take(room);
        self.drawn = 0;
        for line in shown {
            put(&mut frame, &cut(line, width))?;
            self.drawn += 1;
        }
        queue!(frame, Clear(ClearType::FromCursorDown), EndSynchronizedUpdate)?;
        self.terminal.write_all(&frame)?;
        self.terminal.flush()
    }
}

/// Leaves the last frame where it is.
impl<W: Write> Drop for Screen<W> {
    fn drop(&mut self) {
        let _ = queue!(self.terminal, Show);
        let _ = self.terminal.flush();
    }
}

fn put(frame: &mut Vec<u8>, line: &str) -> io::Result<()> {
    frame.extend_from_slice(line.as_bytes());
    queue!(frame, Clear(ClearType::UntilNewLine))?;
    frame.extend_from_slice(b"\r\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { width: 20, height: 4 };

    fn lines(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    fn written(frames: &[(&[&str], &[&str])]) -> String {
        let mut bytes = Vec::new();
        let mut screen = Screen::new(&mut bytes).unwrap();
        for (above, table) in frames {
            screen.draw(&lines(above), &lines(table), SIZE).unwrap();
        }
        drop(screen);
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn the_second_frame_goes_back_over_the_first_table_only() {
        let text = written(&[(&["a"], &["t1", "t2"]), (&["b"], &["t1", "t2"])]);
        // Cursor up by the two lines of the table, not by the one above it.
        assert_eq!(text.matches("\u{1b}[2A").count(), 1);
        assert_eq!(text.matches('A').count(), 1);
    }

    #[test]
    fn the_cursor_is_hidden_and_shown_again() {
        let text = written(&[(&[], &["t"])]);
        assert!(text.starts_with("\u{1b}[?25l") && text.ends_with("\u{1b}[?25h"));
    }

    #[test]
    fn a_table_never_scrolls_the_terminal() {
        let table = ["1", "2", "3", "4", "5", "6"];
        let text = written(&[(&[], &table), (&[], &table)]);
        assert!(text.contains("\u{1b}[3A"), "{text:?}");
        assert!(!text.contains('4'), "{text:?}");
    }

    #[test]
    fn a_frame_is_shown_as_a_whole() {
        let text = written(&[(&["a"], &["t"])]);
        let (begin, end) = ("\u{1b}[?2026h", "\u{1b}[?2026l");
        assert!(text.find(begin) < text.find('a') && text.find('t') < text.find(end));
    }
}
