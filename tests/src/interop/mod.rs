//! The interoperation matrix: xvrrp and another VRRP daemon as the two routers of one virtual
//! router, each protocol in each role.
//!
//! A [`Row`] is a peer and a protocol, a [`Role`] is a column. A cell is green when all that a
//! third host can see is right and nobody complains; a cell that is not green is tried between two
//! daemons of the peer's kind, because what they cannot do with each other is not our mistake.

mod rows;
mod script;
mod segment;

use std::thread;

pub use rows::{Row, rows};

use crate::Daemon;
use script::{Failure, Played, Step};

/// What xvrrp does beside the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It has the higher priority: it is MASTER, and the peer follows.
    Master,
    /// The peer has the higher priority, and we follow.
    Backup,
    /// The MASTER's host dies: the other one takes over in time. Once we are the MASTER, once the
    /// peer is; as in all roles that follow.
    Takeover,
    /// The better one returns: it becomes MASTER again, and the other one yields in silence.
    Return,
    /// The MASTER is stopped: it resigns with priority 0, and the other one follows at once.
    Stop,
}

impl Role {
    /// All of them, in the order of the columns.
    pub const ALL: [Self; 5] =
        [Self::Master, Self::Backup, Self::Takeover, Self::Return, Self::Stop];

    /// The heading of the column.
    pub const fn heading(self) -> &'static str {
        match self {
            Self::Master => "we are master",
            Self::Backup => "we are backup",
            Self::Takeover => "takeover",
            Self::Return => "return",
            Self::Stop => "graceful stop",
        }
    }
}

/// The contents of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It works.
    Green,
    /// It does not, but between two of the peer's kind it does, or it could not be tried; the
    /// reason, with both logs.
    Red(String),
    /// It does not work between two of the peer's kind either.
    FailsForThemToo {
        /// What failed with us.
        ours: String,
        /// What failed without us.
        theirs: String,
    },
}

impl Row {
    /// Fills the cells of the row, in the order of [`Role::ALL`]. Takes up to half a minute.
    pub fn run(&self) -> [Verdict; 5] {
        let (as_master, as_backup) = thread::scope(|scope| {
            let as_backup = scope.spawn(|| Played::new(self, [self.peer, Daemon::Xvrrp]));
            let as_master = Played::new(self, [Daemon::Xvrrp, self.peer]);
            (as_master, as_backup.join())
        });
        let panicked = || Failure::Broken("panic, see above".into());
        let as_backup = as_backup.unwrap_or_else(|_| Played::failed(&panicked()));
        let ours = cells(&as_master, &as_backup);
        if ours.iter().all(Result::is_ok) {
            return ours.map(|_| Verdict::Green);
        }
        let without_us = Played::new(self, [self.peer, self.peer]);
        let mut theirs = cells(&without_us, &without_us).into_iter();
        ours.map(|ours| match (ours, theirs.next()) {
            (Ok(()), _) => Verdict::Green,
            (Err(Failure::Wrong(ours)), Some(Err(Failure::Wrong(theirs)))) => {
                Verdict::FailsForThemToo { ours, theirs }
            }
            (Err(ours), _) => Verdict::Red(ours.into_reason()),
        })
    }
}

/// The steps of both casts, as columns.
fn cells(as_master: &Played, as_backup: &Played) -> [Step; 5] {
    let both = |step: fn(&Played) -> &Step| step(as_master).clone().and(step(as_backup).clone());
    Role::ALL.map(|role| match role {
        Role::Master => as_master.settled.clone(),
        Role::Backup => as_backup.settled.clone(),
        Role::Takeover => both(|played| &played.taken_over),
        Role::Return => both(|played| &played.returned),
        Role::Stop => both(|played| &played.stopped),
    })
}
