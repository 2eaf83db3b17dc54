//! The human's side of the mailbox.

use vivarium_proto::social::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::Position;
use crate::state::mail::{Letter, Thread};

const THREADS: Method = unary("/vivarium.social.v1.MailService/ListThreads");
const LETTERS: Method = unary("/vivarium.social.v1.MailService/ListLetters");
const SEND: Method = unary("/vivarium.social.v1.MailService/SendLetter");
const OPEN: Method = unary("/vivarium.social.v1.MailService/OpenLetter");
const REPLY: Method = unary("/vivarium.social.v1.MailService/ReplyLetter");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[THREADS, LETTERS, SEND, OPEN, REPLY];

/// All threads that hold a letter, newest first.
pub(crate) async fn threads() -> Answer<Vec<Thread>> {
    let answer: pb::ListThreadsResponse = call(THREADS, &pb::ListThreadsRequest::default()).await?;
    let thread = |wire: pb::Thread| Thread {
        resident: wire.resident_id,
        letters: wire.letter_count,
        unread: wire.unread_count,
        waiting: wire.waiting_count,
        undelivered: wire.undelivered_count,
        newest: wire::moment(wire.newest_time),
        preview: wire.preview,
    };
    Ok(answer.threads.into_iter().map(thread).collect())
}

/// The newest letters with a resident, newest first.
pub(crate) async fn letters(resident: &str) -> Answer<Vec<Letter>> {
    let request = pb::ListLettersRequest {
        resident: resident.to_owned(),
        page_size: 100,
        ..pb::ListLettersRequest::default()
    };
    let answer: pb::ListLettersResponse = call(LETTERS, &request).await?;
    Ok(answer.letters.into_iter().map(letter).collect())
}

/// Sends a letter to a resident.
pub(crate) async fn send(request_id: String, resident: String, text: String) -> Answer<Position> {
    let request =
        pb::SendLetterRequest { request_id, resident, text, ..pb::SendLetterRequest::default() };
    let answer: pb::SendLetterResponse = call(SEND, &request).await?;
    Ok(wire::position(answer.position))
}

/// Marks a resident's letter as read.
pub(crate) async fn mark_read(request_id: String, letter_id: String) -> Answer<Position> {
    let answer: pb::OpenLetterResponse =
        call(OPEN, &pb::OpenLetterRequest { request_id, letter_id }).await?;
    Ok(wire::position(answer.position))
}

/// Answers a resident's letter.
pub(crate) async fn reply(request_id: String, letter_id: String, text: String) -> Answer<Position> {
    let answer: pb::ReplyLetterResponse =
        call(REPLY, &pb::ReplyLetterRequest { request_id, letter_id, text }).await?;
    Ok(wire::position(answer.position))
}

fn letter(wire: pb::Letter) -> Letter {
    let kind = match wire.r#type() {
        pb::LetterType::Question => "question",
        pb::LetterType::Greeting => "greeting",
        pb::LetterType::Idea => "idea",
        pb::LetterType::Concern => "concern",
        pb::LetterType::Message | pb::LetterType::Unspecified => "letter",
    };
    Letter {
        kind,
        id: wire.letter_id,
        mine: wire.from_human,
        text: wire.text,
        task: wire.task_id,
        waits: wire.waits,
        sent: wire::moment(wire.sent_time),
        opened: wire::some_moment(wire.opened_time),
        answered: wire::some_moment(wire.answered_time),
    }
}
