//! The settings of one target, and where they were written. Reading them is the target's.

use std::collections::BTreeMap;

/// One target before its kind has read its settings.
#[derive(Debug, Clone, PartialEq)]
pub struct TargetSettings {
    pub name: String,
    pub kind: String,
    /// Lower groups are changed first.
    pub group: u32,
    pub payload: Option<String>,
    /// The kind's own settings: a JSON object.
    pub settings: serde_json::Value,
    pub origin: Origin,
}

/// Where settings were written, so that a refusal can name the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// `.github/lastgood.yml`, or the option: `--target web=directory:/srv/web`.
    pub name: String,
    /// `environments.production.targets[0]`; empty for an option.
    pub key: String,
    /// Line and column of each key path below `key` (`path`, `restart[0]`); the empty path is the target itself. Empty
    /// for an option.
    pub places: BTreeMap<String, (u64, u64)>,
}

impl Origin {
    /// The place of a key path below this origin, or of the nearest one above it:
    /// `.github/lastgood.yml:9:9: environments.production.targets[0].path`.
    pub fn at(&self, path: &str) -> String {
        let mut above = path;
        let place = loop {
            if let Some(place) = self.places.get(above) {
                break Some(place);
            }
            match above.rfind(['.', '[']) {
                Some(cut) => above = above.get(..cut).unwrap_or_default(),
                None if above.is_empty() => break None,
                None => above = "",
            }
        };
        let mut text = self.name.clone();
        if let Some((line, column)) = place {
            text = format!("{text}:{line}:{column}");
        }
        let joined = self.key.is_empty() || path.is_empty() || path.starts_with('[');
        let dot = if joined { "" } else { "." };
        match format!("{}{dot}{path}", self.key) {
            key if key.is_empty() => text,
            key => format!("{text}: {key}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_names_the_nearest_written_key() {
        let origin = Origin {
            name: ".github/lastgood.yml".to_owned(),
            key: "environments.production.targets[0]".to_owned(),
            places: BTreeMap::from([
                (String::new(), (5, 9)),
                ("path".to_owned(), (7, 9)),
                ("restart".to_owned(), (8, 9)),
                ("restart[1]".to_owned(), (8, 29)),
            ]),
        };
        let check = |path: &str, wanted: &str| {
            let wanted = wanted.replace("KEY", &origin.key);
            assert_eq!(origin.at(path), format!(".github/lastgood.yml:{wanted}"));
        };
        check("path", "7:9: KEY.path");
        check("restart[1]", "8:29: KEY.restart[1]");
        check("restart[5]", "8:9: KEY.restart[5]");
        check("keep", "5:9: KEY.keep");
        check("", "5:9: KEY");
    }

    #[test]
    fn an_option_has_no_lines() {
        let origin = Origin {
            name: "--target directory:/srv/web".to_owned(),
            key: String::new(),
            places: BTreeMap::new(),
        };
        assert_eq!(origin.at("path"), "--target directory:/srv/web: path");
        assert_eq!(origin.at(""), "--target directory:/srv/web");
    }
}
