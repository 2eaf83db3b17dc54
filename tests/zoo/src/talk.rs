//! Healthy conversations, written from a seed: questions and answers, rounds of several, reports with other
//! numbers, calls for help, threads of six turns and what comes behind them.
//!
//! Each begins for a reason, as every cycle does: a letter, a word of the human, a remark, a verdict.
//! Nobody uses one phrase twice in a row; but reports are always in the same words.

use std::collections::{BTreeMap, VecDeque};

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Rooms in which residents talk.
pub const ROOMS: [&str; 4] = ["watercooler", "improvements", "struggles", "discoveries"];
/// The longest thread of two in which nothing else happens.
const THREAD_MAX: usize = 6;

/// Something that happens besides what is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// The human writes to somebody.
    Letter(usize),
    /// The human posts into the room: to these, or to all.
    Human(Vec<usize>),
    /// A resident remarks upon another.
    Remark(usize, usize),
    /// Work of a resident is approved.
    Verdict(usize),
}

/// One step of a conversation. Residents are numbered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Somebody says something.
    Line {
        /// Who.
        who: usize,
        /// What.
        text: String,
        /// Whom it names.
        names: Vec<usize>,
        /// The line of this conversation that it answers, by its place among the lines.
        answers: Option<usize>,
    },
    /// Something else happens.
    Event(Happening, String),
}

/// A conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Where.
    pub room: &'static str,
    /// What is said and happens, in order.
    pub steps: Vec<Step>,
}

impl Conversation {
    /// Messages that a resident posts in it.
    pub fn messages_of(&self, resident: usize) -> usize {
        let says = |step: &&Step| match step {
            Step::Line { who, .. } | Step::Event(Happening::Remark(who, _), _) => *who == resident,
            Step::Event(..) => false,
        };
        self.steps.iter().filter(says).count()
    }

    /// Those who take part.
    pub fn people(&self) -> Vec<usize> {
        (0..16).filter(|resident| self.messages_of(*resident) > 0).collect()
    }
}

const KINDS: [&str; 10] = [
    "old", "small", "broken", "painted", "northern", "quiet", "borrowed", "folded", "wooden",
    "second",
];
const THINGS: [&str; 14] = [
    "map of the harbour",
    "index of poems",
    "list of tools",
    "table of tides",
    "chapter on bread",
    "guide to the tower",
    "collection of riddles",
    "drawing of the bridge",
    "calendar of storms",
    "story of the ferry",
    "glossary of knots",
    "notes on the garden",
    "letter to the library",
    "plan of the orchard",
];
const ASKS: [&str; 9] = [
    "do you know who keeps the",
    "have you seen what became of the",
    "what would you change first about the",
    "I cannot make sense of one page of the",
    "which part should I read before the rest of the",
    "could you look over my copy of the",
    "is there a reason why nobody finished the",
    "how long did it take you to write the",
    "I found a mistake, or so I think, in the",
];
const ANSWERS: [&str; 9] = [
    "I began with the last page and worked backwards; that helped me most with the",
    "As far as I remember it was moved in spring, together with the",
    "Two of its sources contradict each other, so be careful with the",
    "Yes. The short version is enough for what you need of the",
    "Nobody told me, but the handwriting is the same as in the",
    "I would leave it as it is and write a better beginning for the",
    "It took three evenings, and most of that went into the",
    "There is a note about it under the heading of the",
    "Only a little: I have not come further than the middle of the",
];
const THANKS: [&str; 6] = [
    "That settles it, thank you; I shall go on with the",
    "Good, then I know what to do about the",
    "I had not thought of that. It changes how I read the",
    "Thanks, that saves me an afternoon with the",
    "Then let us leave it there until somebody needs the",
    "You are right, and I shall say so in the",
];
const VIEWS: [&str; 8] = [
    "To me the strongest part is the beginning of the",
    "We could cut a third without losing anything of the",
    "I should like more examples, above all in the",
    "It reads well aloud, which cannot be said of every",
    "Its order surprised me, but I got used to it in the",
    "A newcomer would stumble over the names in the",
    "What is missing is a single picture, right at the start of the",
    "I agree with most of it and would still rename the",
];

const REMARKS: [&str; 5] = [
    "I have just come across your",
    "Somebody left a coffee cup on your",
    "There is a question from the library about your",
    "The children of the harbour were laughing over your",
    "On my way here I saw two people bent over your",
];
/// Own phrases that somebody does not use again.
const PHRASES: usize = 4;

/// Writes conversations; the same seed writes the same.
#[derive(Debug)]
pub struct Author {
    rng: ChaCha8Rng,
    residents: usize,
    room: &'static str,
    /// The last phrases of a resident in a room.
    used: BTreeMap<(usize, &'static str), VecDeque<&'static str>>,
    /// What a resident reports about, and how far it is: pages read, questions open, links mended.
    progress: BTreeMap<usize, [usize; 3]>,
}

impl Author {
    /// An author who knows this many residents, at least five.
    pub fn seeded(seed: u64, residents: usize) -> Self {
        Self {
            rng: ChaCha8Rng::seed_from_u64(seed),
            residents,
            room: ROOMS[0],
            used: BTreeMap::new(),
            progress: BTreeMap::new(),
        }
    }

    /// A room.
    pub fn room(&mut self) -> &'static str {
        self.of(&ROOMS)
    }

    /// The next conversation, in this room.
    pub fn next(&mut self, room: &'static str) -> Conversation {
        self.room = room;
        let people = self.people();
        let steps = match self.below(7) {
            0 => self.thread(&people, 2, THREAD_MAX),
            1 => self.long(&people),
            2 => self.round(&people),
            3 => self.reports(&people),
            4 => self.help(&people),
            5 => self.answers_to_the_human(&people),
            _ => self.thread(&people, THREAD_MAX, THREAD_MAX),
        };
        Conversation { room, steps }
    }

    /// Whether the next conversation is led while this one is.
    pub fn at_once(&mut self) -> bool {
        self.below(4) == 0
    }

    /// Two conversations of one room at the same time: each goes on in its own order.
    pub fn together(&mut self, one: Conversation, other: Conversation) -> Conversation {
        let lines =
            |steps: &[Step]| steps.iter().filter(|step| matches!(step, Step::Line { .. })).count();
        let room = one.room;
        let (mut one, mut other) = (one.steps, other.steps);
        one.reverse();
        other.reverse();
        // Where the lines of each have come to lie.
        let mut places: [Vec<usize>; 2] = [Vec::new(), Vec::new()];
        let mut steps: Vec<Step> = Vec::new();
        while !one.is_empty() || !other.is_empty() {
            let first = other.is_empty() || !one.is_empty() && self.below(2) == 0;
            let from = if first { &mut one } else { &mut other };
            let Some(mut step) = from.pop() else { continue };
            let places = &mut places[usize::from(!first)];
            if let Step::Line { answers, .. } = &mut step {
                *answers = answers.and_then(|at| places.get(at).copied());
                places.push(lines(&steps));
            }
            steps.push(step);
        }
        Conversation { room, steps }
    }

    /// Questions and answers of two.
    fn thread(&mut self, people: &[usize], least: usize, most: usize) -> Vec<Step> {
        let turns = least + self.below(most - least + 1);
        let mut steps = self.cause(people[0], people[4]);
        self.turns(&mut steps, [people[0], people[1]], turns);
        steps
    }

    /// A whole thread, something that happens to one of the two, and more about that.
    fn long(&mut self, people: &[usize]) -> Vec<Step> {
        let mut steps = self.thread(people, THREAD_MAX, THREAD_MAX);
        let about = people[self.below(2)];
        steps.extend(self.cause(about, people[4]));
        let more = 2 + self.below(THREAD_MAX - 1);
        self.turns(&mut steps, [people[0], people[1]], more);
        steps
    }

    /// Three or four who speak to all, one behind the other.
    fn round(&mut self, people: &[usize]) -> Vec<Step> {
        let (count, rounds) = (3 + self.below(2), 2 + self.below(2));
        let mut steps = self.cause(people[0], people[4]);
        for _ in 0..rounds {
            for who in &people[..count] {
                let text = format!("{} {}.", self.phrase(*who, &VIEWS), self.subject());
                steps.push(line(*who, text, &[], None));
            }
        }
        steps
    }

    /// Reports in the same words with other numbers.
    fn reports(&mut self, people: &[usize]) -> Vec<Step> {
        let count = 2 + self.below(3);
        let mut steps = self.cause(people[0], people[4]);
        for _ in 0..2 {
            for who in &people[..count] {
                let (some, open, mended) = (1 + self.below(9), self.below(40), 1 + self.below(5));
                let [read, questions, links] = self.progress.entry(*who).or_insert([10, 50, 10]);
                *read += some;
                *questions = if *questions == open { open + 1 } else { open };
                *links += mended;
                let text = format!(
                    "{}: {read} of 2000 pages read, {questions} questions open, {links} links mended.",
                    THINGS[*who % THINGS.len()],
                );
                steps.push(line(*who, text, &[], None));
            }
        }
        steps
    }

    /// One who asks all, two who answer, and thanks.
    fn help(&mut self, people: &[usize]) -> Vec<Step> {
        let mut steps = self.cause(people[0], people[4]);
        let asks = self.phrase(people[0], &ASKS);
        let asks = format!("Does anybody know: {asks} {}?", self.subject());
        steps.push(line(people[0], asks, &[], None));
        for (at, who) in people[1..3].iter().enumerate() {
            let answer = format!("{} {}.", self.phrase(*who, &ANSWERS), self.subject());
            steps.push(line(*who, answer, &[], Some(0)));
            let thanks = self.phrase(people[0], &THANKS);
            let thanks = format!("{thanks} {}.", self.subject());
            steps.push(line(people[0], thanks, &[*who], Some(2 * at + 1)));
        }
        steps
    }

    /// The human asks two, and asks again.
    fn answers_to_the_human(&mut self, people: &[usize]) -> Vec<Step> {
        let pair = [people[0], people[1]];
        let mut steps = Vec::new();
        for _ in 0..2 + self.below(3) {
            let asks = format!("{} {}?", self.of(&ASKS), self.subject());
            steps.push(Step::Event(Happening::Human(pair.to_vec()), asks));
            for who in pair {
                let answer = format!("{} {}.", self.phrase(who, &ANSWERS), self.subject());
                steps.push(line(who, answer, &[], None));
            }
        }
        steps
    }

    /// Turns of two, each answering the one before.
    fn turns(&mut self, steps: &mut Vec<Step>, pair: [usize; 2], turns: usize) {
        let first = steps.iter().filter(|step| matches!(step, Step::Line { .. })).count();
        for turn in 0..turns {
            let (who, other) = (pair[turn % 2], pair[(turn + 1) % 2]);
            let words = match turn {
                0 => self.phrase(who, &ASKS),
                turn if turn + 1 == turns && turn > 1 => self.phrase(who, &THANKS),
                turn if turn % 2 == 0 => self.phrase(who, &ASKS),
                _ => self.phrase(who, &ANSWERS),
            };
            let text = format!("{words} {}.", self.subject());
            let answers = (turn > 0).then(|| first + turn - 1);
            // Some name whom they answer, some do not.
            let names = if self.below(2) == 0 || turn == 0 { vec![other] } else { Vec::new() };
            steps.push(line(who, text, &names, answers));
        }
    }

    /// Something that happens to `who`, as far as it takes another by `other`, who has a reason as well.
    fn cause(&mut self, who: usize, other: usize) -> Vec<Step> {
        let subject = self.subject();
        let letter = |to| Step::Event(Happening::Letter(to), format!("I liked the {subject}."));
        match self.below(24) {
            0 => vec![Step::Event(Happening::Verdict(who), format!("Describe the {subject}"))],
            1..=8 => vec![letter(who)],
            9..=16 => {
                let to = if self.below(2) == 0 { vec![who] } else { Vec::new() };
                let asks = format!("What do you make of the {subject}?");
                vec![Step::Event(Happening::Human(to), asks)]
            }
            _ => {
                let remark = format!("{} {subject}.", self.phrase(other, &REMARKS));
                vec![letter(other), Step::Event(Happening::Remark(other, who), remark)]
            }
        }
    }

    /// Five residents in some order.
    fn people(&mut self) -> Vec<usize> {
        let mut left: Vec<usize> = (0..self.residents).collect();
        (0..5).map(|_| left.swap_remove(self.rng.random_range(0..left.len()))).collect()
    }

    /// A phrase that this one has not used in its last lines in the room.
    fn phrase<const N: usize>(&mut self, who: usize, words: &[&'static str; N]) -> &'static str {
        let mut said = self.of(words);
        while self.used.get(&(who, self.room)).is_some_and(|used| used.contains(&said)) {
            said = self.of(words);
        }
        let used = self.used.entry((who, self.room)).or_default();
        used.push_back(said);
        if used.len() > PHRASES {
            used.pop_front();
        }
        said
    }

    fn subject(&mut self) -> String {
        format!("{} {}", self.of(&KINDS), self.of(&THINGS))
    }

    fn of<const N: usize>(&mut self, words: &[&'static str; N]) -> &'static str {
        words[self.below(N)]
    }

    fn below(&mut self, most: usize) -> usize {
        self.rng.random_range(0..most)
    }
}

fn line(who: usize, text: String, names: &[usize], answers: Option<usize>) -> Step {
    Step::Line { who, text, names: names.to_vec(), answers }
}
