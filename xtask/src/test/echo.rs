//! Which lines of a test program people see, and which of them in one piece.
//!
//! `--show-output` is needed for what passed tests printed; it also makes each program name all of
//! its passed tests a second time. Those lists are left out. What a test printed stays together,
//! because another program may speak at the same time.

/// Remembers where in the output we are.
#[derive(Debug, Default)]
pub(super) struct Echo {
    part: Part,
    /// What is to be seen in one piece.
    held: String,
}

/// The part of its output that a program is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    /// Each line is about a test of its own.
    #[default]
    Progress,
    /// What tests printed.
    Printed,
    /// Below a heading `successes:`, until something else than a name follows.
    Names,
}

impl Echo {
    /// What is to be seen now that `line` has followed those before.
    pub(super) fn next(&mut self, line: &str) -> String {
        self.part = match (line, self.part) {
            ("successes:", _) => Part::Names,
            ("failures:", _) => Part::Printed,
            (name, Part::Names) if name.is_empty() || name.starts_with("    ") => Part::Names,
            (_, Part::Names) => Part::Printed,
            (_, part) => part,
        };
        if line.starts_with("test result: ") {
            self.part = Part::Progress;
        }
        if self.part != Part::Names {
            self.held.push_str(line);
            self.held.push('\n');
        }
        if self.part == Part::Progress { self.rest() } else { String::new() }
    }

    /// What was not yet seen, when nothing follows.
    pub(super) fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(output: &str) -> Vec<String> {
        let mut echo = Echo::default();
        let mut shown: Vec<_> = output.lines().map(|line| echo.next(line)).collect();
        shown.push(echo.rest());
        shown.retain(|text| !text.is_empty());
        shown
    }

    #[test]
    fn names_of_passed_tests_are_left_out_and_what_they_printed_is_one_piece() {
        let output = "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\n    indented\nSKIPPED: a: x\n\n\
                      successes:\n    a\n\ntest result: ok. 1 passed; 0 failed\n\nrunning 1 test";
        assert_eq!(
            shown(output),
            [
                "test a ... ok\n",
                "\n",
                "---- a stdout ----\n    indented\nSKIPPED: a: x\n\ntest result: ok. 1 passed; 0 failed\n",
                "\n",
                "running 1 test\n",
            ]
        );
    }

    #[test]
    fn failures_are_shown_whole_though_the_program_breaks_off() {
        let output = "failures:\n\n---- a stdout ----\npanicked\n\nfailures:\n    a\n";
        assert_eq!(shown(output), [output]);
    }
}
