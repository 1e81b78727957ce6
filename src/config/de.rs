//! Reads a tree of nodes into types, and says of every refusal which key and line it is about.
//! Knows nothing of YAML and nothing of the keys.

use super::node::{Entry, Node, Value};
use super::problem::{Problem, one_of};
use serde::de::value::StrDeserializer;
use serde::de::{
    self, Deserialize, DeserializeSeed, IntoDeserializer as _, MapAccess, SeqAccess, Visitor,
};

/// Reads `node` as a `T`.
pub(super) fn read<'de, T: Deserialize<'de>>(node: &'de Node) -> Result<T, Problem> {
    T::deserialize(node)
}

impl<'de> de::Deserializer<'de> for &'de Node {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        let read = match &self.value {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(*value),
            Value::Whole(value) => match u64::try_from(*value) {
                Ok(value) => visitor.visit_u64(value),
                Err(_negative) => visitor.visit_i64(*value),
            },
            Value::Unsigned(value) => visitor.visit_u64(*value),
            Value::Real(value) => visitor.visit_f64(*value),
            Value::Text(text) => visitor.visit_borrowed_str(text),
            Value::List(items) => visitor.visit_seq(Items {
                items: items.iter(),
                index: 0,
            }),
            Value::Map(entries) => visitor.visit_map(Entries {
                entries: entries.iter(),
                current: None,
            }),
        };
        read.map_err(|problem: Problem| problem.at(self.place))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Null => visitor.visit_none(),
            Value::Bool(_)
            | Value::Whole(_)
            | Value::Unsigned(_)
            | Value::Real(_)
            | Value::Text(_)
            | Value::List(_)
            | Value::Map(_) => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    /// Only words: our enums have no contents.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        known: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Text(text) => {
                let word: StrDeserializer<'_, Problem> = text.as_str().into_deserializer();
                visitor
                    .visit_enum(word)
                    .map_err(|problem| problem.at(self.place))
            }
            Value::Null
            | Value::Bool(_)
            | Value::Whole(_)
            | Value::Unsigned(_)
            | Value::Real(_)
            | Value::List(_)
            | Value::Map(_) => {
                let expected = one_of(known);
                Err(Problem::found(self.named(), expected).at(self.place))
            }
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'de> {
    items: std::slice::Iter<'de, Node>,
    index: usize,
}

impl<'de> SeqAccess<'de> for Items<'de> {
    type Error = Problem;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Problem> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let step = format!("[{}]", self.index);
        self.index += 1;
        seed.deserialize(item)
            .map(Some)
            .map_err(|problem| problem.within(step).at(item.place))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'de> {
    entries: std::slice::Iter<'de, Entry>,
    current: Option<&'de Entry>,
}

impl<'de> MapAccess<'de> for Entries<'de> {
    type Error = Problem;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Problem> {
        self.current = self.entries.next();
        let Some(entry) = self.current else {
            return Ok(None);
        };
        let key: StrDeserializer<'_, Problem> = entry.key.as_str().into_deserializer();
        seed.deserialize(key)
            .map(Some)
            .map_err(|problem| problem.within(&entry.key).at(entry.key_place))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Problem> {
        let entry = self.current.take().expect("serde asks for the key first");
        seed.deserialize(&entry.value)
            .map_err(|problem| problem.within(&entry.key).at(entry.value.place))
    }
}
