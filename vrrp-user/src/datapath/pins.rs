//! A file system for BPF objects that nobody else sees: the loader takes maps that are there already
//! only by their paths.

use std::{
    io,
    os::fd::{AsRawFd, OwnedFd},
    path::PathBuf,
};

use aya::maps::{MapData, MapError};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// A bpffs that is mounted nowhere. It ends with the value; maps that somebody uses stay.
pub(super) struct Pins(OwnedFd);

impl Pins {
    /// Needs CAP_SYS_ADMIN.
    pub(super) fn new() -> io::Result<Self> {
        let bpffs = fsopen("bpf", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_create(&bpffs)?;
        Ok(Self(fsmount(&bpffs, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())?))
    }

    /// Pins a map under its name and returns its path.
    pub(super) fn pin(&self, name: &str, map: &MapData) -> Result<PathBuf, MapError> {
        let path = PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()));
        map.pin(&path)
            .map_err(|error| MapError::PinError { name: Some(name.to_owned()), error })?;
        Ok(path)
    }
}
