//! Copies a tree so that it survives a power cut.

use super::writer::TreeWriter;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Copies all files and directories below `from` into `to`, which must not exist or be empty. Of the modes only the right
/// to execute is kept. On Linux the copy is on the disk when this returns.
///
/// # Errors
/// `from` holds a symbolic link or something that is neither file nor directory; `to` holds a file of the same name.
pub fn copy_tree(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    let mut tree = TreeWriter::new(to)?;
    let mut open = vec![String::new()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(from.join(&dir))? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name
                .to_str()
                .ok_or_else(|| refused(&entry.path(), "has a name that is not UTF-8"))?;
            let path = match dir.as_str() {
                "" => name.to_owned(),
                dir => format!("{dir}/{name}"),
            };
            let kind = entry.file_type()?;
            if kind.is_dir() {
                tree.dir(&path)?;
                open.push(path);
            } else if kind.is_file() {
                let executable = entry.metadata()?.permissions().mode() & 0o111 != 0;
                io::copy(
                    &mut File::open(entry.path())?,
                    &mut tree.file(&path, executable)?,
                )?;
            } else {
                return Err(refused(&entry.path(), "is neither a file nor a directory"));
            }
        }
    }
    sync(to)
}

/// One call for the whole tree: syncing 10,000 files one by one takes minutes on a slow disk.
fn sync(tree: &Path) -> io::Result<()> {
    let tree = File::open(tree)?;
    #[cfg(target_os = "linux")]
    rustix::fs::syncfs(&tree)?;
    #[cfg(not(target_os = "linux"))]
    tree.sync_all()?;
    Ok(())
}

fn refused(path: &Path, why: &str) -> io::Error {
    let what = format!(
        "{} {why}, expected files and directories only",
        path.display()
    );
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::measure;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_copy_holds_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        fs::create_dir_all(from.join("a/empty")).unwrap();
        fs::write(from.join("a/x"), "1").unwrap();
        fs::write(from.join("run"), "2").unwrap();
        fs::set_permissions(from.join("run"), fs::Permissions::from_mode(0o4711)).unwrap();
        copy_tree(&from, &to).unwrap();
        assert_eq!(measure(&from).unwrap().digest, measure(&to).unwrap().digest);
        assert!(to.join("a/empty").is_dir());
        let mode = fs::metadata(to.join("run")).unwrap().permissions().mode();
        assert_eq!(mode & 0o7100, 0o100);
        copy_tree(&from, &to).unwrap_err();
        symlink("x", from.join("a/link")).unwrap();
        copy_tree(&from, &dir.path().join("other")).unwrap_err();
    }
}
