//! A PostgreSQL ledger's whole contents, and moving its schema out of the way.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};
use vivarium_types::place::Server as Place;

use super::Postgres;
use super::belonging;
use super::escape::{escaped, unescaped};
use super::read::signed;
use super::server::{EXCHANGE_LIMIT, Link, Server, Session};
use super::tables::{Schema, TABLES_VERSION};
use super::trouble::Trouble;
use crate::store::contents::{CHUNK, Cell, Contents, Kind, Record, Table, Take};
use crate::store::{Error, Head};

/// A whole table may take this long.
const TABLE_LIMIT: Duration = Duration::from_hours(24);

impl Contents for Postgres {
    fn each(&mut self, table: &Table, take: Take<'_>) -> Result<(), Error> {
        let server = Arc::clone(&self.server);
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             DECLARE everything NO SCROLL CURSOR FOR SELECT {} FROM {}",
            table.list(),
            table.name
        );
        let fetch = format!("FETCH {CHUNK} FROM everything");
        let read = async |session: &Session| {
            let client = session.client();
            client.batch_execute(&begin).await?;
            loop {
                let rows = client.query(&fetch, &[]).await?;
                if rows.is_empty() {
                    return Ok(client.batch_execute("COMMIT").await?);
                }
                let records = rows.iter().map(|row| record(row, table));
                take(records.collect::<Result<_, _>>()?)?;
            }
        };
        // A connection of its own: the writer's is not left in the middle of a transaction.
        Ok(server.wait(Link::default().once(&server, TABLE_LIMIT, read))?)
    }

    fn put(&mut self, table: &Table, records: &[Record]) -> Result<(), Error> {
        let copy = format!("COPY {} ({}) FROM STDIN BINARY", table.name, table.list());
        let types: Vec<Type> = table.columns.iter().map(|(_, kind)| column(*kind)).collect();
        let stored: Vec<Record> = records.iter().map(as_stored).collect();
        let write = async |session: &Session| {
            let sink = session.client().copy_in(&copy).await?;
            let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
            for record in &stored {
                let values: Vec<_> = record.iter().map(value).collect();
                writer.as_mut().write(&values).await?;
            }
            writer.finish().await?;
            Ok(())
        };
        let server = Arc::clone(&self.server);
        Ok(server.wait(self.link.once(&server, TABLE_LIMIT, write))?)
    }

    fn found(&mut self, head: &Head) -> Result<(), Error> {
        let (epoch, sequence) = (signed(head.writer_epoch)?, signed(head.sequence)?);
        let ledger = head.ledger.to_string();
        let found = async |session: &Session| {
            let owner = "INSERT INTO owner VALUES (1, $1, $2, $3, $4, 0)";
            let values: [&(dyn ToSql + Sync); 4] = [&TABLES_VERSION, &ledger, &epoch, &sequence];
            session.client().execute(owner, &values).await?;
            Ok(())
        };
        let server = Arc::clone(&self.server);
        Ok(server.wait(self.link.once(&server, EXCHANGE_LIMIT, found))?)
    }
}

/// Gives a schema another name.
pub(in crate::store) fn rename(place: &Place, name: &str) -> Result<(), Error> {
    let (from, name) = (Schema::parse(&place.schema)?, Schema::parse(name)?);
    command(place, &format!("ALTER SCHEMA {from} RENAME TO {name}"))
}

/// Drops a schema with all that is in it, if it is there.
pub(in crate::store) fn forget(place: &Place) -> Result<(), Error> {
    let schema = Schema::parse(&place.schema)?;
    command(place, &format!("DROP SCHEMA IF EXISTS {schema} CASCADE"))
}

fn command(place: &Place, sql: &str) -> Result<(), Error> {
    let server = Server::at(&belonging::config(place)?, Schema::parse(&place.schema)?)?;
    let run = async |session: &Session| Ok(session.client().batch_execute(sql).await?);
    let done = server.wait(Link::default().once(&server, EXCHANGE_LIMIT, run));
    done.map_err(|trouble| belonging::explained(trouble.into(), place))
}

const fn column(kind: Kind) -> Type {
    match kind {
        Kind::Int => Type::INT8,
        Kind::Text => Type::TEXT,
        Kind::Bytes => Type::BYTEA,
        Kind::Flag => Type::BOOL,
    }
}

fn record(row: &tokio_postgres::Row, table: &Table) -> Result<Record, Trouble> {
    let cell = |(index, (_, kind)): (usize, &(&str, Kind))| {
        Ok(match kind {
            Kind::Int => Cell::Int(row.try_get(index)?),
            Kind::Text => Cell::Text(unescaped(row.try_get(index)?)?),
            Kind::Bytes => Cell::Bytes(row.try_get(index)?),
            Kind::Flag => Cell::Flag(row.try_get(index)?),
        })
    };
    table.columns.iter().enumerate().map(cell).collect()
}

fn as_stored(record: &Record) -> Record {
    let stored = |cell: &Cell| match cell {
        Cell::Text(text) => Cell::Text(escaped(text).into_owned()),
        Cell::Int(_) | Cell::Bytes(_) | Cell::Flag(_) => cell.clone(),
    };
    record.iter().map(stored).collect()
}

fn value(cell: &Cell) -> &(dyn ToSql + Sync) {
    match cell {
        Cell::Int(number) => number,
        Cell::Text(text) => text,
        Cell::Bytes(bytes) => bytes,
        Cell::Flag(flag) => flag,
    }
}
