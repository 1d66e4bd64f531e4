//! Rule: a test waits for a condition; it does not sleep and hope.
//!
//! A sleep is in its place where a condition is polled, or where a test plays somebody slow. The
//! name of the function around it must say which.

use super::Violation;
use super::sources::SourceFile;

/// What the name of a function that sleeps must contain.
const REASONS: [&str; 4] = ["wait", "until", "poll", "slow"];

/// Every bare sleep in test code.
pub(crate) fn check(files: &[SourceFile]) -> Vec<Violation> {
    let rust = files.iter().filter(|file| file.is_rust());
    rust.flat_map(judge).collect()
}

fn judge(file: &SourceFile) -> Vec<Violation> {
    let Some(start) = file.first_test_line() else {
        return Vec::new();
    };
    let mut function = "";
    let mut violations = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        function = function_name(line).unwrap_or(function);
        let explained = REASONS.iter().any(|reason| function.contains(reason));
        if index >= start && sleeps(line) && !explained {
            violations.push(Violation {
                place: file.place(index),
                what: "a test sleeps".to_owned(),
                fix: "wait for a condition with a deadline, in a function named `wait_…`, `…_until` or \
                      `poll_…`; one that plays somebody slow has `slow` in its name"
                    .to_owned(),
            });
        }
    }
    violations
}

fn function_name(line: &str) -> Option<&str> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let only_qualifiers = before.split_whitespace().all(|word| {
        matches!(word, "async" | "const" | "unsafe" | "extern") || word.starts_with("pub")
    });
    let name = after.split(['(', '<']).next()?;
    only_qualifiers.then_some(name)
}

fn sleeps(line: &str) -> bool {
    let code = line.split("//").next().unwrap_or_default();
    code.match_indices("sleep(")
        .any(|(at, _)| !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '"'))
}

#[cfg(test)]
mod tests {
    use super::super::sources::file;
    use super::*;

    fn body(function: &str, line: &str) -> String {
        format!("//! A.\nasync fn {function}() {{\n    {line}\n}}\n")
    }

    #[test]
    fn sleeps_with_a_reason_are_accepted() {
        let sleep = concat!("tokio::time::sl", "eep(step).await;");
        for function in ["wait_for_queue", "poll_health", "returns_until_ready", "slow_server"] {
            assert_eq!(check(&[file("operator/tests/it/main.rs", body(function, sleep))]), []);
        }
        let program = file("worker/src/session.rs", body("connect", sleep));
        let comment =
            file("operator/tests/it/main.rs", body("works", concat!("// no sl", "eep(1) here")));
        let other =
            file("operator/tests/it/main.rs", body("works", concat!("over", "sl", "eep(1)")));
        assert_eq!(check(&[program, comment, other]), []);
    }

    #[test]
    fn a_bare_sleep_in_a_test_is_refused() {
        let sleeps = [
            concat!("std::thread::sl", "eep(second);"),
            concat!("let _ = sl", "eep(second).await;"),
        ];
        for sleep in sleeps {
            let text = body("a_message_arrives", sleep);
            assert_eq!(
                check(&[file("operator/tests/it/main.rs", text.as_str())]).len(),
                1,
                "{sleep}"
            );
            let inline = format!("//! A.\n#[cfg(test)]\nmod tests {{\n{text}}}\n");
            assert_eq!(check(&[file("worker/src/session.rs", inline)]).len(), 1, "{sleep}");
        }
    }
}
