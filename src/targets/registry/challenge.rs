//! `WWW-Authenticate`: what a registry says of how to log in (RFC 9110 §11.6.1, Docker token authentication). Whether
//! and where a login is sent is decided in `auth`.

use http::{HeaderMap, header};
use std::collections::BTreeMap;

/// More than these are not read: a registry sends one or two.
const CHALLENGES_MAX: usize = 8;

/// One way to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    Basic,
    Bearer {
        realm: String,
        service: Option<String>,
    },
}

/// The ways that we know, a token first: it says less than a password.
pub(super) fn read(headers: &HeaderMap) -> Option<Challenge> {
    let mut best = None;
    for value in headers
        .get_all(header::WWW_AUTHENTICATE)
        .iter()
        .take(CHALLENGES_MAX)
    {
        for (scheme, mut values) in split(value.to_str().unwrap_or_default()) {
            if scheme.eq_ignore_ascii_case("bearer")
                && let Some(realm) = values.remove("realm")
            {
                let service = values.remove("service");
                return Some(Challenge::Bearer { realm, service });
            }
            if scheme.eq_ignore_ascii_case("basic") {
                best = Some(Challenge::Basic);
            }
        }
    }
    best
}

/// The schemes of one header with their parameters, whose names come in lower case.
fn split(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut found: Vec<(String, BTreeMap<String, String>)> = Vec::new();
    let mut rest = text.trim_start_matches([' ', ',', '\t']);
    while !rest.is_empty() && found.len() <= CHALLENGES_MAX {
        let word_end = rest.find([' ', '=', ',', '\t']).unwrap_or(rest.len());
        let (word, after) = rest.split_at_checked(word_end).unwrap_or((rest, ""));
        let spaces = after.trim_start_matches([' ', '\t']);
        if let Some(value) = spaces.strip_prefix('=') {
            let (value, after) = value_of(value.trim_start_matches([' ', '\t']));
            if let Some((_, values)) = found.last_mut() {
                values.entry(word.to_ascii_lowercase()).or_insert(value);
            }
            rest = after;
        } else {
            found.push((word.to_owned(), BTreeMap::new()));
            rest = after;
        }
        rest = rest.trim_start_matches([' ', ',', '\t']);
    }
    found
}

/// A token or a quoted string, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([',', ' ', '\t']).unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end).unwrap_or((text, ""));
        return (value.to_owned(), after);
    };
    let mut value = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => value.extend(chars.next()),
            _ => value.push(c),
        }
    }
    (value, chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(values: &[&str], expected: Option<&Challenge>) {
        let headers: HeaderMap = values
            .iter()
            .map(|value| (header::WWW_AUTHENTICATE, value.parse().unwrap()))
            .collect();
        assert_eq!(read(&headers).as_ref(), expected);
    }

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer {
            realm: realm.to_owned(),
            service: service.map(str::to_owned),
        }
    }

    #[test]
    fn challenges_as_registries_write_them() {
        check(
            &[
                r#"Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/nginx:pull""#,
            ],
            Some(&bearer(
                "https://auth.docker.io/token",
                Some("registry.docker.io"),
            )),
        );
        check(
            &[r#"bearer Realm = "https://a/t" , error="insufficient_scope""#],
            Some(&bearer("https://a/t", None)),
        );
        check(
            &[r#"Basic realm="x, Bearer realm=\"no\"", Bearer realm=https://a/t,service=s"#],
            Some(&bearer("https://a/t", Some("s"))),
        );
        check(
            &[r#"Basic realm="x""#, r#"Bearer realm="https://a/t""#],
            Some(&bearer("https://a/t", None)),
        );
        check(
            &[r#"Basic realm="Registry Realm""#],
            Some(&Challenge::Basic),
        );
        check(&["Basic"], Some(&Challenge::Basic));
    }

    #[test]
    fn what_is_not_known_is_no_challenge() {
        check(&[], None);
        check(&["Negotiate"], None);
        check(&["Bearer service=x"], None);
        check(&["", ",,, ==,=\"", "realm=\"https://a/t\""], None);
    }

    proptest::proptest! {
        #[test]
        fn any_header_ends(text in "[A-Za-z=, \"\\\\]{0,60}") {
            split(&text);
        }
    }
}
