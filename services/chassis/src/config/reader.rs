//! Reads a tree into a settings type. The type itself says which keys it has, so an unknown key is
//! found wherever it stands, and every fault names its key and its origin.

use serde::Deserialize;
use serde::de::value::StringDeserializer;
use serde::de::{DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::Error;
use super::tree::{Node, Table, Value};

/// Reads the whole tree.
pub(super) fn read<'de, T: Deserialize<'de>>(tree: Table) -> Result<T, Error> {
    let node = Node { origin: "the settings".to_owned(), value: Value::Table(tree) };
    T::deserialize(Reader { key: String::new(), node }).map_err(|Fault(error)| *error)
}

/// An error on its way up: boxed, because serde passes it through every frame.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
struct Fault(Box<Error>);

impl serde::de::Error for Fault {
    fn custom<T: std::fmt::Display>(what: T) -> Self {
        let (origin, key) = (String::new(), String::new());
        Self(Box::new(Error::Value { origin, key, what: what.to_string() }))
    }
}

struct Reader {
    key: String,
    node: Node,
}

impl Reader {
    /// Names this reader's key and origin in an error that does not name one yet.
    fn name<T>(key: &str, origin: &str, result: Result<T, Fault>) -> Result<T, Fault> {
        result.map_err(|Fault(error)| {
            Fault(Box::new(match *error {
                Error::Value { origin: nowhere, key: none, what } if nowhere.is_empty() => {
                    let key = if none.is_empty() { key.to_owned() } else { none };
                    Error::Value { origin: origin.to_owned(), key, what }
                }
                named @ (Error::Unreadable { .. }
                | Error::NotToml { .. }
                | Error::UnknownKey { .. }
                | Error::Value { .. }
                | Error::Bounds { .. }) => named,
            }))
        })
    }

    fn child(&self, key: &str, node: Node) -> Self {
        let key = if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) };
        Self { key, node }
    }

    fn check_keys(&self, fields: &'static [&'static str]) -> Result<(), Fault> {
        let Value::Table(table) = &self.node.value else { return Ok(()) };
        let Some((unknown, node)) = table.iter().find(|(key, _)| !fields.contains(&key.as_str()))
        else {
            return Ok(());
        };
        let full = |key: &str| self.child(key, node.clone()).key;
        Err(Fault(Box::new(Error::UnknownKey {
            origin: node.origin.clone(),
            key: full(unknown),
            nearest: nearest(unknown, fields).map_or_else(|| "none".to_owned(), full),
        })))
    }

    fn visit<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let (key, origin) = (self.key.clone(), self.node.origin.clone());
        let result = match self.node.value {
            Value::Table(table) => {
                visitor.visit_map(Entries { key: self.key, rest: table.into_iter(), next: None })
            }
            Value::List(items) => {
                visitor.visit_seq(Items { key: self.key, rest: items.into_iter().enumerate() })
            }
            Value::Toml(value) => value
                .deserialize_any(visitor)
                .map_err(|error| serde::de::Error::custom(error.message())),
            // The text of a variable reads as TOML where it is TOML, and as plain text otherwise.
            Value::Text(text) => match parsed(&text) {
                Some(value) => value
                    .deserialize_any(visitor)
                    .map_err(|error| serde::de::Error::custom(error.message())),
                None => visitor.visit_string(text),
            },
        };
        Self::name(&key, &origin, result)
    }

    fn visit_text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        let Value::Text(text) = self.node.value else { return self.visit(visitor) };
        Self::name(&self.key, &self.node.origin, visitor.visit_string(text))
    }
}

impl<'de> Deserializer<'de> for Reader {
    type Error = Fault;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit_text(visitor)
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        self.visit_text(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Fault> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Fault> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        let (key, origin) = (self.key, self.node.origin);
        let (Value::Text(word) | Value::Toml(toml::Value::String(word))) = self.node.value else {
            let what = format!("must be one of {}", variants.join(", "));
            return Err(Fault(Box::new(Error::Value { origin, key, what })));
        };
        let word: StringDeserializer<Fault> = word.into_deserializer();
        Self::name(&key, &origin, visitor.visit_enum(word))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Fault> {
        self.check_keys(fields)?;
        self.visit(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Entries {
    key: String,
    rest: std::collections::btree_map::IntoIter<String, Node>,
    next: Option<Reader>,
}

impl<'de> MapAccess<'de> for Entries {
    type Error = Fault;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Fault> {
        let Some((key, node)) = self.rest.next() else { return Ok(None) };
        let full = if self.key.is_empty() { key.clone() } else { format!("{}.{key}", self.key) };
        self.next = Some(Reader { key: full, node });
        let key: StringDeserializer<Fault> = key.into_deserializer();
        seed.deserialize(key).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Fault> {
        let reader = self.next.take().expect("serde asks for a value only behind its key");
        let (key, origin) = (reader.key.clone(), reader.node.origin.clone());
        Reader::name(&key, &origin, seed.deserialize(reader))
    }
}

struct Items {
    key: String,
    rest: std::iter::Enumerate<std::vec::IntoIter<Node>>,
}

impl<'de> SeqAccess<'de> for Items {
    type Error = Fault;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Fault> {
        let Some((index, node)) = self.rest.next() else { return Ok(None) };
        let (key, origin) = (format!("{}[{index}]", self.key), node.origin.clone());
        let reader = Reader { key: key.clone(), node };
        Reader::name(&key, &origin, seed.deserialize(reader)).map(Some)
    }
}

/// The text as a TOML value, if it is one.
fn parsed(text: &str) -> Option<toml::Value> {
    let mut table: toml::Table = format!("value = {text}").parse().ok()?;
    table.remove("value")
}

/// The valid key that is most like `unknown`.
fn nearest(unknown: &str, fields: &[&'static str]) -> Option<&'static str> {
    fields.iter().copied().min_by_key(|field| strsim::damerau_levenshtein(unknown, field))
}
