//! Pages of the list at any place of any order.
//!
//! A list may be a million tasks long, and a page may begin anywhere in it. So the way to the page
//! goes along one index that names rows and nothing else, and what else a filter asks for is looked up
//! in indexes too: the wide rows of the tasks themselves are read for the page alone.

use rusqlite::{Connection, ToSql};

use super::{COLUMNS, Filter, Record, record, words};
use crate::domain::task::State;

/// Which task is first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// What was added last.
    #[default]
    Newest,
    /// What was added first.
    Oldest,
    /// The highest priority, and of each the newest.
    Priority,
}

/// A place in an order: the task that stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The row of its addition.
    pub sequence: u64,
    /// Its priority; no part of a place by age.
    pub priority: u8,
}

/// Which part of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Part {
    /// In this order.
    pub order: Order,
    /// Behind this place; from the first one without.
    pub behind: Option<Place>,
    /// So many are left out.
    pub skip: u32,
    /// At most so many.
    pub limit: u32,
}

/// The tasks of a part of the list, in its order.
pub fn page(db: &Connection, filter: &Filter, part: &Part) -> rusqlite::Result<Vec<Record>> {
    let Sql { text, values } = ordered(filter, part);
    let rows: Vec<u64> = db
        .prepare_cached(&text)?
        .query_map(rusqlite::params_from_iter(values.iter()), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    let sql = format!("SELECT {COLUMNS} FROM tasks WHERE sequence = ?1");
    let mut query = db.prepare_cached(&sql)?;
    rows.into_iter().map(|row| query.query_row([row], record)).collect()
}

/// How many tasks match.
pub fn count(db: &Connection, filter: &Filter) -> rusqlite::Result<u64> {
    let mut sum = 0;
    for way in ways(filter, Order::Newest) {
        let mut sql = Sql::default();
        sql.push("SELECT count(*) FROM (");
        way.select(&mut sql, filter, None);
        sql.push(")");
        let found: u64 = db
            .prepare_cached(&sql.text)?
            .query_row(rusqlite::params_from_iter(sql.values.iter()), |row| row.get(0))?;
        sum += found;
    }
    Ok(sum)
}

/// A statement as it grows, with the values of its marks in their order.
#[derive(Default)]
struct Sql {
    text: String,
    values: Vec<Box<dyn ToSql>>,
}

impl Sql {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn with(&mut self, text: &str, value: impl ToSql + 'static) {
        self.push(text);
        self.values.push(Box::new(value));
    }
}

/// The index along which the tasks are found; it fulfils one condition of the filter by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Words,
    Tag,
    Resident,
    Recurrence,
    Class,
    Submitter,
    State(State),
    /// In the order of the priorities, for a state that is final.
    Ranked(State),
    All,
}

impl Way {
    /// The column that holds the task's row.
    const fn row(self) -> &'static str {
        match self {
            Self::Words => "task_words.rowid",
            Self::Tag => "task_tags.task",
            Self::Resident => "attempts.task",
            Self::Recurrence
            | Self::Class
            | Self::Submitter
            | Self::State(_)
            | Self::Ranked(_)
            | Self::All => "tasks.sequence",
        }
    }

    /// Selects the rows of the tasks that match, as `s`: those behind `behind` when it is by age.
    fn select(self, sql: &mut Sql, filter: &Filter, behind: Option<(&str, u64)>) {
        sql.push(if self == Self::Resident { "SELECT DISTINCT " } else { "SELECT " });
        sql.push(self.row());
        sql.push(" AS s");
        if let Self::Ranked(_) = self {
            sql.push(", tasks.priority AS p");
        }
        match self {
            Self::Words => sql.with(
                " FROM task_words WHERE task_words MATCH ?",
                words(&filter.text).unwrap_or_default(),
            ),
            Self::Tag => sql.with(" FROM task_tags WHERE tag = ?", filter.tag.clone()),
            Self::Resident => sql.with(
                " FROM attempts INDEXED BY attempts_by_resident WHERE resident = ?",
                filter.resident.clone(),
            ),
            Self::Recurrence => sql.with(
                " FROM tasks INDEXED BY tasks_by_recurrence
                  WHERE recurrence <> '' AND recurrence = ?",
                filter.recurrence.clone(),
            ),
            Self::Class => sql.with(
                " FROM tasks INDEXED BY tasks_by_class WHERE class <> '' AND class = ?",
                filter.class.map(crate::domain::retry::Class::word).unwrap_or_default(),
            ),
            Self::Submitter => sql.with(
                " FROM tasks INDEXED BY tasks_by_submitter WHERE submitter = ?",
                filter.submitter.clone(),
            ),
            Self::State(state) => sql
                .with(" FROM tasks INDEXED BY tasks_by_state WHERE tasks.state = ?", state.word()),
            Self::Ranked(state) => sql.with(
                " FROM tasks INDEXED BY tasks_by_priority
                  WHERE (state = 'approved' OR state = 'failed' OR state = 'cancelled')
                    AND state = ?",
                state.word(),
            ),
            Self::All => sql.push(" FROM tasks INDEXED BY tasks_by_age WHERE TRUE"),
        }
        self.narrow(sql, filter);
        if let Some((than, row)) = behind {
            sql.with(&format!(" AND {} {than} ?", self.row()), row);
        }
    }

    /// What the index does not fulfil is looked up in the others.
    fn narrow(self, sql: &mut Sql, filter: &Filter) {
        let own = self.row();
        let by_state = matches!(self, Self::State(_) | Self::Ranked(_));
        if !filter.states.is_empty() && !by_state {
            let marks = vec!["?"; filter.states.len()].join(", ");
            sql.push(&format!(
                " AND EXISTS (SELECT 1 FROM tasks AS t INDEXED BY tasks_by_state
                              WHERE t.state IN ({marks}) AND t.sequence = {own})"
            ));
            let words = filter.states.iter().map(|state| state.word());
            sql.values.extend(words.map(|word| Box::new(word) as Box<dyn ToSql>));
        }
        let class = filter.class.map(crate::domain::retry::Class::word).unwrap_or_default();
        let looked_up = [
            (Self::Tag, filter.tag.as_str(), "task_tags AS t", "t.tag = ?", "t.task"),
            (Self::Resident, &filter.resident, "attempts AS t", "t.resident = ?", "t.task"),
            (
                Self::Recurrence,
                &filter.recurrence,
                "tasks AS t INDEXED BY tasks_by_recurrence",
                "t.recurrence <> '' AND t.recurrence = ?",
                "t.sequence",
            ),
            (
                Self::Class,
                class,
                "tasks AS t INDEXED BY tasks_by_class",
                "t.class <> '' AND t.class = ?",
                "t.sequence",
            ),
            (
                Self::Submitter,
                &filter.submitter,
                "tasks AS t INDEXED BY tasks_by_submitter",
                "t.submitter = ?",
                "t.sequence",
            ),
        ];
        for (way, wanted, table, condition, row) in looked_up {
            if way != self && !wanted.is_empty() {
                let probe = format!(
                    " AND EXISTS (SELECT 1 FROM {table} WHERE {condition} AND {row} = {own})"
                );
                sql.with(&probe, wanted.to_owned());
            }
        }
    }
}

/// The index to go along, or one for each state, which are then merged.
fn ways(filter: &Filter, order: Order) -> Vec<Way> {
    let narrow = [
        (Way::Words, words(&filter.text).is_some()),
        (Way::Tag, !filter.tag.is_empty()),
        (Way::Resident, !filter.resident.is_empty()),
        (Way::Recurrence, !filter.recurrence.is_empty()),
        (Way::Class, filter.class.is_some()),
        (Way::Submitter, !filter.submitter.is_empty()),
    ];
    if let Some((way, _)) = narrow.into_iter().find(|(_, wanted)| *wanted) {
        return vec![way];
    }
    let ranked = order == Order::Priority;
    let states = match filter.states.as_slice() {
        [] if !ranked => return vec![Way::All],
        [] => &State::ALL[..],
        some => some,
    };
    let mut ways = Vec::new();
    for state in states {
        let way = if ranked && state.is_final() { Way::Ranked(*state) } else { Way::State(*state) };
        if !ways.contains(&way) {
            ways.push(way);
        }
    }
    ways
}

/// Selects the rows of a part of the list, in its order.
fn ordered(filter: &Filter, part: &Part) -> Sql {
    let mut sql = Sql::default();
    let by_age = |than| part.behind.map(|place| (than, place.sequence));
    match part.order {
        Order::Newest => {
            union(&mut sql, filter, part.order, by_age("<"));
            sql.push(" ORDER BY s DESC");
        }
        Order::Oldest => {
            union(&mut sql, filter, part.order, by_age(">"));
            sql.push(" ORDER BY s");
        }
        Order::Priority => {
            sql.push("SELECT s FROM (");
            for (at, way) in ways(filter, part.order).into_iter().enumerate() {
                sql.push(if at == 0 { "" } else { " UNION ALL " });
                ranked(&mut sql, way, filter, part.behind);
            }
            sql.push(" ORDER BY p DESC, s DESC)");
        }
    }
    sql.with(" LIMIT ?", part.limit);
    sql.with(" OFFSET ?", part.skip);
    sql
}

fn union(sql: &mut Sql, filter: &Filter, order: Order, behind: Option<(&str, u64)>) {
    for (at, way) in ways(filter, order).into_iter().enumerate() {
        sql.push(if at == 0 { "" } else { " UNION ALL " });
        way.select(sql, filter, behind);
    }
}

/// Selects rows with their priorities, as `s` and `p`. Only what is final, of which there are many, has
/// an index in this order; the rest is sorted.
fn ranked(sql: &mut Sql, way: Way, filter: &Filter, behind: Option<Place>) {
    let further = |sql: &mut Sql, row: &str| {
        if let Some(place) = behind {
            sql.with(&format!("({row}) < (?, "), place.priority);
            sql.with("?)", place.sequence);
        }
    };
    if let Way::Ranked(_) = way {
        way.select(sql, filter, None);
        if behind.is_some() {
            sql.push(" AND ");
        }
        further(sql, "tasks.priority, tasks.sequence");
        return;
    }
    sql.push("SELECT s, r.priority AS p FROM (");
    way.select(sql, filter, None);
    sql.push(") CROSS JOIN tasks AS r ON r.sequence = s");
    if behind.is_some() {
        sql.push(" WHERE ");
    }
    further(sql, "r.priority, s");
}
