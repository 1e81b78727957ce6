//! Probes that go through a target (`via`): where the service has no address that this machine can reach. The way is the
//! target's; the probe stays what it is.

use super::operation::Operation;
use crate::model::outcome::{Failure, Outcome};
use crate::model::secret::Secret;
use crate::probes::Page;

/// Turns the address of a probe into one that leads through a target, and keeps the host it names.
pub(super) async fn through(
    operation: &Operation,
    via: &str,
    probe: &str,
    page: &mut Page,
) -> Result<(), Failure> {
    // Before anything is asked: a certificate is never one for an address of this machine.
    if page.url.scheme() != "http" {
        return Err(Failure::msg(
            Outcome::Usage,
            format!(
                "probe {probe}: found {}, expected an http:// address: {via} is reached without TLS",
                page.url
            ),
        )
        .hint("give an http:// address: the path of the probe, with any host"));
    }
    let is_of = |slots: Vec<crate::model::state::Slot>| {
        slots.iter().any(|slot| {
            via.strip_prefix(slot.0.as_str())
                .is_some_and(|rest| rest.starts_with(':'))
        })
    };
    let owner = operation
        .targets
        .iter()
        .find(|target| is_of(target.slots()));
    let Some(target) = owner.or_else(|| operation.targets.iter().find(|target| target.attends()))
    else {
        return Err(Failure::msg(
            Outcome::Usage,
            format!("probe {probe}: found via {via}, and no target that leads anywhere"),
        )
        .hint("leave `via` out, or add the target it goes through"));
    };
    let address = target
        .forward(via)
        .await
        .map_err(|error| error.failure(target.name()))?;
    let host = match (page.url.host_str(), page.url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => address.to_string(),
    };
    let is_named = page
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if !is_named {
        page.headers.push(("host".to_owned(), Secret::new(host)));
    }
    let moved = page.url.set_ip_host(address.ip()).is_ok()
        && page.url.set_port(Some(address.port())).is_ok();
    if moved {
        return Ok(());
    }
    Err(Failure::msg(
        Outcome::Usage,
        format!("probe {probe}: {} cannot be asked through {via}", page.url),
    )
    .hint("give an http:// address: the path of the probe, with any host"))
}
