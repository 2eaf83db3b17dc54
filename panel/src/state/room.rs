//! Rooms and what is said in them.

use vivarium_types::Timestamp;

/// A room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Room {
    /// Its name.
    pub(crate) name: String,
    /// How it is shown.
    pub(crate) title: String,
    /// Messages in it.
    pub(crate) messages: u64,
    /// When the newest was posted.
    pub(crate) newest: Option<Timestamp>,
    /// Whether nothing can be said there.
    pub(crate) closed: bool,
    /// The two of a room of direct messages. Empty: it is a room for all.
    pub(crate) members: Vec<String>,
}

/// A message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Message {
    /// `msg_…`.
    pub(crate) id: String,
    /// `human`, `society` or a resident.
    pub(crate) author: String,
    /// The text. Empty: hidden.
    pub(crate) text: String,
    /// The mood. Empty: none.
    pub(crate) mood: String,
    /// The message it answers. Empty: none.
    pub(crate) reply_to: String,
    /// When.
    pub(crate) time: Timestamp,
    /// Why it was hidden.
    pub(crate) hidden: Option<String>,
    /// The task it is about. Empty: none.
    pub(crate) task: String,
    /// Whether nothing proves who wrote it.
    pub(crate) unproven: bool,
}
