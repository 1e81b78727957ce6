//! Which of the names that there are was meant by one that there is not.

/// The known name that is most alike, when one is alike at all.
pub fn nearest<'a>(found: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this two names are not alike: `tag` and `title` are not, `bake-time` and `bake` are.
    const ALIKE_MIN: f64 = 0.72;
    let found = found.to_lowercase().replace('_', "-");
    known
        .map(|name| (likeness(&found, &name.to_lowercase()), name))
        .filter(|(alike, _)| *alike >= ALIKE_MIN)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

/// From 0 to 1. In a short name one slip of the hand (`wbe`) is a large part of it, and is one slip all the same.
fn likeness(found: &str, known: &str) -> f64 {
    const SLIP: f64 = 0.95;
    let alike = strsim::jaro_winkler(found, known);
    let is_slip = 2 < found.len() && strsim::osa_distance(found, known) == 1;
    if is_slip { alike.max(SLIP) } else { alike }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_alike_is_meant_and_nothing_else() {
        let services = ["api", "db", "web", "worker"];
        let of = |found| nearest(found, services.into_iter());
        assert_eq!(of("wbe"), Some("web"));
        assert_eq!(of("Workers"), Some("worker"));
        assert_eq!(of("cache"), None);
        assert_eq!(nearest("web", std::iter::empty()), None);
    }
}
