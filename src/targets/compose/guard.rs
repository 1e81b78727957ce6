//! Whether the engine is the one that the settings name. Asked before anything else, so it is also where a command learns that there is
//! no way to the engine.

use super::Compose;
use super::engine::Info;
use crate::targets::TargetError;

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
            info.name,
            info.id
        ),
        allow: None,
        next: "say where the right engine is: the input docker-host, or the setting host; or mend the setting engine"
            .to_owned(),
    })
}

/// An engine that does not say who it is, is nobody.
fn is_it(info: &Info, wanted: &str) -> bool {
    !wanted.is_empty() && (info.name == wanted || info.id == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_known_by_its_name_or_its_id() {
        let info = Info {
            id: "QZ5H:O7JB".to_owned(),
            name: "web-1".to_owned(),
            ..Info::default()
        };
        assert!(is_it(&info, "web-1"));
        assert!(is_it(&info, "QZ5H:O7JB"));
        assert!(!is_it(&info, "web-2"));
        assert!(!is_it(&info, "WEB-1"));
        assert!(!is_it(&Info::default(), ""));
    }
}
