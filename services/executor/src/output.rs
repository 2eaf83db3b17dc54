//! The text that running cycles are writing, for whoever watches. Nothing of it is kept.
//!
//! A watcher begins with the text so far of each running call and never misses a piece: one that falls
//! behind gets the text so far again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::Stream;
use tokio::sync::broadcast;
use vivarium_types::ids::{CycleId, ResidentId, TaskId};

/// Pieces that may wait for a slow watcher before it gets the whole text again.
const PIECES_WAITING: usize = 512;
/// Most characters of one call that are shown; more is only in the record.
const SHOWN_MAX: usize = 256_000;
/// Where a resident's private texts begin in a reply: from here on nothing is shown.
const PRIVATE: [&str; 3] = ["write_journal", "message_human", "remember"];
/// Bytes of the longest of these words.
const PRIVATE_LENGTH_MAX: usize = 13;

/// Whose call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// The cycle.
    pub cycle: CycleId,
    /// Its task.
    pub task: Option<TaskId>,
    /// Its resident.
    pub resident: Option<ResidentId>,
    /// The step, from 1.
    pub step: u32,
}

/// What is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The whole text so far.
    Restart(Arc<str>),
    /// More text.
    Piece(Arc<str>),
    /// The call was sent and nothing came back yet.
    Waiting,
    /// The call has ended.
    Ended,
}

/// News of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Whose.
    pub source: Source,
    /// What.
    pub news: News,
}

#[derive(Debug)]
struct Live {
    source: Source,
    text: String,
    /// Whether a private text has begun.
    hushed: bool,
}

/// Takes text from running calls and gives it to watchers.
#[derive(Debug)]
pub struct Hub {
    /// Written under the lock together with `news`, so that a watcher's first look and its stream
    /// fit without gap.
    live: Mutex<BTreeMap<CycleId, Live>>,
    news: broadcast::Sender<Item>,
}

impl Default for Hub {
    fn default() -> Self {
        Self { live: Mutex::default(), news: broadcast::channel(PIECES_WAITING).0 }
    }
}

impl Hub {
    /// A call was sent.
    pub fn begin(&self, source: Source) {
        let mut live = self.lock();
        live.insert(source.cycle, Live { source, text: String::new(), hushed: false });
        self.tell(source, News::Waiting);
    }

    /// More text came.
    pub fn push(&self, cycle: CycleId, piece: &str) {
        let mut live = self.lock();
        let Some(call) = live.get_mut(&cycle) else { return };
        if call.hushed || call.text.len() + piece.len() > SHOWN_MAX {
            return;
        }
        let before = call.text.len();
        call.text.push_str(piece);
        // No such word stands before, but one may have begun there.
        let from = call.text.floor_char_boundary(before.saturating_sub(PRIVATE_LENGTH_MAX));
        let rest = call.text.get(from..).unwrap_or_default();
        let begins = PRIVATE.iter().filter_map(|word| rest.find(word)).min().map(|at| from + at);
        if let Some(begins) = begins {
            call.hushed = true;
            call.text.truncate(begins.max(before));
        }
        let shown = call.text.get(before..).unwrap_or_default();
        if !shown.is_empty() {
            self.tell(call.source, News::Piece(shown.into()));
        }
    }

    /// The call has ended.
    pub fn end(&self, cycle: CycleId) {
        let mut live = self.lock();
        if let Some(call) = live.remove(&cycle) {
            self.tell(call.source, News::Ended);
        }
    }

    /// The text so far of each call, of one task or of all, then what comes, until the watcher leaves.
    pub fn watch(
        self: &Arc<Self>,
        task: Option<TaskId>,
    ) -> impl Stream<Item = Item> + Send + use<> {
        let hub = Arc::clone(self);
        let (mut first, mut news) = hub.now(task);
        async_stream::stream! {
            loop {
                for item in std::mem::take(&mut first) {
                    yield item;
                }
                match news.recv().await {
                    Ok(item) if task.is_none() || item.source.task == task => yield item,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Lagged(_)) => (first, news) = hub.now(task),
                    Err(broadcast::error::RecvError::Closed) => return,
                }
            }
        }
    }

    fn now(&self, task: Option<TaskId>) -> (Vec<Item>, broadcast::Receiver<Item>) {
        let live = self.lock();
        let wanted = live.values().filter(|call| task.is_none() || call.source.task == task);
        let items = wanted.map(|call| Item {
            source: call.source,
            news: if call.text.is_empty() {
                News::Waiting
            } else {
                News::Restart(call.text.as_str().into())
            },
        });
        (items.collect(), self.news.subscribe())
    }

    fn tell(&self, source: Source, news: News) {
        // Nobody may be watching.
        drop(self.news.send(Item { source, news }));
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CycleId, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;
    use vivarium_types::ids::Id;

    use super::*;

    fn source(number: u128) -> Source {
        Source {
            cycle: CycleId::from_number(number),
            task: Some(TaskId::from_number(number)),
            resident: None,
            step: 1,
        }
    }

    #[tokio::test]
    async fn a_watcher_gets_the_text_so_far_and_then_every_piece() {
        let hub = Arc::new(Hub::default());
        hub.begin(source(1));
        hub.push(source(1).cycle, "once ");
        let mut watch = std::pin::pin!(hub.watch(None));
        hub.push(source(1).cycle, "upon");
        hub.end(source(1).cycle);
        let mut news = Vec::new();
        while news.last() != Some(&News::Ended) {
            news.push(watch.next().await.expect("it goes on").news);
        }
        let expected = [News::Restart("once ".into()), News::Piece("upon".into()), News::Ended];
        assert_eq!(news, expected);
    }

    #[tokio::test]
    async fn a_watcher_that_falls_behind_gets_the_whole_text_again() {
        let hub = Arc::new(Hub::default());
        hub.begin(source(1));
        let mut watch = std::pin::pin!(hub.watch(Some(source(1).task.expect("it has one"))));
        for _ in 0..PIECES_WAITING * 2 {
            hub.push(source(1).cycle, "x");
        }
        hub.end(source(2).cycle);
        let mut text = String::new();
        while text.len() < PIECES_WAITING * 2 {
            match watch.next().await.expect("it goes on").news {
                News::Restart(all) => text = all.to_string(),
                News::Piece(piece) => text.push_str(&piece),
                News::Waiting | News::Ended => {}
            }
        }
        assert_eq!(text, "x".repeat(PIECES_WAITING * 2));
    }

    #[tokio::test]
    async fn what_follows_a_private_action_is_not_shown() {
        let hub = Arc::new(Hub::default());
        hub.begin(source(1));
        for piece in ["{\"do\":\"write_", "journal\",\"text\":\"can", "ary\"}"] {
            hub.push(source(1).cycle, piece);
        }
        let mut watch = std::pin::pin!(hub.watch(None));
        let News::Restart(text) = watch.next().await.expect("it is there").news else {
            panic!("there is text")
        };
        assert!(!text.contains("can") && text.starts_with("{\"do\":"), "{text}");
    }
}
