//! What must hold of any list of runs.

use super::*;
use proptest::prelude::*;

fn any_run() -> impl Strategy<Value = Run> {
    let event = prop_oneof![
        Just("push"),
        Just("pull_request"),
        Just("workflow_run"),
        Just("issues")
    ];
    let status = prop_oneof![Just(None), Just(Some("completed")), Just(Some("queued"))];
    let conclusion = prop_oneof![Just(None), Just(Some("success")), Just(Some("failure"))];
    let ids = (
        0..5_u64,
        proptest::option::of(0..3_u64),
        proptest::option::of(0..3_u64),
    );
    let times = (
        proptest::option::of(0..4_i64),
        proptest::option::of(0..4_i64),
    );
    (ids, event, status, conclusion, times, 0..3_u8).prop_map(
        |((id, repository_id, head_repository_id), event, status, conclusion, times, sha)| {
            let time = |at: Option<i64>| at.map(|at| Timestamp::from_second(at).unwrap());
            Run {
                id: RunId(id),
                event: event.to_owned(),
                status: status.map(str::to_owned),
                conclusion: conclusion.map(str::to_owned),
                sha: CommitSha(sha.to_string()),
                started_at: time(times.0),
                created_at: time(times.1),
                repository_id,
                head_repository_id,
                ..run()
            }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn newest_first_is_a_total_order(
        runs in proptest::collection::vec(any_run(), 0..12), seed in 0..1000_usize
    ) {
        let mut sorted = runs.clone();
        newest_first(&mut sorted);
        for pair in sorted.windows(2) {
            prop_assert!(age(&pair[1]) <= age(&pair[0]));
        }
        let mut other = runs;
        if !other.is_empty() {
            let by = seed % other.len();
            other.rotate_left(by);
        }
        newest_first(&mut other);
        let keys = |runs: &[Run]| runs.iter().map(age).collect::<Vec<_>>();
        prop_assert_eq!(keys(&sorted), keys(&other));
    }

    #[test]
    fn what_must_not_be_chosen_is_not(run in any_run(), listed in any::<bool>()) {
        let mut policy = policy();
        policy.own_run = Some(RunId(0));
        policy.exclude_runs = vec![RunId(1)];
        policy.bad_runs = [(RunId(2), String::new())].into();
        policy.failing_sha = Some(CommitSha("0".to_owned()));
        policy.bad_shas = [(CommitSha("1".to_owned()), String::new())].into();
        if listed {
            policy.events = ["push", "pull_request", "workflow_run"].map(str::to_owned).to_vec();
        }
        if screen(&run, &policy).is_ok() {
            prop_assert!(3 <= run.id.0);
            prop_assert_eq!(&run.sha.0, "2");
            prop_assert!(run.event == "push" || (listed && run.event == "workflow_run"));
            prop_assert!(run.repository_id.is_some() && run.repository_id == run.head_repository_id);
            prop_assert_eq!(run.status.as_deref(), Some("completed"));
            prop_assert_eq!(run.conclusion.as_deref(), Some("success"));
        }
    }
}
