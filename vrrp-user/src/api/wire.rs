//! What goes over the socket.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Event, Reloaded, RouterStatus};

/// Longest request, in octets with its newline.
pub(super) const MAX_REQUEST: usize = 4096;

/// Such as `{"command":"status"}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(super) enum Request {
    /// The state of all virtual routers.
    Status,
    /// What happens from now on.
    Events {
        /// Every advert, too.
        adverts: bool,
    },
    /// Read the configuration again, and go on with it.
    Reload,
    /// End the daemon in good order.
    Stop,
    /// End the daemon, and leave all to the one that comes next.
    Handover,
}

/// Such as `{"status":[…]}`, `{"event":{…}}`,
/// `{"reloaded":{…}}`, `{"stopped":{}}` or `{"error":"…"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Answer {
    /// To `Status`.
    Status(Vec<RouterStatus>),
    /// To `Events`, again and again until the connection ends.
    Event(Event),
    /// To `Reload`, when all is done.
    Reloaded(Reloaded),
    /// To `Stop` and `Handover`, when all is done. The last answer on a connection.
    Stopped {},
    /// The request was not understood, or not carried out as it should have been.
    Error(String),
}

/// The socket of the daemon that has claimed the runtime directory `dir`.
pub(super) fn socket_path(dir: &Path) -> PathBuf {
    dir.join("xvrrp.sock")
}
