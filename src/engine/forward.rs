//! Probes that go through a target (`via`): where the service has no address that this machine can reach. The way is the
//! target's; the probe stays what it is.

use super::operation::Operation;
use crate::model::outcome::{Failure, Outcome};
use crate::model::secret::Secret;
use crate::probes::Signal;

/// Turns the address of a probe into one that leads through a target, and keeps the host it names.
pub(super) async fn through(
    operation: &Operation,
    via: &str,
    signal: &mut Signal,
) -> Result<(), Failure> {
    // Before anything is asked: a certificate is never one for an address of this machine.
    if signal.url.scheme() != "http" {
        return Err(Failure::msg(
            Outcome::Usage,
            format!(
                "probe {}: found {}, expected an http:// address: {via} is reached without TLS",
                signal.name, signal.url
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
            format!(
                "probe {}: found via {via}, and no target that leads anywhere",
                signal.name
            ),
        )
        .hint("leave `via` out, or add the target it goes through"));
    };
    let address = target
        .forward(via)
        .await
        .map_err(|error| error.failure(target.name()))?;
    let host = match (signal.url.host_str(), signal.url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        (None, _) => address.to_string(),
    };
    let is_named = signal
        .headers
        .iter()
        .any(|(name, _)| name.eq_ignore_ascii_case("host"));
    if !is_named {
        signal.headers.push(("host".to_owned(), Secret::new(host)));
    }
    let moved = signal.url.set_ip_host(address.ip()).is_ok()
        && signal.url.set_port(Some(address.port())).is_ok();
    if moved {
        return Ok(());
    }
    Err(Failure::msg(
        Outcome::Usage,
        format!(
            "probe {}: {} cannot be asked through {via}",
            signal.name, signal.url
        ),
    )
    .hint("give an http:// address: the path of the probe, with any host"))
}
