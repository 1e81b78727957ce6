//! stand-in
use super::Kubernetes;
impl Kubernetes {
    pub(super) fn masked(&self, text: &str) -> String {
        crate::targets::process::mask(text, &self.base.secrets)
    }
}
