//! The human's side of the mailbox.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::Request as RequestKey;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::mail_service_server::MailService;
use vivarium_types::Reason;
use vivarium_types::ids::{LetterId, TaskId};

use super::{Change, Door, convert, missing, next_page, show};
use crate::domain::mail::{Answer, Side};
use crate::domain::{Command, mail};
use crate::views::letters::{self, Letter};

/// Characters of a thread's newest letter that a list shows.
const PREVIEW_LENGTH: usize = 80;

#[tonic::async_trait]
impl MailService for Door {
    async fn list_threads(
        &self,
        request: Request<pb::ListThreadsRequest>,
    ) -> Result<Response<pb::ListThreadsResponse>, Status> {
        self.reached(request.into_inner().min_position).await?;
        let found = self.ask(|society| {
            let threads = society.mail.threads();
            threads.map(|(who, thread)| (who, thread.clone())).collect::<Vec<_>>()
        });
        let mut threads = Vec::new();
        for (resident, thread) in found.await? {
            threads.push(self.thread(resident.to_string(), &thread).await?);
        }
        threads.sort_by_key(|(newest, _)| std::cmp::Reverse(*newest));
        let threads = threads.into_iter().map(|(_, thread)| thread).collect();
        Ok(Response::new(pb::ListThreadsResponse { threads }))
    }

    async fn list_letters(
        &self,
        request: Request<pb::ListLettersRequest>,
    ) -> Result<Response<pb::ListLettersResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        convert::name(&mut wrong, "resident", &wire.resident, false);
        let task: Option<TaskId> = wrong.parse_optional("task_id", &wire.task_id);
        let slice = convert::slice(&mut wrong, wire.page_size, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let wanted = letters::Wanted {
            resident: self.resident_if(&wire.resident).await?,
            unread: wire.unread,
            task: task.map(|task| task.to_string()),
        };
        let found = self.view(move |db| letters::page(db, &wanted, slice)).await?;
        let last = found.last().map(|letter| letter.sequence);
        let next_page_token = next_page(found.len(), slice.limit, last);
        let ids: Vec<_> = found.iter().map(|letter| letter.text_id.clone()).collect();
        let texts = self.texts(ids).await?;
        let letters = found.into_iter().map(|letter| show::letter(letter, &texts)).collect();
        Ok(Response::new(pb::ListLettersResponse { letters, next_page_token }))
    }

    async fn send_letter(
        &self,
        request: Request<pb::SendLetterRequest>,
    ) -> Result<Response<pb::SendLetterResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.MailService/SendLetter";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        convert::name(&mut wrong, "resident", &wire.resident, true);
        let kind = convert::letter_kind(&mut wrong, wire.r#type);
        let text = wrong.text("text", &wire.text, 1, convert::LETTER_LENGTH_MAX);
        let text = wrong.done(text)?;
        let resident = self.resident(&wire.resident).await?.resident;
        let (text, texts) = self.sealed(text).await?;
        let change = Change {
            caller: &caller,
            key,
            command: Command::Send { resident, kind, text },
            texts,
            erasures: Vec::new(),
        };
        self.change(change, |position, letter_id| pb::SendLetterResponse {
            position: Some(position),
            letter_id,
        })
        .await
    }

    async fn open_letter(
        &self,
        request: Request<pb::OpenLetterRequest>,
    ) -> Result<Response<pb::OpenLetterResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.MailService/OpenLetter";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let id: Option<LetterId> = wrong.parse("letter_id", &wire.letter_id);
        let letter = wrong.done(id)?;
        let resident = self.of_resident(letter).await?.resident;
        let change = Change {
            caller: &caller,
            key,
            command: Command::OpenLetter { resident, letter },
            texts: Vec::new(),
            erasures: Vec::new(),
        };
        self.change(change, |position, _| pb::OpenLetterResponse { position: Some(position) }).await
    }

    async fn reply_letter(
        &self,
        request: Request<pb::ReplyLetterRequest>,
    ) -> Result<Response<pb::ReplyLetterResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.MailService/ReplyLetter";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let id: Option<LetterId> = wrong.parse("letter_id", &wire.letter_id);
        let text = wrong.text("text", &wire.text, 1, convert::LETTER_LENGTH_MAX);
        let (letter, text) = wrong.done(id.zip(text))?;
        let answered = self.of_resident(letter).await?;
        let (text, texts) = self.sealed(text).await?;
        let (resident, task) = (answered.resident, answered.task.parse().ok());
        let answer = Answer { letter, resident, task, text };
        let change = Change {
            caller: &caller,
            key,
            command: Command::Answer(Box::new(answer)),
            texts,
            erasures: Vec::new(),
        };
        self.change(change, |position, letter_id| pb::ReplyLetterResponse {
            position: Some(position),
            letter_id,
        })
        .await
    }
}

impl Door {
    /// A letter that a resident wrote.
    async fn of_resident(&self, letter: LetterId) -> Result<Letter, Refusal> {
        let found = self.view(move |db| letters::find(db, &letter.to_string())).await?;
        let absent = || missing(Reason::SocialLetterNotFound, "letter", &letter.to_string());
        found.filter(|found| found.from == Side::Resident).ok_or_else(absent)
    }

    /// A thread as a list shows it, with the row of its newest letter.
    async fn thread(
        &self,
        resident: String,
        thread: &mail::Thread,
    ) -> Result<(u64, pb::Thread), Refusal> {
        let newest = match thread.newest {
            Some(letter) => self.view(move |db| letters::find(db, &letter.to_string())).await?,
            None => None,
        };
        let preview = match &newest {
            Some(letter) => self.text(&letter.text_id).await?,
            None => String::new(),
        };
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let shown = pb::Thread {
            resident_id: resident,
            letter_count: thread.count,
            unread_count: count(thread.unread()),
            waiting_count: count(thread.waiting()),
            undelivered_count: count(thread.undelivered()),
            newest_time: newest.as_ref().map(|letter| show::moment(letter.sent)),
            preview: preview.chars().take(PREVIEW_LENGTH).collect(),
        };
        Ok((newest.map_or(0, |letter| letter.sequence), shown))
    }
}
