//! The last line of defence for secrets: whatever text an event carries, a known secret in it becomes `***`.
//! Secrets have a type that never prints itself; this is for texts that others wrote, such as captured output.

use crate::model::event::EventKind;
use crate::model::secret::Secret;
use serde_json::Value;

/// Shorter secrets, in bytes, are not looked for: they occur in every text by accident.
pub const SECRET_BYTES_MIN: usize = 4;

/// Keys whose values are words, digests and times of our own making: a secret that equals one of them (`healthy`) tells nothing
/// there, and masking it would make the event unreadable.
const OUR_OWN: [&str; 16] = [
    "event",
    "change",
    "outcome",
    "stage",
    "call",
    "severity",
    "symptom",
    "phase",
    "via",
    "promised_by",
    "digest",
    "started_at",
    "created_at",
    "expires_at",
    "at",
    "reason",
];

/// The text with every known secret, and every line of one, as `***`.
pub fn masked_text(text: &str, secrets: &[Secret]) -> String {
    let mut out = text.to_owned();
    mask_string(&mut out, &forms(secrets));
    out
}

/// The event with every known secret in its texts as `***`.
pub(super) fn masked(kind: EventKind, secrets: &[Secret]) -> EventKind {
    let forms = forms(secrets);
    if forms.is_empty() {
        return kind;
    }
    let Ok(mut value) = serde_json::to_value(&kind) else {
        return withheld();
    };
    if !mask_value(&mut value, &forms, Place::Event) {
        return kind;
    }
    serde_json::from_value(value).unwrap_or_else(|_shape| withheld())
}

/// Better no event than one that shows a secret. Every text of an event is free, so this is never reached in practice.
fn withheld() -> EventKind {
    EventKind::Warned {
        text: "an event was withheld: it could not be shown without a secret".to_owned(),
    }
}

/// What to look for, longest first so that a part never hides the whole: each secret, its lines, and both as a URL
/// carries them.
fn forms(secrets: &[Secret]) -> Vec<String> {
    let mut forms = Vec::new();
    for secret in secrets {
        let whole = secret.expose();
        for part in std::iter::once(whole).chain(whole.lines().map(str::trim)) {
            if part.len() >= SECRET_BYTES_MIN {
                forms.push(part.to_owned());
                forms.push(percent_encoded(part));
            }
        }
    }
    forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    forms.dedup();
    forms
}

fn percent_encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            put!(out, "%{byte:02X}");
        }
    }
    out
}

/// Where in an event a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The event itself: its `reason` is a person's text, unlike the `reason` of a run that was passed over.
    Event,
    /// A map from slots to what they hold: its keys are names from outside.
    State,
    Inside,
}

/// Whether anything was masked.
fn mask_value(value: &mut Value, forms: &[String], place: Place) -> bool {
    match value {
        Value::String(text) => mask_string(text, forms),
        Value::Array(items) => {
            let mut hit = false;
            for item in items {
                hit |= mask_value(item, forms, Place::Inside);
            }
            hit
        }
        Value::Object(fields) => {
            let mut hit = false;
            for (mut key, mut field) in std::mem::take(fields) {
                let ours = field.is_string()
                    && OUR_OWN.contains(&key.as_str())
                    && !(place == Place::Event && key == "reason");
                let below = match key.as_str() {
                    "state" | "before" | "after" => Place::State,
                    _ => Place::Inside,
                };
                if !ours {
                    hit |= mask_value(&mut field, forms, below);
                }
                if place == Place::State {
                    hit |= mask_string(&mut key, forms);
                }
                fields.insert(key, field);
            }
            hit
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn mask_string(text: &mut String, forms: &[String]) -> bool {
    let mut hit = false;
    for form in forms {
        if text.contains(form) {
            *text = text.replace(form, "***");
            hit = true;
        }
    }
    hit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(secret: &str, text: &str, expected: &str) {
        assert_eq!(masked_text(text, &[Secret::new(secret)]), expected);
    }

    #[test]
    fn every_form_of_a_secret_is_masked() {
        check("hunter22", "with hunter22 in it", "with *** in it");
        check("a/b+c d", "?token=a%2Fb%2Bc%20d", "?token=***");
        check(
            "first line\nsecond line",
            "only second line here",
            "only *** here",
        );
        check(
            "abc",
            "abc is too short to be looked for",
            "abc is too short to be looked for",
        );
    }

    #[test]
    fn a_secret_that_is_a_word_of_ours_leaves_the_event_readable() {
        let kind = EventKind::Warned {
            text: "warned with a word: text".to_owned(),
        };
        let secrets = [Secret::new("warned"), Secret::new("text")];
        let EventKind::Warned { text } = masked(kind, &secrets) else {
            panic!("the event changed its kind");
        };
        assert_eq!(text, "*** with a word: ***");
    }
}
