//! Ids: a prefix and 26 characters of time-ordered base 32, such as `tsk_01jd8x…`.
//!
//! The 26 characters are a 128-bit number in Crockford's base 32 (<https://github.com/ulid/spec>),
//! lower case: 48 bits of milliseconds, then 80 bits that an [`IdSource`] gives. An id is made by
//! the context of a command, never by a clock inside a domain.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// What is no letter of the alphabet.
const NO_DIGIT: u8 = u8::MAX;
/// The digit of each letter: ids are read far more often than they are made.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut digit: u8 = 0;
    while (digit as usize) < ALPHABET.len() {
        digits[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    digits
};
/// Length of the part after the prefix.
pub const BODY_LENGTH: usize = 26;

/// Text that is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 26 characters of base 32")]
pub struct NotAnId {
    /// The prefix that was wanted.
    pub prefix: &'static str,
}

/// What every id type has in common.
pub trait Id: Copy + Ord + fmt::Display + FromStr<Err = NotAnId> {
    /// The prefix, without the underscore.
    const PREFIX: &'static str;
    /// The id with this number behind its prefix.
    fn from_number(number: u128) -> Self;
    /// The number behind the prefix.
    fn number(self) -> u128;
}

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl Id for $name {
            const PREFIX: &'static str = $prefix;
            fn from_number(number: u128) -> Self { Self(number) }
            fn number(self) -> u128 { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(encode(self.0, &mut [0; BODY_LENGTH]))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = NotAnId;
            fn from_str(text: &str) -> Result<Self, NotAnId> {
                text.strip_prefix(concat!($prefix, "_"))
                    .and_then(decode)
                    .map(Self)
                    .ok_or(NotAnId { prefix: $prefix })
            }
        }

        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    serializer.serialize_u128(self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    u128::deserialize(deserializer).map(Self)
                }
            }
        }
    )*};
}

ids! {
    /// A piece of work somebody asked for.
    TaskId = "tsk";
    /// The right of one runner to run one cycle.
    LeaseId = "lea";
    /// What happens to one task under one lease.
    AttemptId = "att";
    /// One turn of a resident.
    CycleId = "cyc";
    /// A lasting identity that acts through cycles.
    ResidentId = "res";
    /// A Markdown text: a draft, then a publication.
    DocumentId = "doc";
    /// What one cycle puts up for review.
    SubmissionId = "sub";
    /// A blind decision.
    BallotId = "bal";
    /// Review's answer to a submission.
    VerdictId = "ver";
    /// A human's recorded decision about one payload hash.
    ApprovalId = "apr";
    /// A message in a room.
    MessageId = "msg";
    /// A text between one resident and the human.
    LetterId = "let";
    /// A journal entry.
    JournalId = "jrn";
    /// A bounty.
    BountyId = "bty";
    /// A remembered thing.
    MemoryId = "mem";
    /// An authored text that lies beside a log.
    TextId = "txt";
    /// A ledger: one service's log in one world.
    LedgerId = "led";
    /// A world, wherever its ledgers lie.
    WorldId = "wld";
    /// One start of one process.
    InstanceId = "ins";
    /// One slot of an executor that runs cycles.
    RunnerId = "run";
    /// A reservation of money before a model call.
    ReservationId = "rsv";
    /// One call of a language model.
    CallId = "cal";
}

/// Where the 80 bits of an id that are not time come from. Seeded in tests, so that a run repeats.
///
/// Two ids of one source never compare equal and, within one millisecond, ascend.
#[derive(Debug, Clone)]
pub struct IdSource {
    /// State of a `SplitMix64` sequence (Steele, Lea and Flood 2014); only spreads the seed.
    state: u64,
    last: Option<u128>,
}

impl IdSource {
    /// A source that gives the same ids for the same seed and moments.
    pub const fn seeded(seed: u64) -> Self {
        Self { state: seed, last: None }
    }

    /// A new id for `now`.
    pub fn mint<I: Id>(&mut self, now: Timestamp) -> I {
        let millis = u128::try_from(now.as_millis()).unwrap_or(0) & 0xffff_ffff_ffff;
        let random = u128::from(self.step()) << 16 | u128::from(self.step() >> 48);
        let fresh = millis << 80 | random;
        // Within one millisecond the next id is the last one plus one: order is order of making.
        let number = match self.last {
            Some(last) if fresh >> 80 <= last >> 80 => last.wrapping_add(1),
            Some(_) | None => fresh,
        };
        self.last = Some(number);
        I::from_number(number)
    }

    /// A second source whose ids never meet those of this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::seeded(self.step())
    }

    fn step(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

fn encode(number: u128, body: &mut [u8; BODY_LENGTH]) -> &str {
    for (place, slot) in body.iter_mut().enumerate() {
        let digit = (number >> (5 * (BODY_LENGTH - 1 - place))) & 31;
        *slot = ALPHABET[usize::try_from(digit).expect("five bits fit")];
    }
    std::str::from_utf8(body).expect("the alphabet is ASCII")
}

fn decode(body: &str) -> Option<u128> {
    // The first of 26 digits carries only three bits: above 7 the number would not fit.
    if body.len() != BODY_LENGTH || body.as_bytes()[0] > b'7' {
        return None;
    }
    body.bytes().try_fold(0_u128, |number, byte| {
        let digit = DIGITS[usize::from(byte)];
        (digit != NO_DIGIT).then_some(number << 5 | u128::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_back_and_names_its_prefix_when_it_is_another() {
        let id: TaskId = IdSource::seeded(7).mint(Timestamp::from_millis(1_795_406_400_000));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 4 + BODY_LENGTH);
        assert_eq!(id.to_string().parse::<LeaseId>(), Err(NotAnId { prefix: "lea" }));
        assert_eq!("tsk_".parse::<TaskId>(), Err(NotAnId { prefix: "tsk" }));
        assert!("tsk_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<TaskId>().is_err());
    }

    #[test]
    fn ids_ascend_within_and_across_milliseconds() {
        let mut source = IdSource::seeded(1);
        let made: Vec<TaskId> =
            (0..5_000).map(|n| source.mint(Timestamp::from_micros(n * 100))).collect();
        assert!(made.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn two_sources_differ_even_at_the_epoch() {
        let first = |seed| IdSource::seeded(seed).mint::<TaskId>(Timestamp::EPOCH);
        assert_ne!(first(1), first(2));
    }

    #[test]
    fn an_id_is_text_in_json() {
        let id = TaskId::from_number(1);
        let json = serde_json::to_string(&id).expect("an id serialises");
        assert_eq!(json, "\"tsk_00000000000000000000000001\"");
        assert_eq!(serde_json::from_str::<TaskId>(&json).expect("and reads back"), id);
    }
}
