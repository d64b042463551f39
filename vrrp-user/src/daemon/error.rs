//! What can go wrong with the daemon as a whole.

use crate::{datapath, host};

/// Why the daemon cannot start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration has no virtual router that this version can run.
    #[error("the configuration has no virtual router to run: see `xvrrp check`")]
    NothingToRun,
    /// Whoever started us lacks the right to open raw sockets or to change addresses.
    #[error("adverts and addresses need CAP_NET_RAW and CAP_NET_ADMIN: run xvrrp as root")]
    NotPermitted,
    /// The machine does not let us.
    #[error(transparent)]
    Host(#[from] host::Error),
    /// A thread, socket or signal handler could not be set up.
    #[error("{what}: {error}")]
    Setup {
        /// What was to be set up.
        what: &'static str,
        /// What the system says.
        error: std::io::Error,
    },
    /// The pulse thread has ended without being told. A bug of ours.
    #[error("the pulse thread has died; the addresses have been removed")]
    PulseDied,
    /// The pulse thread was told to end, and hangs or has died over it. A bug of ours.
    #[error("the pulse thread did not end as it was told to; the addresses have been removed")]
    EndedBadly,
    /// The kernel tells no more of links and addresses.
    #[error("the netlink socket failed; the addresses have been removed")]
    Deaf,
    /// The kernel does not let go of what the last daemon has left.
    #[error("what the last daemon has left in the kernel: {0}")]
    Heritage(#[from] datapath::Error),
    /// The process that does the work cannot be started, or dies again and again.
    #[error("the daemon died {deaths} times in a row; what it left has been removed")]
    DiesAgain {
        /// How often.
        deaths: u32,
    },
}

impl Error {
    /// Exit status of a worker that ends with such an error ([`Self::is_worth_another_try`]):
    /// EX_SOFTWARE of sysexits.h.
    pub const EXIT_CODE: u8 = 70;

    /// True when a new process may fare better.
    pub const fn is_worth_another_try(&self) -> bool {
        matches!(self, Self::PulseDied | Self::Deaf)
    }

    pub(super) fn setup(what: &'static str) -> impl FnOnce(std::io::Error) -> Self {
        move |error| Self::Setup { what, error }
    }
}
