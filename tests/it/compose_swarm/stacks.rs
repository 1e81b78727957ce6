//! All that is done with services of a swarm, on one engine.

use super::{Images, changes, lease, target, watch};
use crate::docker::{Engine, Swarm};
use serde_json::json;

#[tokio::test]
async fn swarm_services_are_changed() {
    let Some(swarm) = Swarm::start().await else {
        return;
    };
    let images = Images::push(&swarm).await;
    tokio::join!(
        changes::forward_and_back_by_digest(&swarm, &images),
        changes::the_swarm_gives_up_and_the_way_back_works(&swarm, &images),
        changes::the_swarm_goes_back_by_itself(&swarm, &images),
        changes::gone_images_are_found_before_anything_is_touched(&swarm, &images),
        changes::what_somebody_else_puts_in_place_stays(&swarm, &images),
        changes::one_on_every_node_and_one_of_no_tasks(&swarm, &images),
        changes::a_tag_is_proven_by_what_runs_here(&swarm, &images),
        changes::an_election_of_managers_is_waited_for(&swarm, &images),
        changes::jobs_are_no_part_of_it(&swarm, &images),
    );
}

#[tokio::test]
async fn swarm_services_are_watched_and_leased() {
    let Some(swarm) = Swarm::start().await else {
        return;
    };
    let images = Images::push(&swarm).await;
    tokio::join!(
        watch::tasks_that_end_again_and_again_are_seen(&swarm, &images),
        watch::one_that_stays_is_quiet_and_one_that_is_changed_is_not(&swarm, &images),
        lease::a_config_keeps_two_operations_apart(&swarm),
    );
}

#[tokio::test]
async fn an_engine_without_one_is_refused() {
    let Some(engine) = Engine::find() else { return };
    let target = target(engine.host(), &json!({"stack": "shop"}));
    let error = target.guard().await.unwrap_err();
    assert!(error.to_string().contains("is in no swarm"), "{error}");
    let error = target.observe().await.unwrap_err();
    assert!(error.to_string().contains("no manager"), "{error}");
}
