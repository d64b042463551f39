//! Waiting for a descriptor of somebody else's type.
#![expect(unsafe_code, reason = "tokio asks for a promise about the descriptor")]

use std::{
    io,
    os::fd::{AsFd, OwnedFd},
};

use tokio::io::unix::AsyncFd;

/// Tells when a descriptor, such as a ring buffer's, becomes readable.
pub struct Readiness(AsyncFd<OwnedFd>);

impl Readiness {
    /// Watches a duplicate of `descriptor` on the current tokio runtime.
    pub fn of(descriptor: &impl AsFd) -> io::Result<Self> {
        Self::new(descriptor.as_fd().try_clone_to_owned()?)
    }

    /// Watches a descriptor on the current tokio runtime.
    pub fn new(descriptor: OwnedFd) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` that nobody else can reach is the same open descriptor until it is
        // dropped.
        Ok(Self(unsafe { AsyncFd::register(descriptor) }?))
    }

    /// Waits until there may be something to read, again for each time that the kernel says so.
    pub async fn wait(&self) -> io::Result<()> {
        self.0.readable().await?.clear_ready();
        Ok(())
    }
}
