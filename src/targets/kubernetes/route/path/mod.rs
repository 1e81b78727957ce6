//! The weights between the old and the new ones of an HTTPRoute. Pure.
//!
//! A step of 25 leaves the backends that lose traffic 25 % of what they lose. Traffic only ever moves away from those that
//! lose and towards those that gain, and each rule keeps its total from the first step to the last.

use super::weights::{Rule, WEIGHT_MAX, Weights};
use std::cmp::Reverse;

/// Weights below this total cannot say one percent.
const TOTAL_MIN: u64 = 100;

/// The weights after each step, without the last, which is `to`. Empty when there are no steps, when no traffic moves, or when
/// the backends differ.
pub(super) fn between(from: &Weights, to: &Weights, steps: &[u8]) -> Vec<Weights> {
    let Some(to) = to.ordered_as(from) else {
        return Vec::new();
    };
    let mut steps: Vec<u8> = steps
        .iter()
        .copied()
        .filter(|step| (1..=99).contains(step))
        .collect();
    steps.sort_unstable_by_key(|step| Reverse(*step));
    let rules: Vec<Vec<Rule>> = from
        .0
        .iter()
        .zip(&to.0)
        .map(|(from, to)| of_rule(from, to, &steps))
        .collect();
    let mut path: Vec<Weights> = Vec::new();
    for step in 0..steps.len() {
        let weights = Weights(rules.iter().map(|rule| rule[step].clone()).collect());
        let before = path.last().unwrap_or(from);
        if !is_same_traffic(before, &weights) && !is_same_traffic(&weights, &to) {
            path.push(weights);
        }
    }
    path
}

/// One rule after each step.
fn of_rule(from: &Rule, to: &Rule, steps: &[u8]) -> Vec<Rule> {
    let (old, new) = (total(from), total(to));
    if old == 0 {
        // Nobody gets anything now: there is nothing to be gradual about.
        return vec![to.clone(); steps.len()];
    }
    if new == 0 || is_same_share(from, to) {
        return vec![from.clone(); steps.len()];
    }
    let all = common_total(old, new);
    // In units of 1/(100 * old * new) of the total, everything is a whole number.
    let share = |index: usize, step: u8| -> i128 {
        let old_part = i128::from(from[index].1) * i128::from(new) * i128::from(step);
        let new_part = i128::from(to[index].1) * i128::from(old) * i128::from(100 - step);
        (old_part + new_part) * i128::from(all)
    };
    let unit = 100 * i128::from(old) * i128::from(new);
    let loses: Vec<bool> = (0..from.len())
        .map(|index| share(index, 0) < share(index, 100))
        .collect();
    let mut now: Vec<i128> = (0..from.len())
        .map(|index| share(index, 100) / unit)
        .collect();
    let mut path = Vec::new();
    for step in steps {
        for index in (0..now.len()).filter(|index| loses[*index]) {
            now[index] = share(index, *step) / unit;
        }
        // What is free goes, one by one, to whoever is furthest below the share it should have: nobody ever gives back.
        let mut free = i128::from(all) - now.iter().sum::<i128>();
        let gainers: Vec<usize> = (0..now.len()).filter(|index| !loses[*index]).collect();
        for index in &gainers {
            let due = (share(*index, *step) / unit - now[*index]).clamp(0, free);
            now[*index] += due;
            free -= due;
        }
        while 0 < free {
            let lag = |index: &usize| share(*index, *step) - now[*index] * unit;
            let Some(index) = gainers
                .iter()
                .copied()
                .max_by_key(|index| (lag(index), Reverse(*index)))
            else {
                break;
            };
            now[index] += 1;
            free -= 1;
        }
        let names = from.iter().map(|(name, _)| name.clone());
        let weights = now
            .iter()
            .map(|weight| u32::try_from(*weight).unwrap_or(WEIGHT_MAX));
        path.push(names.zip(weights).collect());
    }
    path
}

fn total(rule: &Rule) -> u64 {
    rule.iter().map(|(_, weight)| u64::from(*weight)).sum()
}

/// A total in which the old and the new shares are whole numbers, and large enough for single percents.
fn common_total(old: u64, new: u64) -> u64 {
    let common = old / gcd(old, new) * new;
    if u64::from(WEIGHT_MAX) < common {
        return u64::from(WEIGHT_MAX);
    }
    common * TOTAL_MIN.div_ceil(common).max(1)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn is_same_share(one: &Rule, other: &Rule) -> bool {
    let (a, b) = (i128::from(total(one)), i128::from(total(other)));
    one.iter()
        .zip(other)
        .all(|((_, x), (_, y))| i128::from(*x) * b == i128::from(*y) * a)
}

fn is_same_traffic(one: &Weights, other: &Weights) -> bool {
    one.0.iter().zip(&other.0).all(|(a, b)| is_same_share(a, b))
}

#[cfg(test)]
mod tests;
