//! The layers of settings as one tree whose leaves remember where they come from.

use std::collections::BTreeMap;
use std::path::Path;

use super::Error;

/// Keys and what they hold, in order.
pub(super) type Table = BTreeMap<String, Node>;

/// A value and the file or variable that set it.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) origin: String,
    pub(super) value: Value,
}

/// What a key holds.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Table(Table),
    List(Vec<Node>),
    /// A scalar of a file.
    Toml(toml::Value),
    /// The text of a variable, whose type only the setting knows.
    Text(String),
}

/// Adds the keys of a file.
pub(super) fn add_file(tree: &mut Table, path: &Path, text: &str) -> Result<(), Error> {
    let table: toml::Table = text.parse().map_err(|source| not_toml(path, text, source))?;
    let origin = path.display().to_string();
    tree.extend(table.into_iter().map(|(key, value)| (key, node(&origin, value))));
    Ok(())
}

/// Adds the variables `VIVARIUM_<NAME>__<KEY>`; a further `__` goes one table down.
pub(super) fn add_environment(
    tree: &mut Table,
    name: &str,
    environment: &BTreeMap<String, String>,
) {
    let prefix = format!("VIVARIUM_{}__", name.to_uppercase());
    for (variable, text) in environment {
        let Some(path) = variable.strip_prefix(&prefix) else { continue };
        let keys: Vec<String> = path.split("__").map(str::to_lowercase).collect();
        set(tree, variable, &keys, text);
    }
}

fn set(table: &mut Table, origin: &str, keys: &[String], text: &str) {
    let Some((key, rest)) = keys.split_first() else { return };
    if rest.is_empty() {
        let value = Value::Text(text.to_owned());
        table.insert(key.clone(), Node { origin: origin.to_owned(), value });
        return;
    }
    let empty = || Node { origin: origin.to_owned(), value: Value::Table(Table::new()) };
    let slot = table.entry(key.clone()).or_insert_with(empty);
    if !matches!(slot.value, Value::Table(_)) {
        *slot = empty();
    }
    if let Value::Table(inner) = &mut slot.value {
        set(inner, origin, rest, text);
    }
}

fn node(origin: &str, value: toml::Value) -> Node {
    let value = match value {
        toml::Value::Table(table) => {
            Value::Table(table.into_iter().map(|(key, value)| (key, node(origin, value))).collect())
        }
        toml::Value::Array(items) => {
            Value::List(items.into_iter().map(|item| node(origin, item)).collect())
        }
        scalar @ (toml::Value::String(_)
        | toml::Value::Integer(_)
        | toml::Value::Float(_)
        | toml::Value::Boolean(_)
        | toml::Value::Datetime(_)) => Value::Toml(scalar),
    };
    Node { origin: origin.to_owned(), value }
}

fn not_toml(path: &Path, text: &str, source: toml::de::Error) -> Error {
    let start = source.span().map_or(0, |span| span.start);
    let line = text.bytes().take(start).filter(|byte| *byte == b'\n').count() + 1;
    Error::NotToml { path: path.to_owned(), line, source: Box::new(source) }
}
