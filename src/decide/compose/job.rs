//! Which services are jobs: they do a piece of work and end, as migrations do. Another image would do that work again, so a job is not
//! treated like a service that is to run.

use super::seen::State;

/// What a service is doing, if it is a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// It is no job: it is there to run.
    No,
    /// It has never been started.
    Waiting,
    /// It has not ended, or its policy starts it again after a failure.
    AtWork,
    /// It has ended well.
    Done,
    /// It has ended with this code.
    Failed(i64),
}

/// What one container tells of that.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Doing {
    pub state: State,
    /// Of its last end.
    pub exit_code: i64,
    /// Whether its policy starts it again whatever it ended with (`always`, `unless-stopped`).
    pub starts_again: bool,
    /// Whether ports of the host lead to it.
    pub has_ports: bool,
    /// Whether its HEALTHCHECK has found it well: it serves. An image shared with a service lends its HEALTHCHECK to jobs too.
    pub has_served: bool,
    /// Whether somebody is known to have stopped it.
    pub by_hand: bool,
}

impl Doing {
    /// Whether it did what it was there for. `is_awaited`: others wait for its end, so that it is a job for sure.
    pub fn is_done(&self, is_awaited: bool) -> bool {
        let serves = self.starts_again || self.has_ports || self.has_served || self.by_hand;
        self.state == State::Exited && self.exit_code == 0 && (is_awaited || !serves)
    }
}

/// What the containers of one service say together.
pub fn job(is_awaited: bool, containers: &[Doing]) -> Job {
    if containers.is_empty() {
        return Job::No;
    }
    if containers.iter().all(|one| one.is_done(is_awaited)) {
        return Job::Done;
    }
    if !is_awaited {
        return Job::No;
    }
    let has_ended = |one: &Doing| matches!(one.state, State::Exited | State::Dead);
    let is_new = |one: &Doing| one.state == State::Created;
    if !containers.iter().all(|one| has_ended(one) || is_new(one)) {
        return Job::AtWork;
    }
    let failed = containers
        .iter()
        .find(|one| has_ended(one) && one.exit_code != 0);
    failed.map_or(Job::Waiting, |one| Job::Failed(one.exit_code))
}

/// The services whose good end this label `com.docker.compose.depends_on` waits for: `migrate:service_completed_successfully:false`, comma
/// separated (docker/compose `pkg/compose/convergence.go`).
pub fn awaited(depends_on: &str) -> impl Iterator<Item = &str> {
    depends_on.split(',').filter_map(|one| {
        let mut parts = one.trim().split(':');
        let service = parts.next()?;
        (parts.next() == Some("service_completed_successfully")).then_some(service)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn doing(state: State, exit_code: i64) -> Doing {
        Doing {
            state,
            exit_code,
            starts_again: false,
            has_ports: false,
            has_served: false,
            by_hand: false,
        }
    }

    #[test]
    fn what_others_wait_for_is_a_job_whatever_it_does() {
        use State::{Created, Dead, Exited, Paused, Restarting, Running};
        let rows = [
            (vec![doing(Exited, 0)], Job::Done, Job::Done),
            (vec![doing(Exited, 1)], Job::Failed(1), Job::No),
            (vec![doing(Dead, 137)], Job::Failed(137), Job::No),
            (vec![doing(Running, 0)], Job::AtWork, Job::No),
            (vec![doing(Restarting, 1)], Job::AtWork, Job::No),
            (vec![doing(Paused, 0)], Job::AtWork, Job::No),
            (vec![doing(Created, 0)], Job::Waiting, Job::No),
            (
                vec![doing(Exited, 0), doing(Exited, 2)],
                Job::Failed(2),
                Job::No,
            ),
            (
                vec![doing(Exited, 2), doing(Running, 0)],
                Job::AtWork,
                Job::No,
            ),
            (
                vec![doing(Exited, 0), doing(Created, 0)],
                Job::Waiting,
                Job::No,
            ),
            (Vec::new(), Job::No, Job::No),
        ];
        for (containers, awaited, alone) in rows {
            assert_eq!(job(true, &containers), awaited, "{containers:?}");
            assert_eq!(job(false, &containers), alone, "{containers:?}");
        }
    }

    #[test]
    fn what_serves_and_is_not_awaited_was_stopped() {
        let done = doing(State::Exited, 0);
        let rows = [
            Doing {
                starts_again: true,
                ..done
            },
            Doing {
                has_ports: true,
                ..done
            },
            Doing {
                has_served: true,
                ..done
            },
            Doing {
                by_hand: true,
                ..done
            },
        ];
        for one in rows {
            assert_eq!(job(false, &[one]), Job::No, "{one:?}");
            assert_eq!(job(true, &[one]), Job::Done, "{one:?}");
        }
    }

    #[test]
    fn the_label_names_what_is_waited_for() {
        let label = "db:service_healthy:false, migrate:service_completed_successfully:true,seed:service_completed_successfully:false";
        assert_eq!(awaited(label).collect::<Vec<_>>(), ["migrate", "seed"]);
        assert_eq!(awaited("migrate:service_started:true").count(), 0);
        assert_eq!(awaited("").count(), 0);
    }
}
