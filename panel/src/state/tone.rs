//! What a colour means. The words beside it always say the same.

/// The meaning of a badge, a dot or a bar.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Nothing special.
    #[default]
    Plain,
    /// It waits by itself.
    Waiting,
    /// It is at work.
    Busy,
    /// It is being judged.
    Review,
    /// A person must act.
    You,
    /// It went well.
    Good,
    /// It went wrong.
    Bad,
}

impl Tone {
    /// The class of the style sheet.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Plain => "tone-plain",
            Self::Waiting => "tone-waiting",
            Self::Busy => "tone-busy",
            Self::Review => "tone-review",
            Self::You => "tone-you",
            Self::Good => "tone-good",
            Self::Bad => "tone-bad",
        }
    }
}
