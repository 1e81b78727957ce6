//! Names of slots: which object of the cluster each one is. Nothing is asked of the cluster here.

use crate::model::state::Slot;
use crate::targets::BadSettings;
use std::fmt;

/// The kinds of objects that can be slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Kind {
    Deployment,
    StatefulSet,
    DaemonSet,
    /// Its selector: which colour is live.
    Service,
    /// Its weights: who gets how much of the traffic (Gateway API).
    HttpRoute,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [
        Self::Deployment,
        Self::StatefulSet,
        Self::DaemonSet,
        Self::Service,
        Self::HttpRoute,
    ];

    /// As in the name of a slot.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
            Self::Service => "service",
            Self::HttpRoute => "httproute",
        }
    }

    /// As in `kind:` of a manifest.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::StatefulSet => "StatefulSet",
            Self::DaemonSet => "DaemonSet",
            Self::Service => "Service",
            Self::HttpRoute => "HTTPRoute",
        }
    }

    /// Whether it runs pods of a template.
    pub(super) const fn is_workload(self) -> bool {
        match self {
            Self::Deployment | Self::StatefulSet | Self::DaemonSet => true,
            Self::Service | Self::HttpRoute => false,
        }
    }

    /// Accepts what kubectl accepts: `deployment`, `deploy`, `Deployment`, `deployments`.
    fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "deployment" | "deployments" | "deploy" => Self::Deployment,
            "statefulset" | "statefulsets" | "sts" => Self::StatefulSet,
            "daemonset" | "daemonsets" | "ds" => Self::DaemonSet,
            "service" | "services" | "svc" => Self::Service,
            "httproute" | "httproutes" => Self::HttpRoute,
            _ => return None,
        })
    }
}

/// One object of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) namespace: String,
    pub(super) name: String,
}

impl Place {
    /// Reads `deployment/web` or `shop/deployment/web`; without a namespace it is in `home`.
    ///
    /// # Errors
    /// What was found and what was expected.
    pub(super) fn parse(text: &str, home: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let (namespace, kind, name) = match parts.as_slice() {
            [kind, name] => (home, *kind, *name),
            [namespace, kind, name] => (*namespace, *kind, *name),
            _ => return Err(wrong(text)),
        };
        let Some(kind) = Kind::parse(kind) else {
            return Err(wrong(text));
        };
        if !is_label(namespace) || !is_name(name) {
            return Err(wrong(text));
        }
        Ok(Self {
            kind,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }

    /// Its name as a slot of a target whose own namespace is `home`.
    pub(super) fn slot(&self, home: &str) -> Slot {
        let own = format!("{}/{}", self.kind.word(), self.name);
        Slot(if self.namespace == home {
            own
        } else {
            format!("{}/{own}", self.namespace)
        })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} in namespace {}",
            self.kind.word(),
            self.name,
            self.namespace
        )
    }
}

fn wrong(text: &str) -> String {
    let kinds: Vec<&str> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    format!(
        "found {text:?}, expected KIND/NAME or NAMESPACE/KIND/NAME, with one of the kinds {}",
        kinds.join(", ")
    )
}

/// A DNS label (RFC 1123), as names of namespaces are.
pub(super) fn is_label(text: &str) -> bool {
    is_name(text) && !text.contains('.') && text.len() <= 63
}

/// A DNS subdomain (RFC 1123), as names of objects are.
pub(super) fn is_name(text: &str) -> bool {
    let edge = |byte: Option<u8>| {
        byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    text.len() <= 253
        && edge(text.bytes().next())
        && edge(text.bytes().last())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.'))
}

/// The slots that the settings name, each once.
pub(super) fn named(texts: &[String], home: &str) -> Result<Vec<Place>, BadSettings> {
    let mut places: Vec<Place> = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let key = format!("slots[{index}]");
        let place = Place::parse(text, home).map_err(|what| BadSettings::new(&key, what))?;
        if places.contains(&place) {
            return Err(BadSettings::new(
                &key,
                format!("found {text} twice, expected each once"),
            ));
        }
        places.push(place);
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_a_kind_and_a_name() {
        let place = Place::parse("deploy/web", "shop").unwrap();
        assert_eq!(place.slot("shop").0, "deployment/web");
        assert_eq!(place.slot("other").0, "shop/deployment/web");
        let other = Place::parse("db/StatefulSet/main", "shop").unwrap();
        assert_eq!(other.slot("shop").0, "db/statefulset/main");
        assert_eq!(Place::parse(&other.slot("shop").0, "shop"), Ok(other));
    }

    #[test]
    fn what_is_no_slot_is_refused_with_the_kinds() {
        for wrong in [
            "",
            "web",
            "pod/web",
            "deployment/",
            "deployment/Web",
            "a/b/c/d",
            "-/deployment/web",
        ] {
            let error = Place::parse(wrong, "shop").unwrap_err();
            assert!(error.contains("KIND/NAME"), "{wrong}: {error}");
        }
        let twice = ["deployment/web".to_owned(), "shop/deploy/web".to_owned()];
        assert_eq!(named(&twice, "shop").unwrap_err().key, "slots[1]");
    }
}
