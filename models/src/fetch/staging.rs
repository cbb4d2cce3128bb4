//! The folder in which a fetch works until everything is right.

use std::{
    fs::{File, TryLockError},
    io,
    path::{Path, PathBuf},
};

use super::io_error;
use crate::{ModelError, spec::Artifact};

/// A working folder inside the repository. Removed when dropped; a killed process leaves it to the next fetch, which
/// removes it. One process at a time: the lock dies with its process.
pub(super) struct Staging {
    root: PathBuf,
    _lock: File,
}

impl Staging {
    /// Takes the lock (calling `waiting` when another process has it) and makes an empty folder.
    pub(super) fn begin(repository: &Path, name: &str, waiting: impl FnOnce()) -> Result<Self, ModelError> {
        let all = repository.join(".staging");
        let failed = |error: io::Error| io_error(format!("prepare {}", all.display()), &error);
        std::fs::create_dir_all(&all).map_err(failed)?;
        let lock = File::create(all.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                waiting();
                lock.lock().map_err(failed)?;
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // Whatever lies here belongs to nobody: its owner would hold the lock.
        for entry in std::fs::read_dir(&all).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_type().map_err(failed)?.is_dir() {
                std::fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        let root = all
            .join(name)
            .canonicalize()
            .or_else(|_| std::fs::create_dir(all.join(name)).and_then(|()| all.join(name).canonicalize()));
        Ok(Self { root: root.map_err(failed)?, _lock: lock })
    }

    /// Where it is, as an absolute path.
    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// A new folder in it.
    pub(super) fn folder(&self, name: &str) -> Result<PathBuf, ModelError> {
        let path = self.root.join(name);
        std::fs::create_dir_all(&path).map_err(|error| io_error(format!("create {}", path.display()), &error))?;
        Ok(path)
    }

    /// Moves verified files from `from` to `to`. When one cannot be moved, those moved before it are removed again.
    pub(super) fn install(&self, from: &Path, to: &Path, artifacts: &[Artifact]) -> Result<(), ModelError> {
        for (done, artifact) in artifacts.iter().enumerate() {
            let target = to.join(&artifact.path);
            if let Err(error) = put(&from.join(&artifact.path), &target) {
                for artifact in &artifacts[..done] {
                    // The first error is the one to tell.
                    let _ = std::fs::remove_file(to.join(&artifact.path));
                }
                return Err(io_error(format!("put {} in place", target.display()), &error));
            }
        }
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // The next fetch removes what stays.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// Renames; across file systems (a library folder that is mounted) copies beside the target first.
fn put(from: &Path, to: &Path) -> io::Result<()> {
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder)?;
    }
    match std::fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let mut partial = to.as_os_str().to_owned();
            partial.push(".partial");
            std::fs::copy(from, &partial)?;
            std::fs::rename(&partial, to)
        }
        other => other,
    }
}
