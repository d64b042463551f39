//! A laboratory of network namespaces for VRRP daemons.
//!
//! A [`Lab`] is a learning bridge, some nodes and a client, each in a namespace of its own. A
//! [`Router`] is a VRRP daemon on a node: ours, keepalived or FRR. The client observes: a [`Capture`]
//! sees every frame with the kernel's time stamp, a [`Prober`] asks for a virtual address each
//! millisecond, [`Lab::answerers`] asks each node at its own MAC.
//!
//! Everything needs root. What a lab made is removed when it is dropped, by
//! [`remove_on_signals`] when the process is interrupted, and by the next lab when the process was
//! killed.

mod answers;
mod bench;
mod capture;
mod command;
mod config;
pub mod configurations;
mod failover;
mod footprint;
mod frr;
pub mod fuzz;
pub mod interop;
mod journal;
mod lab;
pub mod ledger;
mod netns;
mod node;
mod pcap;
mod ping;
mod probe;
mod process;
mod router;
mod sys;
mod takeover;
pub mod tcp;
mod times;
pub mod vectors;
pub mod web;
pub mod wire;

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};

pub use answers::{Answers, Questions};
pub use bench::{Bench, Subject};
pub use capture::{Capture, Seen};
pub use command::output_of;
pub use config::{Config, seed};
pub use failover::{Cut, Failover, active_down_interval, skew_time};
pub use footprint::{BpfObjects, Footprint};
pub use frr::add_interface as add_frr_interface;
pub use journal::Journal;
pub use lab::{Lab, remove_on_signals};
pub use netns::Namespace;
pub use node::{Guest, Node};
pub use ping::Pings;
pub use probe::Prober;
pub use process::{Line, Process, Signal};
pub use router::{Daemon, Lateness, Launch, Pulse, Router, VirtualRouter};
pub use sys::{Flood, Hung, PacketSocket};
pub use takeover::Takeover;
pub use times::Times;
pub use wire::Mac;

/// Looks at `condition` until it holds, for what announces itself by no event (the output of a
/// status command, an address list). Asks each 20 ms, so it is no measure of time.
///
/// # Errors
/// `what` did not happen within `timeout`.
pub fn wait_until(
    what: &str,
    timeout: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + timeout;
    while !condition()? {
        if Instant::now() >= deadline {
            bail!("waited {timeout:?} in vain: {what}");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// Milliseconds from `from` to `to`; negative when `to` came first.
pub fn ms_between(from: SystemTime, to: SystemTime) -> f64 {
    match to.duration_since(from) {
        Ok(later) => later.as_secs_f64() * 1e3,
        Err(earlier) => -earlier.duration().as_secs_f64() * 1e3,
    }
}
