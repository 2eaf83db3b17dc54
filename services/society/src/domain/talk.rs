//! The loop guard of a room (`domain.md` 4.4): two who answer each other again and again while nothing
//! else happens to either are cut until the next day of the world.
//!
//! All of it is made from events: a restart forgets no turn, and a new day clears it. What a message
//! says plays no part here; that is what the guard against echoes looks at.

use std::collections::{BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};
use vivarium_ledger::planted::{self, Guard};
use vivarium_types::ids::{CycleId, MessageId, ResidentId};

use super::room::Author;

/// Turns that two may take in a room while nothing else happens to either.
pub const TURNS_MAX: u32 = 6;
/// How many messages of a room are looked back on. Two whose turns lie further apart than that do not
/// answer each other.
const REACH: usize = 128;

/// A conversation that was cut, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spent {
    /// Where.
    pub room: String,
    /// Whose message was refused.
    pub resident: ResidentId,
    /// With whom.
    pub other: ResidentId,
    /// The day.
    pub day: u64,
    /// The cycle it was to be written in.
    pub cycle: CycleId,
}

/// A message as this guard sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    sequence: u64,
    message: MessageId,
    author: Author,
    to: BTreeSet<Author>,
}

/// What was said in a room today.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Talk {
    said: VecDeque<Said>,
    spent: BTreeSet<(ResidentId, ResidentId)>,
}

/// What stands in a message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It would be one turn too many with this resident.
    TooLong(ResidentId),
    /// The conversation with this resident was cut today.
    Spent(ResidentId),
}

impl Talk {
    /// Whom a message is for: those it names, and the author of what it answers. Nobody means all.
    pub fn addressed(&self, names: &[ResidentId], answers: Option<MessageId>) -> BTreeSet<Author> {
        let answered = self.said.iter().find(|said| Some(said.message) == answers);
        let residents = names.iter().copied().map(Author::Resident);
        residents.chain(answered.map(|said| said.author)).collect()
    }

    /// What stands in the way of a message of `who` to `to`. `since` tells after which row nothing but
    /// talk has happened to a resident.
    pub fn stop(
        &self,
        who: ResidentId,
        to: &BTreeSet<Author>,
        since: impl Fn(ResidentId) -> u64,
    ) -> Option<Stop> {
        if !planted::stands(Guard::Conversation) {
            return None;
        }
        let others: BTreeSet<ResidentId> = self.said.iter().filter_map(Said::resident).collect();
        others.into_iter().filter(|other| *other != who).find_map(|other| {
            let for_other = to.contains(&Author::Resident(other));
            if self.spent.contains(&pair(who, other)) {
                let answers = to.is_empty() && self.last_of_others(who) == Some(other);
                return (for_other || answers).then_some(Stop::Spent(other));
            }
            let (turns, last) = self.turns([who, other], since(who).max(since(other)));
            let long = turns >= TURNS_MAX && last == Some(other);
            (long && (to.is_empty() || for_other)).then_some(Stop::TooLong(other))
        })
    }

    /// A message was posted. What another world or the runtime wrote takes no part.
    pub fn apply_said(
        &mut self,
        sequence: u64,
        message: MessageId,
        author: Author,
        to: BTreeSet<Author>,
    ) {
        self.said.push_back(Said { sequence, message, author, to });
        if self.said.len() > REACH {
            self.said.pop_front();
        }
    }

    /// A conversation was cut.
    pub fn apply_spent(&mut self, one: ResidentId, other: ResidentId) {
        self.spent.insert(pair(one, other));
    }

    /// How often the word has passed between two, counting back to the last thing that happened to
    /// either, and who had it last.
    fn turns(&self, two: [ResidentId; 2], since: u64) -> (u32, Option<ResidentId>) {
        let (mut turns, mut last, mut speaker) = (0, None, None);
        for said in self.said.iter().rev().take_while(|said| said.sequence > since) {
            match said.resident().filter(|who| two.contains(who)) {
                Some(who) => {
                    let other = if two[0] == who { two[1] } else { two[0] };
                    if said.is_for(other) && speaker != Some(who) {
                        turns += 1;
                        speaker = Some(who);
                        last = last.or(speaker);
                    }
                }
                None if two.iter().any(|who| said.is_for(*who)) => break,
                None => {}
            }
        }
        (turns, last)
    }

    fn last_of_others(&self, who: ResidentId) -> Option<ResidentId> {
        let newest = self.said.iter().rev().find(|said| said.author != Author::Resident(who));
        newest.and_then(Said::resident)
    }
}

impl Said {
    const fn resident(&self) -> Option<ResidentId> {
        match self.author {
            Author::Resident(who) => Some(who),
            Author::Human | Author::Society => None,
        }
    }

    /// Whether it speaks to a resident, alone or among all.
    fn is_for(&self, who: ResidentId) -> bool {
        self.to.is_empty() || self.to.contains(&Author::Resident(who))
    }
}

fn pair(one: ResidentId, other: ResidentId) -> (ResidentId, ResidentId) {
    (one.min(other), one.max(other))
}

#[cfg(test)]
mod tests {
    use vivarium_types::ids::Id as _;

    use super::*;

    /// One line of a scene: who speaks and to whom.
    type Line<'a> = (char, &'a str);

    fn author(word: char) -> Author {
        match word {
            'h' => Author::Human,
            letter => Author::Resident(resident(letter)),
        }
    }

    fn resident(letter: char) -> ResidentId {
        ResidentId::from_number(u128::from(u32::from(letter)))
    }

    /// What was said, in order from row 1.
    fn talk(lines: &[Line<'_>]) -> Talk {
        let mut talk = Talk::default();
        for ((by, to), sequence) in lines.iter().zip(1..) {
            let message = MessageId::from_number(u128::from(sequence));
            talk.apply_said(sequence, message, author(*by), to.chars().map(author).collect());
        }
        talk
    }

    fn stop(talk: &Talk, (who, to): Line<'_>, since: u64) -> Option<Stop> {
        talk.stop(resident(who), &to.chars().map(author).collect(), |_| since)
    }

    fn alternating(turns: usize) -> Vec<Line<'static>> {
        [('a', "b"), ('b', "a")].into_iter().cycle().take(turns).collect()
    }

    #[test]
    fn the_seventh_turn_of_two_is_one_too_many() {
        for turns in 0..TURNS_MAX as usize {
            let who = if turns % 2 == 0 { ('a', "b") } else { ('b', "a") };
            assert_eq!(stop(&talk(&alternating(turns)), who, 0), None, "{turns}");
        }
        let long = talk(&alternating(6));
        assert_eq!(stop(&long, ('a', "b"), 0), Some(Stop::TooLong(resident('b'))));
        assert_eq!(stop(&long, ('a', ""), 0), Some(Stop::TooLong(resident('b'))), "to all");
    }

    #[test]
    fn who_goes_on_alone_or_turns_to_somebody_else_is_not_held_up() {
        let long = talk(&alternating(6));
        assert_eq!(stop(&long, ('b', "a"), 0), None, "b had the word: it is no further turn");
        assert_eq!(stop(&long, ('a', "c"), 0), None);
        assert_eq!(stop(&long, ('a', "h"), 0), None);
        assert_eq!(stop(&long, ('c', "b"), 0), None);
    }

    #[test]
    fn speaking_twice_is_one_turn_and_hides_none() {
        let doubled: Vec<_> = alternating(6).into_iter().flat_map(|line| [line, line]).collect();
        assert_eq!(stop(&talk(&doubled[..10]), ('b', "a"), 0), None);
        assert!(stop(&talk(&doubled), ('a', "b"), 0).is_some());
    }

    #[test]
    fn another_event_about_either_begins_anew() {
        for other in [('c', "a"), ('c', "bd"), ('c', ""), ('h', ""), ('h', "b")] {
            let mut lines = alternating(5);
            lines.insert(3, other);
            lines.push(('b', "a"));
            assert_eq!(stop(&talk(&lines), ('a', "b"), 0), None, "{other:?}");
        }
        assert_eq!(stop(&talk(&alternating(6)), ('a', "b"), 2), None, "a verdict in between");
    }

    #[test]
    fn what_others_say_to_each_other_hides_no_turn() {
        let lines: Vec<_> =
            [('a', "b"), ('c', "d"), ('b', "a"), ('d', "c")].into_iter().cycle().take(12).collect();
        let two = talk(&lines);
        assert_eq!(stop(&two, ('a', "b"), 0), Some(Stop::TooLong(resident('b'))));
        assert_eq!(stop(&two, ('c', "d"), 0), Some(Stop::TooLong(resident('d'))));
        assert_eq!(stop(&two, ('a', "c"), 0), None);
    }

    #[test]
    fn a_round_of_many_who_speak_to_all_is_no_pair() {
        let lines: Vec<_> =
            ['a', 'b', 'c', 'd'].into_iter().cycle().take(40).map(|who| (who, "")).collect();
        assert_eq!(stop(&talk(&lines), ('a', ""), 0), None);
    }

    #[test]
    fn a_cut_conversation_stays_cut_whatever_else_happens() {
        let mut cut = talk(&alternating(6));
        cut.apply_spent(resident('b'), resident('a'));
        let spent = |other| Some(Stop::Spent(resident(other)));
        assert_eq!(stop(&cut, ('a', "b"), 9), spent('b'));
        assert_eq!(stop(&cut, ('b', "a"), 9), spent('a'));
        assert_eq!(stop(&cut, ('a', ""), 9), spent('b'), "b had the word");
        assert_eq!(stop(&cut, ('a', "c"), 9), None);
        cut.apply_said(7, MessageId::from_number(7), Author::Human, BTreeSet::new());
        assert_eq!(stop(&cut, ('a', ""), 9), None, "it answers the human");
        assert_eq!(stop(&cut, ('a', "b"), 9), spent('b'));
    }

    #[test]
    fn who_is_answered_is_spoken_to() {
        let said = talk(&[('a', ""), ('h', ""), ('b', "")]);
        let to = |names: &str, answers: u128| {
            let names: Vec<_> = names.chars().map(resident).collect();
            said.addressed(&names, Some(MessageId::from_number(answers)))
        };
        assert_eq!(to("", 1), BTreeSet::from([author('a')]));
        assert_eq!(to("c", 2), BTreeSet::from([author('h'), author('c')]));
        assert_eq!(to("", 99), BTreeSet::new(), "what is not known is for all");
    }
}
