//! What a cell measures, and how it is told.

use std::fmt::Write as _;
use std::time::Duration;

/// What is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) residents: usize,
    pub(crate) latency: Duration,
    pub(crate) cycles: usize,
}

impl Cell {
    pub(crate) const fn new(residents: usize, latency_ms: u64, cycles: usize) -> Self {
        Self { residents, latency: Duration::from_millis(latency_ms), cycles }
    }

    /// What residents who never wait for anything but their model would come to.
    #[expect(clippy::cast_precision_loss, reason = "there are few residents")]
    pub(crate) fn ideal(&self) -> Option<f64> {
        let seconds = self.latency.as_secs_f64();
        (seconds > 0.0).then(|| self.residents as f64 / seconds)
    }
}

/// One of our processes.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) name: String,
    /// All of it, with the adding of the tasks.
    pub(crate) cpu: Duration,
    pub(crate) adding: Duration,
    pub(crate) peak_kib: u64,
    pub(crate) pss_kib: u64,
    pub(crate) written: u64,
}

/// One measured cell.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) cell: Cell,
    pub(crate) seconds: f64,
    pub(crate) cpu_ms: f64,
    pub(crate) peak_kib: u64,
    pub(crate) parts: Vec<Part>,
    /// Why there is nothing.
    pub(crate) missing: Option<String>,
}

impl Row {
    /// A row that says why nothing was measured.
    pub(crate) fn without(name: &str, cell: Cell, why: String) -> Self {
        let (name, parts, missing) = (name.to_owned(), Vec::new(), Some(why));
        Self { name, cell, seconds: 0.0, cpu_ms: 0.0, peak_kib: 0, parts, missing }
    }

    #[expect(clippy::cast_precision_loss, reason = "there are few cycles")]
    const fn cycles(&self) -> f64 {
        self.cell.cycles as f64
    }

    fn line(&self) -> String {
        let Cell { residents, latency, cycles } = self.cell;
        let cell = format!("{residents:>9} {:>7} {cycles:>6}", latency.as_millis());
        if let Some(why) = &self.missing {
            return format!("{cell}  {:<23} {why}", self.name);
        }
        let rate = self.cycles() / self.seconds;
        let share = self.cell.ideal().map(|ideal| format!("{:.0} %", rate / ideal * 100.0));
        format!(
            "{cell}  {:<23} {rate:>8.1} {:>7} {:>9.2} {:>8}",
            self.name,
            share.unwrap_or_default(),
            self.cpu_ms / self.cycles(),
            self.peak_kib / 1_024,
        )
    }

    /// The cell by process.
    #[expect(clippy::cast_precision_loss, reason = "there are few bytes")]
    fn parts(&self) -> String {
        let mut told = String::new();
        for part in &self.parts {
            let millis = |span: Duration| span.as_secs_f64() * 1_000.0 / self.cycles();
            // Writing to a string cannot fail.
            let _infallible = writeln!(
                told,
                "{:>9} {:>7}  {:<23} {:<11} {:>8.3} {:>8.3} {:>9} {:>8} {:>8.1}",
                self.cell.residents,
                self.cell.latency.as_millis(),
                self.name,
                part.name,
                millis(part.cpu),
                millis(part.adding),
                part.peak_kib / 1_024,
                part.pss_kib / 1_024,
                part.written as f64 / 1_024.0 / self.cycles(),
            );
        }
        told
    }
}

/// Everything that was measured, as people read it.
pub(crate) fn told(rows: &[Row]) -> String {
    let mut told = format!(
        "{:>9} {:>7} {:>6}  {:<23} {:>8} {:>7} {:>9} {:>8}\n",
        "residents", "latency", "cycles", "", "cycles/s", "ideal", "CPU ms", "peak MiB"
    );
    for row in rows {
        told.push_str(&row.line());
        told.push('\n');
    }
    told.push_str("\nOurs by process, for each cycle; the adding is a part of the CPU\n");
    let heads =
        ["residents", "latency", "process", "CPU ms", "adding", "peak MiB", "PSS MiB", "KiB"];
    let [one, two, three, four, five, six, seven, eight] = heads;
    let _infallible = writeln!(
        told,
        "{one:>9} {two:>7}  {:<23} {three:<11} {four:>8} {five:>8} {six:>9} {seven:>8} {eight:>8}",
        ""
    );
    for row in rows {
        told.push_str(&row.parts());
    }
    told
}
