//! Language models: one wire protocol, several ways to a server.
//!
//! Everything here speaks the chat completions interface over HTTP; the embedded model is a server
//! like any other, only that it is started and stopped here. Nothing here decides what a call is
//! for, whether it may be made, or what it does to a budget: the cycle does. Nothing here repeats a
//! call that has begun to answer, because the answer would be paid for twice.
//!
//! Reading order: [`chat`] (what is asked and answered) → [`error`] → [`profile`] and [`config`]
//! (who is asked) → [`price`] → [`openai`] (the client, over [`sse`]) → [`gate`] (how many at once)
//! → [`embedded`] (the server of our own) → [`probe`] and [`notice`] (what is there).

pub mod chat;
pub mod config;
pub mod embedded;
pub mod error;
pub mod gate;
pub mod notice;
pub mod openai;
pub mod price;
pub mod probe;
pub mod profile;
pub mod sse;

mod allowance;
mod http;
mod wire;

pub use chat::{
    CallContext, Caps, ChatEvent, ChatRequest, Finish, Message, Output, Provider, Role,
};
pub use config::Config;
pub use error::{Failure, ModelError, Phase};
pub use openai::OpenAi;
pub use price::{Price, PriceTable};
pub use profile::{Kind, Profile};
