//! The daemon's Unix socket: `status`, `stop` and `handover`.
//!
//! Requests and answers are JSON, one per line, on `xvrrp.sock` in the runtime directory, which
//! only the daemon's user may open.

mod client;
mod server;
mod status;
mod table;
mod wire;

pub use client::{ClientError, hand_over, status, stop};
pub use server::{Daemon, Server, remove_socket};
pub use status::{Class, Family, Pulse, RouterStatus, State, timestamp};
pub use table::table;
