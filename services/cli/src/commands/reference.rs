//! `vivarium import reference`: takes over what a world of the Python reference holds.
//!
//! Every step can be repeated: what was taken before is known by the key it has over there.

use std::collections::{BTreeMap, BTreeSet};

use indicatif::{ProgressBar, ProgressStyle};
use vivarium_chassis::{Calls, Service};
use vivarium_proto::identity::v1 as identity;
use vivarium_proto::identity::v1::resident_service_client::ResidentServiceClient;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::import_item::Item;
use vivarium_proto::social::v1::import_service_client::ImportServiceClient;
use vivarium_proto::social::v1::room_service_client::RoomServiceClient;
use vivarium_proto::wkt;
use vivarium_types::Timestamp;

use crate::args::Reference;
use crate::console::{Console, request_id};
use crate::failure::Failure;
use crate::reference::files::Files;
use crate::reference::past::{self, Told};
use crate::reference::people::{self, Person, Wallet};
use crate::reference::prizes::{self, Prize};
use crate::reference::report::{Kind, Place, Report};
use crate::reference::talk::{self, Letter, Message};
use crate::reference::{key, word, work};

mod tasks;

/// Items of one request.
const BATCH: usize = 100;

/// An import that is under way.
struct Taking<'a> {
    console: &'a Console,
    reason: String,
    dry_run: bool,
    report: Report,
    /// Residents here, by the id they have over there.
    residents: BTreeMap<String, String>,
}

/// Something to take over, and where it stands.
struct Offer {
    kind: Kind,
    place: Place,
    item: pb::ImportItem,
}

/// Takes over a folder.
pub(super) async fn run(console: &Console, wanted: &Reference) -> Result<(), Failure> {
    offset(&wanted.utc_offset)?;
    let mut report = Report::default();
    let files = Files::find(&wanted.folder, &wanted.file, &mut report)?;
    let people = people::read(&files, &wanted.utc_offset, &mut report);
    let wallets = people::wallets(&files, &mut report);
    let messages = talk::messages(&files, &wanted.utc_offset, &mut report);
    let letters = talk::letters(&files, &wanted.utc_offset, &mut report);
    let (tasks, mut told) = work::tasks(&files, &mut report);
    let (bounties, over) = prizes::bounties(&files, &wanted.utc_offset, &mut report);
    told.extend(over);
    told.extend(past::actions(&files, &wanted.utc_offset, &mut report));
    let mut taking = Taking {
        console,
        reason: wanted.reason.clone(),
        dry_run: wanted.dry_run,
        report,
        residents: BTreeMap::new(),
    };
    let taken = async {
        taking.people(people).await?;
        taking.wallets(wallets).await?;
        taking.messages(messages).await?;
        taking.letters(letters).await?;
        taking.bounties(bounties).await?;
        taking.history(told).await?;
        taking.tasks(tasks).await
    };
    let taken = taken.await;
    // What was taken stays taken, whatever stopped the rest.
    let told = taking.report.tell(console.json, wanted.dry_run);
    taken.and(told)
}

/// An offset such as +02:00, as the operator gave it.
fn offset(given: &str) -> Result<(), Failure> {
    if format!("2000-01-01T00:00:00{given}").parse::<Timestamp>().is_ok() {
        return Ok(());
    }
    Err(Failure::usage(format!("{given} is no offset from UTC"), "use a form such as +02:00 or Z"))
}

impl Taking<'_> {
    /// Residents first: all else is somebody's.
    async fn people(&mut self, people: Vec<Person>) -> Result<(), Failure> {
        let (mut handles, known) = self.everybody().await?;
        let mut offers = Vec::new();
        let mut memories = Vec::new();
        for person in people {
            let Person { place, id, handle, identity, time, memories: had } = person;
            let handle = if known.contains_key(&id) { handle } else { free(&handle, &handles) };
            handles.insert(handle.clone());
            let resident =
                pb::ImportedResident { handle, identity: Some(identity), origin_id: id.clone() };
            let item = item(key("identities", &id), time, Item::Resident(resident));
            offers.push((id.clone(), Offer { kind: Kind::Residents, place: place.clone(), item }));
            memories.extend(had.into_iter().map(|text| (place.clone(), id.clone(), text)));
        }
        let bar = bar(Kind::Residents, offers.len());
        for batch in batches(offers) {
            let (ids, batch): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
            let made = self.offer(batch, &bar).await?;
            for (id, made) in ids.into_iter().zip(made) {
                // In a dry run nobody has an id yet: any name stands for it.
                let named = made.map(|made| if made.is_empty() { "-".to_owned() } else { made });
                self.residents.extend(named.map(|named| (id, named)));
            }
        }
        self.memories(memories).await
    }

    async fn memories(&mut self, had: Vec<(Place, String, String)>) -> Result<(), Failure> {
        let mut offers = Vec::new();
        for (place, id, text) in had {
            let Some(resident) = self.owner(&place, &id) else { continue };
            let key = key("memories", &format!("{id}\n{text}"));
            let memory = pb::ImportedMemory { resident, text };
            let item = item(key, None, Item::Memory(memory));
            offers.push(Offer { kind: Kind::Memories, place, item });
        }
        self.offer_all(Kind::Memories, offers).await
    }

    async fn wallets(&mut self, wallets: Vec<Wallet>) -> Result<(), Failure> {
        let mut offers = Vec::new();
        for Wallet { place, id, free, journal } in wallets {
            let Some(resident) = self.owner(&place, &id) else { continue };
            let wallet =
                pb::ImportedWallet { resident, free_tokens: free, journal_tokens: journal };
            let item = item(key("free_time_balances", &id), None, Item::Wallet(wallet));
            offers.push(Offer { kind: Kind::Wallets, place, item });
        }
        self.offer_all(Kind::Wallets, offers).await
    }

    /// Messages into the room of the same name, or into one that is opened for them.
    async fn messages(&mut self, messages: Vec<Message>) -> Result<(), Failure> {
        let rooms = self.rooms(&messages).await?;
        let mut made: BTreeMap<(String, String), String> = BTreeMap::new();
        let mut batch: Vec<((String, String), Offer)> = Vec::new();
        let bar = bar(Kind::Messages, messages.len());
        for message in messages {
            let place = message.place.clone();
            let room = rooms.get(&message.room).cloned().unwrap_or_default();
            if room.is_empty() && message.recipient.is_none() {
                self.report.left(&place, "its room cannot be opened");
                continue;
            }
            let recipient = match &message.recipient {
                None => Some(String::new()),
                Some(other) => self.owner(&place, other),
            };
            let Some(recipient) = recipient else { continue };
            let author = match message.author.as_str() {
                "human" => Some("human".to_owned()),
                other => self.owner(&place, other),
            };
            let Some(author) = author else { continue };
            let named = |id: &String| (message.room.clone(), id.clone());
            let answered = message.reply_to.as_ref().map(named);
            // What is answered must have an id here before the answer is sent.
            let asked = |(id, _): &((String, String), Offer)| Some(id) == answered.as_ref();
            if batch.len() == BATCH || batch.iter().any(asked) {
                made.extend(self.send(std::mem::take(&mut batch), &bar).await?);
            }
            let reply_to = answered.as_ref().and_then(|id| made.get(id)).cloned();
            if answered.is_some() && reply_to.is_none() && !self.dry_run {
                self.report.changed(&place, "what it answers is not here: it answers nothing");
            }
            let id = named(&message.id);
            let key = if message.recipient.is_some() {
                key("discussions/dm", &format!("{}/{}", message.room, message.id))
            } else {
                key(&format!("discussions/{room}"), &message.id)
            };
            let said = pb::ImportedMessage {
                room,
                author,
                text: message.text,
                mood: message.mood,
                importance: message.importance,
                reply_to: reply_to.unwrap_or_default(),
                recipient,
            };
            let item = item(key, message.time, Item::Message(said));
            batch.push((id, Offer { kind: Kind::Messages, place, item }));
        }
        self.send(batch, &bar).await?;
        Ok(())
    }

    /// The room here of each room over there.
    async fn rooms(&mut self, messages: &[Message]) -> Result<BTreeMap<String, String>, Failure> {
        let mut client = RoomServiceClient::new(self.society()?);
        let listed = client.list_rooms(pb::ListRoomsRequest::default()).await?.into_inner();
        let here: BTreeSet<String> = listed.rooms.into_iter().map(|room| room.room).collect();
        let mut rooms = BTreeMap::new();
        let mut offers = Vec::new();
        for message in messages {
            // Society knows the room of two by their ids.
            if rooms.contains_key(&message.room) || message.recipient.is_some() {
                continue;
            }
            let name = word(&message.room, &['_'], 33);
            let imported = format!("import_{name}");
            if name.len() >= 2 && here.contains(&name) {
                rooms.insert(message.room.clone(), name);
                continue;
            }
            let title: String = message.room.replace('_', " ").chars().take(45).collect();
            let room =
                pb::ImportedRoom { room: imported.clone(), title: format!("{title} (imported)") };
            let item = item(key("rooms", &imported), None, Item::Room(room));
            let place = Place::of(&message.place.file, 0);
            offers.push(Offer { kind: Kind::Rooms, place, item });
            rooms.insert(message.room.clone(), imported);
        }
        self.offer_all(Kind::Rooms, offers).await?;
        Ok(rooms)
    }

    /// Letters, then the answers to them.
    async fn letters(&mut self, letters: Vec<Letter>) -> Result<(), Failure> {
        let mut offers = Vec::new();
        let mut answers = Vec::new();
        for letter in letters {
            let Letter { place, id, from, kind, text, time, answer } = letter;
            let Some(resident) = self.owner(&place, &from) else { continue };
            let said = pb::ImportedLetter {
                resident: resident.clone(),
                r#type: kind.into(),
                text,
                reply_to: String::new(),
            };
            let item = item(key("messages_to_human", &id), time, Item::Letter(said));
            offers.push((id.clone(), Offer { kind: Kind::Letters, place: place.clone(), item }));
            answers.extend(answer.map(|answer| (id, place, resident, answer)));
        }
        let bar = bar(Kind::Letters, offers.len() + answers.len());
        let mut made = BTreeMap::new();
        for batch in batches(offers) {
            made.extend(self.send(batch, &bar).await?);
        }
        let mut replies = Vec::new();
        for (id, place, resident, answer) in answers {
            let Some(letter) = made.get(&id) else { continue };
            let said = pb::ImportedLetter {
                resident,
                r#type: pb::LetterType::Message.into(),
                text: answer.text,
                reply_to: letter.clone(),
            };
            let item = item(key("messages_from_human", &id), answer.time, Item::Letter(said));
            replies.push((id, Offer { kind: Kind::Letters, place, item }));
        }
        for batch in batches(replies) {
            self.send(batch, &bar).await?;
        }
        Ok(())
    }

    async fn bounties(&mut self, bounties: Vec<Prize>) -> Result<(), Failure> {
        let offer = |Prize { place, id, bounty, time }: Prize| {
            let item = item(key("bounties", &id), time, Item::Bounty(bounty));
            Offer { kind: Kind::Bounties, place, item }
        };
        self.offer_all(Kind::Bounties, bounties.into_iter().map(offer).collect()).await
    }

    /// What is over. It is nobody's work here, so it comes whoever was taken.
    async fn history(&mut self, told: Vec<Told>) -> Result<(), Failure> {
        let mut offers = Vec::new();
        for one in told {
            let owner = one.resident.and_then(|id| self.residents.get(&id).cloned());
            // In a dry run nobody has an id yet.
            let resident = owner.filter(|_| !self.dry_run).unwrap_or_default();
            let history = pb::ImportedHistory {
                kind: one.kind.into(),
                outcome: one.outcome.into(),
                status: one.status,
                subject: one.subject,
                title: one.title,
                text: one.text,
                resident,
            };
            let item = item(one.key, one.time, Item::History(history));
            offers.push(Offer { kind: Kind::History, place: one.place, item });
        }
        self.offer_all(Kind::History, offers).await
    }

    /// The resident here of an id over there; without one the thing is left.
    fn owner(&mut self, place: &Place, id: &str) -> Option<String> {
        let owner = self.residents.get(id).cloned();
        if owner.is_none() {
            self.report.left(place, format!("its resident {id} is not taken"));
        }
        owner
    }

    async fn offer_all(&mut self, kind: Kind, offers: Vec<Offer>) -> Result<(), Failure> {
        let bar = bar(kind, offers.len());
        for batch in batches(offers) {
            self.offer(batch, &bar).await?;
        }
        Ok(())
    }

    /// Offers things with their ids, and tells what each of those that are here is called.
    async fn send<I: Ord>(
        &mut self,
        batch: Vec<(I, Offer)>,
        bar: &ProgressBar,
    ) -> Result<BTreeMap<I, String>, Failure> {
        let (ids, offers): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        let made = self.offer(offers, bar).await?;
        let named = ids.into_iter().zip(made).filter_map(|(id, made)| Some((id, made?)));
        Ok(named.collect())
    }

    /// Offers at most one request's things; what each is called here, where it is here.
    async fn offer(
        &mut self,
        batch: Vec<Offer>,
        bar: &ProgressBar,
    ) -> Result<Vec<Option<String>>, Failure> {
        bar.inc(batch.len() as u64);
        if let Ok(results) = self.ask(&batch).await? {
            return Ok(self.note(batch, results));
        }
        // One that breaks a bound spoils the request: each by itself, so that the others come in.
        let mut made = Vec::new();
        for offer in batch {
            let batch = vec![offer];
            match self.ask(&batch).await? {
                Ok(results) => made.append(&mut self.note(batch, results)),
                Err(why) => {
                    for offer in batch {
                        self.report.left(&offer.place, why.as_str());
                    }
                    made.push(None);
                }
            }
        }
        Ok(made)
    }

    /// Asks to take things over; what became of each, or which bound one of them breaks.
    async fn ask(&self, batch: &[Offer]) -> Result<Result<Vec<pb::ImportResult>, String>, Failure> {
        if batch.is_empty() {
            return Ok(Ok(Vec::new()));
        }
        let mut client = ImportServiceClient::new(self.society()?);
        let items = batch.iter().map(|offer| offer.item.clone()).collect();
        let (reason, dry_run) = (self.reason.clone(), self.dry_run);
        let request = pb::ImportItemsRequest { request_id: request_id(), reason, items, dry_run };
        match client.import_items(request).await {
            Ok(answer) => Ok(Ok(answer.into_inner().results)),
            Err(status) => {
                let problem = vivarium_chassis::Problem::from(&status);
                let of_items = |field: &str| field.starts_with("items[");
                let fields = problem.fields.iter().filter(|wrong| of_items(&wrong.field));
                let told: Vec<_> =
                    fields.map(|v| format!("{} {}", v.field, v.description)).collect();
                if told.is_empty() { Err(status.into()) } else { Ok(Err(told.join("; "))) }
            }
        }
    }

    /// Notes what became of things; what each is called here, where it is here.
    fn note(&mut self, batch: Vec<Offer>, results: Vec<pb::ImportResult>) -> Vec<Option<String>> {
        let mut made = Vec::new();
        for (offer, result) in batch.into_iter().zip(results) {
            let id = match result.outcome() {
                pb::ImportOutcome::Taken => {
                    self.report.taken(offer.kind);
                    // A dry run makes nothing that could be named.
                    Some(result.made_id)
                }
                pb::ImportOutcome::Known => {
                    self.report.known(offer.kind);
                    Some(result.made_id)
                }
                pb::ImportOutcome::Left | pb::ImportOutcome::Unspecified => {
                    self.report.left(&offer.place, result.why);
                    None
                }
            };
            made.push(id);
        }
        made
    }

    /// The handles that are taken, and the residents that came from the reference, by their id there.
    async fn everybody(&self) -> Result<(BTreeSet<String>, BTreeMap<String, String>), Failure> {
        use identity::ResidentStatus::{Active, Away, Resting, Retired};
        let mut client = ResidentServiceClient::new(self.society()?);
        let statuses = [Active, Resting, Away, Retired].map(i32::from).to_vec();
        let mut request =
            identity::ListResidentsRequest { page_size: 500, statuses, ..Default::default() };
        let (mut handles, mut known) = (BTreeSet::new(), BTreeMap::new());
        loop {
            let page = client.list_residents(request.clone()).await?.into_inner();
            for resident in page.residents {
                handles.insert(resident.handle);
                if let Some(id) = resident.origin.strip_prefix("import:") {
                    known.insert(id.to_owned(), resident.resident_id);
                }
            }
            if page.next_page_token.is_empty() {
                return Ok((handles, known));
            }
            request.page_token = page.next_page_token;
        }
    }

    fn society(&self) -> Result<Calls, Failure> {
        self.console.calls(Service::Society)
    }
}

/// A bar on a terminal; nothing where nobody watches.
fn bar(kind: Kind, count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count as u64);
    if let Ok(style) = ProgressStyle::with_template("{msg:10} {bar:32} {pos} of {len}") {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_message(kind.word());
    bar
}

fn item(key: String, time: Option<Timestamp>, item: Item) -> pb::ImportItem {
    let moment = |time: Timestamp| {
        let (seconds, nanos) = time.as_seconds_and_nanos();
        wkt::Timestamp { seconds, nanos }
    };
    pb::ImportItem { key, source_time: time.map(moment), item: Some(item) }
}

/// What is left of a list, one request's worth after another.
fn batches<T>(mut all: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    std::iter::from_fn(move || {
        if all.is_empty() {
            return None;
        }
        let rest = all.split_off(all.len().min(BATCH));
        Some(std::mem::replace(&mut all, rest))
    })
}

/// A handle that nobody has.
fn free(wanted: &str, taken: &BTreeSet<String>) -> String {
    if !taken.contains(wanted) {
        return wanted.to_owned();
    }
    let numbered = |number: u32| {
        let base: String = wanted.chars().take(20).collect();
        format!("{base}_{number}")
    };
    (2..=u32::MAX).map(numbered).find(|handle| !taken.contains(handle)).unwrap_or_default()
}
