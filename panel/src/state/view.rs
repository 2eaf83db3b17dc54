//! What is asked of the list of tasks. All of it stands in the address, so that a link shows the same.

use super::task::Group;

/// Which task is first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    /// What was added last.
    #[default]
    Newest,
    /// What was added first.
    Oldest,
    /// The highest priority.
    Priority,
}

impl Order {
    /// All orders with what they are called.
    pub(crate) const ALL: [(Self, &'static str); 3] = [
        (Self::Newest, "Newest first"),
        (Self::Oldest, "Oldest first"),
        (Self::Priority, "Priority first"),
    ];

    /// Its word in an address.
    pub(crate) const fn slug(self) -> &'static str {
        match self {
            Self::Newest => "newest",
            Self::Oldest => "oldest",
            Self::Priority => "priority",
        }
    }

    /// The order of a word in an address.
    pub(crate) fn from_slug(slug: &str) -> Self {
        let known = Self::ALL.into_iter().map(|(order, _)| order);
        known.into_iter().find(|order| order.slug() == slug).unwrap_or_default()
    }
}

/// A condition of a few letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Term {
    /// Words in key, title or instruction.
    Words,
    /// A tag.
    Tag,
    /// Who asked.
    By,
    /// How it failed.
    Class,
    /// What fired it.
    Recurrence,
}

impl Term {
    /// All terms, as they are in an address.
    pub(crate) const ALL: [(Self, &'static str); 5] = [
        (Self::Words, "q"),
        (Self::Tag, "tag"),
        (Self::By, "by"),
        (Self::Class, "class"),
        (Self::Recurrence, "recurrence"),
    ];

    /// What it is called.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Words => "Words",
            Self::Tag => "Tag",
            Self::By => "Asked by",
            Self::Class => "Failed with",
            Self::Recurrence => "Recurrence",
        }
    }
}

/// What is asked of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// In which states.
    pub(crate) group: Group,
    /// Which is first.
    pub(crate) order: Order,
    /// One text for each term, in the order of [`Term::ALL`]. Empty: all.
    pub(crate) terms: [String; 5],
}

impl View {
    /// The view of an address, by its parameters.
    pub(crate) fn read(parameter: impl Fn(&str) -> Option<String>) -> Self {
        let text = |name: &str| parameter(name).unwrap_or_default().trim().to_owned();
        Self {
            group: Group::from_slug(&text("state")),
            order: Order::from_slug(&text("sort")),
            terms: Term::ALL.map(|(_, name)| text(name)),
        }
    }

    /// What a term asks for.
    pub(crate) fn term(&self, term: Term) -> &str {
        &self.terms[term as usize]
    }

    /// The same with another text for a term.
    pub(crate) fn with_term(&self, term: Term, text: &str) -> Self {
        let mut view = self.clone();
        text.trim().clone_into(&mut view.terms[term as usize]);
        view
    }

    /// Terms that ask for something.
    pub(crate) fn asked(&self) -> impl Iterator<Item = (Term, &str)> {
        let all = Term::ALL.into_iter().map(|(term, _)| (term, self.term(term)));
        all.filter(|(_, text)| !text.is_empty())
    }

    /// Whether only the group narrows it.
    pub(crate) fn is_whole(&self) -> bool {
        self.asked().next().is_none()
    }

    /// Its part of an address behind the question mark. Empty: nothing is asked.
    pub(crate) fn query(&self) -> String {
        let mut query = String::new();
        let mut add = |name: &str, value: &str| {
            if !query.is_empty() {
                query.push('&');
            }
            query.push_str(name);
            query.push('=');
            escape(&mut query, value);
        };
        if self.group != Group::default() {
            add("state", self.group.slug());
        }
        if self.order != Order::default() {
            add("sort", self.order.slug());
        }
        for ((_, name), text) in Term::ALL.iter().zip(&self.terms) {
            if !text.is_empty() {
                add(name, text);
            }
        }
        query
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        match self.query() {
            query if query.is_empty() => "/tasks".to_owned(),
            query => format!("/tasks?{query}"),
        }
    }
}

/// Writes a value as it may stand in an address.
fn escape(into: &mut String, value: &str) {
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                into.push(char::from(byte));
            }
            _ => {
                let escaped = format!("%{byte:02X}");
                into.push_str(&escaped);
            }
        }
    }
}

/// A view that a person gave a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    /// Its name.
    pub(crate) name: String,
    /// Its query.
    pub(crate) query: String,
}

/// Most views that are kept.
const SAVED_MAX: usize = 24;
/// Most letters of a name.
pub(crate) const NAME_MAX: usize = 40;

/// Reads what was kept; what is not understood is nothing.
pub(crate) fn saved(text: &str) -> Vec<Saved> {
    let pairs: Vec<(String, String)> = serde_json::from_str(text).unwrap_or_default();
    pairs.into_iter().map(|(name, query)| Saved { name, query }).take(SAVED_MAX).collect()
}

/// Writes what is kept.
pub(crate) fn kept(views: &[Saved]) -> String {
    let pairs: Vec<_> = views.iter().map(|view| (&view.name, &view.query)).collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

/// Keeps a view: one of the same name is replaced, and the oldest makes room.
pub(crate) fn keep(views: &mut Vec<Saved>, name: &str, query: String) {
    let name: String = name.trim().chars().take(NAME_MAX).collect();
    if name.is_empty() {
        return;
    }
    match views.iter_mut().find(|view| view.name == name) {
        Some(view) => view.query = query,
        None => views.push(Saved { name, query }),
    }
    let over = views.len().saturating_sub(SAVED_MAX);
    views.drain(..over);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> View {
        View { group: Group::Done, order: Order::Oldest, terms: Default::default() }
            .with_term(Term::Words, " tides & \u{fc}ber ")
            .with_term(Term::By, "operator:cli")
    }

    #[test]
    fn a_view_stands_in_its_address() {
        assert_eq!(
            view().address(),
            "/tasks?state=done&sort=oldest&q=tides%20%26%20%C3%BCber&by=operator:cli"
        );
        assert_eq!(View::default().address(), "/tasks");
    }

    #[test]
    fn an_address_reads_back_as_the_same_view() {
        let parameter = |name: &str| match name {
            "state" => Some("done".to_owned()),
            "sort" => Some("oldest".to_owned()),
            "q" => Some("tides & \u{fc}ber".to_owned()),
            "by" => Some("operator:cli".to_owned()),
            _ => None,
        };
        assert_eq!(View::read(parameter), view());
        assert_eq!(View::read(|_| Some("nonsense".into())).order, Order::Newest);
        assert!(View::read(|_| None).is_whole());
    }

    #[test]
    fn views_are_kept_by_name_and_read_back() {
        let mut views = Vec::new();
        keep(&mut views, "  ", "state=done".into());
        assert!(views.is_empty(), "a view without a name is none");
        keep(&mut views, "Done \"all\"", "state=done".into());
        keep(&mut views, "Done \"all\"", "state=done&sort=oldest".into());
        assert_eq!(views.len(), 1);
        assert_eq!(saved(&kept(&views)), views);
        for n in 0..SAVED_MAX {
            keep(&mut views, &format!("view {n}"), String::new());
        }
        assert_eq!((views.len(), views[0].name.as_str()), (SAVED_MAX, "view 0"));
        assert!(saved("nonsense").is_empty());
    }
}
