//! Whether the engine is the one that the settings name. Asked before anything else, so it is also where a command learns that there is
//! no way to the engine.

use super::Compose;
use crate::targets::TargetError;
use serde_json::Value;

/// Asks the engine who it is, when the settings say who it must be.
pub(super) async fn guard(compose: &Compose) -> Result<(), TargetError> {
    let engine = compose.engine().await?;
    let Some(wanted) = &compose.settings.engine else {
        return Ok(());
    };
    let info = engine.info().await;
    let info = info.map_err(|error| error.reading(engine.at()))?;
    if is_it(info, wanted) {
        return Ok(());
    }
    Err(TargetError::Refused {
        what: format!(
            "the engine at {} is {} (ID {}), expected {wanted}: it is another one",
            engine.at(),
            said(info, "Name"),
            said(info, "ID")
        ),
        allow: None,
        next: "say where the right engine is: the input docker-host, or the setting host; or mend the setting engine"
            .to_owned(),
    })
}

fn said<'a>(info: &'a Value, key: &str) -> &'a str {
    info.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// An engine that does not say who it is, is nobody.
fn is_it(info: &Value, wanted: &str) -> bool {
    !wanted.is_empty() && (said(info, "Name") == wanted || said(info, "ID") == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_engine_is_known_by_its_name_or_its_id() {
        let info = json!({"ID": "QZ5H:O7JB", "Name": "web-1"});
        assert!(is_it(&info, "web-1"));
        assert!(is_it(&info, "QZ5H:O7JB"));
        assert!(!is_it(&info, "web-2"));
        assert!(!is_it(&info, "WEB-1"));
        assert!(!is_it(&json!({}), ""));
    }
}
