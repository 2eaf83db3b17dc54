//! What was read of a long list of tasks, in chunks, so that not all is read again with every change.

use std::sync::Arc;

use leptos::prelude::*;

use crate::api::{self, Answer};
use crate::parts::virtual_list::Row;
use crate::state::task::{State, Task};

/// Tasks that are read together.
pub(super) const PAGE: usize = 200;
/// Pages that are read to find where the known rows begin, before all is read anew.
const FRESH_PAGES_MAX: usize = 3;

#[expect(clippy::misnamed_getters, reason = "the id is the key of a row; `key` is people's name")]
impl Row for Arc<Task> {
    fn key(&self) -> &str {
        &self.id
    }
}

/// What is asked for: tasks in these states with these words.
pub(super) type Question = (Vec<State>, String);

/// Tasks that were read together, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Chunk {
    /// What it was asked for with; the first has none.
    token: String,
    rows: Vec<Arc<Task>>,
    /// What the next is asked for with; the last has none.
    next: String,
}

/// What was read, and how many there are by state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Listed {
    question: Question,
    chunks: Vec<Chunk>,
    /// Tasks of the whole world by state.
    pub(super) counts: Vec<(State, u64)>,
}

impl Listed {
    /// Rows that are there.
    pub(super) fn len(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.rows.len()).sum()
    }

    /// Whether more can be read.
    pub(super) fn more(&self) -> bool {
        self.chunks.last().is_some_and(|last| !last.next.is_empty())
    }

    /// All rows that are there.
    pub(super) fn rows(&self) -> Vec<Arc<Task>> {
        self.chunks.iter().flat_map(|chunk| chunk.rows.iter().cloned()).collect()
    }

    /// Reads one page.
    async fn page(&mut self, token: String) -> Answer<Chunk> {
        let (states, words) = &self.question;
        let size = u32::try_from(PAGE).unwrap_or(u32::MAX);
        let (page, counts) = api::tasks::list(states, words, size, token.clone()).await?;
        self.counts = counts;
        let rows = page.rows.into_iter().map(Arc::new).collect();
        Ok(Chunk { token, rows, next: page.next })
    }

    /// Reads the newest tasks, up to where what was known before goes on: new ones push no other
    /// chunk out of its place.
    async fn newest(&mut self, before: &Self) -> Answer<Chunk> {
        let chunk = self.page(String::new()).await?;
        let Some(known) = before.chunks.get(1) else { return Ok(chunk) };
        let Some(border) = known.rows.first().map(|task| task.id.clone()) else { return Ok(chunk) };
        let mut found = chunk.clone();
        for _ in 0..FRESH_PAGES_MAX {
            if found.next == known.token {
                return Ok(found);
            }
            if cut(&mut found.rows, &border) {
                found.next.clone_from(&known.token);
                return Ok(found);
            }
            if found.next.is_empty() {
                return Ok(chunk);
            }
            let page = self.page(found.next.clone()).await?;
            found.rows.extend(page.rows);
            found.next = page.next;
        }
        Ok(chunk)
    }
}

/// Leaves the rows in front of `border`; whether the border was reached.
fn cut(rows: &mut Vec<Arc<Task>>, border: &str) -> bool {
    // Ids ascend with time, so it is found even when the very task has left the list.
    let place = rows.iter().position(|task| task.id.as_str() <= border);
    rows.truncate(place.unwrap_or(rows.len()));
    place.is_some()
}

/// As many tasks as are wanted. What is out of sight and still in its place is not read again: of a
/// long list only the first chunk and those in sight follow the world.
pub(super) async fn load(
    question: Question,
    wanted: usize,
    (first, last): (usize, usize),
    before: StoredValue<Listed>,
) -> Answer<Listed> {
    let old = before.try_get_value().filter(|old| old.question == question).unwrap_or_default();
    let mut listed = Listed { question, ..Listed::default() };
    let newest = listed.newest(&old).await?;
    let mut next = Some(newest);
    while let Some(chunk) = next.take() {
        let token = chunk.next.clone();
        listed.chunks.push(chunk);
        let start = listed.len();
        if token.is_empty() || start >= wanted {
            break;
        }
        let kept = old.chunks.get(listed.chunks.len()).filter(|kept| {
            let hidden = start >= last || start + kept.rows.len() <= first;
            kept.token == token && hidden
        });
        next = Some(match kept {
            Some(kept) => kept.clone(),
            None => listed.page(token).await?,
        });
    }
    before.try_set_value(listed.clone());
    Ok(listed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_tasks_end_where_the_known_ones_begin() {
        let tasks = |ids: &[&str]| -> Vec<Arc<Task>> {
            let task = |id: &&str| Arc::new(Task { id: (*id).to_owned(), ..Task::default() });
            ids.iter().map(task).collect()
        };
        let mut rows = tasks(&["tsk_9", "tsk_8", "tsk_7", "tsk_5"]);
        assert!(!cut(&mut rows.clone(), "tsk_4"));
        // The task at the border itself, 6, is not in the list any more.
        assert!(cut(&mut rows, "tsk_6"));
        assert_eq!(rows, tasks(&["tsk_9", "tsk_8", "tsk_7"]));
    }
}
