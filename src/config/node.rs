//! The config file as a tree in which every value and key knows its line. The one place that speaks to the YAML parser.
//! What the keys mean is not known here.

use super::problem::{Place, Problem};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{DuplicateKeyPolicy, Location, MergeKeyPolicy, Options, Spanned};
use std::fmt;

/// Largest config file that is read, in bytes. A config is written by hand: more is a mistake.
pub(super) const FILE_BYTES_MAX: usize = 1024 * 1024;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub place: Place,
    pub value: Value,
}

/// What was written. Plain scalars are typed by the YAML 1.2 core schema: `yes` and `on` are texts.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Whole(i64),
    Unsigned(u64),
    Real(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub key: String,
    pub key_place: Place,
    pub value: Node,
}

impl Node {
    /// Reads one YAML document. Duplicate keys, merge keys and a second document are refused.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.len() > FILE_BYTES_MAX {
            return Err(Problem::other(format!(
                "found {} bytes, expected a config file of at most {FILE_BYTES_MAX}",
                text.len()
            )));
        }
        let mut options = Options::default();
        options.duplicate_keys = DuplicateKeyPolicy::Error;
        options.merge_keys = MergeKeyPolicy::Error;
        options.strict_booleans = true;
        options.alias_limits.max_total_replayed_events = 10_000;
        serde_saphyr::from_str_with_options::<Spanned<Value>>(text, options)
            .map(Self::from)
            .map_err(|error| unreadable(&error))
    }

    /// What was written, in an operator's words.
    pub fn named(&self) -> String {
        match &self.value {
            Value::Null => "nothing".to_owned(),
            Value::Bool(value) => format!("the boolean {value}"),
            Value::Whole(value) => format!("the number {value}"),
            Value::Unsigned(value) => format!("the number {value}"),
            Value::Real(value) => format!("the number {value}"),
            Value::Text(text) => format!("{text:?}"),
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
        }
    }

    /// The place of a key path such as `environments.production.targets[0].path`, or of the nearest one above it that
    /// exists. A key that holds a dot stands in quotes: `environments."a.b"`.
    pub fn locate(&self, path: &str) -> Place {
        self.walk(path).1
    }

    /// The node at a key path, when it exists.
    pub fn find(&self, path: &str) -> Option<&Self> {
        let (node, _, whole) = self.walk(path);
        whole.then_some(node)
    }

    /// As far along the path as there are nodes, and whether that was all of it.
    fn walk(&self, path: &str) -> (&Self, Place, bool) {
        let mut node = self;
        let mut place = self.place;
        for step in steps(path) {
            let next = match (&node.value, step) {
                (Value::Map(entries), Step::Key(key)) => entries
                    .iter()
                    .find(|entry| entry.key == key)
                    .map(|entry| (&entry.value, entry.key_place)),
                (Value::List(items), Step::Index(index)) => {
                    items.get(index).map(|item| (item, item.place))
                }
                (_, Step::Key(_) | Step::Index(_)) => None,
            };
            match next {
                Some((below, at)) => (node, place) = (below, at),
                None => return (node, place, false),
            }
        }
        (node, place, true)
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// Splits a key path at dots and brackets; text in double quotes is one key.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in path.chars().chain(['.']) {
        match c {
            '"' => quoted = !quoted,
            '.' | '[' | ']' if !quoted => {
                let word = std::mem::take(&mut word);
                if c == ']' {
                    steps.extend(word.parse().map(Step::Index));
                } else if !word.is_empty() {
                    steps.push(Step::Key(word));
                }
            }
            c => word.push(c),
        }
    }
    steps
}

fn unreadable(error: &serde_saphyr::Error) -> Problem {
    let error = error.without_snippet();
    let formatter = serde_saphyr::UserMessageFormatter;
    let options = serde_saphyr::RenderOptions::new(&formatter);
    let mut text = error.render_with_options(options);
    if let Some(cut) = text.find(" at line ") {
        text.truncate(cut);
    }
    let problem = Problem::other(format!("not readable as YAML: {text}"));
    match error.location() {
        Some(location) => problem.at(Place::from(location)),
        None => problem,
    }
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self {
            line: location.line(),
            column: location.column(),
        }
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self {
            place: spanned.referenced.into(),
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, number, boolean, list or mapping")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Whole(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(i64::try_from(value).map_or(Value::Unsigned(value), Value::Whole))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element::<Spanned<Value>>()? {
            items.push(Node::from(item));
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            entries.push(Entry {
                key_place: key.referenced.into(),
                key: key.value,
                value: Node::from(map.next_value::<Spanned<Value>>()?),
            });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str, path: &str) -> (u64, u64) {
        let node = Node::parse(text).unwrap_or_else(|problem| panic!("{problem:?}"));
        let place = node.locate(path);
        (place.line, place.column)
    }

    #[test]
    fn keys_and_items_know_their_lines() {
        let text = "a:\n  b:\n    - x\n    - c: 1\n  \"d.e\": {f: 2}\n";
        assert_eq!(place(text, "a"), (1, 1));
        assert_eq!(place(text, "a.b[1].c"), (4, 7));
        assert_eq!(place(text, "a.\"d.e\".f"), (5, 11));
        assert_eq!(place(text, "a.b[7].c"), (2, 3), "nearest existing");
    }

    #[test]
    fn scalars_are_typed_by_the_core_schema() {
        let node =
            Node::parse("[yes, on, true, 10, 1.5, '10', ~, 1%, 90s, 2GiB, 9007199254740993]")
                .unwrap();
        let Value::List(items) = node.value else {
            panic!("a list")
        };
        let values: Vec<Value> = items.into_iter().map(|item| item.value).collect();
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(
            values,
            [
                text("yes"),
                text("on"),
                Value::Bool(true),
                Value::Whole(10),
                Value::Real(1.5),
                text("10"),
                Value::Null,
                text("1%"),
                text("90s"),
                text("2GiB"),
                Value::Whole(9_007_199_254_740_993),
            ]
        );
    }

    #[track_caller]
    fn check_refused(text: &str, line: u64, part: &str) {
        let problem = Node::parse(text).expect_err("refused");
        assert_eq!(
            problem.place.map(|place| place.line),
            Some(line),
            "{problem:?}"
        );
        assert!(problem.to_string().contains(part), "{problem}");
    }

    #[test]
    fn what_is_not_one_plain_document_is_refused() {
        check_refused("a: 1\nb: 2\na: 3\n", 3, "duplicate");
        check_refused("a: [1\nb: 2\n", 2, "YAML");
        check_refused("a: 1\n---\nb: 2\n", 3, "document");
        check_refused("x: &x {a: 1}\ny:\n  <<: *x\n", 3, "merge");
    }

    #[test]
    fn aliases_are_followed_and_bounded() {
        assert_eq!(place("a: &a [1, 2]\nb: *a\n", "b"), (2, 1));
        let bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
             c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d]\n";
        assert!(Node::parse(bomb).is_err());
    }
}
