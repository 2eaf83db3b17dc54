//! Texts that were committed a moment ago, for those who follow the log and want its words.
//!
//! A text is read once or twice within moments of its commit and then hardly ever: from here that costs
//! no thread and no query. Sealed texts are never kept, and what is erased leaves with its commit.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::TextRow;

/// Most bytes of texts that are kept.
const BYTES_MAX: usize = 4 << 20;

/// The texts of the last commits.
#[derive(Debug, Default)]
pub(crate) struct RecentTexts {
    /// Written by the writer behind each commit, before its rows are published.
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    by_id: HashMap<String, Arc<str>>,
    /// Oldest first. An id that was forgotten stays here until its turn comes.
    order: VecDeque<(String, usize)>,
    bytes: usize,
}

impl RecentTexts {
    /// Keeps what a commit brought; the oldest make room.
    pub(crate) fn keep(&self, texts: &[TextRow]) {
        if texts.is_empty() {
            return;
        }
        let mut kept = self.kept();
        for text in texts.iter().filter(|text| !text.sealed) {
            let Ok(words) = std::str::from_utf8(&text.bytes) else { continue };
            kept.bytes += words.len();
            kept.order.push_back((text.id.clone(), words.len()));
            kept.by_id.insert(text.id.clone(), words.into());
        }
        while kept.bytes > BYTES_MAX {
            let Some((oldest, bytes)) = kept.order.pop_front() else { break };
            kept.bytes -= bytes;
            kept.by_id.remove(&oldest);
        }
    }

    /// Lets go of what a commit erased.
    pub(crate) fn forget(&self, ids: &[String]) {
        if ids.is_empty() {
            return;
        }
        let mut kept = self.kept();
        for id in ids {
            kept.by_id.remove(id);
        }
    }

    /// A text, if it is still here.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<str>> {
        self.kept().by_id.get(id).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(id: &str, words: &str, sealed: bool) -> TextRow {
        TextRow { id: id.to_owned(), sealed, bytes: words.as_bytes().to_vec() }
    }

    #[test]
    fn a_text_stays_until_it_is_erased_and_a_sealed_one_never_comes() {
        let texts = RecentTexts::default();
        texts.keep(&[text("a", "one", false), text("b", "two", true), text("c", "three", false)]);
        assert_eq!(texts.get("a").as_deref(), Some("one"));
        assert_eq!(texts.get("b"), None);
        texts.forget(&["a".to_owned()]);
        assert_eq!(texts.get("a"), None);
        assert_eq!(texts.get("c").as_deref(), Some("three"));
    }

    #[test]
    fn the_oldest_make_room() {
        let texts = RecentTexts::default();
        let large = "x".repeat(BYTES_MAX / 2);
        for id in ["a", "b", "c"] {
            texts.keep(&[text(id, &large, false)]);
        }
        assert_eq!(texts.get("a"), None);
        assert!(texts.get("b").is_some() && texts.get("c").is_some());
        assert!(texts.kept().bytes <= BYTES_MAX);
    }
}
