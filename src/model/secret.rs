//! The type that holds a secret. Nothing else may hold one.

use std::fmt;
use std::ops::Range;

/// A token, password or key. `Debug` and `Display` print `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: only to hand it to whoever needs it, or to mask it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The password in an address (`ssh://USER:PASSWORD@HOST`), also where the scheme was forgotten.
pub fn password_of(address: &str) -> Option<&str> {
    let found = address.get(place_of_password(address)?)?;
    Some(found).filter(|password| !password.is_empty())
}

/// A text with `***` in place of the passwords in its addresses.
pub fn without_passwords(text: &str) -> String {
    text.split_inclusive(char::is_whitespace)
        .map(|word| match place_of_password(word) {
            Some(place) => {
                let mut word = word.to_owned();
                word.replace_range(place, "***");
                word
            }
            None => word.to_owned(),
        })
        .collect()
}

/// What stands between the first `:` and the last `@` before the host.
fn place_of_password(address: &str) -> Option<Range<usize>> {
    const SCHEME_END: &str = "://";
    let begin = address
        .find(SCHEME_END)
        .map_or(0, |at| at + SCHEME_END.len());
    let rest = address.get(begin..)?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let authority = rest.get(..end)?;
    let colon = authority.find(':')?;
    let is_port = authority
        .get(colon + 1..)?
        .bytes()
        .all(|byte| byte.is_ascii_digit());
    // A password that was not encoded may hold what ends an authority.
    let searched = match authority.contains('@') {
        true => authority,
        false if is_port => return None,
        false => rest,
    };
    if searched.find('@')? < colon {
        return None;
    }
    Some(begin + colon + 1..begin + searched.rfind('@')?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_addresses_are_not_shown() {
        let check = |text: &str, shown: &str| assert_eq!(without_passwords(text), shown);
        check("ssh://deploy:hunter2@web-1", "ssh://deploy:***@web-1");
        check("tcp://admin:a:b@web-1:2376/", "tcp://admin:***@web-1:2376/");
        check("tcp://admin:p@ss@web-1:2376", "tcp://admin:***@web-1:2376");
        check("ssh://deploy:a/b#c@web-1/x", "ssh://deploy:***@web-1/x");
        check("deploy:hunter2@web-1", "deploy:***@web-1");
        check("ssh://:hunter2@web-1", "ssh://:***@web-1");
        check(
            "target compose:ssh://deploy:hunter2@web-1@shop/web is no",
            "target compose:ssh://deploy:***@shop/web is no",
        );
    }

    #[test]
    fn what_is_no_password_is_shown() {
        for text in [
            "ssh://deploy@web-1:2222/run/user/7/docker.sock",
            "ssh://web-1:22/run/a@b.sock",
            "compose:ssh://deploy@web-1:2222@shop/web",
            "tcp://[::1]:2376",
            "unix:///var/run/docker.sock",
            "web-1",
            "",
        ] {
            assert_eq!(without_passwords(text), text);
            assert_eq!(password_of(text), None);
        }
    }

    #[test]
    fn a_password_is_found_in_its_address() {
        let check = |text: &str, found: Option<&str>| assert_eq!(password_of(text), found);
        check("ssh://deploy:hunter2@web-1", Some("hunter2"));
        check("ssh://deploy:@web-1", None);
    }
}
