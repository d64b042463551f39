//! What can be wrong with the kernel side.

use std::io;

use aya::{maps::MapError, programs::ProgramError};

/// Why the kernel side cannot be used. The daemon goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel refused the program or a map: too old, not configured for BPF, or not permitted.
    #[error("the kernel does not take the program: {0}")]
    Load(#[from] aya::EbpfError),
    /// The program was loaded but cannot be used.
    #[error("the kernel does not run the program: {0}")]
    Program(#[from] ProgramError),
    /// A map operation failed: usually a table that is full.
    #[error("a map of the kernel program: {0}")]
    Map(#[from] MapError),
    /// The slots cannot be shared.
    #[error("the slots cannot be mapped: {0}")]
    Memory(#[from] io::Error),
    /// The device does not take the program: a driver without XDP, a kernel without tcx, another
    /// program in the way, or the device is gone.
    #[error("the device does not take the program: {0}")]
    Attach(io::Error),
    /// The kernel does not say what is on the devices, or this changes without end.
    #[error("the programs on the devices cannot be listed: {0}")]
    List(io::Error),
    /// The device does not let go of a program: the device is gone, or somebody was quicker.
    #[error("the program cannot be taken off the device: {0}")]
    Detach(io::Error),
    /// The object that was built in lacks a part. Ours to mend.
    #[error("the kernel program has no {0}")]
    Missing(&'static str),
}
