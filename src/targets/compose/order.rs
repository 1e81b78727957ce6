//! Which services others stand on: the depth of each in `depends_on`, which Compose writes on every container, and whose end others wait for.

use super::Compose;
use super::project::{DEPENDS_ON, Project};
use crate::decide::compose::awaited;
use crate::model::state::Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;

/// What the label says of one service that another depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) service: String,
    /// Whether the one that depends is to be restarted after it.
    pub(super) restart: bool,
}

/// The depth of a service, as the project was last read: 0 stands on nothing.
pub(super) fn rank(compose: &Compose, slot: &Slot) -> u8 {
    let ranks = compose.ranks.lock().unwrap_or_else(PoisonError::into_inner);
    ranks.get(&slot.0).copied().unwrap_or(0)
}

/// Notes the depths of all services, and which of them others wait for to end.
pub(super) fn remember(compose: &Compose, project: &Project) {
    let replicas = project
        .values()
        .flat_map(|service| service.replicas.iter().chain(&service.aside));
    let waited = replicas
        .filter_map(|replica| replica.labels.get(DEPENDS_ON))
        .flat_map(|label| awaited(label));
    let waited = waited.map(str::to_owned).collect();
    compose.memory.keep_awaited(waited);
    let depends = project.iter().map(|(name, service)| {
        let replicas = service.replicas.iter().chain(&service.aside);
        let labels = replicas.filter_map(|replica| replica.labels.get(DEPENDS_ON));
        let on: BTreeSet<String> = labels
            .flat_map(|label| read(label))
            .map(|dependency| dependency.service)
            .collect();
        (name.clone(), on)
    });
    let ranks = depths(&depends.collect());
    *compose.ranks.lock().unwrap_or_else(PoisonError::into_inner) = ranks;
}

/// Reads `db:service_healthy:true,cache:service_started:false`. Compose writes what shares a namespace or volumes here too.
pub(super) fn read(label: &str) -> Vec<Dependency> {
    label
        .split(',')
        .filter_map(|entry| {
            let mut parts = entry.split(':');
            let service = parts.next().filter(|service| !service.is_empty())?;
            Some(Dependency {
                service: service.to_owned(),
                restart: parts.nth(1) == Some("true"),
            })
        })
        .collect()
}

/// Services in a circle, which Compose refuses but labels of several runs can make, get the depth at which the circle is noticed.
fn depths(depends: &BTreeMap<String, BTreeSet<String>>) -> BTreeMap<String, u8> {
    let mut depths: BTreeMap<String, u8> = depends.keys().map(|name| (name.clone(), 0)).collect();
    // One round for each level; a circle would go on for ever.
    for _ in 0..depends.len().min(usize::from(u8::MAX)) {
        let deeper: BTreeMap<String, u8> = depends
            .iter()
            .map(|(name, on)| {
                let below = on.iter().filter_map(|on| depths.get(on));
                let depth = below.max().map_or(0, |below| below.saturating_add(1));
                (name.clone(), depth)
            })
            .collect();
        if deeper == depths {
            break;
        }
        depths = deeper;
    }
    depths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_read_as_compose_writes_it() {
        let read = read("db:service_healthy:true,cache:service_started:false,old");
        let read: Vec<_> = read
            .iter()
            .map(|dependency| (dependency.service.as_str(), dependency.restart))
            .collect();
        assert_eq!(read, [("db", true), ("cache", false), ("old", false)]);
        assert_eq!(super::read(""), []);
    }

    #[track_caller]
    fn check(depends: &[(&str, &[&str])], expected: &[(&str, u8)]) {
        let depends = depends
            .iter()
            .map(|(name, on)| {
                let on = on.iter().map(|on| (*on).to_owned()).collect();
                ((*name).to_owned(), on)
            })
            .collect();
        let depths = depths(&depends);
        let depths: Vec<_> = depths
            .iter()
            .map(|(name, rank)| (name.as_str(), *rank))
            .collect();
        assert_eq!(depths, expected);
    }

    #[test]
    fn what_others_stand_on_comes_first() {
        check(
            &[
                ("api", &["db", "cache"]),
                ("cache", &["db"]),
                ("db", &[]),
                ("web", &["api"]),
            ],
            &[("api", 2), ("cache", 1), ("db", 0), ("web", 3)],
        );
        check(&[("api", &["elsewhere"])], &[("api", 0)]);
        // A circle ends, and what stands on nothing stays below it.
        let circle = depths(&BTreeMap::from([
            ("a".to_owned(), BTreeSet::from(["b".to_owned()])),
            ("b".to_owned(), BTreeSet::from(["a".to_owned()])),
            ("db".to_owned(), BTreeSet::new()),
        ]));
        assert_eq!(circle["db"], 0);
        assert_eq!(circle.len(), 3);
    }
}
