//! The runtime directory and the lock that keeps a second daemon out of it.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::{
        fd::AsFd,
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use super::{Error, Result};

/// How long a daemon that is about to end, or was killed, may still have the lock.
const PATIENCE: Duration = Duration::from_secs(1);
/// The file in the directory that is locked; it holds the number of the process.
const LOCK: &str = "lock";
/// How often to look.
const LOOK: Duration = Duration::from_millis(5);

/// A runtime directory that belongs to this process until the value is dropped, and to the worker
/// that was given its lock.
///
/// The kernel releases the lock when the process dies, however it dies. The files stay: a daemon
/// that starts at that moment may hold them already.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    lock: File,
}

impl RuntimeDir {
    /// Creates the directory `path` (mode 0755, parents included) if needed and takes its lock. Blocks
    /// up to a second while another daemon has it.
    pub fn claim(path: &Path) -> Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o755)
            .create(path)
            .map_err(Error::file("create", path))?;
        let lock_path = path.join(LOCK);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&lock_path)
            .map_err(Error::file("open", &lock_path))?;
        match lock_patiently(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::AlreadyRunning {
                    pid: holder(&lock_path),
                    dir: path.to_owned(),
                });
            }
            Err(TryLockError::Error(error)) => {
                return Err(Error::file("lock", lock_path)(error));
            }
        }
        if let Err(error) = write_pid(&mut lock) {
            // The number is for the message of a second daemon only.
            tracing::warn!("cannot write the process number to {}: {error}", lock_path.display());
        }
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The directory `path`, which another process has claimed and given to this one with the lock as
    /// its standard input. From then on that is empty.
    pub fn inherit(path: &Path) -> Result<Self> {
        let lock_path = path.join(LOCK);
        let identity = |file: &fs::Metadata| (file.dev(), file.ino());
        let lock = File::from(
            io::stdin().as_fd().try_clone_to_owned().map_err(Error::file("open", &lock_path))?,
        );
        let is_it = match (lock.metadata(), fs::metadata(&lock_path)) {
            (Ok(given), Ok(expected)) => identity(&given) == identity(&expected),
            _ => false,
        };
        if !is_it {
            return Err(Error::NotClaimed { dir: path.to_owned() });
        }
        let nothing = File::open("/dev/null").map_err(Error::file("open", "/dev/null"))?;
        rustix::stdio::dup2_stdin(nothing)
            .map_err(|errno| Error::file("close", &lock_path)(errno.into()))?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The process that has claimed the directory; `None` if it could not write its number down.
    pub fn claimant(&self) -> Option<u32> {
        holder(&self.path.join(LOCK))
    }

    /// The lock, for another process that is to have the directory as well.
    pub fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn lock_patiently(lock: &File) -> std::result::Result<(), TryLockError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => thread::sleep(LOOK),
            outcome => return outcome,
        }
    }
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())
}

fn holder(lock_path: &Path) -> Option<u32> {
    fs::read_to_string(lock_path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustix::io::Errno;

    use super::*;
    use crate::host::testing::TempDir;

    /// `--runtime-dir`: created with mode 0755, and a second daemon learns who is there.
    #[test]
    fn one_daemon_per_directory() {
        let temp = TempDir::new("lock");
        let dir = temp.path().join("run/xvrrp");
        let first = RuntimeDir::claim(&dir).unwrap();
        assert_eq!(first.path(), dir);
        assert_eq!(first.claimant(), Some(std::process::id()));
        let mode = fs::metadata(&dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);

        let second = RuntimeDir::claim(&dir).unwrap_err();
        let pid = Some(std::process::id());
        assert_eq!(second, Error::AlreadyRunning { pid, dir: dir.clone() });

        drop(first);
        RuntimeDir::claim(&dir).unwrap();
    }

    /// `--runtime-dir`: the error names the path.
    #[test]
    fn unusable_path_is_named() {
        let temp = TempDir::new("lock-file");
        let file = temp.path().join("file");
        fs::write(&file, "").unwrap();
        let path = file.join("xvrrp");
        let error = RuntimeDir::claim(&path).unwrap_err();
        assert_eq!(
            error,
            Error::File { action: "create", path: path.clone(), errno: Errno::NOTDIR }
        );
        assert!(error.to_string().contains(path.to_str().unwrap()));
    }
}
