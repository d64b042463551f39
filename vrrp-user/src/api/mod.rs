//! The daemon's Unix socket: `status`, `events`, `reload`, `stop` and `handover`.
//!
//! Requests, answers and events are JSON, one per line, on `xvrrp.sock` in the runtime directory, which
//! only the daemon's user may open.

mod client;
mod event;
mod reloaded;
mod server;
mod status;
mod table;
mod wire;

pub use client::{ClientError, Events, events, hand_over, reload, status, stop};
pub use event::{Event, Fate, Following, HeardBy, NOBODY, What};
pub use reloaded::Reloaded;
pub use server::{Daemon, Server, remove_socket};
pub use status::{Class, Family, Pulse, RouterStatus, State, timestamp};
pub use table::table;
