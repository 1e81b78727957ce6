//! What is taken out of evidence before it is kept: the secrets this program was given, and what is of no use to a person.
//! What looks secret is judged in `masking`.

use crate::targets::kubernetes::Kubernetes;
use crate::targets::masking;
use crate::targets::process::mask;
use serde_json::Value;

impl Kubernetes {
    /// Without the secrets that this program was given, and without credentials in addresses and headers.
    pub(in crate::targets::kubernetes) fn masked(&self, text: &str) -> String {
        masking::credentials(&mask(text, &self.base.secrets))
    }
}

/// Takes out of an object what is of no use to a person, and masks what looks secret, wherever it is.
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
    masking::values(object);
}
