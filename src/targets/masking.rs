//! What must not be seen in plans, logs and evidence: values whose name looks secret, wherever a name stands beside a value.
//! One judgment for templates, ConfigMaps, containers and evidence. Pure. The secrets that this program was given are masked elsewhere.

use regex_lite::{Captures, Regex};
use serde_json::Value;
use std::sync::LazyLock;

pub(super) const MASK: &str = "***";

/// Words of a name that say that its value is secret. Judged by words, so that `MONKEY` is none.
const WORDS: &[&str] = &[
    "PASS",
    "PASSPHRASE",
    "PGPASS",
    "PWD",
    "TOKEN",
    "TOKENS",
    "KEY",
    "KEYS",
    "AUTH",
    "OAUTH",
    "AUTHORIZATION",
    "BEARER",
    "JWT",
    "CREDS",
    "PRIVATE",
    "DSN",
    "COOKIE",
    "COOKIES",
    "SIGNATURE",
    "SALT",
];

/// Parts that say so wherever they stand in a word.
const PARTS: &[&str] = &[
    "PASSWORD",
    "PASSWD",
    "SECRET",
    "CREDENTIAL",
    "APIKEY",
    "ACCESSKEY",
    "PRIVATEKEY",
];

/// Fields of the API whose names only look secret: they name objects and keys, and hold none.
const REFERENCES: &[&str] = &[
    "key",
    "keyPath",
    "secretName",
    "topologyKey",
    "authorizationMode",
    "tokenExpirationSeconds",
    "imagePullSecrets",
];

/// `scheme://user:password@host`, and a token alone before the `@`.
static USERINFO: LazyLock<Regex> = LazyLock::new(|| compiled(r"://[^/\s@]+@"));

/// What is sent to prove who asks, and tokens that are known by how they begin.
static TOKEN: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r"(?i)\b(bearer\s+|basic\s+)[A-Za-z0-9._~+/=-]{8,}|\b(gh[pousr]_|github_pat_|glpat-|xox[abp]-|AKIA|sk_live_)[A-Za-z0-9_-]{8,}",
    )
});

/// `name: value`, `"name":"value"`, `name = value`: the value goes on to the end of its quotes or of the line.
static LINE: LazyLock<Regex> = LazyLock::new(|| {
    compiled(
        r#"([A-Za-z0-9_.-]+)(["']?\s*:\s+|["']\s*:\s*|\s+=\s*)("[^"\n]*"?|'[^'\n]*'?|[^"'\s][^"'\n]*)"#,
    )
});

/// `name=value`, as in arguments and in the environment.
static PAIR: LazyLock<Regex> =
    LazyLock::new(|| compiled(r#"([A-Za-z0-9_.-]+)(=)("[^"\n]*"?|'[^'\n]*'?|[^\s&;"']+)"#));

/// `--name value` within one text.
static OPTION: LazyLock<Regex> = LazyLock::new(|| {
    compiled(r#"(--?[A-Za-z][A-Za-z0-9_-]*)(\s+)("[^"\n]*"?|'[^'\n]*'?|[^\s"'-]\S*)"#)
});

fn compiled(expression: &str) -> Regex {
    Regex::new(expression).expect("a constant expression that compiles")
}

/// Whether what has this name is secret: `DB_PASSWORD`, `--api-key`, `clientSecret`, the header `Cookie`.
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
            || word.ends_with("TOKEN")
            || PARTS.iter().any(|part| word.contains(part))
    })
}

/// A text without credentials in addresses, bearer tokens, and tokens that are known by how they begin.
pub(super) fn credentials(text: &str) -> String {
    let text = USERINFO.replace_all(text, "://***@");
    let known = |found: &Captures<'_>| {
        let begin = found.get(1).or_else(|| found.get(2));
        format!("{}{MASK}", begin.map_or("", |begin| begin.as_str()))
    };
    TOKEN.replace_all(&text, known).into_owned()
}

/// A line of a configuration, an argument or a command, without what looks secret in it.
pub(super) fn text(text: &str) -> String {
    if text.contains("PRIVATE KEY-----") {
        return MASK.to_owned();
    }
    let text = credentials(text);
    let text = named(&LINE, &text);
    let text = named(&PAIR, &text);
    named(&OPTION, &text)
}

/// What may be shown of the value of a key.
pub(super) fn of(name: &str, value: &str) -> String {
    if looks_secret(name) {
        MASK.to_owned()
    } else {
        text(value)
    }
}

/// Masks every value beside a name that looks secret. What has another name may hold one that does.
fn named(expression: &Regex, text: &str) -> String {
    let mut shown = String::new();
    let mut done = 0;
    let mut at = 0;
    while let Some(found) = expression.captures_at(text, at) {
        let (Some(name), Some(value)) = (found.get(1), found.get(3)) else {
            break;
        };
        if looks_secret(name.as_str()) {
            shown.push_str(text.get(done..value.start()).unwrap_or_default());
            shown.push_str(MASK);
            done = value.end();
            at = done;
        } else {
            at = value.start();
        }
    }
    shown.push_str(text.get(done..).unwrap_or_default());
    shown
}

/// Masks a value of the API in place: the environment, arguments, headers of probes, annotations. Its shape stays.
pub(super) fn values(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("name").and_then(Value::as_str);
            let name = name.unwrap_or_default().to_owned();
            for (key, field) in fields.iter_mut() {
                match (key.as_str(), &mut *field) {
                    ("args" | "command", Value::Array(items)) => arguments(items),
                    // A variable of the environment, a header.
                    ("value", Value::String(text)) => *text = of(&name, text),
                    (key, Value::String(text))
                        if looks_secret(key) && !REFERENCES.contains(&key) =>
                    {
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
        Value::String(text) => *text = credentials(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => (),
    }
}

/// `--db-password=x`, and `--db-password` with `x` as the next one.
pub(super) fn arguments(items: &mut [Value]) {
    let mut is_next_secret = false;
    for item in items {
        let Value::String(argument) = item else {
            continue;
        };
        let was_secret = std::mem::take(&mut is_next_secret);
        let is_option = argument.starts_with('-') && !argument.contains(char::is_whitespace);
        if was_secret && !is_option {
            MASK.clone_into(argument);
            continue;
        }
        is_next_secret = is_option && !argument.contains('=') && looks_secret(argument);
        *argument = text(argument);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_that_look_secret() {
        for name in [
            "DB_PASSWORD",
            "PGPASSWORD",
            "--api-key",
            "clientSecret",
            "token",
            "AWS_SECRET_ACCESS_KEY",
            "MY_CREDENTIALS",
            "Authorization",
            "Proxy-Authorization",
            "Cookie",
            "X-Api-Key",
            "mysecretkey",
        ] {
            assert!(looks_secret(name), "{name}");
        }
        for name in ["MONKEY", "PORT", "KEYBOARD", "tokenizer", "PASSENGERS", ""] {
            assert!(!looks_secret(name), "{name}");
        }
    }

    #[test]
    fn texts_are_masked_where_a_name_stands_beside_a_value() {
        for (found, expected) in [
            ("--token=abc", "--token=***"),
            ("--port=80", "--port=80"),
            ("password: hunter2 and more", "password: ***"),
            ("level: info", "level: info"),
            ("log = debug", "log = debug"),
            ("db.password = hunter2", "db.password = ***"),
            (
                r#"{"user": "me", "api_key":"abc", "port": 80}"#,
                r#"{"user": "me", "api_key":***, "port": 80}"#,
            ),
            (
                "curl -H 'Authorization: Bearer abcdefgh' --password hunter2 http://db",
                "curl -H 'Authorization: ***' --password *** http://db",
            ),
            (
                "DB_PASSWORD=a,b ./run --port 80",
                "DB_PASSWORD=*** ./run --port 80",
            ),
            ("postgres://me:pass@db/x", "postgres://***@db/x"),
            ("https://ghp_abc@github.com", "https://***@github.com"),
            ("use ghp_0123456789abcdef now", "use ghp_*** now"),
            ("level: password: x", "level: password: ***"),
            ("-----BEGIN RSA PRIVATE KEY-----\nabc", "***"),
            ("registry/auth:1.2", "registry/auth:1.2"),
        ] {
            assert_eq!(text(found), expected);
        }
    }

    #[track_caller]
    fn check(mut found: Value, expected: &Value) {
        values(&mut found);
        assert_eq!(found, *expected);
    }

    #[test]
    fn arguments_variables_and_headers_are_masked_and_references_stay() {
        check(
            json!({"args": ["--db-password", "x", "--token=x", "--password", "--port", "80"]}),
            &json!({"args": ["--db-password", "***", "--token=***", "--password", "--port", "80"]}),
        );
        check(
            json!({"env": [{"name": "TOKEN", "value": "x"}, {"name": "URL", "value": "http://a:b@c"}, {"name": "PORT", "value": "80"}]}),
            &json!({"env": [{"name": "TOKEN", "value": "***"}, {"name": "URL", "value": "http://***@c"}, {"name": "PORT", "value": "80"}]}),
        );
        check(
            json!({"httpHeaders": [{"name": "Authorization", "value": "Bearer x"}, {"name": "X-Auth", "value": "x"}, {"name": "Host", "value": "web"}]}),
            &json!({"httpHeaders": [{"name": "Authorization", "value": "***"}, {"name": "X-Auth", "value": "***"}, {"name": "Host", "value": "web"}]}),
        );
        let references = json!({
            "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "web", "key": "token"}}}],
            "volumes": [{"name": "v", "secret": {"secretName": "web-tls"}}],
            "imagePullSecrets": [{"name": "registry"}],
            "automountServiceAccountToken": false,
        });
        check(references.clone(), &references);
        check(
            json!({"annotations": {"auth-token": "abc", "team": "shop"}}),
            &json!({"annotations": {"auth-token": "***", "team": "shop"}}),
        );
    }
}
