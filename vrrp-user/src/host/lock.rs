//! The runtime directory, and what keeps a second daemon out of it: a lock, and a name in the network
//! namespace. Daemons that see directories of their own under one path each have the lock, but programs
//! on devices know them by the path.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::{self, Seek, SeekFrom, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    io::{Errno, FdFlags, fcntl_setfd},
    net::{
        AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, socket_with,
    },
    process::geteuid,
};
use tracing::warn;

use super::{Error, Result};
use crate::{datapath::Owner, sys::peer::peer};

/// How long a daemon that is about to end, or was killed, may still have the lock.
const PATIENCE: Duration = Duration::from_secs(1);
/// The file in the directory that is locked; it holds the number of the process.
const LOCK: &str = "lock";
/// How often to look.
const LOOK: Duration = Duration::from_millis(5);
/// Those who found the name taken, and whom nobody answers.
const BACKLOG: i32 = 4096;

/// A runtime directory that belongs to this process until the value is dropped, and to the worker
/// that was given its lock and, as any child of this process, has the name.
///
/// The kernel releases both when the process dies, however it dies. The files stay: a daemon
/// that starts at that moment may hold them already.
#[derive(Debug)]
pub struct RuntimeDir {
    path: PathBuf,
    lock: File,
    /// `None` in a worker, which has it nevertheless, and where another user has it.
    _name: Option<OwnedFd>,
}

impl RuntimeDir {
    /// Creates the directory `path` (mode 0755, parents included) if needed and takes its lock and its
    /// name. Blocks up to a second for each while another daemon has it.
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
        match patiently(|| lock.try_lock(), |error| matches!(error, TryLockError::WouldBlock)) {
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
        let name = claim_name(path)?;
        if let Err(error) = write_pid(&mut lock) {
            // The number is for the message of a second daemon only.
            warn!("cannot write the process number to {}: {error}", lock_path.display());
        }
        Ok(Self { path: path.to_owned(), lock, _name: name })
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
        Ok(Self { path: path.to_owned(), lock, _name: None })
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

fn patiently<E>(
    mut take: impl FnMut() -> std::result::Result<(), E>,
    is_taken: impl Fn(&E) -> bool,
) -> std::result::Result<(), E> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match take() {
            Err(error) if is_taken(&error) && Instant::now() < deadline => thread::sleep(LOOK),
            outcome => return outcome,
        }
    }
}

/// Takes the name of the directory in this network namespace, an abstract Unix socket, which any user
/// can have: who is not ours keeps no daemon from starting.
fn claim_name(dir: &Path) -> Result<Option<OwnedFd>> {
    let failed = |errno| Error::File { action: "claim", path: dir.to_owned(), errno };
    let name = format!("xvrrp-{:016x}", Owner::of(dir).number());
    let address = SocketAddrUnix::new_abstract_name(name.as_bytes()).map_err(failed)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket =
        socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(failed)?;
    match patiently(|| bind(&socket, &address), |errno| *errno == Errno::ADDRINUSE) {
        Ok(()) => {
            listen(&socket, BACKLOG).map_err(failed)?;
            // For the worker, which may outlive this process. The runner that it starts closes it.
            fcntl_setfd(&socket, FdFlags::empty()).map_err(failed)?;
            Ok(Some(socket))
        }
        Err(Errno::ADDRINUSE) => {
            let connected = connect(&socket, &address);
            match connected.map_err(Into::into).and_then(|()| peer(socket.as_fd())) {
                Ok(peer) if peer.user == geteuid().as_raw() => {
                    Err(Error::AlreadyRunning { pid: peer.pid, dir: dir.to_owned() })
                }
                other => {
                    warn!("@{name} is not a daemon's of this user, and no obstacle: {other:?}");
                    Ok(None)
                }
            }
        }
        Err(errno) => Err(failed(errno)),
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

    /// `--runtime-dir`, issue 4: of two daemons that see different directories under one path, in one
    /// network namespace, the second learns of the first.
    #[test]
    fn one_daemon_per_path() {
        let temp = TempDir::new("lock-path");
        let dir = temp.path().join("xvrrp");
        let first = RuntimeDir::claim(&dir).unwrap();
        fs::rename(&dir, temp.path().join("of-the-first")).unwrap();
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
