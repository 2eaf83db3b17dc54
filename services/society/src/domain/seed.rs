//! How a new world gets its first residents and rooms.

use vivarium_ledger::{Context, TextRef};

use super::resident::{Joined, Status};
use super::{Booking, Event, Society, moved};

/// What a new world holds.
#[derive(Debug, Clone, Default)]
pub struct Seed {
    /// The first residents; they join only where nobody is.
    pub residents: Vec<Newcomer>,
    /// The first rooms with their titles; those that are there stay as they are.
    pub rooms: Vec<(String, TextRef)>,
}

/// A resident that is to join.
#[derive(Debug, Clone)]
pub struct Newcomer {
    /// Unique for ever.
    pub handle: String,
    /// The words about it.
    pub identity: TextRef,
    /// Words of traits and interests, for the queue.
    pub words: Vec<String>,
}

impl Society {
    /// Opens the rooms that are missing and, where nobody is, lets the first residents join. A
    /// newcomer gets the tokens of a day that has begun.
    pub(super) fn seed(&self, seed: Seed, cx: &Context<'_>) -> Vec<Event> {
        let missing = seed.rooms.into_iter().filter(|(room, _)| self.rooms.get(room).is_none());
        let mut events: Vec<_> =
            missing.map(|(room, title)| Event::RoomOpened { room, title }).collect();
        if !self.residents.is_empty() {
            return events;
        }
        let day = self.today.day;
        let mut booking = Booking::new(&self.wallets, &self.rules, day);
        for newcomer in seed.residents {
            let resident = cx.mint();
            events.push(Event::ResidentJoined(Box::new(Joined {
                resident,
                handle: newcomer.handle,
                identity: newcomer.identity,
                origin: "seed".to_owned(),
                creator: cx.actor().to_string(),
                status: Status::Active,
                words: newcomer.words,
                day,
            })));
            if day > 0 {
                booking.allowance(resident);
            }
        }
        events.extend(moved(booking));
        events
    }
}
