//! The size of what is recorded: a manifest above its limit would be refused when it is needed. Pure.

use super::with_configuration;
use crate::model::release::Pin;
use crate::model::state::Slot;
use crate::targets::TargetError;
use crate::targets::kubernetes::config_maps::Configuration;
use indexmap::IndexMap;

/// A manifest has at most 1 MiB; other targets of the environment and its own fields want some of it.
const PINS_BYTES_MAX: usize = 768 * 1024;

/// Adds the ConfigMaps and Secrets to the pins, and leaves out the data of the largest ConfigMaps where it is too much.
///
/// # Errors
/// `Refused` when the templates alone are too much.
pub(super) fn fit(
    pins: &mut IndexMap<Slot, Pin>,
    held: &mut IndexMap<Slot, Configuration>,
) -> Result<(), TargetError> {
    for (slot, configuration) in held.iter() {
        if let Some(recorded) = pins.get_mut(slot).and_then(|pin| pin.recorded.as_mut()) {
            with_configuration(recorded, configuration);
        }
    }
    while PINS_BYTES_MAX < size(pins) {
        let largest = held
            .iter()
            .filter_map(|(slot, held)| {
                let (name, bytes) = held.clone().leave_out_largest()?;
                Some((bytes, slot.clone(), name))
            })
            .max();
        let Some((bytes, slot, name)) = largest else {
            return Err(TargetError::Refused {
                what: format!(
                    "what is to be recorded has {} bytes, the limit is {PINS_BYTES_MAX}",
                    size(pins)
                ),
                allow: None,
                next: "give the environment several targets with fewer slots each, each with an artifact of its own".to_owned(),
            });
        };
        tracing::warn!(
            "{slot}: the {bytes} bytes of the ConfigMap {name} are not recorded, only their digest: {PINS_BYTES_MAX} bytes are the limit"
        );
        if let Some(held) = held.get_mut(&slot) {
            held.leave_out_largest();
            if let Some(recorded) = pins.get_mut(&slot).and_then(|pin| pin.recorded.as_mut()) {
                with_configuration(recorded, held);
            }
        }
    }
    Ok(())
}

/// As the manifest is written: with line ends and indents.
fn size(pins: &IndexMap<Slot, Pin>) -> usize {
    serde_json::to_vec_pretty(pins).map_or(usize::MAX, |text| text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::state::Revision;
    use serde_json::{Value, json};

    fn pins(template_bytes: usize) -> IndexMap<Slot, Pin> {
        let pin = Pin {
            revision: Revision("sha256:1".to_owned()),
            payload: None,
            images: Vec::new(),
            recorded: Some(json!({"template": "t".repeat(template_bytes)})),
        };
        IndexMap::from_iter([(Slot("deployment/web".to_owned()), pin)])
    }

    fn held(maps: &[(&str, usize)]) -> IndexMap<Slot, Configuration> {
        let mut held = Configuration::default();
        for (name, bytes) in maps {
            let value = json!({"data": {"k": "v".repeat(*bytes)}, "sha256": "sha256:2"});
            held.config_maps.insert((*name).to_owned(), value);
        }
        IndexMap::from_iter([(Slot("deployment/web".to_owned()), held)])
    }

    fn recorded(pins: &IndexMap<Slot, Pin>) -> &Value {
        pins[0].recorded.as_ref().unwrap()
    }

    #[test]
    fn the_largest_data_is_left_out_first_and_its_digest_stays() {
        let mut pins = pins(10);
        fit(
            &mut pins,
            &mut held(&[("small", 10), ("large", 500_000), ("larger", 600_000)]),
        )
        .unwrap();
        let maps = &recorded(&pins)["config-maps"];
        assert_eq!(maps["larger"]["sha256"], "sha256:2");
        assert_eq!(maps["larger"].get("data"), None);
        assert!(maps["large"]["data"].is_object() && maps["small"]["data"].is_object());
        assert!(size(&pins) <= PINS_BYTES_MAX);
    }

    #[test]
    fn templates_that_are_too_much_are_refused() {
        let error = fit(&mut pins(PINS_BYTES_MAX), &mut held(&[("small", 10)])).unwrap_err();
        assert!(error.to_string().contains("the limit is 786432"), "{error}");
    }
}
