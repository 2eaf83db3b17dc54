//! Suites that are too much for one run: each run adds a line, and all of them count.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs, io};

use crate::place;

/// What a line of a run begins with.
const RUN: &str = "run ";
/// What is no count.
const SEED: &str = "seed";

/// The runs of one suite, as its result file keeps them: lines of words and numbers, such as
/// `run seed 7 calls 1200`.
#[derive(Debug)]
pub struct Runs {
    suite: &'static str,
    earlier: Vec<String>,
}

impl Runs {
    /// Those that were kept before.
    pub fn of(suite: &'static str) -> Self {
        let kept =
            env::var_os("VIVARIUM_RESULTS").map(|folder| Path::new(&folder).join(file(suite)));
        let text = kept.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        let earlier = text.lines().filter(|line| line.starts_with(RUN)).map(ToOwned::to_owned);
        Self { suite, earlier: earlier.collect() }
    }

    /// Keeps them with one more, of which these are the seed and the counts; the text that is kept.
    /// Told again of the same run, it replaces what was told of it before.
    pub fn keep(&self, seed: u64, counts: &[(&str, u64)]) -> io::Result<String> {
        let text = self.text(seed, counts).map_err(io::Error::other)?;
        place::keep(&file(self.suite), &text)?;
        Ok(text)
    }

    fn text(&self, seed: u64, counts: &[(&str, u64)]) -> Result<String, std::fmt::Error> {
        let mut text = format!("cargo xtask long {}\n", self.suite);
        text.push_str(&place::versions(&env::temp_dir()));
        text.push('\n');
        for run in &self.earlier {
            text.push_str(run);
            text.push('\n');
        }
        write!(text, "{RUN}{SEED} {seed}")?;
        let mut all = "in all".to_owned();
        for (word, count) in counts {
            write!(text, " {word} {count}")?;
            let sum = count + self.earlier.iter().map(|run| number(run, word)).sum::<u64>();
            write!(all, " {word} {sum}")?;
        }
        Ok(format!("{text}\n{all}\n"))
    }
}

fn file(suite: &str) -> String {
    format!("{suite}.txt")
}

/// The number behind this word.
fn number(line: &str, word: &str) -> u64 {
    let mut words = line.split_whitespace().skip_while(|found| *found != word).skip(1);
    words.next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up() {
        let runs = Runs {
            suite: "arguments",
            earlier: vec!["run seed 7 calls 1200 violations 0".to_owned()],
        };
        let text = runs.text(8, &[("calls", 34), ("violations", 1)]).expect("a text takes all");
        let lines: Vec<&str> = text.lines().skip(2).collect();
        assert_eq!(
            lines,
            [
                "run seed 7 calls 1200 violations 0",
                "run seed 8 calls 34 violations 1",
                "in all calls 1234 violations 1"
            ]
        );
    }
}
