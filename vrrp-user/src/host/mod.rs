//! The machine underneath: links, addresses, routes and rules through rtnetlink, the firewall through nftables,
//! and the daemon's own traces on it (runtime directory, journals).
//!
//! Nothing here decides anything: callers say what shall be on which interface and learn what came
//! of it. Everything that talks to the kernel is asynchronous and belongs on the tokio side of the
//! daemon; the pulse never comes here.

mod address;
mod error;
mod firewall;
mod fixture;
mod journal;
mod link;
mod lock;
mod neighbour;
mod netlink;
mod nftables;
mod routing;
mod trace;
mod virtual_mac;
mod watch;

pub use address::{Added, Owned, Placed};
pub use error::{Error, Result};
pub use firewall::{Firewall, Guarded};
pub use fixture::Fixture;
pub use journal::Journal;
pub use link::{Link, LinkAddress, LinkKind};
pub use lock::RuntimeDir;
pub use neighbour::Neighbour;
pub use netlink::Host;
pub(crate) use netlink::messages;
pub use nftables::Removals;
pub use routing::{Directive, Laid, Numbers, RouteInterest, RoutingPlace, Sort, Unready};
pub use trace::Trace;
pub use virtual_mac::{Filter, Macvlan};
pub use watch::{Change, RoutingChange, RoutingNews, watch};

#[cfg(test)]
pub(crate) mod testing {
    //! A directory of one test.

    use std::path::{Path, PathBuf};

    /// Exists as long as the value lives.
    pub(crate) struct TempDir(PathBuf);

    impl TempDir {
        /// `name` must differ between the tests of one process.
        pub(crate) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xvrrp-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        pub(crate) fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for TempDir {
        fn drop(&mut self) {
            // A directory that stays behind spoils no other test.
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }
}
