//! Taking over what another world held, for the operator.

use std::collections::BTreeMap;

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::{Request as RequestKey, Submission, TextRow};
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::import_service_server::ImportService;
use vivarium_types::ids::{LetterId, MessageId};

use super::{Door, convert, position, refusal};
use crate::domain::bounty::Terms;
use crate::domain::event::identity;
use crate::domain::history::Past;
use crate::domain::identity::Identity;
use crate::domain::import::{Import, Item, Message, What};
use crate::domain::mail::Side;
use crate::domain::resident::{self, Resident, Words};
use crate::domain::room::{self, Author};
use crate::domain::seed::Newcomer;
use crate::domain::{Command, Event};
use crate::views::{imports, letters, messages};

use asked::{Asked, Thing};

mod asked;

/// What became of an item, or is to become of it.
enum Fate {
    Taken,
    Known(String),
    Left(String),
}

#[tonic::async_trait]
impl ImportService for Door {
    async fn import_items(
        &self,
        request: Request<pb::ImportItemsRequest>,
    ) -> Result<Response<pb::ImportItemsResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.ImportService/ImportItems";
        let caller = Caller::of(&request).clone();
        caller.operator()?;
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let items = asked::items(&mut wrong, wire.items);
        let (reason, items) = wrong.done(reason.zip(items))?;
        let keys: Vec<String> = items.iter().map(|item| item.key.clone()).collect();
        let mut fates = self.known(keys.clone()).await?;
        if wire.dry_run {
            return Ok(Response::new(answer(None, &keys, &fates, &BTreeMap::new())));
        }
        let mut texts = Vec::new();
        let import = self.import(reason, items, &mut fates, &mut texts).await?;
        let submission = Submission::new(caller.actor, Command::Import(Box::new(import)))
            .texts(texts)
            .request(key)
            .answering(move |_, decided| {
                let made = decided.events.iter().filter_map(|(event, _)| made(event)).collect();
                answer(Some(decided.sequence), &keys, &fates, &made)
            });
        let answer = self.ledger.submit(submission).await.map_err(refusal)?;
        Ok(Response::new(answer.message().map_err(Refusal::fault)?))
    }
}

/// What a key became.
fn made(event: &Event) -> Option<(String, String)> {
    let Event::ItemImported(imported) = event else { return None };
    Some((imported.key.clone(), imported.made.clone()))
}

fn answer(
    sequence: Option<u64>,
    keys: &[String],
    fates: &[Fate],
    made: &BTreeMap<String, String>,
) -> pb::ImportItemsResponse {
    use pb::ImportOutcome::{Known, Left, Taken};
    let result = |(key, fate): (&String, &Fate)| {
        let (outcome, made_id, why) = match (fate, made.get(key)) {
            (Fate::Known(id), _) => (Known, id.clone(), String::new()),
            (Fate::Left(why), _) => (Left, String::new(), why.clone()),
            (Fate::Taken, Some(id)) => (Taken, id.clone(), String::new()),
            // A dry run decides nothing.
            (Fate::Taken, None) if sequence.is_none() => (Taken, String::new(), String::new()),
            (Fate::Taken, None) => (Left, String::new(), "it stands twice in the request".into()),
        };
        pb::ImportResult { key: key.clone(), outcome: outcome.into(), made_id, why }
    };
    let results = keys.iter().zip(fates).map(result).collect();
    pb::ImportItemsResponse { position: sequence.map(position), results }
}

impl Door {
    /// Which keys were taken over before; the others are to be.
    async fn known(&self, keys: Vec<String>) -> Result<Vec<Fate>, Refusal> {
        self.view(move |db| {
            let fate = |key: &String| Ok(imports::made(db, key)?.map_or(Fate::Taken, Fate::Known));
            keys.iter().map(fate).collect()
        })
        .await
    }

    /// What is to be taken over; the fate of what cannot be is changed.
    async fn import(
        &self,
        reason: String,
        items: Vec<Asked>,
        fates: &mut [Fate],
        texts: &mut Vec<TextRow>,
    ) -> Result<Import, Refusal> {
        let mut others = Others::default();
        let mut fitting = Vec::new();
        for (item, fate) in items.into_iter().zip(fates) {
            if !matches!(fate, Fate::Taken) {
                continue;
            }
            let Asked { key, time, thing } = item;
            let mut rows = Vec::new();
            let what = match self.what(thing, &mut others, &mut rows).await? {
                Ok(what) => what,
                Err(why) => {
                    *fate = Fate::Left(why);
                    continue;
                }
            };
            let looked_at = what.clone();
            if let Some(why) = self.ask(move |society| society.unfit(&looked_at)).await? {
                *fate = Fate::Left(why.to_owned());
                continue;
            }
            texts.append(&mut rows);
            fitting.push(Item { key, time, what });
        }
        let mut words = self.ledger.texts();
        let reason = words.plain(&reason);
        if !fitting.is_empty() {
            texts.append(&mut words.into_rows());
        }
        Ok(Import { reason, items: fitting })
    }

    /// A thing as the domain knows it, with its texts, or why it cannot be taken.
    async fn what(
        &self,
        thing: Thing,
        others: &mut Others,
        rows: &mut Vec<TextRow>,
    ) -> Result<Result<What, String>, Refusal> {
        Ok(match thing {
            Thing::Resident { handle, identity, origin } => {
                if let Some(why) = self.too_alike(&handle, &identity, others).await? {
                    return Ok(Err(why));
                }
                let (words, json) = (identity.words(), identity::to_json(*identity));
                let newcomer = Newcomer { handle, identity: self.plain(&json, rows), words };
                Ok(What::Resident { newcomer, origin })
            }
            Thing::Room { room, title } => Ok(What::Room { room, title: self.plain(&title, rows) }),
            Thing::Message { room, author, text, mood, importance, reply_to, recipient } => {
                let direct = match self.addressed(&author, &recipient).await? {
                    Ok(direct) => direct,
                    Err(why) => return Ok(Err(why)),
                };
                let room = match &direct {
                    Some((from, to)) => room::of_two(from.resident, to.resident),
                    None => room,
                };
                let Some(author) = self.said_by(&author).await? else {
                    return Ok(Err("its author is not here".into()));
                };
                if !self.lies_in(reply_to, &room).await? {
                    return Ok(Err("what it answers does not lie in its room".into()));
                }
                let (mood, own_words) = mood;
                let message = Box::new(Message {
                    room,
                    author,
                    text: self.plain(&text, rows),
                    mood,
                    mood_text: own_words.map(|words| self.plain(&words, rows)),
                    importance,
                    reply_to,
                });
                Ok(match direct {
                    None => What::Message(message),
                    Some((from, to)) => What::Direct {
                        title: self.plain(&format!("{} and {}", from.handle, to.handle), rows),
                        from: from.resident,
                        to: to.resident,
                        message,
                    },
                })
            }
            Thing::Letter { resident, kind, text, answers } => {
                let Some(resident) = self.whose(&resident).await? else { return Ok(absent()) };
                let resident = resident.resident;
                if let Some(letter) = answers
                    && !self.is_of(letter, &resident.to_string()).await?
                {
                    return Ok(Err("what it answers is no letter of its resident".into()));
                }
                let (text, mut sealed) = self.sealed(text).await?;
                rows.append(&mut sealed);
                Ok(What::Letter { resident, kind, text, answers })
            }
            Thing::Wallet { resident, free, journal } => match self.whose(&resident).await? {
                Some(owner) => Ok(What::Wallet { resident: owner.resident, free, journal }),
                None => absent(),
            },
            Thing::Memory { resident, text } => match self.whose(&resident).await? {
                Some(owner) => Ok(What::Memory {
                    resident: owner.resident,
                    signs: self.signs.in_text(&text),
                    text: self.plain(&text, rows),
                }),
                None => absent(),
            },
            Thing::Bounty(it) => Ok(What::Bounty(Box::new(Terms {
                title: self.plain(&it.title, rows),
                description: self.plain(&it.description, rows),
                reward: it.reward,
                runner_up: it.runner_up,
                mode: it.mode,
                max_teams: it.max_teams,
                slots: it.slots,
                policy: it.policy,
                origin: it.origin,
            }))),
            Thing::History { kind, outcome, status, subject, title, text, resident } => {
                let owner = self.whose(&resident).await?;
                if owner.is_none() && !resident.is_empty() {
                    return Ok(absent());
                }
                Ok(What::History(Box::new(Past {
                    kind,
                    outcome,
                    status,
                    subject,
                    title: self.plain(&title, rows),
                    text: (!text.is_empty()).then(|| self.plain(&text, rows)),
                    resident: owner.map(|owner| owner.resident),
                })))
            }
        })
    }

    /// The two of a direct message, or why it cannot be one; `None` for a message to a room.
    async fn addressed(
        &self,
        author: &str,
        recipient: &str,
    ) -> Result<Result<Option<(Resident, Resident)>, String>, Refusal> {
        if recipient.is_empty() {
            return Ok(Ok(None));
        }
        let two = (self.whose(author).await?, self.whose(recipient).await?);
        Ok(match two {
            (Some(from), Some(to)) => Ok(Some((from, to))),
            (None, _) | (_, None) => Err("one of the two is not here".into()),
        })
    }

    fn plain(&self, text: &str, rows: &mut Vec<TextRow>) -> vivarium_ledger::TextRef {
        let mut texts = self.ledger.texts();
        let reference = texts.plain(text);
        rows.append(&mut texts.into_rows());
        reference
    }

    async fn whose(&self, named: &str) -> Result<Option<Resident>, Refusal> {
        let named = named.to_owned();
        self.ask(move |society| society.residents.find(&named).cloned()).await
    }

    async fn said_by(&self, named: &str) -> Result<Option<Author>, Refusal> {
        if named == "human" {
            return Ok(Some(Author::Human));
        }
        let found = self.whose(named).await?;
        Ok(found.map(|resident| Author::Resident(resident.resident)))
    }

    async fn lies_in(&self, message: Option<MessageId>, room: &str) -> Result<bool, Refusal> {
        let Some(message) = message else { return Ok(true) };
        let found = self.view(move |db| messages::find(db, &message.to_string())).await?;
        Ok(found.is_some_and(|found| found.room == room))
    }

    async fn is_of(&self, letter: LetterId, resident: &str) -> Result<bool, Refusal> {
        let found = self.view(move |db| letters::find(db, &letter.to_string())).await?;
        let of_resident = |found: &letters::Letter| {
            found.from == Side::Resident && found.resident.to_string() == resident
        };
        Ok(found.is_some_and(|found| of_resident(&found)))
    }

    /// Why a newcomer may not join beside those who are here and those who came before it.
    async fn too_alike(
        &self,
        handle: &str,
        identity: &Identity,
        others: &mut Others,
    ) -> Result<Option<String>, Refusal> {
        if !others.read {
            others.read = true;
            others.people = self.everybody().await?;
        }
        let people: Vec<_> = others.people.iter().map(|(handle, one)| words(handle, one)).collect();
        let refused = resident::refused(words(handle, identity), &people);
        if refused.is_none() {
            others.people.push((handle.to_owned(), identity.clone()));
        }
        Ok(refused.map(str::to_owned))
    }

    /// Everybody who is or was here, in words.
    async fn everybody(&self) -> Result<Vec<(String, Identity)>, Refusal> {
        let all = self.ask(|society| {
            let all = society.residents.all();
            all.map(|one| (one.handle.clone(), one.identity.id.clone())).collect::<Vec<_>>()
        });
        let mut people = Vec::new();
        for (handle, id) in all.await? {
            let json = self.text(&id).await?;
            people.push((handle, identity::of_json(&json).map_err(Refusal::fault)?));
        }
        Ok(people)
    }
}

/// The residents whom a newcomer may not be like, once they were asked for.
#[derive(Default)]
struct Others {
    read: bool,
    people: Vec<(String, Identity)>,
}

fn words<'a>(handle: &'a str, one: &'a Identity) -> Words<'a> {
    Words { handle, name: &one.name, statement: &one.identity_statement, summary: &one.summary }
}

fn absent() -> Result<What, String> {
    Err("its resident is not here".into())
}
