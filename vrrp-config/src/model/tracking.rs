//! What virtual routers are made to depend on: scripts, files, processes, interfaces, BFD sessions.

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use super::Command;
use crate::Place;

/// How much something that is tracked adds to a priority or takes from it. Zero is more than nothing:
/// the virtual router is in FAULT while what it tracks is down.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Weight {
    points: i16,
    reverse: bool,
}

impl Weight {
    /// The largest weight, of files and processes; of all others it is one less.
    pub const MAX: i16 = 254;

    /// `weight POINTS [reverse]`; `None` outside -254 to 254.
    pub const fn new(points: i16, reverse: bool) -> Option<Self> {
        if points < -Self::MAX || points > Self::MAX {
            return None;
        }
        Some(Self { points, reverse })
    }

    /// Added to the priority while what is tracked is up if above 0, taken from it while it is down
    /// if below.
    pub const fn points(self) -> i16 {
        self.points
    }

    /// `reverse`: up and down change places, and so do more and less.
    pub const fn is_reversed(self) -> bool {
        self.reverse
    }
}

/// Everything that a virtual router or a group tracks. Own interfaces are not in it: they are always
/// tracked, unless there is `dont_track_primary`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrackLists {
    /// `track_interface`, by the names of the interfaces.
    pub interfaces: Vec<Tracked>,
    /// `track_script`, by the names of [`Script`]s.
    pub scripts: Vec<Tracked>,
    /// `track_file`, by the names of [`TrackFile`]s.
    pub files: Vec<Tracked>,
    /// `track_process`, by the names of [`TrackProcess`]es.
    pub processes: Vec<Tracked>,
    /// `track_bfd`, by the names of `bfd_instance` blocks.
    pub bfds: Vec<Tracked>,
}

/// One line of a `track_*` list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// What is tracked. It is defined, and no list has it twice.
    pub name: String,
    /// `weight`, else that of what is tracked.
    pub weight: Weight,
    /// Where the line stands.
    pub span: Place,
}

/// `vrrp_script`: a command that is run again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// The name behind `vrrp_script`.
    pub name: String,
    /// Where that stands.
    pub span: Place,
    /// `script` and `user`. Exit status 0 is a success.
    pub command: Command,
    /// `interval`, from start to start, 1 s.
    pub interval: Duration,
    /// `timeout`: a run that takes longer is killed and has failed. As long as the interval unless
    /// it is given.
    pub timeout: Duration,
    /// `weight`, 0.
    pub weight: Weight,
    /// `rise`: so many successes in succession for up, 1.
    pub rise: NonZeroU32,
    /// `fall`: so many failures in succession for down, 1.
    pub fall: NonZeroU32,
    /// `init_fail`: down until it has been seen up.
    pub init_fail: bool,
}

/// `track_file`: a number in a file, times the weight, is added to the priority. With weight 0 any
/// number but 0 is FAULT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFile {
    /// The name behind `track_file`.
    pub name: String,
    /// Where that stands.
    pub span: Place,
    /// `file`.
    pub path: PathBuf,
    /// `weight`, 1.
    pub weight: Weight,
    /// `init_file`: the file is written at the start.
    pub init: Option<InitFile>,
}

/// `init_file [VALUE] [overwrite]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitFile {
    /// What is written, 0.
    pub value: i32,
    /// Also into a file that is there already.
    pub overwrite: bool,
}

/// `vrrp_track_process`: up while enough processes of a kind are running.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackProcess {
    /// The name behind `vrrp_track_process`.
    pub name: String,
    /// Where that stands.
    pub span: Place,
    /// First word of `process`: the exact name, or the command with `full_command`.
    pub process: String,
    /// The other words of `process`, and `param_match`.
    pub parameters: Parameters,
    /// `full_command`: the command line is compared, not the name. Parameters imply it.
    pub full_command: bool,
    /// `weight`, 0.
    pub weight: Weight,
    /// `quorum`: so many at least, 1-65535, 1.
    pub quorum: u16,
    /// `quorum_max`: no more than that, `None` for no limit. 0: up while there is none.
    pub quorum_max: Option<u16>,
    /// `fork_delay`: how long there have to be enough for up.
    pub fork_delay: Duration,
    /// `terminate_delay`: how long there have to be too few for down.
    pub terminate_delay: Duration,
}

/// Which parameters a tracked process has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Parameters {
    /// Any.
    #[default]
    Any,
    /// These and no others.
    Exact(Vec<String>),
    /// `param_match partial`: these at first, then any.
    First(Vec<String>),
    /// `param_match initial`: these, the last of which may go on.
    Initial(Vec<String>),
}
