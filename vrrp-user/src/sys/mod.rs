//! The system calls that no crate wraps, and what they take: the only places outside the kernel program
//! where `unsafe` is allowed.

pub mod bpf;
pub mod ethtool;
pub mod filter;
pub mod memory;
pub mod packet;
pub mod peer;
pub mod process;
pub mod raw;
pub mod readiness;
pub mod sched;
