//! Paths of weights: monotone, whole, and never past their end.

use super::*;
use crate::model::state::Revision;
use proptest::prelude::*;

fn parse(text: &str) -> Weights {
    Weights::parse(&Revision(text.to_owned())).unwrap()
}

#[track_caller]
fn check(from: &str, to: &str, steps: &[u8], expected: &[&str]) {
    let path = between(&parse(from), &parse(to), steps);
    let path: Vec<String> = path.iter().map(|weights| weights.revision().0).collect();
    assert_eq!(path, expected);
}

#[test]
fn traffic_moves_in_steps() {
    check(
        "rule0:stable=0,canary=100",
        "rule0:stable=100,canary=0",
        &[50, 25, 10],
        &[
            "rule0:stable=50,canary=50",
            "rule0:stable=75,canary=25",
            "rule0:stable=90,canary=10",
        ],
    );
    check(
        "rule0:stable=60,canary=40",
        "rule0:stable=100,canary=0",
        &[50, 25],
        &["rule0:stable=80,canary=20", "rule0:stable=90,canary=10"],
    );
}

#[test]
fn small_totals_become_large_enough_for_percents() {
    check(
        "rule0:a=1,b=0",
        "rule0:a=0,b=1",
        &[25],
        &["rule0:a=25,b=75"],
    );
    check(
        "rule0:a=2,b=1",
        "rule0:a=100,b=0",
        &[50],
        &["rule0:a=250,b=50"],
    );
}

#[test]
fn several_rules_go_together() {
    check(
        "rule0:a=100,b=0;rule1:x=1",
        "rule0:a=0,b=100;rule1:x=1",
        &[50],
        &["rule0:a=50,b=50;rule1:x=1"],
    );
}

#[test]
fn nothing_lies_between_when_nothing_moves() {
    check("rule0:a=100,b=0", "rule0:a=0,b=100", &[], &[]);
    check("rule0:a=1,b=1", "rule0:a=50,b=50", &[50], &[]);
    check("rule0:a=100,b=0", "rule0:a=0,c=100", &[50], &[]);
    check("rule0:a=0,b=0", "rule0:a=0,b=100", &[50], &[]);
    check("rule0:a=1,b=0", "rule0:a=0,b=0", &[50], &[]);
}

fn pair() -> impl Strategy<Value = (Rule, Rule)> {
    prop::collection::vec((0..=1000_u32, 0..=1000_u32), 1..6).prop_map(|weights| {
        let name = |index: usize| format!("b{index}");
        let one = |pick: fn(&(u32, u32)) -> u32| {
            let named = weights.iter().enumerate();
            named
                .map(|(index, pair)| (name(index), pick(pair)))
                .collect()
        };
        (one(|pair| pair.0), one(|pair| pair.1))
    })
}

/// The share of each backend in millionths.
fn shares(rule: &Rule) -> Vec<f64> {
    let all: f64 = rule.iter().map(|(_, weight)| f64::from(*weight)).sum();
    rule.iter()
        .map(|(_, weight)| f64::from(*weight) / all)
        .collect()
}

proptest! {
    #[test]
    fn a_path_is_monotone_keeps_its_total_and_ends_before_the_end(
        rules in prop::collection::vec(pair(), 1..4),
        steps in prop::collection::vec(1..=99_u8, 0..6),
    ) {
        let (from, to): (Vec<Rule>, Vec<Rule>) = rules.into_iter().unzip();
        let (from, to) = (Weights(from), Weights(to));
        let path = between(&from, &to, &steps);
        prop_assert!(path.len() <= steps.len());
        let mut before = &from;
        for weights in &path {
            prop_assert!(!is_same_traffic(before, weights), "a step of no length");
            prop_assert!(!is_same_traffic(weights, &to), "the end is not a step");
            let parsed = Weights::parse(&weights.revision());
            prop_assert_eq!(parsed.as_ref(), Some(weights));
            before = weights;
        }
        for (index, (old, new)) in from.0.iter().zip(&to.0).enumerate() {
            if total(old) == 0 || total(new) == 0 {
                continue;
            }
            let rules: Vec<&Rule> = path.iter().map(|weights| &weights.0[index]).collect();
            for pair in rules.windows(2) {
                prop_assert_eq!(total(pair[0]), total(pair[1]));
            }
            if total(old) == total(new) && TOTAL_MIN <= total(old) {
                prop_assert!(rules.iter().all(|rule| total(rule) == total(old)));
            }
            let (first, last) = (shares(old), shares(new));
            let mut seen = vec![first.clone()];
            seen.extend(rules.iter().map(|rule| shares(rule)));
            seen.push(last.clone());
            // Rounding to whole weights, in a total of at least 100 that holds both ends or is a million.
            let slack = 1e-5;
            for backend in 0..old.len() {
                let rises = first[backend] <= last[backend];
                for two in seen.windows(2) {
                    let (a, b) = (two[0][backend], two[1][backend]);
                    let is_ordered = if rises { a <= b + slack } else { b <= a + slack };
                    prop_assert!(is_ordered, "backend {} of rule {}: {} then {}", backend, index, a, b);
                }
            }
        }
    }
}
