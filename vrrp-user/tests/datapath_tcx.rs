//! The tables of the XDP program once more, through the program of the tcx hook: see `PROGRAM` of
//! `datapath_support`. They need root.

#![allow(
    clippy::duplicate_mod,
    reason = "each table is a test program of its own, with its support"
)]

#[path = "datapath_advert.rs"]
mod advert;
#[path = "datapath_arp.rs"]
mod arp;
#[path = "datapath_deferred.rs"]
mod deferred;
#[path = "datapath_gate.rs"]
mod gate;
#[path = "datapath_ipv6.rs"]
mod ipv6;
#[path = "datapath_orphan.rs"]
mod orphan;
#[path = "datapath_reports.rs"]
mod reports;
#[path = "datapath_vmac.rs"]
mod vmac;
