//! Stopping and starting, status, logs and cycles.

use super::{Bench, agent, certified, code, reject, uncertified};
use crate::replica::{EMPTY, Options, Prices, SeenStatus, StatusAnswer, modules};
use candid::{CandidType, Nat, Principal};
use ic_agent::AgentError;
use ic_agent::identity::AnonymousIdentity;
use ic_management_canister_types as types;
use serde::Deserialize;
use std::sync::Arc;
use std::time::Duration;

/// The fields that no replica leaves out.
#[derive(CandidType, Deserialize)]
#[expect(clippy::struct_field_names, reason = "the names of Candid")]
struct Status {
    status: types::CanisterStatusType,
    module_hash: Option<Vec<u8>>,
    cycles: Nat,
}

#[tokio::test]
async fn a_stopped_canister_takes_no_calls_and_can_be_upgraded() {
    let bench = Bench::good().await;
    bench.tell("stop_canister").await.unwrap();
    bench.tell("stop_canister").await.unwrap();
    assert_eq!(code(bench.ask("version").await), uncertified("IC0508"));
    assert_eq!(code(bench.bump().await), certified("IC0508"));
    bench.upgrade(&modules::good_v2()).await.unwrap();
    assert_eq!(bench.replica.seen(bench.id).status, SeenStatus::Stopped);
    bench.tell("start_canister").await.unwrap();
    assert_eq!(bench.replica.version(bench.id), "v2");
    assert_eq!(
        code(bench.tell("delete_canister").await),
        certified("IC0510")
    );
}

#[tokio::test]
async fn a_start_cancels_a_stop_that_waits() {
    let bench = Bench::with(Options {
        sync_call_max: Duration::from_millis(50),
        ..Options::default()
    })
    .await;
    bench.replica.install(bench.id, &modules::good_v1());
    bench.replica.hold_stopping(bench.id);
    let stop = bench.tell("stop_canister");
    let start = async {
        while bench.replica.seen(bench.id).status != SeenStatus::Stopping {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(code(bench.ask("version").await), uncertified("IC0509"));
        let status: Status = bench.about("canister_status").await.unwrap();
        assert_eq!(status.status, types::CanisterStatusType::Stopping);
        bench.tell("start_canister").await
    };
    let (stopped, started) = tokio::join!(stop, start);
    started.unwrap();
    let (reject, is_certified) = reject(stopped);
    assert_eq!(
        (reject.error_code.as_deref(), is_certified),
        (Some("IC0511"), true)
    );
    assert_eq!(bench.replica.seen(bench.id).status, SeenStatus::Running);
}

#[tokio::test]
async fn a_stop_waits_for_open_calls_but_not_for_ever() {
    let options = Options {
        stop_max: Duration::from_millis(100),
        ..Options::default()
    };
    let bench = Bench::with(options).await;
    bench.replica.install(bench.id, &modules::good_v1());
    bench.replica.hold_stopping(bench.id);
    assert_eq!(code(bench.tell("stop_canister").await), certified("IC0206"));
    assert_eq!(bench.replica.seen(bench.id).status, SeenStatus::Stopping);
    bench.replica.release(bench.id);
    assert_eq!(bench.replica.seen(bench.id).status, SeenStatus::Stopped);

    bench.tell("start_canister").await.unwrap();
    bench.replica.hold_stopping(bench.id);
    let release = async {
        while bench.replica.seen(bench.id).status != SeenStatus::Stopping {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        bench.replica.release(bench.id);
    };
    let (stopped, ()) = tokio::join!(bench.tell("stop_canister"), release);
    stopped.unwrap();
}

#[tokio::test]
async fn queries_may_lag_behind_a_start() {
    let bench = Bench::good().await;
    bench
        .replica
        .faults(|faults| faults.lag_queries(Duration::from_millis(300)));
    bench.tell("stop_canister").await.unwrap();
    bench.tell("start_canister").await.unwrap();
    assert_eq!(code(bench.ask("version").await), uncertified("IC0508"));
    bench.bump().await.unwrap();
    tokio::time::sleep(Duration::from_millis(310)).await;
    bench.ask("version").await.unwrap();
}

#[tokio::test]
async fn the_status_comes_in_all_ages_and_is_not_for_strangers() {
    let bench = Bench::good().await;
    for answer in [
        StatusAnswer::Today,
        StatusAnswer::Older,
        StatusAnswer::Future,
    ] {
        bench.replica.faults(|faults| faults.status_answer(answer));
        let status: Status = bench.about("canister_status").await.unwrap();
        assert_eq!(status.status, types::CanisterStatusType::Running);
        assert_eq!(status.module_hash.map(|hash| hash.len()), Some(32));
        assert_eq!(status.cycles, bench.replica.seen(bench.id).cycles);
    }
    bench
        .replica
        .faults(|faults| faults.status_answer(StatusAnswer::Denied));
    assert_eq!(
        code(bench.tell("canister_status").await),
        uncertified("IC0542")
    );

    let stranger = agent(&bench.replica, Arc::new(AnonymousIdentity));
    for (answer, error) in [
        (StatusAnswer::Today, "IC0542"),
        (StatusAnswer::Older, "IC0512"),
    ] {
        bench.replica.faults(|faults| faults.status_answer(answer));
        let arg = candid::encode_one(bench.record()).unwrap();
        let query = stranger
            .query(&super::MANAGEMENT, "canister_status")
            .with_effective_canister_id(bench.id);
        assert_eq!(code(query.with_arg(arg).call().await), uncertified(error));
    }
}

async fn logs(agent: &ic_agent::Agent, id: Principal) -> Result<Vec<String>, AgentError> {
    let arg = types::FetchCanisterLogsArgs {
        canister_id: id,
        filter: None,
    };
    let query = agent
        .query(&super::MANAGEMENT, "fetch_canister_logs")
        .with_effective_canister_id(id);
    let reply = query
        .with_arg(candid::encode_one(arg).unwrap())
        .call()
        .await?;
    let logs: types::FetchCanisterLogsResult = candid::decode_one(&reply).unwrap();
    let text = |record: types::CanisterLogRecord| String::from_utf8(record.content).unwrap();
    Ok(logs.canister_log_records.into_iter().map(text).collect())
}

#[tokio::test]
async fn traps_are_logged_but_not_those_of_queries() {
    let bench = Bench::empty().await;
    bench.replica.install(bench.id, &modules::logs_traps());
    assert_eq!(code(bench.bump().await), certified("IC0503"));
    let lines = logs(&bench.agent, bench.id).await.unwrap();
    assert_eq!(
        lines,
        [
            "bumping.",
            "[TRAP]: told to trap\nCanister Backtrace:\nshop::bump"
        ]
    );
    assert_eq!(bench.replica.count(bench.id), 0);

    bench.upgrade(&modules::bad_query()).await.unwrap();
    assert_eq!(code(bench.ask("version").await), uncertified("IC0503"));
    assert_eq!(logs(&bench.agent, bench.id).await.unwrap().len(), 2);

    let stranger = agent(&bench.replica, Arc::new(AnonymousIdentity));
    assert_eq!(code(logs(&stranger, bench.id).await), uncertified("IC0406"));
    assert_eq!(
        code(bench.tell("fetch_canister_logs").await),
        uncertified("IC0406")
    );

    for number in 0..50 {
        bench
            .replica
            .change(bench.id, |canister| canister.log(number, vec![b'x'; 1000]));
    }
    assert_eq!(bench.replica.seen(bench.id).logs.len(), 4);
}

#[tokio::test]
async fn without_cycles_nothing_is_installed() {
    let bench = Bench::good().await;
    bench.replica.set_prices(Prices {
        install: 1000,
        snapshot: 10,
    });
    bench.replica.change(bench.id, |canister| {
        canister.idle_per_day = 100;
        canister.cycles = canister.freezing_limit() + 999;
    });
    let (reject, is_certified) = reject(bench.upgrade(&modules::good_v2()).await);
    assert!(is_certified);
    assert_eq!(reject.error_code.as_deref(), Some("IC0207"));
    assert!(
        reject
            .reject_message
            .contains("at least 1 additional cycles"),
        "{reject:?}"
    );
    assert_eq!(bench.replica.version(bench.id), "v1");
    let arg = types::TakeCanisterSnapshotArgs {
        canister_id: bench.id,
        replace_snapshot: None,
        uninstall_code: None,
        sender_canister_version: None,
    };
    bench.manage("take_canister_snapshot", &arg).await.unwrap();
    bench.replica.change(bench.id, |canister| {
        canister.cycles = canister.freezing_limit() + 9;
    });
    assert_eq!(
        code(bench.manage("take_canister_snapshot", &arg).await),
        certified("IC0207")
    );
    bench
        .replica
        .change(bench.id, |canister| canister.cycles = 0);
    assert_eq!(code(bench.bump().await), certified("IC0207"));
    assert_eq!(code(bench.ask("version").await), uncertified("IC0207"));
}

#[tokio::test]
async fn a_slow_canister_is_slow_and_an_endless_one_is_ended() {
    let bench = Bench::empty().await;
    bench.replica.install(bench.id, &modules::slow());
    bench.ask("version").await.unwrap();
    let missing = bench
        .agent
        .query(&bench.id, "nonsense")
        .with_arg(EMPTY)
        .call()
        .await;
    let (reject, _) = reject(missing);
    assert_eq!(reject.error_code.as_deref(), Some("IC0536"));
    assert!(
        reject
            .reject_message
            .contains("Canister has no query method 'nonsense'")
    );
}
