//! What the kernel program and the controller must agree on: the wire formats, the receive ladder
//! of RFC 9568 7.1, and the layout of the shared maps.
//!
//! `no_std`, no `unsafe`, no allocation: the same code runs in the kernel program, behind the raw
//! sockets of the controller, and in the tests.

#![no_std]

pub mod abi;
pub mod frame;
pub mod ladder;
pub mod types;
pub mod wire;

pub use frame::{Frame, FrameMut};
pub use types::{Addr, AdverInterval, Family, Priority, Version, Vrid};
