//! What the read model knows of the past: which rows of the log made a task what it was.

use rusqlite::{Connection, ToSql};

use super::{Filter, NOW, narrow_by_rest, narrow_by_states};

/// The state of a task behind a row of the log.
const STATE_THEN: &str = "(SELECT state FROM task_steps WHERE task = tasks.sequence
    AND task_steps.sequence <= ? ORDER BY task_steps.sequence DESC LIMIT 1)";

/// Rows of the log that are about a task, up to `place`, in order.
pub fn steps(db: &Connection, task: u64, place: u64) -> rusqlite::Result<Vec<u64>> {
    let mut query = db.prepare_cached(
        "SELECT sequence FROM task_steps WHERE task = ?1 AND sequence <= ?2 ORDER BY sequence",
    )?;
    let rows = query.query_map((task, place), |row| row.get(0))?;
    rows.collect()
}

/// Tasks older than `before` that matched behind row `place`, newest first: the rows of their
/// additions.
pub fn page(
    db: &Connection,
    filter: &Filter,
    before: Option<u64>,
    limit: u32,
    place: u64,
) -> rusqlite::Result<Vec<u64>> {
    let mut sql = "SELECT sequence FROM tasks WHERE sequence < ? AND sequence <= ?".to_owned();
    let mut values: Vec<Box<dyn ToSql>> = vec![Box::new(before.unwrap_or(NOW)), Box::new(place)];
    if !filter.states.is_empty() {
        // The mark inside the expression comes before those of the list.
        values.push(Box::new(place));
    }
    narrow_by_states(&mut sql, &mut values, filter, STATE_THEN);
    narrow_by_rest(&mut sql, &mut values, filter);
    sql.push_str(" ORDER BY sequence DESC LIMIT ?");
    values.push(Box::new(limit));
    let mut query = db.prepare_cached(&sql)?;
    let rows = query.query_map(rusqlite::params_from_iter(values.iter()), |row| row.get(0))?;
    rows.collect()
}
