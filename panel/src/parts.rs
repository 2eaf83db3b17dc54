//! Pieces of pages. They show what they are given and never fetch.

pub(crate) mod badge;
pub(crate) mod bar;
pub(crate) mod dialog;
pub(crate) mod empty;
pub(crate) mod field;
pub(crate) mod hold;
pub(crate) mod icon;
pub(crate) mod mark;
pub(crate) mod markdown;
pub(crate) mod notice;
pub(crate) mod ribbon;
pub(crate) mod sentence;
pub(crate) mod shown;
pub(crate) mod time;
pub(crate) mod toast;
pub(crate) mod virtual_list;
