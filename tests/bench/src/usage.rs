//! What the kernel says of a process: CPU, memory, bytes handed to the disk.

use std::fs;
use std::time::Duration;

/// One look at a process.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Hundredths of a second of CPU, of all its threads that are or were.
    pub ticks: u64,
    /// Bytes that were handed to the disk.
    pub written: u64,
    /// Resident KiB.
    pub resident: u64,
    /// The most resident KiB there ever were.
    pub resident_peak: u64,
    /// KiB that are its own, and its part of those it shares.
    pub proportional: u64,
}

impl Usage {
    /// Looks at the process; zeros when there is none.
    pub fn of(pid: u32) -> Self {
        let read =
            |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        let (status, shared) = (read("status"), read("smaps_rollup"));
        Self {
            ticks: ticks(&read("stat")),
            written: line(&read("io"), "write_bytes:"),
            resident: line(&status, "VmRSS:"),
            resident_peak: line(&status, "VmHWM:"),
            proportional: line(&shared, "Pss:"),
        }
    }

    /// The CPU time.
    pub const fn cpu(&self) -> Duration {
        Duration::from_millis(self.ticks * 10)
    }
}

/// Utime and stime are fields 14 and 15 of proc(5); the state is the first behind the name.
fn ticks(stat: &str) -> u64 {
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|text| text.parse::<u64>().ok()).sum()
}

/// The number behind a name.
fn line(text: &str, name: &str) -> u64 {
    let digits = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    digits.split_whitespace().next().and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_brackets_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 7 7 0 -1 4194560 10 0 0 0 31 11 0 0 20 0 1 0 99";
        assert_eq!(ticks(stat), 42);
        assert_eq!(ticks(""), 0);
    }

    #[test]
    fn this_process_has_memory() {
        let usage = Usage::of(std::process::id());
        assert!(usage.resident > 0 && usage.resident_peak >= usage.resident / 2, "{usage:?}");
        assert!(usage.proportional > 0 && Usage::of(0) == Usage::default(), "{usage:?}");
    }
}
