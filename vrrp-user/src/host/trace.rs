//! What else than addresses the daemon changes on the host, with what it takes to undo it.

use std::{fs, io::ErrorKind, path::PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, Filter, Host, Link, LinkKind, Macvlan, Result};

/// One change of ours.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Trace {
    /// A MAC that was added to a unicast filter.
    Filter(Filter),
    /// An interface that was made.
    Macvlan(Macvlan),
    /// A file below /proc/sys that was written.
    Sysctl {
        /// The file.
        path: PathBuf,
        /// What it said before.
        before: String,
        /// What was written.
        ours: String,
    },
}

impl Trace {
    /// What it takes to write `ours` into the sysctl `path` and to undo that; `None` where it says so
    /// already.
    pub fn sysctl(path: PathBuf, ours: &str) -> Result<Option<Self>> {
        let before = fs::read_to_string(&path).map_err(Error::file("read", &path))?;
        let before = before.trim();
        let (before, ours) = (before.to_owned(), ours.to_owned());
        Ok((before != ours).then_some(Self::Sysctl { path, before, ours }))
    }
}

impl Host {
    /// Makes a change. `false` if it turned out that it had been made before us, so that it is not
    /// ours to undo.
    pub async fn apply(&self, trace: &Trace) -> Result<bool> {
        match trace {
            Trace::Filter(filter) => self.add_filter(filter).await,
            Trace::Macvlan(macvlan) => self.add_macvlan(macvlan).await.map(|()| true),
            Trace::Sysctl { path, ours, .. } => {
                fs::write(path, ours).map_err(Error::file("write", path)).map(|()| true)
            }
        }
    }

    /// Undoes a change, as far as it is still as we left it. `links` are those of now.
    pub async fn undo(&self, trace: &Trace, links: &[Link]) -> Result<()> {
        match trace {
            Trace::Filter(filter) => {
                let is_it =
                    |link: &Link| link.index == filter.index && link.name == filter.interface;
                if links.iter().any(is_it) { self.remove_filter(filter).await } else { Ok(()) }
            }
            Trace::Macvlan(macvlan) => match links.iter().find(|link| macvlan.is(link)) {
                Some(link) => self.remove_link(link.index).await,
                None => Ok(()),
            },
            Trace::Sysctl { path, before, ours } => match fs::read_to_string(path) {
                Ok(now) if now.trim() == ours => {
                    fs::write(path, before).map_err(Error::file("write", path))
                }
                Ok(_) => Ok(()),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
                Err(error) => Err(Error::file("read", path)(error)),
            },
        }
    }
}

impl Macvlan {
    /// Whether an interface is the one that was made.
    pub fn is(&self, link: &Link) -> bool {
        link.name == self.name && link.mac == Some(self.mac) && link.kind == LinkKind::Macvlan
    }
}
