//! Which lines of the test programs people see.
//!
//! `--show-output` is needed for what passed tests printed; it also makes each program name all of
//! its passed tests a second time. Those lists are left out.

/// Remembers where in the output we are.
#[derive(Debug, Default)]
pub(super) struct Echo {
    /// Below a heading `successes:`, until something else than a name follows.
    in_names: bool,
}

impl Echo {
    /// Whether `line`, which follows those asked about before, is to be seen.
    pub(super) fn shows(&mut self, line: &str) -> bool {
        self.in_names = match line {
            "successes:" => true,
            name if name.is_empty() || name.starts_with("    ") => self.in_names,
            _ => false,
        };
        !self.in_names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_passed_tests_are_left_out_and_what_they_printed_is_kept() {
        let output = "test a ... ok\n\nsuccesses:\n\n---- a stdout ----\n    indented\nSKIPPED: a: x\n\n\
                      successes:\n    a\n\ntest result: ok. 1 passed; 0 failed";
        let mut echo = Echo::default();
        let shown: Vec<_> = output.lines().filter(|line| echo.shows(line)).collect();
        assert_eq!(
            shown.join("\n"),
            "test a ... ok\n\n---- a stdout ----\n    indented\nSKIPPED: a: x\n\n\
             test result: ok. 1 passed; 0 failed"
        );
    }

    #[test]
    fn failures_are_shown_whole() {
        let output = "failures:\n\n---- a stdout ----\npanicked\n\nfailures:\n    a";
        let mut echo = Echo::default();
        assert!(output.lines().all(|line| echo.shows(line)));
    }
}
