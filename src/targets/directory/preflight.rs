//! Could a release be put in place now? Looked at without writing a byte.

use super::Directory;
use super::disk::{Disk, Seen};
use crate::model::payload::{Measured, Verified};
use crate::targets::{Finding, TargetError, process};
use rustix::fs::{Access, StatVfsMountFlags, access, statvfs};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Room beside the release itself: directory blocks, the link, the marker.
const ROOM_BYTES: u64 = 1024 * 1024;

pub(super) async fn findings(target: &Directory, payload: Option<&Verified>) -> Vec<Finding> {
    let mut findings = vec![current(target.blocking(Disk::look).await)];
    let root = target.disk.layout.root.clone();
    if !root.is_dir() {
        return findings;
    }
    findings.push(writable("directory writable", &root));
    let releases = target.disk.layout.releases();
    if releases.exists() {
        findings.push(writable("releases writable", &releases));
        findings.push(same_filesystem(&root, &releases));
    }
    if let Some(payload) = payload {
        findings.push(space(target, payload, &root).await);
    }
    if let Some(argv0) = target
        .settings
        .restart
        .as_ref()
        .and_then(|argv| argv.first())
    {
        findings.push(restart(target, argv0, payload));
    }
    findings
}

fn current(seen: Result<Seen, TargetError>) -> Finding {
    let check = "current release readable";
    match seen {
        Ok(Seen {
            revision: Some(revision),
            ..
        }) => Finding::ok(check, format!("holds {}", revision.short())),
        Ok(Seen { revision: None, .. }) => Finding::ok(check, "empty"),
        Err(TargetError::Refused { what, next, .. }) => Finding::bad(check, what, next),
        Err(error) => Finding::bad(
            check,
            error.to_string(),
            "run lastgood as a user that may read every file of the release",
        ),
    }
}

fn writable(check: &str, dir: &Path) -> Finding {
    let shown = dir.display();
    let read_only = statvfs(dir).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::RDONLY));
    if read_only {
        let next = format!("mount the filesystem of {shown} for writing");
        return Finding::bad(check, format!("{shown} is on a read-only filesystem"), next);
    }
    match access(dir, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => Finding::ok(check, shown.to_string()),
        Err(error) => Finding::bad(
            check,
            format!("{shown}: {error}"),
            format!("give the user that runs lastgood write permission on {shown}"),
        ),
    }
}

/// A rename cannot cross filesystems, and copying instead would not be atomic.
fn same_filesystem(root: &Path, releases: &Path) -> Finding {
    let check = "one filesystem";
    let device = |path: &Path| fs::metadata(path).map(|meta| meta.dev()).ok();
    let shown = releases.display();
    if device(root) == device(releases) {
        return Finding::ok(check, "releases lie beside current");
    }
    Finding::bad(
        check,
        format!("{shown} is on another filesystem than {}", root.display()),
        format!("move {shown} onto the filesystem of its root"),
    )
}

async fn space(target: &Directory, payload: &Verified, root: &Path) -> Finding {
    let check = "free space";
    let measured = Measured {
        path: payload.path().to_owned(),
        shape: payload.shape(),
        size_bytes: payload.size_bytes(),
        digest: payload.digest(),
    };
    let content = match target.becomes(measured).await {
        Ok(content) => content,
        Err(error) => {
            let next = "deploy an artifact that can be unpacked";
            return Finding::bad(check, error.to_string(), next);
        }
    };
    let digest = content.digest;
    if let Ok(Some(name)) = target.blocking(move |disk| disk.find(digest)).await {
        return Finding::ok(check, format!("release {name} is on disk already"));
    }
    let needed = content.size_bytes + content.size_bytes / 20 + ROOM_BYTES;
    match statvfs(root) {
        Ok(fs) if needed <= fs.f_bavail.saturating_mul(fs.f_frsize) => {
            Finding::ok(check, format!("{needed} bytes are needed and free"))
        }
        Ok(fs) => Finding::bad(
            check,
            format!(
                "{needed} bytes are needed, {} are free",
                fs.f_bavail.saturating_mul(fs.f_frsize)
            ),
            format!(
                "free space on the filesystem of {}, or lower keep",
                root.display()
            ),
        ),
        Err(error) => Finding::bad(
            check,
            format!("could not ask the filesystem: {error}"),
            format!("check that {} is mounted", root.display()),
        ),
    }
}

fn restart(target: &Directory, argv0: &str, payload: Option<&Verified>) -> Finding {
    let check = "restart program";
    let inside = argv0.contains('/') && !argv0.starts_with('/');
    let dir = match (inside, payload) {
        (true, None) => return Finding::ok(check, format!("{argv0} comes with the release")),
        (true, Some(payload)) if !payload.path().is_dir() => {
            return Finding::ok(check, format!("{argv0} comes with the release"));
        }
        (true, Some(payload)) => payload.path(),
        (false, _) => &target.disk.layout.root,
    };
    match process::locate(argv0, dir, &target.env) {
        Ok(path) => Finding::ok(check, path.display().to_string()),
        Err(why) => Finding::bad(
            check,
            why,
            "install the program, or name it in `restart` by its full path",
        ),
    }
}
