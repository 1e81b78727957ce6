//! `watch`: the judging half, after a deploy step of the user's own.

use super::output::Output;
use super::stage::Stage;
use crate::world::service::Behaviour;

/// Run 10 deployed v1; run 20 has just put v2 in place by its own means.
async fn shop(v2: Behaviour) -> Stage {
    let stage = Stage::judged().await;
    stage.run_of(10, "v1");
    stage.deploying(20, &v2);
    stage.put(&v2);
    stage
}

async fn watch(stage: &Stage, args: &[&str]) -> Output {
    let args: Vec<&str> = ["watch"].iter().chain(args).copied().collect();
    stage.lastgood(&args).json().step(20).run().await
}

#[tokio::test]
async fn a_bad_release_is_replaced_or_reported_as_policy_says() {
    let rolls_back = async {
        let stage = shop(Behaviour::failing("v2", 0.5)).await;
        let out = watch(&stage, &[]).await;
        out.ended(10, "rolled-back");
        assert_eq!(stage.holds().as_deref(), Some("v1"));
        assert_eq!(out.json()["bad_run"], 20);
        assert_eq!(out.json()["run"], 10);
    };
    let fails = async {
        let stage = shop(Behaviour::failing("v2", 0.5)).await;
        let out = watch(&stage, &["--on-unhealthy", "fail"]).await;
        out.ended(11, "unhealthy").says("`lastgood rollback`");
        assert_eq!(stage.holds().as_deref(), Some("v2"));
        assert!(stage.world.requests().is_empty(), "GitHub was not needed");
    };
    let stays = async {
        let stage = shop(Behaviour::good("v2")).await;
        let out = watch(&stage, &[]).await;
        out.ended(0, "healthy");
        assert_eq!(stage.holds().as_deref(), Some("v2"));
        assert!(stage.world.requests().is_empty(), "GitHub was not needed");
    };
    tokio::join!(rolls_back, fails, stays);
}
