//! A SQLite ledger's whole contents.

use rusqlite::types::{Value, ValueRef};
use rusqlite::{ToSql, params_from_iter};

use super::Sqlite;
use crate::store::contents::{CHUNK, Cell, Contents, Kind, Record, Table, Take};
use crate::store::{Error, Head};

impl Contents for Sqlite {
    fn each(&mut self, table: &Table, take: Take<'_>) -> Result<(), Error> {
        let query = format!("SELECT {} FROM {}", table.list(), table.name);
        let mut query = self.connection.prepare(&query)?;
        let mut rows = query.query([])?;
        let mut chunk = Vec::new();
        while let Some(row) = rows.next()? {
            let cells = table.columns.iter().enumerate();
            let record = cells.map(|(index, (name, kind))| cell(row.get_ref(index)?, *kind, name));
            chunk.push(record.collect::<Result<Record, Error>>()?);
            if chunk.len() == CHUNK {
                take(std::mem::take(&mut chunk))?;
            }
        }
        if chunk.is_empty() { Ok(()) } else { take(chunk) }
    }

    fn put(&mut self, table: &Table, records: &[Record]) -> Result<(), Error> {
        let marks = vec!["?"; table.columns.len()].join(", ");
        let insert = format!("INSERT INTO {} ({}) VALUES ({marks})", table.name, table.list());
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(&insert)?;
            for record in records {
                insert.execute(params_from_iter(record.iter().map(value)))?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    fn found(&mut self, head: &Head) -> Result<(), Error> {
        let owner = (head.ledger.to_string(), head.writer_epoch);
        self.connection.execute("INSERT INTO owner VALUES (1, ?1, ?2)", owner)?;
        super::truncate_wal(&self.connection)
    }
}

fn cell(value: ValueRef<'_>, kind: Kind, name: &str) -> Result<Cell, Error> {
    let wrong = || Error::corrupt(format!("a column {name} of another type"));
    match kind {
        Kind::Int => value.as_i64().map(Cell::Int).map_err(|_| wrong()),
        Kind::Flag => value.as_i64().map(|flag| Cell::Flag(flag != 0)).map_err(|_| wrong()),
        Kind::Text => value.as_str().map(|text| Cell::Text(text.to_owned())).map_err(|_| wrong()),
        Kind::Bytes => {
            value.as_blob().map(|bytes| Cell::Bytes(bytes.to_vec())).map_err(|_| wrong())
        }
    }
}

fn value(cell: &Cell) -> impl ToSql {
    match cell {
        Cell::Int(number) => Value::Integer(*number),
        Cell::Text(text) => Value::Text(text.clone()),
        Cell::Bytes(bytes) => Value::Blob(bytes.clone()),
        Cell::Flag(flag) => Value::Integer(i64::from(*flag)),
    }
}
