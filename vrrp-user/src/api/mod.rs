//! The daemon's Unix socket: `status` and `stop`.
//!
//! Requests and answers are JSON, one per line, on `xvrrp.sock` in the runtime directory, which
//! only the daemon's user may open.

mod client;
mod server;
mod status;
mod table;
mod wire;

pub use client::{ClientError, status, stop};
pub use server::{Daemon, Server};
pub use status::{Class, Family, Pulse, RouterStatus, State, timestamp};
pub use table::table;
