//! Every way a run can have been killed, and what others do to the releases: the next run makes up for it.

use super::*;
use std::os::unix::fs::symlink;

/// What each way of being killed leaves on disk, in the order of the steps.
#[tokio::test]
async fn whatever_a_killed_run_left_is_cleaned_up_or_made_up_for() {
    type Leave = fn(&Yard, &str);
    let leftovers: [(&str, Leave); 6] = [
        ("while copying", |yard, _next| {
            let staging = yard.root().join("releases/.staging-k1ll3d/release");
            fs::create_dir_all(&staging).unwrap();
            fs::write(staging.join("index.html"), "rel").unwrap();
        }),
        ("after the release got its name", |yard, next| {
            copy_release(yard, next);
        }),
        ("while noting the restart", |yard, next| {
            copy_release(yard, next);
            fs::write(yard.root().join(".current-k1ll3d"), next).unwrap();
        }),
        ("between the note and the new link", |yard, next| {
            copy_release(yard, next);
            fs::write(yard.root().join(".restart-pending"), format!("{next}\n")).unwrap();
        }),
        ("between the new link and its rename", |yard, next| {
            copy_release(yard, next);
            fs::write(yard.root().join(".restart-pending"), format!("{next}\n")).unwrap();
            symlink(
                format!("releases/{next}"),
                yard.root().join(".current-k1ll3d"),
            )
            .unwrap();
        }),
        ("while removing an old release", |yard, _next| {
            fs::create_dir_all(yard.root().join("releases/.trash-k1ll3d/old")).unwrap();
        }),
    ];
    for (step, leave) in leftovers {
        let yard = Yard::new();
        yard.put_and_check(1).await;
        let next = format!("{}-2", yard.payload(2).unwrap().digest.short());
        leave(&yard, &next);
        // Nothing of it is seen: release 1 runs.
        assert_eq!(yard.seen().await.phase, Phase::Running, "{step}");
        assert_eq!(yard.served(), "release 1", "{step}");
        yard.put_and_check(2).await;
        assert_eq!(yard.restarts(), 2, "{step}");
    }
}

fn copy_release(yard: &Yard, name: &str) {
    let to = yard.root().join("releases").join(name);
    tree::copy_tree(&yard.dir.path().join("2"), &to).unwrap();
    fs::remove_file(to.join(MANIFEST_NAME)).unwrap();
}

#[tokio::test]
async fn killed_between_switch_and_restart_is_seen_as_stopped() {
    let yard = Yard::new();
    yard.put_and_check(1).await;
    yard.put_and_check(2).await;
    let now = fs::read_link(yard.root().join("current")).unwrap();
    let now = now.file_name().unwrap().to_str().unwrap();
    fs::write(yard.root().join(".restart-pending"), format!("{now}\n")).unwrap();
    assert_eq!(yard.seen().await.phase, Phase::Stopped);
    assert_eq!(
        yard.seen().await.revision,
        Some(disk::revision(yard.payload(2).unwrap().digest))
    );
    // Rolled back instead, and killed before the switch: release 2 still waits for its restart.
    let back = format!("{}-1", yard.payload(1).unwrap().digest.short());
    let layout = Layout { root: yard.root() };
    layout.mark_pending(&back).unwrap();
    assert_eq!(yard.seen().await.phase, Phase::Stopped);
    yard.put_and_check(2).await;
    assert_eq!(yard.restarts(), 3);
}

#[tokio::test]
async fn a_damaged_release_is_replaced_and_never_used() {
    let yard = Yard::new();
    yard.put_and_check(1).await;
    yard.put_and_check(2).await;
    let first = format!("{}-1", yard.payload(1).unwrap().digest.short());
    fs::write(
        yard.root().join("releases").join(&first).join("index.html"),
        "damaged",
    )
    .unwrap();
    yard.put_and_check(1).await;
    // Damaged while it runs: the new one lies beside it, the switch stays atomic.
    yard.meddle();
    yard.put_and_check(1).await;
    assert!(yard.names("releases").contains(&format!("{first}.2")));
    // A link planted into the running release is another revision, not an error.
    symlink("/etc/passwd", yard.root().join("current/x")).unwrap();
    assert!(
        yard.seen()
            .await
            .revision
            .unwrap()
            .0
            .starts_with("irregular: \"x\" is a symbolic link")
    );
    yard.put_and_check(1).await;
}
