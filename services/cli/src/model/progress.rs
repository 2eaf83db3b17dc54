//! How far a fetch is: a bar on a terminal, a line each tenth elsewhere, always on standard error.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const TEMPLATE: &str = "{msg:10} {bar:32} {bytes:>10} of {total_bytes}  {bytes_per_sec}  {eta}";
/// Plain lines of the stage [`FETCHING`]; others have one.
const STEPS: u64 = 10;

/// The stage in which bytes arrive.
pub(super) const FETCHING: &str = "fetching";
/// The stage in which they are hashed.
pub(super) const CHECKING: &str = "checking";

/// Shows one thing being fetched.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    plain: Option<RefCell<Plain>>,
}

/// Where the last plain line stood.
#[derive(Debug, Default)]
struct Plain {
    stage: &'static str,
    total: u64,
    step: u64,
}

impl Progress {
    /// A bar where somebody watches; lines otherwise.
    pub(super) fn new() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let target =
            if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style.progress_chars("=> "));
        }
        Self { bar, plain: (!terminal).then(RefCell::default) }
    }

    /// A stage of so many bytes begins.
    pub(super) fn begin(&self, stage: &'static str, total: u64) {
        self.bar.reset();
        self.bar.set_length(total);
        self.bar.set_message(stage);
        if let Some(plain) = &self.plain {
            *plain.borrow_mut() = Plain { stage, total, step: 0 };
        }
    }

    /// So many of its bytes are there.
    pub(super) fn at(&self, bytes: u64) {
        self.bar.set_position(bytes);
        let Some(plain) = &self.plain else { return };
        let mut plain = plain.borrow_mut();
        let steps = if plain.stage == FETCHING { STEPS } else { 1 };
        let step = bytes.saturating_mul(steps) / plain.total.max(1);
        if step > plain.step {
            plain.step = step;
            let (stage, total) = (plain.stage, size(plain.total));
            line(&format!("{stage:<10} {:>3} % of {total}", step * 100 / steps));
        }
    }

    /// Says something beside it.
    pub(super) fn say(&self, text: &str) {
        self.bar.suspend(|| line(text));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Bytes for people.
pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", bytes / 1_000_000),
        _ => format!("{}.{} GB", bytes / 1_000_000_000, bytes / 100_000_000 % 10),
    }
}

fn line(text: &str) {
    // Nobody reads a closed standard error: the work goes on.
    drop(writeln!(std::io::stderr().lock(), "{text}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(1), "1 kB");
        assert_eq!(size(98_362_432), "98 MB");
        assert_eq!(size(1_117_320_768), "1.1 GB");
    }
}
