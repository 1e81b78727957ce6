//! A selector as a revision: `app=web,color=blue`, sorted by key. Labels hold neither `,` nor `=`, so the text says it all.

use crate::model::state::Revision;
use serde_json::Value;
use std::collections::BTreeMap;

/// Labels that a pod must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector(pub(super) BTreeMap<String, String>);

impl Selector {
    /// Of a Service as the API has it; `None` when it selects nothing.
    pub(super) fn of(service: &Value) -> Option<Self> {
        let labels = service.pointer("/spec/selector")?.as_object()?;
        let labels: BTreeMap<String, String> = labels
            .iter()
            .map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect::<Option<_>>()?;
        (!labels.is_empty()).then_some(Self(labels))
    }

    /// Reads a revision; `None` when it is none of a Service.
    pub(super) fn parse(revision: &Revision) -> Option<Self> {
        let labels: BTreeMap<String, String> = revision
            .0
            .split(',')
            .map(|label| {
                let (key, value) = label.split_once('=')?;
                let is_label = !key.is_empty() && !value.contains('=');
                is_label.then(|| (key.to_owned(), value.to_owned()))
            })
            .collect::<Option<_>>()?;
        let selector = Self(labels);
        (selector.revision() == *revision).then_some(selector)
    }

    pub(super) fn revision(&self) -> Revision {
        Revision(self.to_string())
    }

    /// As the API has it.
    pub(super) fn json(&self) -> Value {
        self.0
            .iter()
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    /// Whether pods with these labels are selected.
    pub(super) fn selects(&self, labels: &Value) -> bool {
        self.0
            .iter()
            .all(|(key, value)| labels.get(key).and_then(Value::as_str) == Some(value))
    }
}

/// As `kubectl -l` takes it, too.
impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, (key, value)) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_selector_and_its_revision_say_the_same() {
        let service = json!({"spec": {"selector": {"color": "blue", "app": "web"}}});
        let selector = Selector::of(&service).unwrap();
        assert_eq!(selector.revision().0, "app=web,color=blue");
        assert_eq!(
            Selector::parse(&selector.revision()),
            Some(selector.clone())
        );
        assert_eq!(selector.json(), json!({"app": "web", "color": "blue"}));
        assert!(selector.selects(&json!({"app": "web", "color": "blue", "v": "1"})));
        assert!(!selector.selects(&json!({"app": "web"})));
        assert!(!selector.selects(&Value::Null));
    }

    #[test]
    fn what_selects_nothing_is_no_selector() {
        for service in [
            json!({"spec": {}}),
            json!({"spec": {"selector": {}}}),
            json!({"spec": {"selector": null}}),
            json!({"spec": {"selector": {"app": 1}}}),
        ] {
            assert_eq!(Selector::of(&service), None, "{service}");
        }
    }

    #[test]
    fn a_text_that_is_not_canonical_is_no_revision() {
        for text in ["", "web", "=web", "a=b=c", "b=1,a=1", "a=1,a=2", "a=1,"] {
            assert_eq!(
                Selector::parse(&Revision(text.to_owned())),
                None,
                "{text:?}"
            );
        }
        let empty_value = Revision("a=".to_owned());
        assert!(
            Selector::parse(&empty_value).is_some(),
            "labels may be empty"
        );
    }
}
