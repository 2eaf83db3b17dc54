//! What the callers know: which numbers they asked for, and which answers they heard.

use crate::numbers::Note;
use anyhow::{Context as _, Result, bail, ensure};

/// The callers' side of the story, over all lives.
#[derive(Debug)]
pub struct Book {
    callers: Vec<Caller>,
    /// Answers that came from an earlier life's commit.
    pub repeated: u64,
}

#[derive(Debug, Clone, Default)]
struct Caller {
    /// The highest number asked for; a caller counts upwards and has one call at a time.
    asked: u64,
    /// Whether the present life has asked for it.
    asked_now: bool,
    /// The acknowledged sequences, of number 1, 2, ….
    acknowledged: Vec<u64>,
}

impl Book {
    /// Nobody has asked for anything.
    pub fn new(callers: u32) -> Self {
        Self { callers: vec![Caller::default(); callers as usize], repeated: 0 }
    }

    /// Where each caller goes on: with the number that has no answer yet.
    pub fn starts(&self) -> Vec<String> {
        self.callers.iter().map(|caller| (caller.acknowledged.len() + 1).to_string()).collect()
    }

    /// Nothing is asked in a life that begins.
    pub fn begin_life(&mut self) {
        self.callers.iter_mut().for_each(|caller| caller.asked_now = false);
    }

    /// Takes down a line of the writer. Whether it was an answer.
    pub fn hear(&mut self, line: &str) -> Result<bool> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = |index: usize| words[index].parse::<u64>().with_context(|| line.to_owned());
        match words.first().copied() {
            Some("asked") if words.len() == 3 => {
                let (caller, asked) = (self.caller(number(1)?)?, number(2)?);
                ensure!(asked == caller.acknowledged.len() as u64 + 1, "out of turn: {line}");
                (caller.asked, caller.asked_now) = (asked, true);
                Ok(false)
            }
            Some("answered") if words.len() == 5 => {
                let (answered, sequence) = (number(2)?, number(3)?);
                let caller = self.caller(number(1)?)?;
                let next = caller.acknowledged.len() as u64 + 1;
                ensure!(answered == next && answered == caller.asked, "out of turn: {line}");
                caller.acknowledged.push(sequence);
                self.repeated += u64::from(words[4] == "again");
                Ok(true)
            }
            _ => bail!("not a line of the writer: {line}"),
        }
    }

    fn caller(&mut self, index: u64) -> Result<&mut Caller> {
        self.callers.get_mut(usize::try_from(index)?).context("no such caller")
    }

    /// Whether anyone ever asked for it.
    pub fn asked_for(&self, note: Note) -> bool {
        let caller = self.callers.get(note.caller as usize);
        caller.is_some_and(|caller| (1..=caller.asked).contains(&note.number))
    }

    /// What this life asked for and did not answer.
    pub fn in_flight(&self) -> Vec<Note> {
        let callers = self.callers.iter().zip(0..);
        callers
            .filter(|(caller, _)| caller.asked_now)
            .filter(|(caller, _)| caller.asked > caller.acknowledged.len() as u64)
            .map(|(caller, index)| Note { caller: index, number: caller.asked })
            .collect()
    }

    /// What was acknowledged behind the first `known` numbers of each caller, with its sequence.
    pub fn acknowledged_behind(&self, known: &[usize]) -> Vec<(Note, u64)> {
        let callers = self.callers.iter().zip(known).zip(0..);
        callers
            .flat_map(|((caller, known), index)| {
                let fresh = caller.acknowledged.iter().zip(1..).skip(*known);
                fresh.map(move |(sequence, number)| (Note { caller: index, number }, *sequence))
            })
            .collect()
    }

    /// How many acknowledgements there are.
    pub fn acknowledged(&self) -> u64 {
        self.callers.iter().map(|caller| caller.acknowledged.len() as u64).sum()
    }
}
