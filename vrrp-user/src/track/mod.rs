//! What virtual routers depend on besides their own interface: scripts, files, processes, other
//! interfaces (keepalived's `track_*`).
//!
//! [`files`], [`processes`] and [`scripts`] watch; what they see are [`Observation`]s on one channel.
//! [`weigh`] says what follows from all of them for a virtual router, without a clock and without asking
//! anybody.

pub mod files;
pub mod processes;
pub mod scripts;
pub mod weigh;

use tokio::sync::mpsc;

/// Something with a name of its own that is tracked: its index in the list of the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrackerId {
    /// A `vrrp_script`.
    Script(usize),
    /// A `track_file`.
    File(usize),
    /// A `vrrp_track_process`.
    Process(usize),
}

/// What is known of something that is tracked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Value {
    /// Nothing yet.
    #[default]
    Unknown,
    /// It is as it should be.
    Up,
    /// It is not, and why, in words that follow its name and a colon.
    Down(String),
    /// Nothing yet, which counts as [`Self::Down`]: `init_fail`. With the reason in the same words.
    Presumed(String),
    /// Nothing yet, and nobody waits for it any more: it is as if nobody tracked it until there is
    /// something to know.
    Late,
    /// It cannot be known, and is as if nobody tracked it: a script that may not be run.
    Untracked,
    /// What is in a file.
    Number(i32),
}

impl Value {
    /// False for nothing yet.
    pub const fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown | Self::Presumed(_) | Self::Late)
    }
}

/// News of something that is tracked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Of what.
    pub tracker: TrackerId,
    /// What it is now.
    pub value: Value,
}

/// Where observations go. Whoever watches may wait for room; no observation is lost.
pub type Observer = mpsc::Sender<Observation>;

/// Observations that may wait.
pub const BACKLOG: usize = 1024;
