//! What can go wrong on the host, and whose fault it is.

use std::{io, net::IpAddr, path::PathBuf};

use rustix::io::Errno;

/// Result of the functions of this module.
pub type Result<T> = std::result::Result<T, Error>;

/// An operation on the host that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The kernel gave us no netlink socket: missing privileges or file descriptors.
    #[error("cannot open a netlink socket: {0}")]
    Socket(Errno),
    /// The netlink socket failed later on; requests that were under way have no answer.
    #[error("the netlink connection to the kernel is gone")]
    ConnectionLost,
    /// The kernel refuses to list links or addresses.
    #[error("cannot list {what}: {errno}")]
    List {
        /// `links` or `addresses`.
        what: &'static str,
        /// The kernel's answer.
        errno: Errno,
    },
    /// Links or addresses changed during each of several attempts to list them.
    #[error("cannot list {what}: they change too fast")]
    Unsteady {
        /// `links` or `addresses`.
        what: &'static str,
    },
    /// The kernel refuses to add or remove an address.
    #[error("cannot {action} {address}/{prefix} on {interface}: {errno}")]
    Address {
        /// `add` or `remove`.
        action: &'static str,
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// Name of the interface.
        interface: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The kernel has no nf_tables, or not for both families.
    #[error("the kernel has no nf_tables")]
    NoFirewall,
    /// The kernel refuses a change of our nftables table: usually missing privileges, or a table of
    /// this name that belongs to another process.
    #[error("nftables: {0}")]
    Firewall(Errno),
    /// The kernel refuses a change to its interfaces, their filters or its neighbours.
    #[error("cannot {action} {what}: {errno}")]
    Change {
        /// What was attempted, such as `add`.
        action: &'static str,
        /// To what.
        what: String,
        /// The kernel's answer.
        errno: Errno,
    },
    /// An interface that was just made is gone again: somebody removes it.
    #[error("{interface} was removed as soon as it was made")]
    Vanished {
        /// Its name.
        interface: String,
    },
    /// There is no interface with this name.
    #[error("there is no interface {interface}")]
    NoInterface {
        /// The name.
        interface: String,
    },
    /// A file or directory of ours cannot be used.
    #[error("cannot {action} {}: {errno}", path.display())]
    File {
        /// What was attempted, such as `create`.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The kernel's answer.
        errno: Errno,
    },
    /// The process was started by hand in place of its supervisor.
    #[error("`--worker` is for the supervisor, which has claimed {}", dir.display())]
    NotClaimed {
        /// The directory.
        dir: PathBuf,
    },
    /// Another daemon uses the same runtime directory.
    #[error("another xvrrp{} runs in {}; give this one its own --runtime-dir", PidSuffix(*pid), dir.display())]
    AlreadyRunning {
        /// Its process, unless it has not written that down yet.
        pid: Option<u32>,
        /// The directory.
        dir: PathBuf,
    },
}

impl Error {
    /// For use in `map_err`: the failed `action` on the file `path`.
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |error| Self::File { action, path, errno: errno(&error) }
    }
}

/// The error number; EIO for the few errors that Rust makes up itself, such as a short write.
pub(super) fn errno(error: &io::Error) -> Errno {
    Errno::from_io_error(error).unwrap_or(Errno::IO)
}

struct PidSuffix(Option<u32>);

impl std::fmt::Display for PidSuffix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (process {pid})"),
            None => Ok(()),
        }
    }
}
