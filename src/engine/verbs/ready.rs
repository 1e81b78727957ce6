//! `ready`: could we roll back now? Every precondition is proven the way `rollback` would, and nothing is changed.

use crate::engine::fetch;
use crate::engine::health::Ward;
use crate::engine::operation::Operation;
use crate::engine::request::Choice;
use crate::engine::verbs::rollback::known_bad;
use crate::engine::{Ending, prepare};
use crate::model::event::EventKind;
use crate::model::outcome::{Failure, Outcome};
use crate::targets::Finding;

pub(in crate::engine) async fn run(
    operation: &Operation,
    from: &Choice,
) -> Result<Ending, Failure> {
    let ward = Ward::open(operation)?;
    if ward.is_none() {
        operation
            .warn("no probes are configured: a rollback would be done, and could not be judged");
    }
    let release = match fetch::release(operation, from, known_bad(operation)).await {
        Ok(release) => release,
        Err(failure) => return Err(not_ready(failure)),
    };
    release.remember(operation);
    let mut missing = 0_u32;
    for target in &operation.targets {
        let share = match release.share(operation, target.as_ref()).await {
            Ok(share) => share,
            Err(failure) => return Err(not_ready(failure)),
        };
        for finding in target.preflight(&share.payloads).await {
            missing += u32::from(!finding.ok);
            tell(operation, target.name(), finding);
        }
    }
    if let Err(failure) = prepare::prepare(operation, &release).await {
        return Err(not_ready(failure));
    }
    if let Some(ward) = &ward {
        ward.rehearse().await;
    }
    if 0 < missing {
        let what = match missing {
            1 => "1 precondition does".to_owned(),
            n => format!("{n} preconditions do"),
        };
        return Ok(Ending::new(
            Outcome::NotReady,
            format!("{}: {what} not hold", Outcome::NotReady.meaning()),
        )
        .hint("see the lines marked `missing` above"));
    }
    Ok(Ending::new(
        Outcome::Ready,
        "a rollback could be done now: the last good release is here and verified, and every precondition holds",
    ))
}

fn tell(operation: &Operation, target: &str, finding: Finding) {
    operation.tell(EventKind::Checked {
        target: target.to_owned(),
        check: finding.check,
        ok: finding.ok,
        detail: finding.detail,
        next: finding.next,
    });
}

/// What would end a rollback makes us not ready for one; usage errors stay what they are.
fn not_ready(mut failure: Failure) -> Failure {
    if failure.kind != Outcome::Usage {
        failure.cause = failure.cause.context(format!(
            "{}: it would end {}",
            Outcome::NotReady.meaning(),
            failure.kind
        ));
        failure.kind = Outcome::NotReady;
    }
    failure
}
