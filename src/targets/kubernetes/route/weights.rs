//! The weights of an HTTPRoute as a revision: `rule0:stable=90,canary=10;rule1:web=1`. Pure.

use crate::model::state::Revision;
use serde_json::Value;
use std::collections::BTreeSet;

/// What the Gateway API takes at most.
pub(super) const WEIGHT_MAX: u32 = 1_000_000;

/// Who gets how much, per rule, in the order of the route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weights(pub(super) Vec<Rule>);

/// The backends of one rule with their weights. A rule that only redirects has none.
pub(super) type Rule = Vec<(String, u32)>;

impl Weights {
    /// Of a route as the API has it, in the namespace `home`.
    ///
    /// # Errors
    /// What about it cannot be told as weights.
    pub(super) fn of(route: &Value, home: &str) -> Result<Self, String> {
        let rules = list(route.pointer("/spec/rules"));
        let weights: Vec<Rule> = rules
            .iter()
            .enumerate()
            .map(|(index, rule)| {
                of_rule(rule, home).map_err(|what| format!("rule {index}: {what}"))
            })
            .collect::<Result<_, _>>()?;
        if weights.iter().all(Vec::is_empty) {
            return Err("found no backend in any rule, expected some".to_owned());
        }
        Ok(Self(weights))
    }

    /// Reads a revision; `None` when it is none of an HTTPRoute.
    pub(super) fn parse(revision: &Revision) -> Option<Self> {
        let rules: Vec<Rule> = revision
            .0
            .split(';')
            .enumerate()
            .map(|(index, rule)| {
                let backends = rule.strip_prefix(&format!("rule{index}:"))?;
                backends
                    .split(',')
                    .filter(|backend| !backend.is_empty())
                    .map(|backend| {
                        let (name, weight) = backend.split_once('=')?;
                        let weight = weight.parse().ok().filter(|w| *w <= WEIGHT_MAX)?;
                        Some((name.to_owned(), weight))
                    })
                    .collect()
            })
            .collect::<Option<_>>()?;
        let weights = Self(rules);
        (weights.revision() == *revision).then_some(weights)
    }

    pub(super) fn revision(&self) -> Revision {
        let rules: Vec<String> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, rule)| {
                let backends: Vec<String> = rule
                    .iter()
                    .map(|(name, weight)| format!("{name}={weight}"))
                    .collect();
                format!("rule{index}:{}", backends.join(","))
            })
            .collect();
        Revision(rules.join(";"))
    }

    /// These weights in the order of `other`; `None` when its rules have other backends.
    pub(super) fn ordered_as(&self, other: &Self) -> Option<Self> {
        if self.0.len() != other.0.len() {
            return None;
        }
        let rules = self.0.iter().zip(&other.0).map(|(own, other)| {
            if own.len() != other.len() {
                return None;
            }
            other
                .iter()
                .map(|(name, _)| own.iter().find(|(own, _)| own == name).cloned())
                .collect()
        });
        Some(Self(rules.collect::<Option<_>>()?))
    }
}

fn of_rule(rule: &Value, home: &str) -> Result<Rule, String> {
    let backends = list(rule.get("backendRefs"));
    let plain: Vec<String> = backends.iter().map(|backend| name(backend, home)).collect();
    let mut seen = BTreeSet::new();
    let mut weights = Rule::new();
    for (backend, name) in backends.iter().zip(&plain) {
        let is_alone = plain.iter().filter(|other| *other == name).count() == 1;
        let label = match backend.get("port").and_then(Value::as_u64) {
            Some(port) if !is_alone => format!("{name}:{port}"),
            Some(_) | None => name.clone(),
        };
        if !seen.insert(label.clone()) {
            return Err(format!("found {label} twice, expected each backend once"));
        }
        let weight = match backend.get("weight") {
            None | Some(Value::Null) => 1,
            Some(weight) => weight
                .as_u64()
                .and_then(|weight| u32::try_from(weight).ok())
                .filter(|weight| *weight <= WEIGHT_MAX)
                .ok_or_else(|| {
                    format!("found the weight {weight}, expected a number up to {WEIGHT_MAX}")
                })?,
        };
        weights.push((label, weight));
    }
    Ok(weights)
}

/// With the namespace where that is another one. Names hold neither `/`, `:`, `,`, `=` nor `;`.
fn name(backend: &Value, home: &str) -> String {
    let text = |key: &str| backend.get(key).and_then(Value::as_str);
    let name = text("name").unwrap_or_default();
    match text("namespace") {
        Some(namespace) if namespace != home => format!("{namespace}/{name}"),
        Some(_) | None => name.to_owned(),
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn route(rules: &Value) -> Value {
        json!({"spec": {"rules": rules}})
    }

    #[track_caller]
    fn check(rules: &Value, expected: &str) {
        let weights = Weights::of(&route(rules), "shop").unwrap();
        assert_eq!(weights.revision().0, expected);
        assert_eq!(Weights::parse(&weights.revision()), Some(weights));
    }

    #[test]
    fn a_route_is_its_weights() {
        check(
            &json!([
                {"backendRefs": [{"name": "stable", "weight": 90, "port": 80}, {"name": "canary", "weight": 10, "port": 80}]},
                {"backendRefs": [{"name": "web", "port": 80}]},
            ]),
            "rule0:stable=90,canary=10;rule1:web=1",
        );
        check(
            &json!([{"filters": []}, {"backendRefs": [{"name": "a", "namespace": "shop"}, {"name": "a", "namespace": "other", "weight": 0}]}]),
            "rule0:;rule1:a=1,other/a=0",
        );
        check(
            &json!([{"backendRefs": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]}]),
            "rule0:a:80=1,a:81=1",
        );
    }

    #[test]
    fn what_cannot_be_told_apart_is_refused() {
        let refused = |rules: &Value| Weights::of(&route(rules), "shop").unwrap_err();
        let twice = refused(&json!([{"backendRefs": [{"name": "a"}, {"name": "a"}]}]));
        assert_eq!(twice, "rule 0: found a twice, expected each backend once");
        let much = refused(&json!([{"backendRefs": [{"name": "a", "weight": 1_000_001}]}]));
        assert!(much.contains("1000001"), "{much}");
        assert!(refused(&json!([])).contains("no backend"));
    }

    #[test]
    fn a_text_that_is_not_canonical_is_no_revision() {
        for text in [
            "",
            "rule1:a=1",
            "rule0:a",
            "rule0:a=01",
            "rule0:a=1,",
            "rule0:a=1000001",
            "a=1",
        ] {
            assert_eq!(Weights::parse(&Revision(text.to_owned())), None, "{text}");
        }
    }

    #[test]
    fn weights_go_by_name() {
        let parse = |text: &str| Weights::parse(&Revision(text.to_owned())).unwrap();
        let ordered = parse("rule0:a=1,b=2").ordered_as(&parse("rule0:b=0,a=0"));
        assert_eq!(ordered, Some(parse("rule0:b=2,a=1")));
        assert_eq!(parse("rule0:a=1").ordered_as(&parse("rule0:b=1")), None);
        assert_eq!(
            parse("rule0:a=1").ordered_as(&parse("rule0:a=1;rule1:a=1")),
            None
        );
        assert_eq!(parse("rule0:a=1").ordered_as(&parse("rule0:a=1,b=1")), None);
    }
}
