//! What a process uses, as the kernel counts it: memory and CPU time, read from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::param::clock_ticks_per_second;
use serde::Serialize;

/// The memory of a process, in KiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    /// All pages that it has in memory (`VmRSS`, `proc_pid_status(5)`).
    pub(super) rss_kib: u32,
    /// The same with each shared page divided by the number of its users (`Pss`,
    /// `proc_pid_smaps(5)`).
    pub(super) pss_kib: u32,
}

impl Memory {
    /// The memory of the process `id` now.
    ///
    /// # Errors
    /// When the process is gone, or the kernel does not tell.
    pub(super) fn of(id: u32) -> anyhow::Result<Self> {
        let (status, rollup) = (read(id, "status")?, read(id, "smaps_rollup")?);
        let memory = Self::parse(&status, &rollup);
        memory.with_context(|| format!("find VmRSS and Pss of process {id}"))
    }

    fn parse(status: &str, rollup: &str) -> Option<Self> {
        Some(Self { rss_kib: kib(status, "VmRSS")?, pss_kib: kib(rollup, "Pss")? })
    }
}

/// The CPU time that the process `id` has used, in user and system mode, all threads together.
/// One that has ended still has it until somebody has asked how it ended.
///
/// # Errors
/// When the process is gone.
pub(super) fn cpu_time(id: u32) -> anyhow::Result<Duration> {
    let ticks = ticks(&read(id, "stat")?);
    let ticks = ticks.with_context(|| format!("find the CPU time of process {id}"))?;
    Ok(Duration::from_millis(ticks * 1000 / clock_ticks_per_second()))
}

/// How many processes ran or wanted to, on average over the last minute (`proc_loadavg(5)`).
///
/// # Errors
/// When the kernel does not tell.
pub(super) fn load() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg").context("read /proc/loadavg")?;
    let first = text.split_whitespace().next().unwrap_or_default();
    first.parse().context("understand /proc/loadavg")
}

/// Makes sure that this system tells what is needed.
///
/// # Errors
/// When it does not.
pub(super) fn check() -> anyhow::Result<()> {
    ensure!(
        fs::exists("/proc/self/smaps_rollup").unwrap_or(false),
        "memory is read from /proc/<id>/smaps_rollup, which this system does not have"
    );
    Ok(())
}

fn read(id: u32, file: &str) -> anyhow::Result<String> {
    let path = format!("/proc/{id}/{file}");
    fs::read_to_string(&path).with_context(|| format!("read {path}"))
}

/// The value of a line such as `VmRSS:     5432 kB`.
fn kib(text: &str, name: &str) -> Option<u32> {
    let mut lines = text.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(found, _)| *found == name)?;
    value.trim().strip_suffix(" kB")?.parse().ok()
}

/// Fields 14 and 15 of `/proc/<id>/stat` (`proc_pid_stat(5)`). Field 2 is a name in brackets that
/// may contain anything, so that fields are counted from the last bracket.
fn ticks(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(14 - 3);
    let (user, system): (u64, u64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some(user + system)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tbare-loop\nVmPeak:\t  181000 kB\nVmHWM:\t    6100 kB\n\
                          VmRSS:\t    5432 kB\nRssAnon:\t    1200 kB\n";
    const ROLLUP: &str = "5581c0000000-7ffd00000000 ---p 00000000 00:00 0    [rollup]\n\
                          Rss:                5432 kB\nPss_Dirty:          1100 kB\n\
                          Pss:                3210 kB\nPss_Anon:           1100 kB\n";

    #[test]
    fn memory_is_found_among_lines_with_similar_names() {
        let memory = Memory::parse(STATUS, ROLLUP);
        assert_eq!(memory, Some(Memory { rss_kib: 5432, pss_kib: 3210 }));
    }

    #[test]
    fn memory_that_the_kernel_does_not_tell_is_not_zero() {
        // A zombie has neither line.
        assert_eq!(Memory::parse("Name:\tbare-loop\nState:\tZ (zombie)\n", ROLLUP), None);
        assert_eq!(Memory::parse(STATUS, ""), None);
        assert_eq!(Memory::parse("VmRSS:\t-1 kB\n", ROLLUP), None);
    }

    #[test]
    fn cpu_time_is_user_and_system_time_whatever_the_program_is_called() {
        let rest = "S 1 42 42 0 -1 4194560 1 2 3 4 70 8 0 0 20 0 5 0 987654 1 2";
        for name in ["bare-loop", "a) R 1 2 (b", ""] {
            assert_eq!(ticks(&format!("42 ({name}) {rest}")), Some(78), "{name}");
        }
        assert_eq!(ticks("42 (sh) S 1 2 3"), None);
    }

    #[test]
    fn this_process_has_memory_and_a_load_to_run_under() {
        let memory = Memory::of(std::process::id()).expect("this test runs");
        assert!(memory.rss_kib >= memory.pss_kib && memory.pss_kib > 0, "{memory:?}");
        assert!(cpu_time(std::process::id()).is_ok() && load().is_ok());
    }
}
