//! The system calls that no crate wraps: the only places outside the kernel program where `unsafe`
//! is allowed.

pub mod bpf;
pub mod ethtool;
pub mod memory;
pub mod packet;
pub mod peer;
pub mod process;
pub mod raw;
pub mod readiness;
pub mod sched;
