//! What must not be seen in evidence: the secrets this program was given, and what looks like one in a template. Names that
//! look like secrets are judged by their words, so that `MONKEY` is none.

use crate::targets::kubernetes::Kubernetes;
use crate::targets::process::mask;
use regex_lite::Regex;
use serde_json::Value;
use std::sync::LazyLock;

const MASK: &str = "***";

/// Words of a name that say that its value is secret.
const WORDS: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "PASS",
    "PWD",
    "TOKEN",
    "SECRET",
    "KEY",
    "APIKEY",
    "CREDENTIAL",
    "CREDENTIALS",
    "CREDS",
    "AUTH",
    "PRIVATE",
    "DSN",
    "COOKIE",
    "SIGNATURE",
    "SALT",
];

/// `scheme://user:password@host`.
static USERINFO: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"://[^/\s:@]*:[^/\s@]+@").expect("a constant expression that compiles")
});

impl Kubernetes {
    /// Without the secrets that this program was given, and without passwords in addresses.
    pub(in crate::targets::kubernetes) fn masked(&self, text: &str) -> String {
        let text = mask(text, &self.base.secrets);
        USERINFO.replace_all(&text, "://***@").into_owned()
    }
}

/// Takes out of an object what is of no use to a person, and masks values of the environment and arguments whose names look
/// secret, wherever they are.
pub(super) fn object(object: &mut Value) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.shift_remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            // The whole object once more, as text, with everything in it that is masked below.
            annotations.shift_remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    values(object);
}

fn values(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let is_secret = fields
                .get("name")
                .and_then(Value::as_str)
                .is_some_and(looks_secret);
            if is_secret && let Some(value) = fields.get_mut("value") {
                *value = Value::String(MASK.to_owned());
            }
            for (key, field) in fields.iter_mut() {
                match (key.as_str(), &mut *field) {
                    ("args" | "command", Value::Array(items)) => arguments(items),
                    // Annotations and labels, and headers of probes.
                    (key, Value::String(text)) if looks_secret(key) && !is_reference(key) => {
                        MASK.clone_into(text);
                    }
                    _ => values(field),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                values(item);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => (),
    }
}

/// Fields of the API whose names only look secret: they name objects and keys, and hold none.
fn is_reference(key: &str) -> bool {
    matches!(
        key,
        "key"
            | "secretName"
            | "topologyKey"
            | "authorizationMode"
            | "tokenExpirationSeconds"
            | "keyPath"
    )
}

/// `--db-password=x` and `--db-password x`.
fn arguments(items: &mut [Value]) {
    let mut is_next_secret = false;
    for item in items {
        let Value::String(text) = item else {
            continue;
        };
        let was_secret = std::mem::take(&mut is_next_secret);
        match text.split_once('=') {
            Some((name, _)) if looks_secret(name) => {
                *text = format!("{name}={MASK}");
            }
            _ if was_secret && !text.starts_with('-') => MASK.clone_into(text),
            Some(_) => (),
            None => is_next_secret = text.starts_with('-') && looks_secret(text),
        }
    }
}

/// Whether a word of the name is one of [`WORDS`]: `DB_PASSWORD`, `--api-key`, `clientSecret`.
pub(super) fn looks_secret(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        let is_boundary = !c.is_ascii_alphanumeric() || (c.is_ascii_uppercase() && was_lower);
        if is_boundary {
            words.push(String::new());
        }
        if c.is_ascii_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.push(c.to_ascii_uppercase());
        }
        was_lower = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    words.iter().any(|word| {
        WORDS.contains(&word.as_str())
            || word.ends_with("PASSWORD")
            || word.ends_with("SECRET")
            || word.ends_with("TOKEN")
    })
}
