//! The controller of xvrrp: everything but the kernel program and the command line.
//!
//! Read it from the pure to the impure: [`config`], [`election`] and [`auth`] touch nothing; [`datapath`],
//! [`host`], [`exec`] and [`announce`] touch the kernel; [`pulse`] keeps the promise of the protocol on a
//! thread of its own; [`track`] watches what virtual routers depend on; [`daemon`] puts them together and [`api`] shows them.

pub mod announce;
pub mod api;
pub mod auth;
pub mod check;
pub mod daemon;
pub mod datapath;
pub mod election;
pub mod exec;
pub mod host;
pub mod notify;
pub mod pulse;
pub mod sys;
pub mod track;

pub use vrrp_config as config;
