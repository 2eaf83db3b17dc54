//! Five hundred healthy conversations: not one of them is cut.
//!
//! They come by the door of actions, under leases that the queue's own key signed, over as many days of
//! the world as the quotas of residents ask for. `VIVARIUM_SEED` writes others.

use std::collections::BTreeMap;

use vivarium_proto::queue::v1 as queue_pb;
use vivarium_types::Reason;
use vivarium_types::similarity::{same_numbers, similarity};
use vivarium_zoo::mind::{self, Mind};
use vivarium_zoo::talk::{Author, Conversation, Happening, ROOMS, Step};
use vivarium_zoo::world::Zoo;

const CONVERSATIONS: usize = 500;
const SEED: u64 = 50;
/// Messages of a resident a day.
const POSTS_A_DAY: usize = 12;
/// Own messages that a new one is compared with.
const ECHO_REACH: usize = 3;

/// What came of all that was said.
#[derive(Debug, Default)]
struct Told {
    messages: usize,
    events: usize,
    days: usize,
    /// What was refused, and why.
    cuts: Vec<String>,
    /// In thousandths, of a message to one of its author's last three in the room: whatever its numbers,
    /// and of those with the same numbers.
    most_alike: [u32; 2],
}

struct Play {
    zoo: Zoo,
    told: Told,
    posts_today: BTreeMap<usize, usize>,
    /// The last messages of a resident in a room.
    last: BTreeMap<(usize, &'static str), Vec<String>>,
    verdicts: Vec<String>,
}

impl Play {
    fn handle(&self, resident: usize) -> &str {
        &self.zoo.residents[resident].handle
    }

    /// A day for which every one of them has enough messages left.
    async fn make_room(&mut self, script: &Conversation) {
        let left = |who: usize| POSTS_A_DAY - self.posts_today.get(&who).copied().unwrap_or(0);
        if (0..self.zoo.residents.len()).any(|who| script.messages_of(who) > left(who)) {
            self.zoo.next_day().await;
            self.told.days += 1;
            self.posts_today.clear();
        }
    }

    async fn play(&mut self, script: &Conversation) {
        self.make_room(script).await;
        let mut lines: Vec<String> = Vec::new();
        for step in &script.steps {
            match step {
                Step::Line { who, text, names, answers } => {
                    let answers = answers.map_or_else(String::new, |at| lines[at].clone());
                    lines.push(self.say(*who, script.room, text, (&answers, names)).await);
                }
                Step::Event(happening, words) => self.happen(script.room, happening, words).await,
            }
        }
    }

    /// Says something; the message's id, empty when it was refused.
    async fn say(
        &mut self,
        who: usize,
        room: &'static str,
        text: &str,
        (answers, names): (&str, &[usize]),
    ) -> String {
        let names: Vec<&str> = names.iter().map(|who| self.handle(*who)).collect();
        let posted = self.zoo.post(self.handle(who), room, text, (answers, &names)).await;
        self.told.messages += 1;
        *self.posts_today.entry(who).or_default() += 1;
        let last = self.last.entry((who, room)).or_default();
        for earlier in last.iter().rev().take(ECHO_REACH) {
            let alike = similarity(earlier, text).0;
            let [any, same] = &mut self.told.most_alike;
            *any = alike.max(*any);
            if same_numbers(earlier, text) {
                *same = alike.max(*same);
            }
        }
        last.push(text.to_owned());
        posted.unwrap_or_else(|reason: Reason| {
            let words = format!("{}: {} in {room}: {text}", reason.name(), self.handle(who));
            self.told.cuts.push(words);
            String::new()
        })
    }

    async fn happen(&mut self, room: &'static str, happening: &Happening, words: &str) {
        self.told.events += 1;
        match happening {
            Happening::Letter(to) => self.zoo.write_to(self.handle(*to), words).await,
            Happening::Human(to) => {
                let names: Vec<&str> = to.iter().map(|who| self.handle(*who)).collect();
                self.zoo.say(room, words, &names).await;
            }
            Happening::Remark(by, about) => {
                self.say(*by, room, words, ("", &[*about])).await;
            }
            Happening::Verdict(of) => {
                let task = self.zoo.ask(self.handle(*of), words).await;
                self.zoo.wait_for(&task, queue_pb::TaskState::Approved).await;
                self.verdicts.push(task.clone());
                let all = self.verdicts.len();
                let known = async |zoo: &Zoo| zoo.remembered().await >= all;
                self.zoo.until("society knows the verdict", known).await;
            }
        }
    }
}

fn seed() -> u64 {
    std::env::var("VIVARIUM_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(SEED)
}

#[tokio::test]
async fn line_50_five_hundred_healthy_conversations_are_not_cut() {
    let zoo = Zoo::open(Mind::new(mind::diligent)).await;
    zoo.shorten_days().await;
    zoo.keep_time_moving().await;
    zoo.next_day().await;
    let mut author = Author::seeded(seed(), zoo.residents.len());
    let mut play = Play {
        zoo,
        told: Told::default(),
        posts_today: BTreeMap::new(),
        last: BTreeMap::new(),
        verdicts: Vec::new(),
    };
    let (mut count, mut at_once) = (0, 0);
    while count < CONVERSATIONS {
        let room = author.room();
        let one = author.next(room);
        count += 1;
        if !author.at_once() || count == CONVERSATIONS {
            play.play(&one).await;
            continue;
        }
        let other = author.next(room);
        count += 1;
        if one.people().iter().any(|who| other.people().contains(who)) {
            play.play(&one).await;
            play.play(&other).await;
        } else {
            let both = author.together(one, other);
            at_once += 2;
            play.play(&both).await;
        }
    }
    let Told { messages, events, days, cuts, most_alike } = &play.told;
    println!(
        "VIVARIUM_SEED={}: {count} healthy conversations, {at_once} of them beside another in one \
         room, {messages} messages, {events} other events, {days} days; most alike of one \
         author: {} permille, with the same numbers {} permille; {} false cuts",
        seed(),
        most_alike[0],
        most_alike[1],
        cuts.len(),
    );
    assert!(cuts.is_empty(), "{cuts:#?}");
    guards_are_awake(&mut play).await;
}

/// Right behind them the guards still cut what is a loop.
async fn guards_are_awake(play: &mut Play) {
    play.zoo.next_day().await;
    let room = "project_war_room";
    let mut refused = Vec::new();
    for turn in 0..7 {
        let (who, other) = (turn % 2, (turn + 1) % 2);
        let text = format!("{} {turn} {}", "so".repeat(turn), "why".repeat(turn * turn));
        let other = [play.handle(other)];
        let posted = play.zoo.post(play.handle(who), room, &text, ("", &other)).await;
        refused.extend(posted.err());
    }
    assert_eq!(refused, [Reason::SocialConversationSpent]);
    let third = play.handle(2);
    for expected in [None, Some(Reason::SocialEcho)] {
        let posted = play.zoo.post(third, room, "Goodbye, everybody!", ("", &[])).await;
        assert_eq!(posted.err(), expected);
    }
}

#[test]
fn the_same_seed_writes_the_same_conversations() {
    let written = |seed| {
        let mut author = Author::seeded(seed, 5);
        (0..50).map(|at| author.next(ROOMS[at % ROOMS.len()])).collect::<Vec<_>>()
    };
    assert_eq!(written(1), written(1));
    assert_ne!(written(1), written(2));
}
