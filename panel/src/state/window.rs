//! The part of a long list that is there: rows near the sight, in chunks. What is far away is dropped.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::task::{State, Task};
use super::view::View;

/// Rows of a chunk.
pub(crate) const CHUNK: usize = 100;
/// Chunks that are kept.
const CHUNKS_MAX: usize = 16;
/// Chunks that are read together.
const READ_MAX: usize = 4;

/// Rows that were read together.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    rows: Vec<Arc<Task>>,
    /// The news that were known when it was read.
    news: u64,
}

/// What is there of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Of which list.
    pub(crate) view: View,
    /// Rows of the whole list.
    pub(crate) total: usize,
    /// Tasks of the whole world by state.
    pub(crate) counts: Vec<(State, u64)>,
    chunks: BTreeMap<usize, Chunk>,
    /// The news that `total` and `counts` know; `None` before the first answer.
    news: Option<u64>,
}

impl Window {
    /// Nothing is there.
    pub(crate) fn new(view: View) -> Self {
        Self { view, ..Self::default() }
    }

    /// The row at a place of the list, if it is there.
    pub(crate) fn row(&self, place: usize) -> Option<&Arc<Task>> {
        self.chunks.get(&(place / CHUNK))?.rows.get(place % CHUNK)
    }

    /// Whether `total` is as of these news.
    pub(crate) fn knows(&self, news: u64) -> bool {
        self.news == Some(news)
    }

    /// Places that have to be read for those in sight: what is not there, or older than the news.
    pub(crate) fn wanted(&self, sight: &Range<usize>, news: u64) -> Option<Range<usize>> {
        let end = if self.news.is_some() { sight.end.min(self.total) } else { sight.end };
        let chunks = sight.start.min(end) / CHUNK..end.div_ceil(CHUNK);
        let old = |at: &usize| self.chunks.get(at).is_none_or(|chunk| chunk.news != news);
        let first = chunks.clone().find(old);
        // An empty list has no chunk, and is asked for its length.
        let first = first.or_else(|| (!self.knows(news)).then_some(chunks.start))?;
        let last = chunks.rev().find(old).unwrap_or(first);
        let last = last.min(first + READ_MAX - 1);
        Some(first * CHUNK..(last + 1) * CHUNK)
    }

    /// Takes up what was read from a place on, and forgets what lies farthest from it.
    pub(crate) fn take(&mut self, from: usize, rows: Vec<Task>, news: u64) {
        let first = from / CHUNK;
        let mut rows = rows.into_iter().map(Arc::new).peekable();
        let mut at = first;
        while rows.peek().is_some() {
            let rows: Vec<_> = rows.by_ref().take(CHUNK).collect();
            self.chunks.insert(at, Chunk { rows, news });
            at += 1;
        }
        while self.chunks.len() > CHUNKS_MAX {
            let farthest = self.chunks.keys().max_by_key(|chunk| chunk.abs_diff(first)).copied();
            self.chunks.remove(&farthest.unwrap_or_default());
        }
    }

    /// Takes up how long the list is.
    pub(crate) fn learn(&mut self, total: u64, counts: Vec<(State, u64)>, news: u64) {
        self.total = usize::try_from(total).unwrap_or(usize::MAX);
        self.counts = counts;
        self.news = Some(news);
        let total = self.total;
        self.chunks.retain(|chunk, _| chunk * CHUNK < total);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(from: usize, count: usize) -> Vec<Task> {
        let task = |n: usize| Task { id: format!("tsk_{n}"), ..Task::default() };
        (from..from + count).map(task).collect()
    }

    fn million() -> Window {
        let mut window = Window::new(View::default());
        window.learn(1_000_000, Vec::new(), 1);
        window
    }

    #[test]
    fn only_what_is_not_there_is_read() {
        let mut window = million();
        assert_eq!(window.wanted(&(450..520), 1), Some(400..600));
        window.take(400, rows(400, 100), 1);
        assert_eq!(window.wanted(&(450..520), 1), Some(500..600));
        window.take(500, rows(500, 100), 1);
        assert_eq!(window.wanted(&(450..520), 1), None);
        assert_eq!(window.row(512).map(|task| task.id.as_str()), Some("tsk_512"));
        assert_eq!(window.wanted(&(450..520), 2), Some(400..600), "news make it old");
    }

    #[test]
    fn memory_is_bounded_and_what_is_near_stays() {
        let mut window = million();
        for chunk in 0..200 {
            window.take(chunk * CHUNK, rows(chunk * CHUNK, CHUNK), 1);
        }
        assert_eq!(window.chunks.len(), CHUNKS_MAX);
        assert!(window.row(19_999).is_some() && window.row(0).is_none());
    }

    #[test]
    fn the_end_of_a_list_is_no_reason_to_read_on() {
        let mut window = Window::new(View::default());
        assert_eq!(window.wanted(&(0..40), 1), Some(0..100));
        window.learn(130, Vec::new(), 1);
        window.take(0, rows(0, 130), 1);
        assert_eq!(window.wanted(&(100..300), 1), None);
        assert_eq!(window.wanted(&(900..990), 1), None);
        window.learn(0, Vec::new(), 2);
        assert_eq!((window.wanted(&(0..40), 2), window.row(3)), (None, None));
    }

    #[test]
    fn a_long_sight_is_read_piece_by_piece() {
        assert_eq!(million().wanted(&(0..5_000), 1), Some(0..400));
    }
}
