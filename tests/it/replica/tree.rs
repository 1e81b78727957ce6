//! The state tree as data, and the pruned hash trees cut out of it: only what was asked is shown, the rest is hashes, and
//! what is absent is proven by its neighbours.

use ic_certification::HashTree;
use ic_certification::hash_tree::{HashTreeNode, empty, fork, label, leaf, pruned};
use std::collections::BTreeMap;

pub type Tree = HashTree;
pub type Path = Vec<Vec<u8>>;

/// A node of the state tree.
#[derive(Debug, Clone)]
pub enum Node {
    Leaf(Vec<u8>),
    Map(BTreeMap<Vec<u8>, Self>),
}

impl Default for Node {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

impl Node {
    /// Puts a leaf at a path, making the nodes in between.
    pub fn put(&mut self, path: &[&[u8]], value: Vec<u8>) {
        let Some((first, rest)) = path.split_first() else {
            *self = Self::Leaf(value);
            return;
        };
        if let Self::Leaf(_) = self {
            *self = Self::default();
        }
        if let Self::Map(children) = self {
            children.entry(first.to_vec()).or_default().put(rest, value);
        }
    }

    /// The hash tree that shows these paths and no other leaf.
    pub fn witness(&self, paths: &[&[Vec<u8>]]) -> Tree {
        if paths.iter().any(|path| path.is_empty()) {
            return self.whole();
        }
        match self {
            Self::Leaf(_) if paths.is_empty() => pruned(self.whole().digest()),
            Self::Leaf(value) => leaf(value.clone()),
            Self::Map(children) => {
                let shown = shown(children, paths);
                let parts = children.iter().map(|(name, child)| match shown.get(name) {
                    None => pruned(label(name.as_slice(), child.whole()).digest()),
                    Some(rest) if rest.is_empty() => label(
                        name.as_slice(),
                        pruned::<Vec<u8>, _>(child.whole().digest()),
                    ),
                    Some(rest) => label(name.as_slice(), child.witness(rest)),
                });
                join(&parts.collect::<Vec<Tree>>())
            }
        }
    }

    fn whole(&self) -> Tree {
        match self {
            Self::Leaf(value) => leaf(value.clone()),
            Self::Map(children) => {
                let parts = children
                    .iter()
                    .map(|(name, child)| label(name.as_slice(), child.whole()));
                join(&parts.collect::<Vec<Tree>>())
            }
        }
    }
}

/// The labels that have to be seen, each with what has to be seen below it.
fn shown<'a>(
    children: &'a BTreeMap<Vec<u8>, Node>,
    paths: &[&'a [Vec<u8>]],
) -> BTreeMap<&'a Vec<u8>, Vec<&'a [Vec<u8>]>> {
    let mut shown: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for path in paths {
        let Some((first, rest)) = path.split_first() else {
            continue;
        };
        if let Some((name, _)) = children.get_key_value(first) {
            shown.entry(name).or_default().push(rest);
            continue;
        }
        let before = children.range::<Vec<u8>, _>(..first).next_back();
        let after = children.range::<Vec<u8>, _>(first..).next();
        for (name, _) in before.into_iter().chain(after) {
            shown.entry(name).or_default();
        }
    }
    shown
}

/// A balanced tree of these, in order.
fn join(parts: &[Tree]) -> Tree {
    match parts {
        [] => empty(),
        [one] => one.clone(),
        _ => {
            let (left, right) = parts.split_at(parts.len() / 2);
            let (left, right) = (join(left), join(right));
            let hidden = |tree: &Tree| matches!(tree.as_ref(), HashTreeNode::Pruned(_));
            if hidden(&left) && hidden(&right) {
                pruned(fork(left, right).digest())
            } else {
                fork(left, right)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, Path};
    use ic_certification::LookupResult;

    fn path(text: &str) -> Path {
        text.split('/')
            .map(|part| part.as_bytes().to_vec())
            .collect()
    }

    fn state() -> Node {
        let mut state = Node::default();
        for name in ["a/1", "a/2", "b/x/1", "c", "d/9", "e"] {
            let labels = path(name);
            let labels: Vec<&[u8]> = labels.iter().map(Vec::as_slice).collect();
            state.put(&labels, name.as_bytes().to_vec());
        }
        state
    }

    #[test]
    fn what_was_asked_is_shown_and_the_hash_stays() {
        let state = state();
        let all = state.witness(&[&[]]);
        let asked = [path("b/x/1"), path("c")];
        let some = state.witness(&asked.each_ref().map(Vec::as_slice));
        assert_eq!(some.digest(), all.digest());
        assert_eq!(
            some.lookup_path(path("b/x/1")),
            LookupResult::Found(b"b/x/1")
        );
        assert_eq!(some.lookup_path(path("c")), LookupResult::Found(b"c"));
        assert_eq!(some.lookup_path(path("a/1")), LookupResult::Unknown);
        assert_eq!(some.list_paths().len(), 2);
    }

    #[test]
    fn what_is_absent_is_proven_absent() {
        let state = state();
        for absent in ["0", "a/0", "a/3", "b/x/0", "bb", "c/1", "d/9/1", "z"] {
            let asked = path(absent);
            let tree = state.witness(&[&asked]);
            assert_eq!(tree.lookup_path(&asked), LookupResult::Absent, "{absent}");
            assert_eq!(tree.digest(), state.witness(&[&[]]).digest());
        }
    }
}
