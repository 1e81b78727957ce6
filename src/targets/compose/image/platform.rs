//! What machines an image is for, and what the engine is: `linux/amd64`, `linux/arm64/v8`. Pure, but for asking the engine what it is.

use crate::model::release::Pin;
use crate::targets::TargetError;
use crate::targets::compose::engine::Engine;
use serde_json::Value;

/// The platform of an image, as the engine describes it.
pub(in crate::targets::compose) fn of_image(raw: &Value) -> Option<String> {
    let text = |key: &str| {
        let text = raw.get(key).and_then(Value::as_str);
        text.filter(|text| !text.is_empty())
    };
    let mut platform = format!("{}/{}", text("Os")?, text("Architecture")?);
    if let Some(variant) = text("Variant") {
        platform = format!("{platform}/{variant}");
    }
    Some(platform)
}

/// The platform that was written down.
pub(super) fn recorded(pin: &Pin) -> Option<String> {
    let recorded = pin.recorded.as_ref()?;
    let platform = recorded.get("platform")?.as_str()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '.' | '-');
    platform.chars().all(is_plain).then(|| platform.to_owned())
}

/// What the engine is itself.
pub(in crate::targets::compose) async fn of_engine(
    engine: &Engine,
) -> Result<Option<String>, TargetError> {
    let version = engine.get("/version").await;
    let version = version.map_err(|error| error.reading("the version of the engine"))?;
    let text = |key: &str| version.get(key).and_then(Value::as_str);
    Ok(text("Os")
        .zip(text("Arch"))
        .map(|(os, arch)| format!("{os}/{arch}")))
}

/// A recorded platform that has to be asked for, because the engine would take its own.
pub(super) async fn foreign(
    engine: &Engine,
    recorded: &str,
) -> Result<Option<String>, TargetError> {
    let own = of_engine(engine).await?;
    let is_own = own.is_none_or(|own| runs(&own, recorded));
    Ok((!is_own).then(|| recorded.to_owned()))
}

/// Whether a machine of one platform runs what is for another without emulation. The variant is left aside: engines choose it.
pub(in crate::targets::compose) fn runs(own: &str, image: &str) -> bool {
    let parts = |platform: &str| {
        let mut parts = platform.split('/').map(str::to_owned);
        (parts.next(), parts.next())
    };
    let (own, image) = (parts(own), parts(image));
    let is_older =
        |own: &str, image: &str| matches!((own, image), ("amd64", "386") | ("arm64", "arm"));
    let older = own.1.as_deref().zip(image.1.as_deref());
    own.0 == image.0 && (own.1 == image.1 || older.is_some_and(|(own, image)| is_older(own, image)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn platforms() {
        assert!(runs("linux/amd64", "linux/amd64"));
        assert!(runs("linux/arm64", "linux/arm64/v8"));
        assert!(runs("linux/arm64", "linux/arm/v7"));
        assert!(!runs("linux/amd64", "linux/arm64"));
        assert!(!runs("linux/amd64", "windows/amd64"));
        let raw = json!({"Os": "linux", "Architecture": "arm64", "Variant": "v8"});
        assert_eq!(of_image(&raw).as_deref(), Some("linux/arm64/v8"));
        assert_eq!(of_image(&json!({"Os": "linux", "Architecture": ""})), None);
    }
}
