//! The configuration that is in force, written down for the worker that takes the place of one that
//! died: the file may have been edited since it was read, and nobody has asked for that yet.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use tracing::warn;

use crate::config::{self, Config, Loaded};

/// Name of the file in the runtime directory.
const FILE: &str = "running.conf";

/// Where it is written down.
pub(super) struct Running(PathBuf);

impl Running {
    /// In the runtime directory `dir`, which this process has claimed.
    pub(super) fn new(dir: &Path) -> Self {
        Self(dir.join(FILE))
    }

    /// Writes down what is in force from now on. If that fails, what was in force before is not kept
    /// either; the error is a sentence for people.
    pub(super) fn keep(&self, config: &Config) -> Result<(), String> {
        replace(&self.0, &config.to_string()).map_err(|error| {
            remove(&self.0);
            format!(
                "cannot write {}: {error}; a new worker would begin with the file as it is then",
                self.0.display()
            )
        })
    }
}

/// What the last worker with this runtime directory ran; `None` if it has not written that down.
pub(super) fn last(dir: &Path) -> Option<Loaded> {
    let path = dir.join(FILE);
    path.exists().then(|| config::load_as(&path, ""))
}

/// Nobody is to go on with it.
pub(super) fn forget(dir: &Path) {
    remove(&dir.join(FILE));
}

fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != ErrorKind::NotFound
    {
        warn!("cannot remove {}: {error}", path.display());
    }
}

/// A worker that dies over it leaves the old file or the new one. It may contain passwords.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("conf.new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = file.write_all(text.as_bytes()).and_then(|()| fs::rename(&new, path));
    // The half of it is of no use to anybody.
    written.inspect_err(|_| remove(&new))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::host::testing::TempDir;

    /// Issues 4 and 6: what is in force can be read back by the next worker and by no other user, and
    /// is gone when nobody is to go on with it.
    #[test]
    fn written_and_read() {
        let dir = TempDir::new("running");
        assert!(last(dir.path()).is_none());
        let running = Running::new(dir.path());
        for priority in [100, 101] {
            let text = format!(
                "vrrp_instance V {{\ninterface eth0\nvirtual_router_id 1\npriority {priority}\n\
                 virtual_ipaddress {{\n192.0.2.1\n}}\n}}\n"
            );
            let config = config::parse("test.conf", text.as_bytes()).config.unwrap();
            running.keep(&config).unwrap();
            let read = last(dir.path()).and_then(|loaded| loaded.config).unwrap();
            assert_eq!(read.to_string(), config.to_string());
            assert_eq!(read.instances[0].priority.get(), priority);
        }
        let files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(Result::unwrap).collect();
        assert_eq!(files.len(), 1);
        assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);
        // What cannot be replaced is not in force any more.
        fs::create_dir(dir.path().join("running.conf.new")).unwrap();
        let config = last(dir.path()).and_then(|loaded| loaded.config).unwrap();
        let said = running.keep(&config).unwrap_err();
        assert!(said.contains("running.conf: Is a directory"), "{said}");
        assert!(last(dir.path()).is_none());
        fs::remove_dir(dir.path().join("running.conf.new")).unwrap();
        running.keep(&config).unwrap();
        forget(dir.path());
        assert!(last(dir.path()).is_none());
        forget(dir.path());
    }
}
