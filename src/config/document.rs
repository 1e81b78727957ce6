//! A config file that was read: its contents, and the lines they stand on.

use super::de;
use super::file::{Environment, File};
use super::node::{Node, Value};
use super::problem::{Problem, What, one_of};
use crate::decide::alike::nearest;
use crate::engine::request::Origin;
use std::collections::BTreeMap;

/// One config file.
#[derive(Debug, Clone)]
pub struct Document {
    /// The path as it is shown to people.
    pub name: String,
    pub file: File,
    node: Node,
}

impl Document {
    /// Reads the text of a config file. `name` is the path as it is shown to people.
    pub fn read(name: &str, text: &str) -> Result<Self, Problem> {
        let read = || {
            let node = Node::parse(text)?;
            if node.value == Value::Null {
                return Err(Problem::found(
                    "an empty file",
                    "version: 1 and environments",
                ));
            }
            let file: File = de::read(&node)?;
            Ok((node, file))
        };
        let (node, file) = read().map_err(|problem: Problem| problem.in_file(name))?;
        let document = Self {
            name: name.to_owned(),
            file,
            node,
        };
        if document.file.version != 1 {
            let found = format!("version {}", document.file.version);
            return Err(document.found(&["version"], found, "version 1"));
        }
        if document.file.environments.is_empty() {
            return Err(document.found(&["environments"], "none", "at least one environment"));
        }
        Ok(document)
    }

    /// The environment of that name, or the only one.
    pub fn environment(&self, name: Option<&str>) -> Result<(&str, &Environment), Problem> {
        let all = &self.file.environments;
        let names: Vec<&str> = all.keys().map(String::as_str).collect();
        match (name, names.as_slice()) {
            (Some(name), _) => all
                .get_key_value(name)
                .map(|(name, environment)| (name.as_str(), environment))
                .ok_or_else(|| {
                    let nearest = nearest(name, names.iter().copied());
                    let what = What::Found {
                        found: format!("environment {name:?}"),
                        expected: one_of(&names),
                        nearest: nearest.map(str::to_owned),
                    };
                    self.problem(&["environments"], what)
                }),
            (None, [only]) => Ok((only, &all[*only])),
            (None, _) => Err(self.problem(
                &["environments"],
                What::Other(format!(
                    "there are several, name one with --environment: {}",
                    one_of(&names)
                )),
            )),
        }
    }

    /// A problem with the value under these keys.
    pub fn problem<T: AsRef<str>>(&self, path: &[T], what: What) -> Problem {
        let mut problem = Problem::new(what).in_file(&self.name);
        problem.path = path.iter().map(|step| step.as_ref().to_owned()).collect();
        let place = self.node.locate(&problem.key());
        problem.at(place)
    }

    /// The value under these keys is not what it should be.
    pub fn found<T: AsRef<str>>(
        &self,
        path: &[T],
        found: impl Into<String>,
        expected: impl Into<String>,
    ) -> Problem {
        self.problem(
            path,
            What::Found {
                found: found.into(),
                expected: expected.into(),
                nearest: None,
            },
        )
    }

    /// The places of everything under a key path.
    pub fn origin(&self, key: &str) -> Origin {
        let mut places = BTreeMap::new();
        if let Some(node) = self.node.find(key) {
            collect(node, "", &mut places);
        }
        let place = self.node.locate(key);
        places.insert(String::new(), (place.line, place.column));
        Origin {
            name: self.name.clone(),
            key: key.to_owned(),
            places,
        }
    }
}

fn collect(node: &Node, path: &str, places: &mut BTreeMap<String, (u64, u64)>) {
    match &node.value {
        Value::Map(entries) => {
            for entry in entries {
                let dot = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{dot}{}", entry.key);
                places.insert(path.clone(), (entry.key_place.line, entry.key_place.column));
                collect(&entry.value, &path, places);
            }
        }
        Value::List(items) => {
            for (index, item) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                places.insert(path.clone(), (item.place.line, item.place.column));
                collect(item, &path, places);
            }
        }
        Value::Null
        | Value::Bool(_)
        | Value::Whole(_)
        | Value::Unsigned(_)
        | Value::Real(_)
        | Value::Text(_) => (),
    }
}
