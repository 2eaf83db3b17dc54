//! Rooms, for people.

use tonic::{Request, Response, Status};
use vivarium_chassis::{Caller, Refusal, Violations};
use vivarium_ledger::Request as RequestKey;
use vivarium_proto::social::v1 as pb;
use vivarium_proto::social::v1::room_service_server::RoomService;
use vivarium_types::Reason;
use vivarium_types::ids::MessageId;

use super::{Change, Door, convert, missing, next_page, show};
use crate::domain::{Command, room};
use crate::views::messages;

#[tonic::async_trait]
impl RoomService for Door {
    async fn list_rooms(
        &self,
        request: Request<pb::ListRoomsRequest>,
    ) -> Result<Response<pb::ListRoomsResponse>, Status> {
        self.reached(request.into_inner().min_position).await?;
        let found = self.ask(|society| {
            let rooms = society.rooms.all().into_iter();
            rooms.map(|(name, room)| (name.clone(), room.clone())).collect::<Vec<_>>()
        });
        let found = found.await?;
        let ids: Vec<_> = found.iter().map(|(_, room)| room.title.id.clone()).collect();
        let titles = self.texts(ids).await?;
        let shown = |(name, room): (String, room::Room)| pb::Room {
            title: titles.get(&room.title.id).cloned().unwrap_or_default(),
            // Nobody posts there before residents can write to each other.
            closed: room.closed || room::members(&name).is_some(),
            member_ids: member_ids(&name),
            message_count: room.count,
            newest_time: room.newest.map(show::moment),
            opened_time: Some(show::moment(room.opened)),
            room: name,
        };
        let rooms = found.into_iter().map(shown).collect();
        Ok(Response::new(pb::ListRoomsResponse { rooms }))
    }

    async fn list_messages(
        &self,
        request: Request<pb::ListMessagesRequest>,
    ) -> Result<Response<pb::ListMessagesResponse>, Status> {
        let wire = request.into_inner();
        let mut wrong = Violations::new();
        let room = convert::room(&mut wrong, &wire.room);
        let slice = convert::slice(&mut wrong, wire.page_size, &wire.page_token);
        wrong.finish()?;
        self.reached(wire.min_position).await?;
        let named = room.clone();
        if !self.ask(move |society| society.rooms.get(&named).is_some()).await? {
            return Err(missing(Reason::SocialRoomNotFound, "room", &room).into());
        }
        let found = self.view(move |db| messages::page(db, &room, slice)).await?;
        let last = found.last().map(|message| message.sequence);
        let next_page_token = next_page(found.len(), slice.limit, last);
        let messages = found.into_iter().map(show::message).collect();
        Ok(Response::new(pb::ListMessagesResponse { messages, next_page_token }))
    }

    async fn post_message(
        &self,
        request: Request<pb::PostMessageRequest>,
    ) -> Result<Response<pb::PostMessageResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.RoomService/PostMessage";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let room = convert::room(&mut wrong, &wire.room);
        let text = wrong.text("text", &wire.text, 1, convert::MESSAGE_LENGTH_MAX);
        let reply_to = convert::reply_to(&mut wrong, &wire.reply_to);
        convert::mentions(&mut wrong, &wire.mentions);
        let text = wrong.done(text)?;
        let mut texts = self.ledger.texts();
        let post = room::Post {
            room,
            text: texts.plain(&text),
            mood: String::new(),
            mood_text: None,
            importance: 3,
            reply: self.replied(reply_to).await?,
            mentions: self.named(wire.mentions).await?,
            echo_of: None,
        };
        let change = Change {
            caller: &caller,
            key,
            command: Command::Post(Box::new(post)),
            texts: texts.into_rows(),
            erasures: Vec::new(),
        };
        self.change(change, |position, message_id| pb::PostMessageResponse {
            position: Some(position),
            message_id,
        })
        .await
    }

    async fn hide_message(
        &self,
        request: Request<pb::HideMessageRequest>,
    ) -> Result<Response<pb::HideMessageResponse>, Status> {
        const METHOD: &str = "/vivarium.social.v1.RoomService/HideMessage";
        let caller = Caller::of(&request).clone();
        let wire = request.into_inner();
        let key = RequestKey::of(METHOD, &wire.request_id, &wire);
        let mut wrong = Violations::new();
        convert::request_id(&mut wrong, &wire.request_id, &[]);
        let id: Option<MessageId> = wrong.parse("message_id", &wire.message_id);
        let reason = convert::reason(&mut wrong, &wire.reason);
        let (message, reason) = wrong.done(id.zip(reason))?;
        let found = self.view(move |db| messages::find(db, &message.to_string())).await?;
        let found = found.ok_or_else(|| message_not_found(&wire.message_id))?;
        let mut texts = self.ledger.texts();
        let reason = texts.plain(&reason);
        let change = Change {
            caller: &caller,
            key,
            command: Command::Hide { message, room: found.room, reason },
            texts: texts.into_rows(),
            erasures: vec![found.text_id],
        };
        self.change(change, |position, _| pb::HideMessageResponse { position: Some(position) })
            .await
    }
}

impl Door {
    /// The message that is answered, with its room. A hidden one can be answered no more.
    pub(super) async fn replied(
        &self,
        message: Option<MessageId>,
    ) -> Result<Option<(MessageId, String)>, Refusal> {
        let Some(message) = message else { return Ok(None) };
        let found = self.view(move |db| messages::find(db, &message.to_string())).await?;
        match found.filter(|found| found.hidden.is_none()) {
            Some(found) => Ok(Some((message, found.room))),
            None => Err(message_not_found(&message.to_string())),
        }
    }
}

/// The two of a room of direct messages.
fn member_ids(room: &str) -> Vec<String> {
    let members = room::members(room).into_iter().flatten();
    members.map(|resident| resident.to_string()).collect()
}

fn message_not_found(message: &str) -> Refusal {
    missing(Reason::SocialMessageNotFound, "message", message)
}
