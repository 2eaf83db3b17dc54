//! Rooms and their messages.

use vivarium_proto::social::v1 as pb;

use super::{Answer, Method, call, unary, wire};
use crate::state::room::{Message, Room};
use crate::state::{Page, Position};

const LIST: Method = unary("/vivarium.social.v1.RoomService/ListRooms");
const MESSAGES: Method = unary("/vivarium.social.v1.RoomService/ListMessages");
const POST: Method = unary("/vivarium.social.v1.RoomService/PostMessage");
const HIDE: Method = unary("/vivarium.social.v1.RoomService/HideMessage");

#[cfg(test)]
pub(super) const METHODS: &[Method] = &[LIST, MESSAGES, POST, HIDE];

/// All rooms.
pub(crate) async fn list() -> Answer<Vec<Room>> {
    let answer: pb::ListRoomsResponse = call(LIST, &pb::ListRoomsRequest::default()).await?;
    let room = |wire: pb::Room| Room {
        name: wire.room,
        title: wire.title,
        messages: wire.message_count,
        newest: wire::some_moment(wire.newest_time),
        closed: wire.closed,
        members: wire.member_ids,
    };
    Ok(answer.rooms.into_iter().map(room).collect())
}

/// A page of a room's messages, newest first.
pub(crate) async fn messages(room: &str, page_token: String) -> Answer<Page<Message>> {
    let request = pb::ListMessagesRequest {
        room: room.to_owned(),
        page_size: 100,
        page_token,
        ..pb::ListMessagesRequest::default()
    };
    let answer: pb::ListMessagesResponse = call(MESSAGES, &request).await?;
    let rows = answer.messages.into_iter().map(message).collect();
    Ok(Page { rows, next: answer.next_page_token })
}

/// Posts as the human.
pub(crate) async fn post(request_id: String, room: String, text: String) -> Answer<Position> {
    let request =
        pb::PostMessageRequest { request_id, room, text, ..pb::PostMessageRequest::default() };
    let answer: pb::PostMessageResponse = call(POST, &request).await?;
    Ok(wire::position(answer.position))
}

/// Erases a message's text for good.
pub(crate) async fn hide(
    request_id: String,
    message_id: String,
    reason: String,
) -> Answer<Position> {
    let answer: pb::HideMessageResponse =
        call(HIDE, &pb::HideMessageRequest { request_id, message_id, reason }).await?;
    Ok(wire::position(answer.position))
}

fn message(wire: pb::Message) -> Message {
    Message {
        id: wire.message_id,
        author: wire.author,
        text: wire.text,
        mood: wire.mood,
        reply_to: wire.reply_to,
        time: wire::moment(wire.posted_time),
        hidden: wire.hidden.then_some(wire.hidden_reason),
        task: wire.task_id,
        unproven: wire.sender_unproven,
    }
}
