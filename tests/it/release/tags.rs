//! The tags of a release: both or none, of a commit that GitHub takes from a token without the right to write workflows. GitHub is a
//! bare repository.

use super::{Checkout, DIGEST, command, finished, program};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

#[track_caller]
fn git(at: &Path, args: &[&str]) -> String {
    finished(&command("git", at).args(args).output().unwrap())
}

/// A checkout, and the repository that has its branch main.
fn pushed() -> (Checkout, TempDir) {
    let (checkout, remote) = (Checkout::new(), TempDir::new().unwrap());
    git(remote.path(), &["init", "--quiet", "--bare"]);
    checkout.git(&["init", "--quiet", "--initial-branch", "main"]);
    checkout.git(&["add", "--all"]);
    checkout.git(&["commit", "--quiet", "--message", "work"]);
    checkout.git(&["remote", "add", "origin", remote.path().to_str().unwrap()]);
    checkout.git(&["push", "--quiet", "origin", "main"]);
    (checkout, remote)
}

/// Both tags or none: a remote that refuses one of them gets neither.
#[test]
fn a_push_that_is_refused_leaves_no_tag() {
    let (checkout, remote) = pushed();
    let at_remote = |args: &[&str]| git(remote.path(), args);
    let hook = remote.path().join("hooks/update");
    program(&hook, "test \"$1\" != refs/tags/v1\n");
    checkout.ok(&["action", DIGEST]);
    checkout.refusal(&["tag", "1.2.3"]);
    assert_eq!(at_remote(&["tag", "--list"]), "");
    fs::remove_file(&hook).unwrap();
    // As the job begins when it runs again.
    checkout.git(&[
        "checkout",
        "--quiet",
        "--force",
        "-B",
        "again",
        "origin/main",
    ]);
    checkout.ok(&["action", DIGEST]);
    checkout.ok(&["tag", "1.2.3"]);
    assert_eq!(at_remote(&["tag", "--list"]), "v1\nv1.2.3");
}

/// The tag of a version stays where it is; that of the major version moves; the branch is not touched.
#[test]
fn tags_are_pushed_and_only_one_of_them_moves() {
    let (checkout, remote) = pushed();
    let at_remote = |args: &[&str]| git(remote.path(), args);
    let main = checkout.git(&["rev-parse", "HEAD"]);
    // As GitHub does with this token (actions/checkout#1421): workflow files are those of the tip of a branch, or none.
    let hook = "case $1 in refs/tags/*) ;; *) exit 0 ;; esac
         files=$(git ls-tree \"$3\" .github/workflows)
         test -z \"$files\" || test \"$files\" = \"$(git ls-tree main .github/workflows)\"\n";
    program(&remote.path().join("hooks/update"), hook);
    // While the release was made, somebody changed one on main.
    checkout.git(&["checkout", "--quiet", "-B", "later"]);
    fs::write(checkout.path(".github/workflows/ci.yml"), "name: Later\n").unwrap();
    checkout.git(&["commit", "--quiet", "--all", "--message", "later"]);
    checkout.git(&["push", "--quiet", "origin", "later:main"]);
    let later = checkout.git(&["rev-parse", "HEAD"]);
    checkout.git(&["checkout", "--quiet", "main"]);
    assert!(
        checkout
            .refusal(&["tag", "1.2.3"])
            .contains("expected it alone")
    );
    checkout.ok(&["action", DIGEST]);
    let first = checkout.ok(&["tag", "1.2.3"]);
    for tag in ["v1.2.3", "v1"] {
        assert_eq!(at_remote(&["rev-parse", tag]), first, "{tag}");
    }
    assert_eq!(at_remote(&["rev-parse", "main"]), later);
    assert_eq!(
        at_remote(&["diff", "--name-status", &main, "v1"]),
        "D\t.github/workflows/ci.yml\nM\taction.yml"
    );

    checkout.git(&["checkout", "--quiet", "-B", "again", "origin/main"]);
    checkout.ok(&["action", DIGEST]);
    let next = checkout.ok(&["tag", "1.3.0"]);
    // Whoever makes 1.2.3 again has another commit, if only by its time.
    checkout.git(&["checkout", "--quiet", "-B", "third", "origin/main"]);
    checkout.git(&[
        "commit",
        "--quiet",
        "--allow-empty",
        "--message",
        "more work",
    ]);
    checkout.ok(&["action", &DIGEST.replace("sha256:0", "sha256:f")]);
    let refusal = checkout.refusal(&["tag", "1.2.3"]);
    assert!(
        refusal.contains("found the tag v1.2.3 of another image"),
        "{refusal}"
    );
    assert_eq!(at_remote(&["rev-parse", "v1.2.3"]), first);
    // A job that runs again after its push finds it done, and leaves the major version where a later release put it.
    checkout.git(&[
        "checkout",
        "--quiet",
        "--force",
        "-B",
        "fourth",
        "origin/main",
    ]);
    checkout.ok(&["action", DIGEST]);
    assert_eq!(checkout.ok(&["tag", "1.2.3"]), first);
    assert_eq!(
        (
            at_remote(&["rev-parse", "v1.3.0"]),
            at_remote(&["rev-parse", "v1"])
        ),
        (next.clone(), next)
    );
}
