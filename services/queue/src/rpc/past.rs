//! Time travel: tasks as they were behind any row of the log, drawn from the rows themselves.

use vivarium_chassis::{Refusal, Violations};
use vivarium_ledger::store::{self, Reader};
use vivarium_ledger::{Meta, Row};
use vivarium_proto::queue::v1 as pb;
use vivarium_proto::queue::v1::as_of::Moment;
use vivarium_types::Timestamp;

use super::{Desk, broken, convert, show};
use crate::domain::event::{Event, Wire};
use crate::domain::task::Task;
use crate::views::{self, Filter, Record, past};

/// The row behind which is read; `None`: now.
pub(super) async fn place(desk: &Desk, as_of: Option<pb::AsOf>) -> Result<Option<u64>, Refusal> {
    let Some(moment) = as_of.and_then(|as_of| as_of.moment) else { return Ok(None) };
    let mut wrong = Violations::new();
    let head = desk.ledger.committed();
    match moment {
        Moment::Sequence(sequence) => {
            if sequence == 0 || sequence > head {
                wrong.add("as_of.sequence", format!("must be 1 to {head}, the log's last row"));
            }
            wrong.done(Some(Some(sequence)))
        }
        Moment::Time(time) => {
            let moment = convert::moment(&mut wrong, "as_of.time", Some(time));
            let moment = wrong.done(moment)?;
            let reader = desk.ledger.reader();
            let found = off_thread(move || last_at(&*reader, head, moment)).await?;
            Ok(Some(found))
        }
    }
}

/// The last row that is not younger than `moment`: times in a log never fall.
fn last_at(reader: &dyn Reader, head: u64, moment: Timestamp) -> Result<u64, store::Error> {
    let (mut low, mut high) = (0, head);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        let row = row(reader, middle)?;
        if row.time <= moment {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    Ok(low)
}

/// A task as it was; `None` when there was none.
pub(super) async fn task(desk: &Desk, name: &str, place: u64) -> Result<Option<pb::Task>, Refusal> {
    let name = name.to_owned();
    let found = desk.ledger.view(move |db| {
        let Some(record) = views::find(db, &name)? else { return Ok(None) };
        let attempts = views::attempts(db, record.sequence, place)?;
        Ok(Some((record.sequence, attempts)))
    });
    let Some((sequence, attempts)) = found.await.map_err(broken)? else { return Ok(None) };
    let Some(record) = record(desk, sequence, place).await? else { return Ok(None) };
    let mut feedback = Vec::new();
    for text in &record.task.feedback {
        feedback.extend(desk.ledger.text(&text.id).await.map_err(broken)?);
    }
    let why = match &record.task.why {
        Some(why) => desk.text(&why.id).await?,
        None => String::new(),
    };
    let mut task = show::record(record, None);
    task.attempts = attempts.into_iter().map(show::attempt).collect();
    task.feedback = feedback;
    task.why = why;
    Ok(Some(task))
}

/// A page of tasks as they were.
pub(super) async fn page(
    desk: &Desk,
    filter: Filter,
    before: Option<u64>,
    size: u32,
    place: u64,
) -> Result<pb::ListTasksResponse, Refusal> {
    let query = desk.ledger.view(move |db| past::page(db, &filter, before, size + 1, place));
    let mut found = query.await.map_err(broken)?;
    let more = found.len() > size as usize;
    found.truncate(size as usize);
    let next_page_token =
        found.last().filter(|_| more).map(ToString::to_string).unwrap_or_default();
    let mut tasks = Vec::new();
    for sequence in found {
        tasks.extend(record(desk, sequence, place).await?.map(|record| show::record(record, None)));
    }
    Ok(pb::ListTasksResponse { tasks, next_page_token, ..pb::ListTasksResponse::default() })
}

/// A task with its texts, as its rows up to `place` made it.
async fn record(desk: &Desk, sequence: u64, place: u64) -> Result<Option<Record>, Refusal> {
    let steps = desk.ledger.view(move |db| past::steps(db, sequence, place));
    let steps = steps.await.map_err(broken)?;
    let reader = desk.ledger.reader();
    let task = off_thread(move || replayed(&*reader, &steps)).await?;
    let Some(task) = task else { return Ok(None) };
    let title = desk.text(&task.added.title.id).await?;
    let instruction = desk.text(&task.added.instruction.id).await?;
    let intent = match &task.added.intent {
        Some(intent) => desk.text(&intent.id).await?,
        None => String::new(),
    };
    Ok(Some(Record { sequence, task, title, instruction, intent }))
}

/// What a row of the log says.
pub(super) async fn event(desk: &Desk, sequence: u64) -> Result<Event, Refusal> {
    let reader = desk.ledger.reader();
    let (event, _) = off_thread(move || said(&*reader, sequence)).await?;
    Ok(event)
}

fn replayed(reader: &dyn Reader, steps: &[u64]) -> Result<Option<Task>, store::Error> {
    let mut task: Option<Task> = None;
    for sequence in steps {
        let (event, meta) = said(reader, *sequence)?;
        match (&mut task, &event) {
            (None, Event::TaskAdded(added)) => task = Some(Task::new(added, &meta)),
            (None, Event::TaskProposed(proposed)) => task = Some(Task::proposed(proposed, &meta)),
            (Some(task), event) => task.apply(event, &meta),
            (None, _) => {}
        }
    }
    Ok(task)
}

fn row(reader: &dyn Reader, sequence: u64) -> Result<Row, store::Error> {
    let row = reader.rows(sequence.saturating_sub(1), 1)?.pop();
    row.filter(|row| row.sequence == sequence).ok_or_else(|| corrupt(sequence))
}

fn said(reader: &dyn Reader, sequence: u64) -> Result<(Event, Meta), store::Error> {
    read(&row(reader, sequence)?).ok_or_else(|| corrupt(sequence))
}

fn read(row: &Row) -> Option<(Event, Meta)> {
    let wire: Wire = serde_json::from_slice(&row.payload).ok()?;
    let meta = Meta { sequence: row.sequence, time: row.time, actor: row.actor.parse().ok()? };
    Some((Event::try_from(wire).ok()?, meta))
}

fn corrupt(sequence: u64) -> store::Error {
    store::Error::corrupt(format!("row {sequence}"))
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, store::Error> + Send + 'static,
) -> Result<T, Refusal> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Refusal::fault("a read could not be made").because(error))?.map_err(broken)
}
